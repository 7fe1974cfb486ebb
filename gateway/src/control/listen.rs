//! Opens the one port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::config::Listen;

/// The port could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another program has it.
    #[error(
        "Port {port} is in use by another program; stop that one, or choose another port with `listen` in the config or --listen."
    )]
    InUse {
        /// The port.
        port: u16,
    },
    /// The system refused it.
    #[error(
        "Cannot listen on {listen} ({cause}); choose an address of this machine and a port above 1023."
    )]
    Refused {
        /// As it was asked for.
        listen: Listen,
        /// The system's words.
        #[source]
        cause: io::Error,
    },
}

/// Opens the port; with no host, on every address, IPv4 and IPv6.
///
/// # Errors
/// One sentence for the person who started Sluice.
pub async fn bind(listen: Listen) -> Result<TcpListener, ListenError> {
    let everywhere = [
        IpAddr::from(Ipv6Addr::UNSPECIFIED),
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
    ];
    let hosts = listen
        .host
        .as_ref()
        .map_or(&everywhere[..], std::slice::from_ref);
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for host in hosts {
        match TcpListener::bind(SocketAddr::new(*host, listen.port)).await {
            Ok(listener) => return Ok(listener),
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
                return Err(ListenError::InUse { port: listen.port });
            }
            // A machine without IPv6 refuses the first.
            Err(cause) => failed = cause,
        }
    }
    Err(ListenError::Refused {
        listen,
        cause: failed,
    })
}

/// Finds the addresses that other machines of the network reach this one by, without sending anything.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    // Connecting a UDP socket asks the routing table and no more; the targets are for documentation.
    let routes = [
        (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), "192.0.2.1:9"),
        (
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            "[2001:db8::1]:9",
        ),
    ];
    routes
        .into_iter()
        .filter_map(|(from, to)| {
            let socket = std::net::UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_a_remedy() {
        let first = bind(Listen {
            host: None,
            port: 0,
        })
        .await
        .unwrap();
        let port = first.local_addr().unwrap().port();
        for host in [None, Some(IpAddr::from(Ipv4Addr::LOCALHOST))] {
            let error = bind(Listen { host, port }).await.unwrap_err().to_string();
            assert!(error.contains(&format!("Port {port} is in use")), "{error}");
        }
    }
}
