//! The connection to a camera: one socket, waited for by one thread, and what wakes that.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::burst::Burst;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// Room for what came and is not taken apart yet: the largest packet is 64 KiB.
const ROOM: usize = 256 << 10;
/// How much of ours may wait for a camera that does not read. Requests and reports are small.
const MOST_UNSENT: usize = 64 << 10;
/// A wait of at least this long was one: what came then had not lain here.
const WAITED: Duration = Duration::from_micros(200);

/// Ends the thread of a wire, from any other.
pub(super) struct Stop {
    stopped: AtomicBool,
    burst: Burst,
    waker: Waker,
}

impl Stop {
    /// Asks the thread to end. Does not wait.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.burst.wake();
        // Without it, the next packet or the next keep-alive wakes the thread.
        self.waker.wake().unwrap_or_default();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Rests, unless asked to end or to be quicker.
    fn rest(&self, limit: Duration) {
        self.burst.rest(limit, || self.is_stopped());
    }
}

/// Where the thread waits.
pub(super) struct Waiting {
    poll: Poll,
    events: Events,
    pub(super) stop: Arc<Stop>,
}

impl Waiting {
    pub(super) fn new(burst: &Burst) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let stop = Stop {
            stopped: AtomicBool::new(false),
            burst: burst.clone(),
            waker,
        };
        Ok(Self {
            poll,
            events: Events::with_capacity(4),
            stop: Arc::new(stop),
        })
    }

    /// Waits for the socket until `limit`.
    fn wait(&mut self, limit: Option<Instant>) -> io::Result<News> {
        let before = Instant::now();
        let left = limit.map(|limit| limit.saturating_duration_since(before));
        match self.poll.poll(&mut self.events, left) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let of_socket = || self.events.iter().filter(|event| event.token() == SOCKET);
        Ok(News {
            woken: Some(Instant::now()).filter(|now| *now - before >= WAITED),
            came: of_socket().next().is_some(),
            is_last: of_socket().any(mio::event::Event::is_read_closed),
        })
    }
}

/// What ended a wait.
struct News {
    /// When it ended, if it was one.
    woken: Option<Instant>,
    /// The socket has something, or room.
    came: bool,
    /// The camera sends no more than it has.
    is_last: bool,
}

/// A connection, with what came of it and what has yet to go.
pub(super) struct Wire {
    socket: TcpStream,
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    unsent: Vec<u8>,
    /// The socket may have more than was read.
    has_more: bool,
    /// The end may be behind what was read: no edge tells of it again.
    is_ending: bool,
}

/// What a turn brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Bytes, or none in time.
    Read {
        /// When the first of them came, if they were waited for.
        woken: Option<Instant>,
        bytes: usize,
    },
    /// The camera has closed the connection.
    Closed,
    Stopped,
}

impl Wire {
    /// Connects to the first address of a host that answers. May ask DNS; all else ends with `Stop::stop`, and is then
    /// `None`.
    pub(super) fn connect(
        host: &str,
        port: u16,
        waiting: &mut Waiting,
    ) -> io::Result<Option<Self>> {
        let mut error = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in (host, port).to_socket_addrs()? {
            match Self::connect_to(address, waiting) {
                Ok(wire) => return Ok(wire),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    fn connect_to(address: SocketAddr, waiting: &mut Waiting) -> io::Result<Option<Self>> {
        let mut socket = TcpStream::connect(address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        waiting
            .poll
            .registry()
            .register(&mut socket, SOCKET, interest)?;
        loop {
            waiting.wait(None)?;
            if waiting.stop.is_stopped() {
                return Ok(None);
            }
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::NotConnected => {}
                Err(error) => return Err(error),
            }
        }
        socket.set_nodelay(true)?;
        Ok(Some(Self {
            socket,
            bytes: vec![0; ROOM].into(),
            start: 0,
            end: 0,
            unsent: Vec::new(),
            has_more: false,
            is_ending: false,
        }))
    }

    /// Gives what came and was not used yet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Lets go of the first bytes.
    pub(super) fn used(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Says whether there is no room for the rest of a piece.
    pub(super) fn is_full(&self) -> bool {
        self.end - self.start == self.bytes.len()
    }

    /// Waits until something comes or `limit`, and reads it. `rest` is what the rest of a burst gets to come, so that it
    /// is read at once.
    pub(super) fn turn(
        &mut self,
        waiting: &mut Waiting,
        limit: Option<Instant>,
        rest: Duration,
    ) -> io::Result<Turn> {
        let mut woken = None;
        if !self.has_more {
            let news = waiting.wait(limit)?;
            woken = news.woken;
            self.has_more = news.came;
            self.is_ending |= news.is_last;
            self.flush()?;
        }
        if waiting.stop.is_stopped() {
            return Ok(Turn::Stopped);
        }
        if !self.has_more {
            return Ok(Turn::Read { woken, bytes: 0 });
        }
        let rest = if woken.is_some() {
            rest
        } else {
            Duration::ZERO
        };
        self.read_after(waiting, rest, woken)
    }

    /// Rests, and reads what has come, without waiting for anything.
    pub(super) fn read_after(
        &mut self,
        waiting: &Waiting,
        rest: Duration,
        woken: Option<Instant>,
    ) -> io::Result<Turn> {
        if !rest.is_zero() {
            waiting.stop.rest(rest);
        }
        match self.read()? {
            Some(0) => Ok(Turn::Closed),
            read => Ok(Turn::Read {
                woken,
                bytes: read.unwrap_or_default(),
            }),
        }
    }

    /// Reads once. The socket is told of by edges: only one that is seen empty is waited for.
    fn read(&mut self) -> io::Result<Option<usize>> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let size = room.len();
        match self.socket.read(room) {
            Ok(count) => {
                self.end += count;
                self.has_more = count == size || self.is_ending;
                Ok(Some(count))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.has_more = false;
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends, or keeps for later what the socket does not take.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unsent.len() + bytes.len() > MOST_UNSENT {
            return Err(ErrorKind::TimedOut.into());
        }
        self.unsent.extend(bytes);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says goodbye, and takes what is still on its way for a moment: a socket that is closed with bytes in it would take
    /// the goodbye back.
    pub(super) fn close(mut self, goodbye: Option<&[u8]>, waiting: &mut Waiting, grace: Duration) {
        let Some(goodbye) = goodbye else { return };
        if self.send(goodbye).is_err() || self.socket.shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        let limit = Instant::now() + grace;
        self.has_more = true;
        while Instant::now() < limit {
            self.used(usize::MAX / 2);
            match self.read() {
                Ok(Some(0)) | Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) if waiting.wait(Some(limit)).is_err() => return,
                Ok(None) => {}
            }
        }
    }
}
