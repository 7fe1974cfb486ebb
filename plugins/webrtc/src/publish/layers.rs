//! What a session does about layers of simulcast; core says which goes out.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use gst::prelude::*;
use sluice_core::Kind;
use sluice_core::bitstream::Size;
use sluice_core::whip::Step;

use super::outlet::{Line, Outlet};
use super::session::Publisher;
use crate::publishers::PublishedLayer;
use crate::worker;

impl Publisher {
    /// Gives where a track's frames go: all layers of a section to the same line.
    pub(super) fn line(
        self: &Arc<Self>,
        kind: Kind,
        layer: Option<usize>,
        outlet: &Outlet,
    ) -> Arc<Line> {
        let new = || Arc::new(outlet.line(kind, self));
        match layer {
            Some(_) => {
                let mut state = self.state.lock();
                state.line.get_or_insert_with(new).clone()
            }
            None => new(),
        }
    }

    /// Decides about a frame of a layer, and asks another layer for a key frame if it should go out instead. Called
    /// from streaming threads; does not block.
    pub(super) fn on_layer_frame(&self, layer: usize, size: Option<Size>, is_key: bool) -> Step {
        let (step, pad) = {
            let mut state = self.state.lock();
            let step = state.layers.on_frame(layer, size, is_key, Instant::now());
            let pad = step.ask.and_then(|asked| {
                let mut pads = state.video.iter();
                pads.find(|(layer, _)| *layer == Some(asked))
                    .map(|(_, pad)| pad.clone())
            });
            (step, pad)
        };
        if let Some(pad) = pad {
            self.key_frames_asked.fetch_add(1, Relaxed);
            ask(pad);
        }
        if step.changes {
            tracing::info!(publisher = %self.id(), layer, ?size, "a layer goes out");
        }
        step
    }

    /// Says whether this is the layer that goes out, or none is chosen.
    pub(super) fn goes_out(&self, layer: Option<usize>) -> bool {
        layer.is_none() || self.state.lock().layers.taken() == layer
    }

    /// Gives what is known of the layers.
    pub(super) fn layers(&self) -> Vec<PublishedLayer> {
        let now = Instant::now();
        let state = self.state.lock();
        let layers = state.layers.all().iter().enumerate();
        layers
            .map(|(number, layer)| PublishedLayer {
                width: layer.size.map(|size| size.width),
                height: layer.size.map(|size| size.height),
                flows: layer.flows(now),
                goes_out: state.layers.taken() == Some(number),
            })
            .collect()
    }
}

/// Asks for a key frame. Does not block.
pub(super) fn ask(pad: gst::Pad) {
    worker::run(move || {
        // Without "all headers" the rtpsession makes a PLI of it, which every publisher understands; with it a FIR.
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(false)
            .build();
        pad.send_event(event);
    });
}
