//! What is known of a request before anybody is asked.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, VIA};
use axum::http::{HeaderMap, Method, Uri};
use sluice_core::access::{
    Client, Credentials, Proxies, Relation, Site, is_own_name, without_tokens,
};

use crate::config::AccessConfig;

/// The other end of a request's connection; the listener writes it into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Headers that only proxies write.
const FROM_PROXIES: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What is known of a request.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) client: Client,
    /// Its `Host` is one of this gateway's names.
    pub(super) own_name: bool,
    pub(super) relation: Relation,
    pub(super) credentials: Credentials,
    pub(super) method: Method,
}

impl Facts {
    pub(super) fn of(request: &Request, access: &AccessConfig) -> Self {
        let headers = request.headers();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let client = peer.map_or(NOWHERE, |peer| client(peer, headers, &access.proxies));
        let trusted = peer.is_some_and(|peer| access.proxies.trusts(peer));
        let forwarded = header(headers, "x-forwarded-host").filter(|_| trusted);
        let host = forwarded
            .or_else(|| header(headers, HOST.as_str()))
            .or_else(|| {
                request
                    .uri()
                    .authority()
                    .map(|authority| authority.as_str())
            });
        let site = Site {
            origin: header(headers, ORIGIN.as_str()),
            fetch_site: header(headers, "sec-fetch-site"),
            host,
        };
        Self {
            client,
            own_name: host.is_some_and(|host| is_own_name(host, &access.host_names)),
            relation: access.origins.relation(site),
            credentials: credentials(headers, request.uri()),
            method: request.method().clone(),
        }
    }

    /// Whether the request may change something.
    pub(super) fn is_mutation(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// Without a connection there is no address that a rule could fit.
const NOWHERE: Client = Client {
    address: IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    hidden: true,
};

fn client(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> Client {
    let lines: Option<Vec<_>> = headers
        .get_all(proxies.header.name())
        .iter()
        .map(|value| value.to_str().ok())
        .collect();
    let forwarded =
        headers.contains_key(VIA) || FROM_PROXIES.iter().any(|name| headers.contains_key(*name));
    // A line that is no text is a hop that says nothing.
    proxies.client(peer, &lines.unwrap_or_else(|| vec![""]), forwarded)
}

fn credentials(headers: &HeaderMap, uri: &Uri) -> Credentials {
    match headers.get(AUTHORIZATION) {
        Some(value) => Credentials::read(Some(value.to_str().unwrap_or_default()), None),
        None => Credentials::read(None, uri.query()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Takes tokens out of the address, so that nothing behind can show them.
pub(super) fn clean(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let kept = without_tokens(query);
    if kept.as_deref() == Some(query) {
        return None;
    }
    let path = match kept {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}
