//! Connections of peers that UDP does not reach (RFC 6544, passive side).

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::net::TcpStream;
use parking_lot::Mutex;
use sluice_core::ice_lite::{Deframer, FrameError, Place, Protocol, frame};
use socket2::SockRef;

/// What may wait to be sent: half a second at 8 Mbit/s. Whatever is more is lost, as UDP loses it; the peer asks again.
const WAITING: usize = 512 << 10;

/// What the kernel may hold that has not left yet, in bytes. It would take megabytes, which a slow network takes seconds for:
/// all of that time the viewer would be behind.
const UNSENT: u32 = 64 << 10;

/// Read at a time.
const CHUNK: usize = 16 << 10;

/// One connection. Both directions may be used at the same time.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) place: Place,
    pub(super) since: Instant,
    pub(super) stream: TcpStream,
    waiting: Mutex<Vec<u8>>,
}

impl Connection {
    /// Takes one that was accepted; `id` is unique in the process.
    pub(super) fn new(
        id: u64,
        stream: TcpStream,
        remote: SocketAddr,
        now: Instant,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        let local: IpAddr = stream.local_addr()?.ip();
        Ok(Self {
            place: Place {
                protocol: Protocol::Tcp(id),
                remote,
                local: Some(local),
            },
            since: now,
            stream,
            waiting: Mutex::default(),
        })
    }

    /// Sends packets, or leaves them to `flush`; says whether they were taken. Never blocks.
    pub(super) fn send<'a>(&self, packets: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut waiting = self.waiting.lock();
        let before = waiting.len();
        for packet in packets {
            frame(packet, &mut waiting);
        }
        if waiting.len() > WAITING {
            // What has begun to leave must go on; these have not.
            waiting.truncate(before);
            return false;
        }
        before > 0 || self.write(&mut waiting).is_ok()
    }

    /// Sends what waits, now that there is room.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.write(&mut self.waiting.lock())
    }

    fn write(&self, waiting: &mut Vec<u8>) -> io::Result<()> {
        let mut done = 0;
        let result = loop {
            let Some(rest) = waiting.get(done..).filter(|rest| !rest.is_empty()) else {
                break Ok(());
            };
            match (&self.stream).write(rest) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        waiting.drain(..done);
        result
    }
}

/// Why a connection is closed from our side.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the peer closed it")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// The reading side of a connection.
#[derive(Debug, Default)]
pub(super) struct Reader {
    deframer: Deframer,
}

impl Reader {
    /// Reads all that is there, and calls `each` with every packet.
    pub(super) fn read(
        &mut self,
        connection: &Connection,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Ended> {
        let mut chunk = [0; CHUNK];
        loop {
            match (&connection.stream).read(&mut chunk) {
                Ok(0) => return Err(Ended::Closed),
                Ok(length) => {
                    let bytes = chunk.get(..length).unwrap_or_default();
                    self.deframer.take(bytes, &mut each)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
