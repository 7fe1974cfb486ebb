//! Action signals: the same as the typed API, for other languages.

use gst::glib;
use gst::prelude::*;

use super::WhepSink;
use crate::actions::{action, argument, block_on, id, joined, left, patched};
use crate::viewers::{ViewerInfo, Viewers};

/// Gives the action signals.
pub(super) fn all() -> Vec<glib::subclass::Signal> {
    let text = String::static_type();
    vec![
        // Answers an offer: `sluice-joined` with answer, id, etag; or `sluice-problem` with status, detail.
        action("join", &[text], |sink: &WhepSink, args| {
            let offer = argument(args, 1)?;
            block_on(sink.viewers().join(&offer)).map(joined)
        }),
        // Takes a trickle fragment: session id, content type, If-Match, body.
        action("patch", &[text; 4], |sink: &WhepSink, args| {
            let id = id(args)?;
            let (kind, if_match, body) =
                (argument(args, 2)?, argument(args, 3)?, argument(args, 4)?);
            let viewers = sink.viewers();
            block_on(viewers.patch(&id, Some(&kind), Some(&if_match), &body)).map(patched)
        }),
        // Closes a session: `sluice-left`, or `sluice-problem` if there is none of that id.
        action("leave", &[text], |sink: &WhepSink, args| {
            left(block_on(sink.viewers().leave(&id(args)?)))
        }),
        action("list", &[], |sink: &WhepSink, _args| {
            Ok(stats(&sink.viewers()))
        }),
    ]
}

/// Gives all viewers in one structure, as the property `stats` has them.
pub(super) fn stats(viewers: &Viewers) -> gst::Structure {
    let list = viewers.list();
    let structures = list.iter().map(|info| one(info).to_send_value());
    gst::Structure::builder("sluice-viewers")
        .field("count", u32::try_from(list.len()).unwrap_or(u32::MAX))
        .field("viewers", gst::Array::from_values(structures))
        .build()
}

fn one(info: &ViewerInfo) -> gst::Structure {
    gst::Structure::builder("sluice-viewer")
        .field("id", &info.id)
        .field("state", info.state)
        .field("since", info.since_s)
        .field("bytes-sent", info.bytes_sent)
        .field("packets-sent", info.packets_sent)
        .field("lists-around-fec", info.lists_around_fec)
        .field("lists-encrypted", info.lists_encrypted)
        .field("nacks", info.nacks)
        .field("packets-again", info.packets_again)
        .field("plis", info.plis)
        .field_if_some("plan-video", info.plan_video.as_ref())
        .field_if_some("plan-audio", info.plan_audio.as_ref())
        .field("frames-left-out", info.frames_left_out)
        .field("key-frames-only", info.key_frames_only)
        .field_if_some("rtt", info.rtt_ms)
        .field_if_some("loss", info.loss)
        .field_if_some("first-picture", info.first_picture_ms)
        .build()
}
