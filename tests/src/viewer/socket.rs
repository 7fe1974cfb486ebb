//! A viewer's port, which knows when each datagram arrived.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

/// A UDP socket that never blocks.
#[derive(Debug)]
pub(super) struct Socket(UdpSocket);

/// A datagram, by its place in the reader's buffer.
pub(super) struct Arrival {
    pub(super) size: usize,
    pub(super) from: SocketAddr,
    /// When the kernel had it, by the machine's clock since 1970: the reader may look a millisecond later.
    pub(super) at: Duration,
}

impl Socket {
    /// Takes any free port of this address.
    pub(super) fn bind(address: IpAddr) -> Result<Self, String> {
        let socket = UdpSocket::bind((address, 0)).map_err(|e| format!("bind: {e}"))?;
        socket.set_nonblocking(true).map_err(|e| e.to_string())?;
        setsockopt(&socket, ReceiveTimestampns, &true).map_err(|e| e.to_string())?;
        Ok(Self(socket))
    }

    /// Where it is.
    pub(super) fn local(&self) -> Result<SocketAddr, String> {
        self.0.local_addr().map_err(|e| e.to_string())
    }

    /// Sends; a lost datagram is the network's business.
    pub(super) fn send(&self, datagram: &[u8], to: SocketAddr) {
        drop(self.0.send_to(datagram, to));
    }

    /// Reads a datagram, if one is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<Arrival> {
        let mut parts = [IoSliceMut::new(buffer)];
        let mut control = cmsg_space!(TimeSpec);
        let message = recvmsg::<SockaddrStorage>(
            self.0.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        );
        let message = message.ok()?;
        let at = message.cmsgs().ok()?.find_map(|one| {
            if let ControlMessageOwned::ScmTimestampns(at) = one {
                return Some(Duration::from(at));
            }
            None
        });
        let from = message.address?;
        let v4 = from.as_sockaddr_in().copied().map(Into::into);
        let from = v4.map(SocketAddr::V4).or_else(|| {
            let v6 = from.as_sockaddr_in6().copied().map(Into::into);
            v6.map(SocketAddr::V6)
        });
        Some(Arrival {
            size: message.bytes,
            from: from?,
            at: at?,
        })
    }
}
