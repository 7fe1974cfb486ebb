//! The one listener: HTTP/1.1, and with TLS also HTTP/2; slow clients cost a slot and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use sluice_core::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::access::Peer;
use super::error::Refusal;

/// So many connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 4096;
/// A client has this long for its first byte, for the TLS handshake, and for each request's headers.
const PATIENCE: Duration = Duration::from_secs(10);
/// After an error of accepting (out of file descriptors), the next try comes after this long.
const BREATH: Duration = Duration::from_millis(100);
/// The first byte of every TLS connection (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// Serves until `stop`; then answers what was begun, and ends.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<ServerConfig>>,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Some(Ok(slot)) = stop
            .run_until_cancelled(Arc::clone(&slots).acquire_owned())
            .await
        else {
            break;
        };
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else {
            break;
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection {
                    router: router.clone(),
                    peer,
                    stop: stop.clone(),
                };
                let tls = tls.clone();
                connections.spawn(async move {
                    connection.run(stream, tls).await;
                    drop(slot);
                });
            }
            Err(cause) => {
                tracing::warn!(%cause, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    stop: CancellationToken,
}

impl Connection {
    async fn run(mut self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        // Answers are small; waiting for more to send would only delay them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let mut first = [0];
        let Ok(Ok(1)) = timeout(PATIENCE, stream.peek(&mut first)).await else {
            return;
        };
        let Some(tls) = tls else {
            return self.http1(stream).await;
        };
        if first != [HANDSHAKE] {
            self.router = Router::new().fallback(to_https);
            return self.http1(stream).await;
        }
        match timeout(PATIENCE, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream).await;
            }
            Ok(Ok(stream)) => self.http1(stream).await,
            Ok(Err(cause)) => tracing::debug!(%cause, "a TLS handshake failed"),
            Err(_elapsed) => {}
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let begun = Arc::new(Notify::new());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service_fn(self.answers(&begun)))
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        self.log(ended);
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let begun = Arc::new(Notify::new());
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .max_concurrent_streams(64)
            .max_header_list_size(32 * 1024);
        let connection =
            builder.serve_connection(TokioIo::new(stream), service_fn(self.answers(&begun)));
        let mut connection = std::pin::pin!(connection);
        // Whoever shakes hands and then asks nothing gets no slot for it.
        let asked = timeout(PATIENCE, async {
            tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = begun.notified() => None,
                () = self.stop.cancelled() => None,
            }
        });
        let ended = match asked.await {
            Err(_elapsed) => return,
            Ok(Some(ended)) => ended,
            Ok(None) => tokio::select! {
                ended = connection.as_mut() => ended,
                () = self.stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            },
        };
        self.log(ended);
    }

    /// Makes what answers the connection's requests; `begun` hears of each.
    fn answers(
        &self,
        begun: &Arc<Notify>,
    ) -> impl Fn(
        hyper::Request<Incoming>,
    ) -> futures::future::BoxFuture<'static, Result<Response, Infallible>>
    + use<> {
        let (router, peer, begun) = (self.router.clone(), Peer(self.peer), Arc::clone(begun));
        move |request| {
            begun.notify_one();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            Box::pin(router.clone().oneshot(request))
        }
    }

    fn log(&self, ended: Result<(), hyper::Error>) {
        if let Err(cause) = ended {
            tracing::debug!(%cause, "a connection broke");
        }
    }
}

/// Answers plain HTTP on the port of HTTPS: a page is led there; what may carry a secret is not, since it
/// was sent in the clear and should not have been.
async fn to_https(request: Request) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let to = host.map(|host| format!("https://{host}{}", request.uri().path()));
    match to {
        Some(to) if request.method().is_safe() => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
        _ => Refusal(Problem::new(
            400,
            "This port speaks HTTPS; write https:// in the address.",
        ))
        .into_response(),
    }
}
