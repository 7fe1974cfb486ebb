//! What the port has counted. Nothing of it stops anything.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Counted by the threads that receive and send.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Datagrams and packets on connections that came.
    pub(super) received: AtomicU64,
    /// Packets that were no one's: not from a peer that had proved itself, or of no known kind.
    pub(super) strangers: AtomicU64,
    /// Checks that are not answered: unknown user fragment, wrong password, another peer's place.
    pub(super) refused: AtomicU64,
    /// Packets that the kernel, or a connection, did not take in time.
    pub(super) unsent: AtomicU64,
    /// TCP connections that were taken.
    pub(super) connections: AtomicU64,
    /// TCP connections that we closed: the peer did not prove itself, sent nonsense, or there were too many.
    pub(super) dismissed: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// How it stands with one port of media, which all sessions share. Counts are from when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortStatus {
    /// Its number, for UDP and, with `tcp`, for TCP.
    pub port: u16,
    /// Whether peers may come by TCP as well.
    pub tcp: bool,
    /// Sessions whose checks are answered.
    pub sessions: u64,
    /// TCP connections that are open.
    pub connections: u64,
    /// TCP connections that were taken.
    pub connections_taken: u64,
    /// TCP connections that were closed from here: the peer did not prove itself, sent nonsense, or there were too many.
    pub connections_dismissed: u64,
    /// Packets that came, from whomever.
    pub packets_received: u64,
    /// Packets of nobody: not from where a peer has proved itself, or of no known kind. They lead to nothing.
    pub packets_of_strangers: u64,
    /// Connectivity checks that were not answered: unknown user fragment, wrong password, another peer's address.
    pub checks_refused: u64,
    /// Packets that the kernel, or a connection, did not take in time.
    pub packets_unsent: u64,
}

impl Counters {
    /// Gives the counts, with what is known of the port at this moment.
    pub(super) fn status(
        &self,
        (port, tcp): (u16, bool),
        sessions: usize,
        connections: usize,
    ) -> PortStatus {
        let now = |counter: &AtomicU64| counter.load(Relaxed);
        PortStatus {
            port,
            tcp,
            sessions: sessions as u64,
            connections: connections as u64,
            connections_taken: now(&self.connections),
            connections_dismissed: now(&self.dismissed),
            packets_received: now(&self.received),
            packets_of_strangers: now(&self.strangers),
            checks_refused: now(&self.refused),
            packets_unsent: now(&self.unsent),
        }
    }
}
