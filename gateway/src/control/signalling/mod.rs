//! `/ws`: GStreamer's signalling protocol. What messages mean is decided by `sluice-core`; sockets and sessions are
//! here.

mod names;
mod session;
mod socket;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use parking_lot::Mutex;
use sluice_core::problem::Problem;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Rights;
use super::error::Refusal;
use crate::supervisor::Paths;

/// Sockets at a time; each may hold a message of 256 KiB.
const SOCKETS: usize = 512;
/// Of one client, or of one IPv6 network of 64 bits.
const OF_CLIENT: usize = 64;
/// The connection changes its protocol within this time, or never.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
/// Who found no room tries again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// The sockets of one gateway.
#[derive(Debug)]
pub struct Sockets {
    tasks: TaskTracker,
    stop: CancellationToken,
    clients: Mutex<HashMap<IpAddr, usize>>,
}

impl Sockets {
    /// Makes it, without a socket.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            clients: Mutex::default(),
        })
    }

    /// Closes all and waits, at most `grace`. Returns how many were not closed by then.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.stop.cancel();
        self.tasks.close();
        // Late or not, the count says it.
        drop(tokio::time::timeout(grace, self.tasks.wait()).await);
        self.tasks.len()
    }

    fn take_slot(self: &Arc<Self>, client: IpAddr) -> Result<Slot, Problem> {
        let client = network(client);
        let mut clients = self.clients.lock();
        let all: usize = clients.values().sum();
        let of_client = clients.get(&client).copied().unwrap_or(0);
        if all >= SOCKETS || of_client >= OF_CLIENT {
            let sentence = "there are too many sockets; close some, or try again in a few seconds";
            return Err(Problem::new(503, sentence).retry_after(RETRY));
        }
        clients.insert(client, of_client + 1);
        drop(clients);
        Ok(Slot {
            sockets: Arc::clone(self),
            client,
        })
    }
}

/// One socket's place.
struct Slot {
    sockets: Arc<Sockets>,
    client: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut clients = self.sockets.clients.lock();
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[derive(Debug, Clone)]
struct Shared {
    paths: Arc<Paths>,
    sockets: Arc<Sockets>,
}

/// Makes the route.
pub(super) fn route(paths: &Arc<Paths>, sockets: &Arc<Sockets>) -> Router {
    Router::new().route("/ws", get(upgrade)).with_state(Shared {
        paths: Arc::clone(paths),
        sockets: Arc::clone(sockets),
    })
}

async fn upgrade(State(shared): State<Shared>, mut request: Request) -> Response {
    let Some(rights) = request.extensions_mut().remove::<Rights>() else {
        // Only the guard gives rights; without it nobody has any.
        let sentence = "nobody may use this; the gateway has no guard";
        return Refusal(Problem::new(403, sentence)).into_response();
    };
    let Some(accept) = accept_key(request.headers()) else {
        return no_websocket();
    };
    let slot = match shared.sockets.take_slot(rights.address()) {
        Ok(slot) => slot,
        Err(problem) => return Refusal(problem).into_response(),
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let stop = shared.sockets.stop.clone();
    let paths = Arc::clone(&shared.paths);
    shared.sockets.tasks.spawn(async move {
        match tokio::time::timeout(UPGRADE_WITHIN, upgraded).await {
            Ok(Ok(upgraded)) => socket::run(upgraded, paths, rights, stop).await,
            Ok(Err(cause)) => tracing::debug!(%cause, "a connection did not become a socket"),
            Err(_elapsed) => tracing::debug!("a connection did not become a socket in time"),
        }
        drop(slot);
    });
    switching(accept)
}

/// Reads the handshake (RFC 6455, 4.2.1).
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let names = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter();
        let mut words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let is_upgrade = names(CONNECTION, "upgrade") && names(UPGRADE, "websocket");
    let version = headers.get(SEC_WEBSOCKET_VERSION)?;
    let key = headers.get(SEC_WEBSOCKET_KEY)?;
    (is_upgrade && version == "13").then(|| derive_accept_key(key.as_bytes()))
}

fn switching(accept: String) -> Response {
    let Ok(accept) = HeaderValue::try_from(accept) else {
        return no_websocket();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn no_websocket() -> Response {
    let sentence =
        "This address speaks WebSocket, version 13, over HTTP/1.1: GStreamer's signalling.";
    let mut response = Refusal(Problem::new(426, sentence)).into_response();
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}
