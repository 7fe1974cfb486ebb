//! The threads that receive for all sessions: one, or several where there are cores for them. What comes from one address
//! comes to one of them, in its order.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::TcpListener;
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{RecvMeta, UdpSockRef};
use sluice_core::ice_lite::{Place, Protocol};

use super::mux::{Mux, Udp};
use super::stats::count;
use super::tcp::{Connection, Ended, Reader};

/// How often the sessions' time is moved on.
const TICK: Duration = Duration::from_millis(250);

/// Datagrams, or trains of them, that one call takes.
const BATCH: usize = 8;

/// The longest train that the kernel puts together (`UDP_GRO`).
const TRAIN: usize = 64 << 10;

/// Calls for one socket until the others get their turn.
const ROUND: usize = 16;

/// A connection whose peer has not proved itself by then is closed.
const PROOF: Duration = Duration::from_secs(10);

/// Connections at a time. Further ones are closed at once.
const CONNECTIONS: usize = 4096;

/// Of these, whose peers have not proved themselves. The oldest one gives way.
const STRANGERS: usize = 256;

/// Tokens of connections begin here; UDP sockets and listeners stand below.
const FIRST: usize = 16;
const LISTENERS: usize = 8;

/// More have nothing to do: one takes the reports of some thousand viewers.
pub const MOST_THREADS: usize = 16;

/// Of the machine's cores, so many are left to others for each thread.
const CORES: usize = 4;

/// How many are wanted; 0: as the cores allow.
static WANTED: AtomicUsize = AtomicUsize::new(0);

/// Sets how many threads receive at a port that is opened from now on; `None`: one for each four cores, at most four.
pub fn receive_with(threads: Option<usize>) {
    WANTED.store(threads.unwrap_or(0).min(MOST_THREADS), Relaxed);
}

/// Gives how many there are to be.
pub(super) fn threads() -> usize {
    match WANTED.load(Relaxed) {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            (cores / CORES).clamp(1, 4)
        }
        wanted => wanted,
    }
}

struct Stream {
    connection: Arc<Connection>,
    reader: Reader,
    known: bool,
}

struct Receiver {
    mux: Arc<Mux>,
    /// Which of them. The first one has the connections and the sessions' time as well.
    number: usize,
    poll: Poll,
    listeners: Vec<mio::net::TcpListener>,
    streams: HashMap<usize, Stream>,
    next: usize,
}

/// Starts them. They run until the process ends.
///
/// # Errors
///
/// There are no more threads or descriptors.
pub(super) fn start(mux: &Arc<Mux>, listeners: Vec<TcpListener>, threads: usize) -> io::Result<()> {
    for number in 1..threads {
        start_one(mux, Vec::new(), number)?;
    }
    start_one(mux, listeners, 0)
}

fn start_one(mux: &Arc<Mux>, listeners: Vec<TcpListener>, number: usize) -> io::Result<()> {
    let poll = Poll::new()?;
    for (index, udp) in own(mux, number).enumerate() {
        let fd = udp.socket.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(index), Interest::READABLE)?;
    }
    let listeners = listeners.into_iter().map(mio::net::TcpListener::from_std);
    let mut listeners: Vec<_> = listeners.collect();
    for (index, listener) in listeners.iter_mut().enumerate() {
        let token = Token(LISTENERS + index);
        poll.registry()
            .register(listener, token, Interest::READABLE)?;
    }
    let receiver = Receiver {
        mux: Arc::clone(mux),
        number,
        poll,
        listeners,
        streams: HashMap::new(),
        next: FIRST,
    };
    std::thread::Builder::new()
        .name("sluice-media".to_owned())
        .spawn(move || receiver.run())
        .map(drop)
}

/// Gives the sockets of one receiver.
fn own(mux: &Mux, number: usize) -> impl Iterator<Item = &Udp> {
    mux.udp.iter().filter(move |udp| udp.receiver == number)
}

impl Receiver {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut memory = vec![0; BATCH * TRAIN];
        let mut due = Instant::now() + TICK;
        // Readiness is told once: a socket that was not read to its end stays in here.
        let mut unread = vec![false; own(&self.mux, self.number).count()];
        loop {
            let wait = if unread.contains(&true) {
                Some(Duration::ZERO)
            } else if self.number == 0 {
                Some(due.saturating_duration_since(Instant::now()))
            } else {
                None
            };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media port cannot be read");
                return;
            }
            for event in &events {
                let index = event.token().0;
                match unread.get_mut(index) {
                    Some(unread) => *unread = true,
                    None if index < FIRST => self.accept(index - LISTENERS),
                    None => self.on_stream(index, event.is_writable()),
                }
            }
            for (udp, unread) in own(&self.mux, self.number).zip(&mut unread) {
                if *unread {
                    *unread = receive(&self.mux, udp, &mut memory);
                }
            }
            let now = Instant::now();
            if self.number == 0 && now >= due {
                due = now + TICK;
                self.mux.on_time(now);
                self.close_strangers(now);
            }
        }
    }

    fn accept(&mut self, listener: usize) {
        loop {
            let Some(listener) = self.listeners.get(listener) else {
                return;
            };
            let (mut stream, remote) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Out of descriptors, most of all: whoever waits is taken at the next event.
                    tracing::warn!(%error, "a TCP connection for media is not taken");
                    return;
                }
            };
            count(&self.mux.counters.connections);
            self.make_room();
            if self.streams.len() >= CONNECTIONS {
                count(&self.mux.counters.dismissed);
                continue;
            }
            let token = self.next;
            self.next += 1;
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered = self
                .poll
                .registry()
                .register(&mut stream, Token(token), both);
            let id = token as u64;
            let connection =
                registered.and_then(|()| Connection::new(id, stream, remote, Instant::now()));
            match connection {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    self.mux.connect(id, &connection);
                    let stream = Stream {
                        connection,
                        reader: Reader::default(),
                        known: false,
                    };
                    self.streams.insert(token, stream);
                }
                Err(error) => tracing::debug!(%error, "a TCP connection ends at once"),
            }
        }
    }

    /// Lets the oldest stranger go where there are too many.
    fn make_room(&mut self) {
        let strangers = self.streams.iter().filter(|(_, stream)| !stream.known);
        if strangers.clone().count() < STRANGERS {
            return;
        }
        let oldest = strangers.min_by_key(|(_, stream)| stream.connection.since);
        if let Some(token) = oldest.map(|(token, _)| *token) {
            self.dismiss(token);
        }
    }

    fn close_strangers(&mut self, now: Instant) {
        let strangers = self.streams.iter().filter(|(_, stream)| {
            !stream.known && now.saturating_duration_since(stream.connection.since) >= PROOF
        });
        let strangers: Vec<usize> = strangers.map(|(token, _)| *token).collect();
        for token in strangers {
            self.dismiss(token);
        }
    }

    fn dismiss(&mut self, token: usize) {
        count(&self.mux.counters.dismissed);
        self.close(token);
    }

    fn on_stream(&mut self, token: usize, writable: bool) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        let (mux, place, now) = (&self.mux, stream.connection.place, Instant::now());
        let read = stream.reader.read(&stream.connection, |packet| {
            mux.on_packet(packet, place, now)
        });
        stream.known = stream.known || mux.is_known(place);
        let flushed = if writable {
            stream.connection.flush()
        } else {
            Ok(())
        };
        if let Err(error) = read.and_then(|()| flushed.map_err(Into::into)) {
            tracing::debug!(%error, "a TCP connection for media ends");
            match error {
                Ended::Frame(_nonsense) => self.dismiss(token),
                Ended::Closed | Ended::Io(_) => self.close(token),
            }
        }
    }

    fn close(&mut self, token: usize) {
        let Some(stream) = self.streams.remove(&token) else {
            return;
        };
        let place = stream.connection.place;
        if let Protocol::Tcp(id) = place.protocol {
            self.mux.disconnect(id, place);
        }
        // A sender that has it at this moment finds it shut.
        if let Err(error) = stream.connection.stream.shutdown(std::net::Shutdown::Both) {
            tracing::trace!(%error, "it was shut already");
        }
    }
}

/// Takes what has come; says whether there may be more.
fn receive(mux: &Mux, udp: &Udp, memory: &mut [u8]) -> bool {
    let mut metas = [RecvMeta::default(); BATCH];
    for _call in 0..ROUND {
        let mut chunks = memory.chunks_mut(TRAIN).map(IoSliceMut::new);
        let Some(mut buffers) = next_buffers(&mut chunks) else {
            return false;
        };
        let socket = UdpSockRef::from(&udp.socket);
        let count = match udp.state.recv(socket, &mut buffers, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // What earlier packets met with, such as ICMP's "port unreachable": nothing that was received.
            Err(_error) => continue,
        };
        let now = Instant::now();
        for (buffer, meta) in buffers.iter().zip(&metas).take(count) {
            let place = Place {
                protocol: Protocol::Udp,
                remote: meta.addr,
                local: meta.dst_ip,
            };
            let bytes = buffer.get(..meta.len).unwrap_or_default();
            for packet in bytes.chunks(meta.stride.max(1)) {
                mux.on_packet(packet, place, now);
            }
        }
    }
    true
}

fn next_buffers<'a>(
    chunks: &mut impl Iterator<Item = IoSliceMut<'a>>,
) -> Option<[IoSliceMut<'a>; BATCH]> {
    let buffers: Vec<_> = chunks.take(BATCH).collect();
    buffers.try_into().ok()
}
