//! RTSP cameras whose media come inside the RTSP connection: one thread reads the socket and hands the packets down.
//!
//! rtspsrc takes three calls to read a packet, and wakes two more threads per track for each. Here one read takes what a
//! frame is made of, and it goes down as one list.

mod flow;
mod imp;
mod login;
mod reader;
mod tracks;
mod wire;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use sluice_core::SourceUri;

use crate::dial::Order;
use crate::failure::Fault;
use crate::route::Plumbing;
use reader::Call;

glib::wrapper! {
    /// The element. It is registered nowhere: it is part of `sluicesrc`.
    pub(crate) struct Interleaved(ObjectSubclass<imp::Interleaved>) @extends gst::Element, gst::Object;
}

/// Builds the element; its pads are followed by their RTP payload.
pub(crate) fn build(plumbing: &Plumbing, uri: &SourceUri, order: &Order) -> Result<(), Fault> {
    plumbing.feed.come_in_one_thread();
    let element: Interleaved = glib::Object::new();
    element.imp().set_call(Call {
        plumbing: plumbing.clone(),
        uri: uri.clone(),
        clock: order.clock.clone(),
        base: order.base,
        burst: order.burst.clone(),
    });
    plumbing
        .pipeline()?
        .add(&element)
        .map_err(|_| plumbing.broken("RTSP"))?;
    plumbing.follow(element.upcast_ref());
    Ok(())
}
