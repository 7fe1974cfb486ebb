//! POST and DELETE to another server. All of it blocks.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use sluice_core::Failure;
use sluice_core::link::IceServer;
use sluice_core::relay::{Direction, Endpoint, Refusal, ice_servers, refused};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Error};

/// Longer answers are not read.
const LONGEST: u64 = 64 * 1024;

/// More redirects than this lead nowhere.
const REDIRECTS: usize = 5;

/// How long a server may take for the end of a session: whoever waits wants to be gone.
const GOODBYE: Duration = Duration::from_secs(1);

/// A server that made a session.
pub(crate) struct Created {
    /// Its answer, unread.
    pub(crate) answer: String,
    /// Where the session is ended; `None` when the server did not say.
    pub(crate) session: Option<Endpoint>,
    /// What it gives its clients to find a way.
    pub(crate) ice_servers: Vec<IceServer>,
}

/// How to reach a server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    direction: Direction,
}

impl Client {
    /// Makes a client that trusts whom the system trusts, or only the authorities in `ca_file`.
    pub(crate) fn new(
        direction: Direction,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, Refusal> {
        let roots = match ca_file {
            None => RootCerts::PlatformVerifier,
            Some(file) => RootCerts::Specific(Arc::new(authorities(direction, file)?)),
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .new_agent();
        Ok(Self { agent, direction })
    }

    /// POSTs an offer, through redirects that keep the method (307, 308).
    pub(crate) fn post(&self, endpoint: &Endpoint, offer: &str) -> Result<Created, Refusal> {
        let mut endpoint = endpoint.clone();
        for _ in 0..REDIRECTS {
            let mut request = self
                .agent
                .post(endpoint.url())
                .header("content-type", "application/sdp")
                .header("accept", "application/sdp");
            if let Some(authorization) = endpoint.authorization() {
                request = request.header("authorization", authorization);
            }
            let mut reply = request
                .send(offer)
                .map_err(|error| unreachable(self.direction, &error))?;
            let body = reply
                .body_mut()
                .with_config()
                .limit(LONGEST)
                .read_to_string();
            let status = reply.status();
            let headers = reply.headers();
            if matches!(status.as_u16(), 307 | 308) {
                let location = text(headers, "location").unwrap_or_default();
                endpoint = endpoint.at(location).map_err(|what| self.odd(&what))?;
                continue;
            }
            // By its class: what exactly a server calls its success is its own business.
            if !status.is_success() || status == StatusCode::NO_CONTENT {
                let detail = body.ok().and_then(|body| detail(&body));
                let after = text(headers, "retry-after");
                return Err(refused(
                    self.direction,
                    status.as_u16(),
                    after,
                    detail.as_deref(),
                ));
            }
            let answer = body.map_err(|error| unreachable(self.direction, &error))?;
            let session = text(headers, "location").and_then(|at| endpoint.at(at).ok());
            let links = headers.get_all("link").iter();
            let ice_servers = ice_servers(links.filter_map(|value| value.to_str().ok()));
            return Ok(Created {
                answer,
                session,
                ice_servers,
            });
        }
        Err(refused(self.direction, 308, None, None))
    }

    /// Ends a session. Whether it worked is of no consequence: the server notices the silence too.
    pub(crate) fn delete(&self, session: &Endpoint) {
        let mut request = self
            .agent
            .delete(session.url())
            .config()
            .timeout_global(Some(GOODBYE))
            .build();
        if let Some(authorization) = session.authorization() {
            request = request.header("authorization", authorization);
        }
        if let Err(error) = request.call() {
            let error = error.to_string();
            tracing::debug!(error = %sluice_core::redact(&error), "the session was not ended by DELETE");
        }
    }

    fn odd(&self, what: &str) -> Refusal {
        Refusal::new(
            Failure::NotFound,
            format!("{} {what}.", self.direction.subject()),
        )
    }
}

fn authorities(direction: Direction, file: &Path) -> Result<Vec<Certificate<'static>>, Refusal> {
    let found: Vec<_> = std::fs::read(file)
        .map(|pem| {
            parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    Ok(_) | Err(_) => None,
                })
                .collect()
        })
        .unwrap_or_default();
    if found.is_empty() {
        return Err(Refusal::new(
            Failure::Unauthorized,
            format!(
                "{} cannot be trusted: the CA file holds no certificate that can be read.",
                direction.subject()
            ),
        ));
    }
    Ok(found)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What a problem document (RFC 9457) says, or a short plain text.
fn detail(body: &str) -> Option<String> {
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(document) => document
            .get("detail")
            .or_else(|| document.get("title"))
            .and_then(|detail| detail.as_str())
            .map(ToOwned::to_owned),
        Err(_) if !body.contains('<') && body.len() <= 200 => Some(body.to_owned()),
        Err(_) => None,
    }
}

/// Says why there was no reply at all, without the address.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "ureq has 25 kinds of error; these are the ones that a person can act on"
)]
fn unreachable(direction: Direction, error: &Error) -> Refusal {
    const NO_TRUST: &str = "has a TLS certificate that is not trusted; set ca_file";
    let (failure, words) = match error {
        Error::HostNotFound => (
            Failure::Unreachable,
            "cannot be reached: its host name is unknown",
        ),
        Error::ConnectionFailed => (Failure::Unreachable, "cannot be connected to"),
        Error::Timeout(_) => (Failure::Unreachable, "did not answer in time"),
        Error::BodyExceedsLimit(_) => (
            Failure::NotFound,
            "answered with more than 64 KiB, which is no answer to an offer",
        ),
        Error::Rustls(rustls::Error::InvalidCertificate(_)) => (Failure::Unauthorized, NO_TRUST),
        Error::Rustls(_) | Error::Tls(_) => (Failure::Unauthorized, "does not speak TLS as we do"),
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => (
                Failure::Unreachable,
                "refused the connection: nothing listens at that port",
            ),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => (
                Failure::Unreachable,
                "cannot be reached: there is no route to it",
            ),
            ErrorKind::TimedOut => (Failure::Unreachable, "did not answer in time"),
            // rustls tells ureq of a bad certificate inside an I/O error.
            ErrorKind::InvalidData if error.to_string().contains("certificate") => {
                (Failure::Unauthorized, NO_TRUST)
            }
            ErrorKind::InvalidData => (Failure::Unauthorized, "does not speak TLS as we do"),
            _ => (Failure::Lost, "broke the connection"),
        },
        Error::Protocol(_) | Error::Http(_) => {
            (Failure::NotFound, "does not speak HTTP at this address")
        }
        _ => (Failure::Lost, "broke the connection"),
    };
    Refusal::new(failure, format!("{} {words}.", direction.subject()))
}
