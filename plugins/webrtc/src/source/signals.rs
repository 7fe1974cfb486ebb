//! Action signals: the same as the typed API, for other languages.

use gst::glib;
use gst::prelude::*;

use super::WhipSrc;
use crate::actions::{action, argument, block_on, id, joined, left, patched};
use crate::publishers::{PublisherInfo, Publishers};

/// Gives the action signals.
pub(super) fn all() -> Vec<glib::subclass::Signal> {
    let text = String::static_type();
    vec![
        // Answers an offer: `sluice-joined` with answer, id, etag; or `sluice-problem` with status, detail.
        action("publish", &[text], |source: &WhipSrc, args| {
            let offer = argument(args, 1)?;
            block_on(source.publishers().publish(&offer)).map(joined)
        }),
        // Takes a trickle fragment: session id, content type, If-Match, body.
        action("patch", &[text; 4], |source: &WhipSrc, args| {
            let id = id(args)?;
            let (kind, if_match, body) =
                (argument(args, 2)?, argument(args, 3)?, argument(args, 4)?);
            let publishers = source.publishers();
            publishers
                .patch(&id, Some(&kind), Some(&if_match), &body)
                .map(patched)
        }),
        // Closes a session: `sluice-left`, or `sluice-problem` if there is none of that id.
        action("leave", &[text], |source: &WhipSrc, args| {
            left(block_on(source.publishers().leave(&id(args)?)))
        }),
        action("list", &[], |source: &WhipSrc, _args| {
            Ok(stats(&source.publishers()))
        }),
    ]
}

/// Gives all sessions in one structure, as the property `stats` has them.
pub(super) fn stats(publishers: &Publishers) -> gst::Structure {
    let list = publishers.list();
    let structures = list.iter().map(|info| one(info).to_send_value());
    gst::Structure::builder("sluice-publishers")
        .field("count", u32::try_from(list.len()).unwrap_or(u32::MAX))
        .field("publishers", gst::Array::from_values(structures))
        .build()
}

fn one(info: &PublisherInfo) -> gst::Structure {
    gst::Structure::builder("sluice-publisher")
        .field("id", &info.id)
        .field("state", info.state)
        .field("since", info.since_s)
        .field_if_some("codec-video", info.codec_video)
        .field_if_some("codec-audio", info.codec_audio)
        .field("bytes-received", info.bytes_received)
        .field("packets-received", info.packets_received)
        .field("packets-refused", info.packets_refused)
        .field("packets-inauthentic", info.packets_inauthentic)
        .field("key-frames-asked", info.key_frames_asked)
        .build()
}
