//! One frame's packets, built once for all viewers that are sent the same.

use super::headers::{Class, Moment, packets_for};
use super::member::Lane;
use crate::packetize::Frame;

/// The buffer lists of one live frame, built when first needed: one per class of viewers who were sent all before it, and
/// further ones for those who were not.
pub(super) struct Lists<'a> {
    frame: &'a Frame,
    built: Vec<(Class, u16, gst::BufferList)>,
}

impl<'a> Lists<'a> {
    /// Begins without any.
    pub(super) const fn new(frame: &'a Frame) -> Self {
        Self {
            frame,
            built: Vec::new(),
        }
    }

    /// Gives the list for a lane that was sent all but so many packets.
    pub(super) fn of(&mut self, lane: &Lane, left_out: u16) -> gst::BufferList {
        let looks = lane.looks.now();
        let mut built = self.built.iter();
        let same = |(class, less, _): &&(_, _, _)| *less == left_out && *class == *looks;
        if let Some((_, _, list)) = built.find(same) {
            return list.clone();
        }
        let moment = Moment {
            at: self.frame.at,
            clock_rate: lane.clock_rate,
            left_out,
        };
        let list = packets_for(self.frame, looks, moment);
        self.built.push((looks.clone(), left_out, list.clone()));
        list
    }
}
