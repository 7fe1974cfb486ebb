//! What a dial tells the supervisor.

use std::sync::mpsc::SyncSender;

use crate::failure::Fault;
use crate::supervisor::Input;

/// What happened on a dial.
#[derive(Debug)]
pub(crate) enum DialEvent {
    /// The first data are here.
    Arrived,
    /// All tracks are known.
    Gathered,
    /// It broke.
    Failed(Fault),
    /// Its frames go out in place of another dial's.
    TookOver,
    /// The source said that it is over.
    Ended,
    /// No RTP came over UDP; from here on this source is dialled over TCP.
    FellBackToTcp,
    /// Everything of the dial is torn down.
    Gone,
}

/// The way from one dial to the supervisor. Bounded; a sender waits for room, the supervisor never for a sender.
#[derive(Clone)]
pub(crate) struct Reports {
    sender: SyncSender<Input>,
    dial: u64,
}

impl Reports {
    pub(crate) const fn new(sender: SyncSender<Input>, dial: u64) -> Self {
        Self { sender, dial }
    }

    pub(crate) const fn dial(&self) -> u64 {
        self.dial
    }

    /// Tells the supervisor. Without one (the element is stopping) the event is of no interest.
    pub(crate) fn send(&self, event: DialEvent) {
        self.sender
            .send(Input::Dial {
                dial: self.dial,
                event,
            })
            .unwrap_or_default();
    }
}
