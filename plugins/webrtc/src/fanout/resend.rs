//! Packets that a viewer has lost, sent again out of what is kept for all viewers together.

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;
use sluice_core::{Allowance, History};

use super::headers::{Moment, packet_again};
use super::lane::Position;
use super::member::Member;
use super::watchdog::Pushing;
use crate::packetize::Frame;

/// Adds a frame to what is kept.
pub(super) fn keep(history: &mut History<Arc<Frame>>, frame: &Arc<Frame>) {
    if let Some(first) = frame.packets.first() {
        let (first, packets) = (first.sequence, frame.packets.len());
        history.push(frame.clone(), first, packets, frame.bytes, frame.at);
    }
}

/// Sends a viewer again what it has lost and may have. What is not kept any more, or belongs to no lane that we send
/// again, is passed over.
pub(super) fn resend<'a>(
    member: &Arc<Member>,
    positions: &mut [Position],
    allowance: &mut Allowance,
    history_of: impl Fn(usize) -> Option<&'a History<Arc<Frame>>>,
    pushing: &Pushing,
) {
    let lost = member.take_lost();
    let Some(exit) = member.exit() else { return };
    let mut list = gst::BufferList::new();
    let packets = lost.into_iter().filter_map(|(index, sequence)| {
        let lane = member.lanes.get(index)?;
        let (position, again) = (positions.get_mut(index)?, lane.again?);
        let (frame, at) = history_of(lane.track)?.find(position.original(sequence)?)?;
        let bytes = frame.packets.get(at)?.payload.size();
        if !allowance.take(bytes) {
            return None;
        }
        let moment = Moment {
            at: position.time_of(frame),
            clock_rate: lane.clock_rate,
            left_out: position.left_out,
        };
        packet_again(
            frame,
            at,
            lane.looks.now(),
            again,
            position.next_again(),
            moment,
        )
    });
    if let Some(list) = list.get_mut() {
        packets.for_each(|packet| list.add(packet));
    }
    if list.is_empty() {
        return;
    }
    member.count_again(list.len());
    pushing.begin(member, Instant::now());
    // A session that is being closed takes none; the next frame says so.
    let _flow = exit.chain_list(list);
    pushing.end();
}
