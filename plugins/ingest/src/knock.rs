//! Tries a camera's port while its next dial is far off, so that it plays soon after it is back.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel};
use std::time::Duration;

use sluice_core::{Scheme, SourceUri};

use crate::supervisor::Input;

const INTERVAL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_millis(700);

/// A port being tried; dropping it ends that.
pub(crate) struct Knock {
    _running: Sender<()>,
}

impl Knock {
    /// Tries the source's port until it opens, if the source is reached over TCP. Only a port that was seen
    /// closed is told of: one that is open and refuses us is not to be hammered.
    pub(crate) fn start(
        source: usize,
        uri: &SourceUri,
        supervisor: SyncSender<Input>,
    ) -> Option<Self> {
        if !matches!(
            uri.scheme(),
            Scheme::Rtsp
                | Scheme::Rtsps
                | Scheme::Http
                | Scheme::Https
                | Scheme::Whep
                | Scheme::Wheps
        ) {
            return None;
        }
        let (host, port) = (uri.host()?.to_owned(), uri.port()?);
        let (running, ended) = channel::<()>();
        std::thread::Builder::new()
            .name("sluice-knock".to_owned())
            .spawn(move || {
                let mut was_closed = false;
                while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let open = is_open(&host, port);
                    if open && was_closed {
                        supervisor
                            .send(Input::Reachable { source })
                            .unwrap_or_default();
                        break;
                    }
                    was_closed |= !open;
                }
            })
            .ok()?;
        Some(Self { _running: running })
    }
}

/// What the operating system calls it, and what that means.
const CAUSES: &[(ErrorKind, &str)] = &[
    (
        ErrorKind::ConnectionRefused,
        "refused the connection: nothing listens at that port",
    ),
    (
        ErrorKind::TimedOut,
        "does not answer: it is switched off, or a firewall is in between",
    ),
    (
        ErrorKind::HostUnreachable,
        "cannot be reached: there is no route to it",
    ),
    (
        ErrorKind::NetworkUnreachable,
        "cannot be reached: there is no route to it",
    ),
];

/// Says what an error of a connection means.
pub(crate) fn cause(kind: ErrorKind) -> Option<&'static str> {
    CAUSES
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, words)| *words)
}

/// Says why a source cannot be connected to; rtspsrc itself calls everything a "generic error". Blocks for as
/// long as a connection may take; `None` when the port is open.
pub(crate) fn diagnose(uri: &SourceUri) -> Option<&'static str> {
    if !is_over_tcp(uri.scheme()) {
        return None;
    }
    let Ok(addresses) = (uri.host()?, uri.port()?).to_socket_addrs() else {
        return Some("cannot be reached: its host name is unknown");
    };
    let mut cause = None;
    for address in addresses {
        let error = TcpStream::connect_timeout(&address, PATIENCE).err()?;
        cause = Some(self::cause(error.kind()).unwrap_or("cannot be connected to"));
    }
    cause
}

const fn is_over_tcp(scheme: Scheme) -> bool {
    matches!(
        scheme,
        Scheme::Rtsp | Scheme::Rtsps | Scheme::Http | Scheme::Https
    )
}

fn is_open(host: &str, port: u16) -> bool {
    (host, port).to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
    })
}
