//! The fan-out with pads of our own in place of webrtcbin's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::{Condvar, Mutex};
use sluice_core::{GroupLimits, SessionId};

use super::{Class, FanOut, Lane, Looks, Member, Notice, Passed};
use crate::packetize::{Frame, Packet};

const PATIENCE: Duration = Duration::from_secs(10);

/// What arrived at a viewer: sequence numbers, with the instant.
type Arrivals = Receiver<(u16, Instant)>;

fn fanout() -> (FanOut, Receiver<(Notice, Instant)>) {
    gst::init().unwrap();
    let (tell, notices) = channel();
    let listener = Box::new(move |notice| drop(tell.send((notice, Instant::now()))));
    let fanout = FanOut::start(GroupLimits::default(), listener).unwrap();
    (fanout, notices)
}

fn frame(number: u16, key: bool) -> Frame {
    Frame {
        track: 1,
        packets: vec![Packet {
            marker: true,
            sequence: number,
            timestamp: u32::from(number) * 3000,
            ssrc: 7,
            payload: gst::Buffer::from_slice(vec![0; 100]),
        }],
        at: Duration::from_millis(u64::from(number) * 33),
        video: true,
        key,
        gap: false,
        bytes: 100,
    }
}

fn member(name: u8, pad: gst::Pad) -> Arc<Member> {
    let lane = Lane {
        track: 1,
        video: true,
        clock_rate: 90_000,
        ssrc: 7,
        sent: Passed::default(),
        looks: Looks::new(Class {
            payload_type: 102,
            mid: Some((4, "0".to_owned())),
        }),
        again: None,
        pad,
        short: Arc::default(),
    };
    Member::new(SessionId::from_random([name; 16]), vec![lane])
}

fn open(pad: &gst::Pad) {
    pad.set_active(true).unwrap();
    pad.send_event(gst::event::StreamStart::builder("test").build());
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    pad.send_event(gst::event::Segment::new(&segment));
}

/// A pad that hands what comes to `take`.
fn sink(
    take: impl Fn(gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> + Send + Sync + 'static,
) -> gst::Pad {
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_pad, _parent, buffer| take(buffer))
        .event_function(|_, _, _| true)
        .build();
    open(&pad);
    pad
}

fn viewer(name: u8) -> (Arc<Member>, Arrivals) {
    let (tell, arrivals) = channel();
    let pad = sink(move |buffer| {
        let mut header = [0; 4];
        buffer.copy_to_slice(0, &mut header).unwrap();
        let [_, _, s0, s1] = header;
        let _sent = tell.send((u16::from_be_bytes([s0, s1]), Instant::now()));
        Ok(gst::FlowSuccess::Ok)
    });
    (member(name, pad), arrivals)
}

/// A viewer whose pad takes nothing, until it is flushed.
fn stuck_viewer(name: u8) -> Arc<Member> {
    let flushed = Arc::new((Mutex::new(false), Condvar::new()));
    let flush = flushed.clone();
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_pad, _parent, _buffer| {
            let mut is_flushed = flushed.0.lock();
            while !*is_flushed {
                flushed.1.wait(&mut is_flushed);
            }
            Err(gst::FlowError::Flushing)
        })
        .event_function(move |_pad, _parent, event| {
            if event.type_() == gst::EventType::FlushStart {
                *flush.0.lock() = true;
                flush.1.notify_all();
            }
            true
        })
        .build();
    open(&pad);
    member(name, pad)
}

#[test]
fn a_viewer_is_told_where_a_stream_belongs_until_it_reports_on_it() {
    let (fanout, _notices) = fanout();
    let (tell, sizes) = channel();
    let pad = sink(move |buffer| {
        let _sent = tell.send(buffer.size());
        Ok(gst::FlowSuccess::Ok)
    });
    let member = member(1, pad);
    fanout.join(member.clone());
    assert!(fanout.push(frame(0, true)));
    let named = sizes.recv_timeout(PATIENCE).unwrap();
    member.lanes[0].looks.on_report();
    assert!(fanout.push(frame(1, false)));
    let plain = sizes.recv_timeout(PATIENCE).unwrap();
    // The extension's head, and the name in a word.
    assert_eq!(named - plain, 8);
}

// Its own connection, its own loss: the others get every frame, and the source is not asked for more.
#[test]
fn a_viewer_whose_connection_is_full_goes_on_at_the_next_key_frame() {
    let (fanout, notices) = fanout();
    let (good, all) = viewer(1);
    let (choked, arrivals) = viewer(2);
    let full = Arc::new(AtomicBool::new(false));
    choked.watch_choke(full.clone());
    let numbers = |arrivals: &Arrivals, count: u16| -> Vec<u16> {
        let next = |_| arrivals.recv_timeout(PATIENCE).unwrap().0;
        (0..count).map(next).collect()
    };
    assert!(fanout.push(frame(0, true)));
    fanout.join(choked.clone());
    fanout.join(good);
    assert_eq!(numbers(&all, 1), [0]);
    assert_eq!(numbers(&arrivals, 1), [0]);
    // Taken for frame 1, which comes back to the thread as not taken; or is not sent, if the cached group still is.
    full.store(true, Relaxed);
    for number in 1..=12 {
        assert!(fanout.push(frame(number, number.is_multiple_of(10))));
    }
    assert_eq!(numbers(&all, 12), (1..=12).collect::<Vec<_>>());
    let left_out = u16::try_from(choked.frames_left_out()).unwrap();
    assert!((8..=9).contains(&left_out), "{left_out}");
    // Without a gap in the numbers.
    let sent = 12 - left_out;
    assert_eq!(numbers(&arrivals, sent), (1..=sent).collect::<Vec<_>>());
    assert!(!full.load(Relaxed));
    let asked = notices.try_iter();
    let asked = asked.filter(|(notice, _)| matches!(notice, Notice::NeedKeyFrame(_)));
    assert_eq!(asked.count(), 0);
}

#[test]
fn a_viewer_who_takes_nothing_is_evicted_and_the_others_go_on() {
    let (fanout, notices) = fanout();
    let (good, arrivals) = viewer(1);
    let bad = stuck_viewer(2);
    assert!(fanout.push(frame(0, true)));
    fanout.join(bad.clone());
    fanout.join(good);
    let begun = Instant::now();
    for number in 1..=30 {
        assert!(fanout.push(frame(number, false)));
    }
    for expected in 0..=30 {
        let (number, _) = arrivals.recv_timeout(PATIENCE).unwrap();
        assert_eq!(number, expected);
    }
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert!(bad.is_evicted());
    let failed = notices.iter().find_map(|(notice, _)| match notice {
        Notice::Failed(id, why) => Some((id, why)),
        Notice::NeedKeyFrame(_) | Notice::Playing(_) => None,
    });
    let (id, why) = failed.unwrap();
    assert_eq!(id, bad.id);
    assert!(why.contains("2 s"), "{why}");
}

#[test]
fn a_viewer_gets_the_cached_group_then_the_live_frames_each_once() {
    let (fanout, notices) = fanout();
    for number in 0..60 {
        assert!(fanout.push(frame(number, number == 20)));
    }
    let (member, arrivals) = viewer(1);
    fanout.join(member.clone());
    for number in 60..70 {
        assert!(fanout.push(frame(number, false)));
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&69) {
        seen.push(arrivals.recv_timeout(PATIENCE).unwrap().0);
    }
    assert_eq!(seen, (20..70).collect::<Vec<_>>());
    let (notice, _) = notices.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(notice, Notice::Playing(id) if id == member.id));
    // A packet is counted after it was taken.
    assert!(member.sent.packets() >= 49);
}

#[test]
fn without_a_cached_group_the_source_is_asked_and_the_key_frame_comes_first() {
    let (fanout, notices) = fanout();
    let (member, arrivals) = viewer(1);
    fanout.join(member);
    let (notice, _) = notices.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(notice, Notice::NeedKeyFrame(1)));
    for number in 5..8 {
        assert!(fanout.push(frame(number, number == 7)));
    }
    assert_eq!(arrivals.recv_timeout(PATIENCE).unwrap().0, 7);
}

#[test]
fn a_storm_of_key_frame_wishes_reaches_the_source_once_a_second() {
    let (fanout, notices) = fanout();
    let (member, arrivals) = viewer(1);
    assert!(fanout.push(frame(0, true)));
    fanout.join(member.clone());
    let (_, first) = arrivals.recv_timeout(PATIENCE).unwrap();
    drop(notices.recv_timeout(PATIENCE).unwrap());
    // It was sent a key frame just before: what it asks for is on its way.
    for _ in 0..50 {
        fanout.want_key_frame(1, member.id.clone());
    }
    let mut asked = Vec::new();
    while asked.len() < 3 {
        fanout.want_key_frame(1, member.id.clone());
        if let Ok((notice, at)) = notices.recv_timeout(Duration::from_millis(5)) {
            assert!(matches!(notice, Notice::NeedKeyFrame(1)));
            asked.push(at);
        }
        assert!(first.elapsed() < PATIENCE);
    }
    let waits: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(asked[0] - first >= Duration::from_millis(950), "{asked:?}");
    assert!(
        waits.iter().all(|wait| *wait >= Duration::from_millis(950)),
        "{waits:?}"
    );
}

#[test]
fn a_viewer_who_left_is_sent_nothing_more() {
    let (fanout, _notices) = fanout();
    let (member, arrivals) = viewer(1);
    assert!(fanout.push(frame(0, true)));
    fanout.join(member.clone());
    assert_eq!(arrivals.recv_timeout(PATIENCE).unwrap().0, 0);
    fanout.leave(&member);
    let weak = Arc::downgrade(&member);
    drop(member);
    assert!(fanout.push(frame(1, true)));
    let (other, others) = viewer(2);
    fanout.join(other);
    assert_eq!(others.recv_timeout(PATIENCE).unwrap().0, 1);
    assert!(weak.upgrade().is_none());
    assert!(arrivals.try_recv().is_err());
}

#[test]
fn a_thinned_viewer_gets_key_frames_without_gaps_and_all_again_from_the_next_one_on() {
    let (fanout, _notices) = fanout();
    let ((slow, thinned), (fast, all)) = (viewer(1), viewer(2));
    // No group is cached: they begin with the first key frame, live.
    fanout.join(slow.clone());
    fanout.join(fast);
    assert!(fanout.push(frame(0, true)));
    let next = |arrivals: &Arrivals| arrivals.recv_timeout(PATIENCE).unwrap().0;
    // A key frame at every tenth. What a viewer gets is known when the other one has all of it.
    let push = |numbers: std::ops::Range<u16>| {
        let begin = numbers.start;
        for number in numbers.clone() {
            assert!(fanout.push(frame(number, number.is_multiple_of(10))));
        }
        let seen: Vec<_> = numbers.map(|_| next(&all)).collect();
        assert_eq!(seen[0], begin);
    };
    assert_eq!((next(&thinned), next(&all)), (0, 0));
    push(1..5);
    assert_eq!(
        thinned.try_iter().map(|(n, _)| n).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );

    slow.thin(true);
    push(5..36);
    // In place of 10, 20 and 30.
    assert_eq!(
        thinned.try_iter().map(|(n, _)| n).collect::<Vec<_>>(),
        [5, 6, 7]
    );

    slow.thin(false);
    push(36..43);
    assert_eq!(
        thinned.try_iter().map(|(n, _)| n).collect::<Vec<_>>(),
        [8, 9, 10]
    );
    assert_eq!(slow.sent.packets(), 11);
}

/// Lets so many in that helpers come.
fn crowd(fanout: &FanOut) -> Vec<Arrivals> {
    let come = |name| {
        let (member, arrivals) = viewer(name);
        fanout.join(member);
        arrivals
    };
    (10..70).map(come).collect()
}

#[test]
fn with_many_viewers_each_gets_every_frame_once_and_in_order() {
    let (fanout, _notices) = fanout();
    let all = crowd(&fanout);
    for number in 0..50 {
        assert!(fanout.push(frame(number, number == 0)));
    }
    for arrivals in &all {
        let next = |_| arrivals.recv_timeout(PATIENCE).unwrap().0;
        assert_eq!(
            (0..50).map(next).collect::<Vec<_>>(),
            (0..50).collect::<Vec<_>>()
        );
    }
    drop(fanout);
    for arrivals in &all {
        assert!(arrivals.try_recv().is_err(), "a frame came twice");
    }
}

// The first one's push waits for the last one's: a single thread would never get there.
#[test]
fn with_many_viewers_the_last_does_not_wait_for_the_first() {
    if std::thread::available_parallelism().map_or(1, usize::from) == 1 {
        return;
    }
    let (fanout, notices) = fanout();
    let (reached, last) = channel();
    let last = Mutex::new(last);
    let waits = sink(move |_buffer| {
        let reached: Result<(), _> = last.lock().recv_timeout(PATIENCE);
        let reached = reached.map_err(|_nobody| gst::FlowError::Error);
        reached.map(|()| gst::FlowSuccess::Ok)
    });
    let breaks = sink(move |_buffer| {
        let _sent = reached.send(());
        Err(gst::FlowError::Error)
    });
    let (waiting, broken) = (member(1, waits), member(2, breaks));
    fanout.join(waiting.clone());
    let _others = crowd(&fanout);
    fanout.join(broken.clone());
    assert!(fanout.push(frame(0, true)));
    let heard = std::iter::from_fn(|| notices.recv_timeout(PATIENCE).ok());
    let mut failed = heard.filter_map(|(notice, _)| match notice {
        Notice::Failed(id, _why) => Some(id),
        Notice::NeedKeyFrame(_) | Notice::Playing(_) => None,
    });
    assert_eq!(failed.next(), Some(broken.id.clone()));
    assert_eq!(waiting.sent.packets(), 1);
}
