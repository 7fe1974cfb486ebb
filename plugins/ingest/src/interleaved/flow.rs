//! From packets to pads: which time each gets, and all of a turn as one list per track.

use std::time::Instant;

use gst::prelude::*;
use sluice_core::rtsp::Stream;
use sluice_core::rtsp::reception::{INTERVAL, Reception, Sent, reports};
use sluice_core::rtsp::timing::Timing;

use super::Interleaved;
use super::tracks::Track;
use crate::source::CAT;

/// RTP's fixed header (RFC 3550, 5.1).
const HEADER: usize = 12;

/// When a packet came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) now: Instant,
    /// The element's running time, in ns.
    pub(super) running: u64,
    /// It was waited for: it has lain in no buffer of ours.
    pub(super) is_prompt: bool,
}

/// The tracks that were set up.
pub(super) struct Flow {
    lanes: Vec<Lane>,
    timing: Timing,
    /// The tracks of this turn, as they came.
    order: Vec<usize>,
    /// Who we are in reports.
    ssrc: u32,
    report_due: Instant,
}

struct Lane {
    pad: gst::Pad,
    payload: u8,
    reception: Reception,
    list: Option<gst::BufferList>,
    is_video: bool,
    is_within_frame: bool,
    has_begun: bool,
    has_ended: bool,
}

impl Flow {
    /// Makes the pads of these tracks, and says that there are no more.
    pub(super) fn open(element: &Interleaved, tracks: &[Track], dial: u64, now: Instant) -> Self {
        let lanes = tracks.iter().enumerate();
        let lanes = lanes.map(|(number, track)| Lane {
            pad: pad(element, &format!("{dial}/{number}"), &track.caps),
            payload: track.payload,
            reception: Reception::default(),
            list: None,
            is_video: track.is_video,
            is_within_frame: false,
            has_begun: false,
            has_ended: false,
        });
        let lanes = lanes.collect();
        element.no_more_pads();
        let rates: Vec<_> = tracks.iter().map(|track| track.rate).collect();
        Self {
            lanes,
            timing: Timing::new(&rates),
            order: Vec::new(),
            ssrc: ssrc(),
            report_due: now + INTERVAL,
        }
    }

    /// Takes what the answer to PLAY says of the tracks' first packets.
    pub(super) fn on_playing(&mut self, begins: &[Option<u32>]) {
        for (track, begin) in begins.iter().enumerate() {
            if let Some(rtp) = begin {
                self.timing.on_begin(track, *rtp);
            }
        }
    }

    /// Takes a packet of a stream, if it is one that was set up. Says whether all tracks have ended.
    pub(super) fn on_packet(&mut self, stream: Option<Stream>, packet: &[u8], came: Came) -> bool {
        match stream {
            Some(Stream::Rtp(track)) => {
                self.on_rtp(track, packet, came);
                false
            }
            Some(Stream::Rtcp(track)) => self.on_rtcp(track, packet, came.now),
            None => false,
        }
    }

    /// It goes down with the next `push`.
    fn on_rtp(&mut self, track: usize, packet: &[u8], came: Came) {
        let Some(lane) = self.lanes.get_mut(track) else {
            return;
        };
        let Some(head) = head(packet).filter(|head| head.payload == lane.payload) else {
            return;
        };
        lane.reception.on_packet(head.ssrc, head.sequence);
        let time = self
            .timing
            .on_packet(track, head.time, came.running, came.is_prompt);
        let Ok(mut buffer) = gst::Buffer::with_size(packet.len()) else {
            return;
        };
        if let Some(buffer) = buffer.get_mut() {
            let copied = buffer.copy_from_slice(0, packet);
            debug_assert!(copied.is_ok(), "it was made as long as the packet");
            buffer.set_pts(gst::ClockTime::from_nseconds(time));
            if !lane.has_begun {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        lane.has_begun = true;
        lane.is_within_frame = lane.is_video && !head.is_marked;
        let list = lane.list.get_or_insert_with(|| {
            self.order.push(track);
            gst::BufferList::new()
        });
        if let Some(list) = list.get_mut() {
            list.add(buffer);
        }
    }

    fn on_rtcp(&mut self, track: usize, packet: &[u8], now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(track) else {
            return false;
        };
        for sent in reports(packet) {
            match sent {
                Sent::Report { ntp, rtp, .. } => {
                    lane.reception.on_report(ntp, now);
                    self.timing.on_report(track, ntp, rtp);
                }
                Sent::Goodbye => lane.has_ended = true,
            }
        }
        self.lanes.iter().all(|lane| lane.has_ended)
    }

    /// Says whether each track has.
    pub(super) fn has_begun(&self) -> bool {
        self.lanes.iter().all(|lane| lane.has_begun)
    }

    /// Says whether packets wait for a `push` of a picture whose last one, which is marked, has not come.
    pub(super) fn is_within_frame(&self) -> bool {
        self.lanes.iter().any(|lane| lane.is_within_frame)
    }

    /// Says whether packets wait for a `push`.
    pub(super) const fn has_packets(&self) -> bool {
        !self.order.is_empty()
    }

    /// Hands down what came. May block for as long as downstream does.
    pub(super) fn push(&mut self) {
        for track in self.order.drain(..) {
            let Some(lane) = self.lanes.get_mut(track) else {
                continue;
            };
            lane.is_within_frame = false;
            if let Some(list) = lane.list.take()
                && let Err(error) = lane.pad.push_list(list)
            {
                // Whoever broke has said so on the bus; a pad that is shut is about to be gone.
                gst::log!(CAT, "{}: {error}", lane.pad.name());
            }
        }
    }

    /// Gives when the sender wants to hear of what came.
    pub(super) const fn poll_timeout(&self) -> Instant {
        self.report_due
    }

    /// Gives the reports that are due: of which track, and what.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        if now < self.report_due {
            return Vec::new();
        }
        self.report_due = now + INTERVAL;
        let lanes = self.lanes.iter().enumerate();
        lanes
            .filter_map(|(track, lane)| Some((track, lane.reception.report(self.ssrc, now)?)))
            .collect()
    }
}

struct Head {
    /// The last packet of a picture (RFC 6184, 5.1; RFC 7798, 4.1; RFC 2435, 3.1).
    is_marked: bool,
    payload: u8,
    sequence: u16,
    time: u32,
    ssrc: u32,
}

fn head(packet: &[u8]) -> Option<Head> {
    let head: &[u8; HEADER] = packet.first_chunk()?;
    let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *head;
    (first >> 6 == 2).then_some(Head {
        is_marked: second & 0x80 != 0,
        payload: second & 0x7f,
        sequence: u16::from_be_bytes([s0, s1]),
        time: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
    })
}

/// Makes a pad that has said all that comes before packets.
fn pad(element: &Interleaved, stream: &str, caps: &gst::Caps) -> gst::Pad {
    let number = element.num_src_pads();
    let pad = gst::Pad::builder(gst::PadDirection::Src)
        .name(format!("src_{number}"))
        .query_function(|pad, parent, query| {
            if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
                latency.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                return true;
            }
            gst::Pad::query_default(pad, parent, query)
        })
        .build();
    let is_active = pad.set_active(true);
    debug_assert!(is_active.is_ok(), "a new pad has nothing that fails");
    if element.add_pad(&pad).is_err() {
        gst::error!(CAT, obj = element, "pad {} could not be added", pad.name());
    }
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    pad.push_event(gst::event::StreamStart::new(stream));
    pad.push_event(gst::event::Caps::new(caps));
    pad.push_event(gst::event::Segment::new(&segment));
    pad
}

fn ssrc() -> u32 {
    let mut bytes = [0; 4];
    // Any number will do: the camera has one reader on this connection.
    getrandom::fill(&mut bytes).unwrap_or_default();
    u32::from_ne_bytes(bytes)
}
