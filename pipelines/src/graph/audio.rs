//! Audio: always as Opus, and as it came too while it is G.711.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gst::glib;
use gst::prelude::*;
use gstsluicewebrtc::WhepSink;
use parking_lot::Mutex;

use super::{add, link as link_pads, request, static_pad};

/// Links an audio track, and gives the tee that it goes through. The Opus rendition has its pad from the start; whether the track can also go
/// out as it came is known with its caps, and may change at a redial.
pub(super) fn link(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    number: u32,
    sink: &WhepSink,
) -> Result<gst::Element, glib::BoolError> {
    let tee = add(pipeline, "tee")?;
    let transcode = add(pipeline, "sluicetranscode")?;
    // A rendition's number is its place in the order of preference: G.711 as it came is before its Opus.
    let opus = request(sink, &format!("audio_{}", 2 * number + 1))?;
    // The far end first: nothing may flow into an element that has nowhere to send it.
    link_pads(&static_pad(&transcode, "src")?, &opus)?;
    let way = branch(&tee)?;
    link_pads(&way, &static_pad(&transcode, "sink")?)?;
    rest_unwatched(&way, &opus, sink);
    let direct = Direct {
        tee: tee.downgrade(),
        sink: sink.downgrade(),
        name: format!("audio_{}", 2 * number),
        linked: Mutex::new(None),
    };
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
            && let Err(error) = direct.on_caps(caps.caps())
        {
            // The Opus rendition serves these viewers as well.
            tracing::debug!(pad = %pad.name(), error = %error.message, "no rendition as it came");
        }
        gst::PadProbeReturn::Ok
    });
    link_pads(pad, &static_pad(&tee, "sink")?)?;
    Ok(tee)
}

/// Keeps sound from the transcoder while nobody would hear it. What comes out must be known all the same, for whoever asks: so much
/// passes always.
fn rest_unwatched(way: &gst::Pad, opus: &gst::Pad, sink: &WhepSink) {
    let (opus, sink) = (opus.downgrade(), sink.downgrade());
    let rested = AtomicBool::new(false);
    way.add_probe(gst::PadProbeType::BUFFER, move |_way, info| {
        let (Some(opus), Some(sink)) = (opus.upgrade(), sink.upgrade()) else {
            return gst::PadProbeReturn::Ok;
        };
        if opus.has_current_caps() && !sink.is_watched() {
            rested.store(true, Relaxed);
            return gst::PadProbeReturn::Drop;
        }
        if rested.swap(false, Relaxed)
            && let Some(buffer) = info.buffer_mut()
        {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        gst::PadProbeReturn::Ok
    });
}

/// The way around the transcoder.
struct Direct {
    tee: glib::WeakRef<gst::Element>,
    sink: glib::WeakRef<WhepSink>,
    name: String,
    /// The tee's pad and the sink's, while the track is G.711.
    linked: Mutex<Option<(gst::Pad, gst::Pad)>>,
}

impl Direct {
    /// Called in the track's streaming thread before the caps go on: nothing flows meanwhile.
    fn on_caps(&self, caps: &gst::CapsRef) -> Result<(), glib::BoolError> {
        let (Some(tee), Some(sink)) = (self.tee.upgrade(), self.sink.upgrade()) else {
            return Ok(());
        };
        let before = self.linked.lock().take();
        let after = match (is_g711(caps), before) {
            (true, None) => {
                let pads = (branch(&tee)?, request(&sink, &self.name)?);
                link_pads(&pads.0, &pads.1)?;
                Some(pads)
            }
            // AAC in a pad of G.711 would be an error for the whole route.
            (false, Some((from, to))) => {
                from.unlink(&to)?;
                tee.release_request_pad(&from);
                sink.release_request_pad(&to);
                None
            }
            (_, before) => before,
        };
        *self.linked.lock() = after;
        Ok(())
    }
}

fn is_g711(caps: &gst::CapsRef) -> bool {
    caps.structure(0)
        .is_some_and(|s| matches!(s.name().as_str(), "audio/x-mulaw" | "audio/x-alaw"))
}

pub(super) fn branch(tee: &gst::Element) -> Result<gst::Pad, glib::BoolError> {
    tee.request_pad_simple("src_%u")
        .ok_or_else(|| glib::bool_error!("tee takes no more branches"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_goes_out_as_it_came_until_the_source_sends_something_else() {
        crate::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let tee = add(&pipeline, "tee").unwrap();
        let sink = add(&pipeline, "sluicewhepsink").unwrap();
        let sink = sink.downcast::<WhepSink>().unwrap();
        let direct = Direct {
            tee: tee.downgrade(),
            sink: sink.downgrade(),
            name: "audio_0".to_owned(),
            linked: Mutex::default(),
        };
        let mut pads = vec![];
        for media in [
            "audio/x-alaw",
            "audio/x-mulaw",
            "audio/mpeg",
            "audio/x-alaw",
        ] {
            direct.on_caps(&gst::Caps::new_empty_simple(media)).unwrap();
            pads.push((tee.num_src_pads(), sink.static_pad("audio_0").is_some()));
        }
        assert_eq!(pads, [(1, true), (1, true), (0, false), (1, true)]);
    }
}
