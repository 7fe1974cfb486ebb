//! The last flight of our side of the DTLS handshake.
//!
//! webrtcbin is connected as soon as the handshake is over, and takes media from then on; but what dtlsenc has
//! still to send waits for a thread of its own. Media that are pushed at that moment overtake it, and the peer,
//! which has no keys yet, drops them (measured on 1.22, two cores busy: one viewer of 50 got its session's last
//! flight behind the whole cached group). Nobody asks again for packets that came before the first one that
//! was understood, so such a viewer sees nothing before the next key frame.

use std::sync::Arc;

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::dtls;

type Act = Box<dyn FnOnce() + Send>;

/// Knows whether the flight has left.
#[derive(Clone, Default)]
pub(super) struct LastFlight(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    #[default]
    Awaited,
    /// With what is to be done then.
    AwaitedBy(Act),
    Left,
}

impl LastFlight {
    /// Looks at what comes to the element that sends datagrams.
    pub(super) fn watch(&self, sink: &gst::Pad) {
        let flight = self.clone();
        sink.add_probe(gst::PadProbeType::BUFFER, move |_pad, info| {
            let datagram = info.buffer().and_then(|buffer| buffer.map_readable().ok());
            if !datagram.is_some_and(|datagram| dtls::is_encrypted(&datagram)) {
                return gst::PadProbeReturn::Ok;
            }
            // The pad's stream lock is held until this datagram is sent: what is pushed from now on comes after it.
            flight.leave();
            gst::PadProbeReturn::Remove
        });
    }

    /// Calls `act` once the flight has left, or at once if it has; `act` must not block.
    pub(super) fn then(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        if let State::Left = *state {
            drop(state);
            act();
        } else {
            *state = State::AwaitedBy(Box::new(act));
        }
    }

    fn leave(&self) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Left);
        if let State::AwaitedBy(act) = before {
            act();
        }
    }
}

impl std::fmt::Debug for LastFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LastFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    const HELLO: &[u8] = &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    const FINISHED: &[u8] = &[22, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1];

    struct Bench {
        flight: LastFlight,
        sink: gst::Pad,
        done: Arc<AtomicUsize>,
        /// How often it was done when each datagram was sent.
        seen: Arc<Mutex<Vec<usize>>>,
    }

    fn bench() -> Bench {
        gst::init().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let seen = Arc::<Mutex<Vec<usize>>>::default();
        let (at, note) = (done.clone(), seen.clone());
        let sink = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_pad, _parent, _buffer| {
                note.lock().push(at.load(SeqCst));
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        sink.set_active(true).unwrap();
        sink.send_event(gst::event::StreamStart::new("test"));
        sink.send_event(gst::event::Segment::new(&gst::FormattedSegment::<
            gst::ClockTime,
        >::new()));
        let flight = LastFlight::default();
        flight.watch(&sink);
        Bench {
            flight,
            sink,
            done,
            seen,
        }
    }

    impl Bench {
        fn send(&self, datagram: &'static [u8]) {
            self.sink.chain(gst::Buffer::from_slice(datagram)).unwrap();
        }

        fn act(&self) {
            let done = self.done.clone();
            self.flight.then(move || {
                done.fetch_add(1, SeqCst);
            });
        }
    }

    #[test]
    fn media_wait_for_the_last_flight() {
        let bench = bench();
        bench.send(HELLO);
        bench.act();
        bench.send(HELLO);
        bench.send(FINISHED);
        bench.send(FINISHED);
        assert_eq!(*bench.seen.lock(), [0, 0, 1, 1]);
        assert_eq!(bench.done.load(SeqCst), 1);
    }

    #[test]
    fn media_that_come_after_it_wait_for_nothing() {
        let bench = bench();
        bench.send(HELLO);
        bench.send(FINISHED);
        bench.act();
        assert_eq!(bench.done.load(SeqCst), 1);
    }
}
