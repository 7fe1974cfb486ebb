//! What the first peer of a process would else wait for: half a second.

use std::sync::Once;

use gst::prelude::*;

use super::certificate;
use super::rehearsal::rehearse;
use crate::worker;

/// Elements that webrtcbin is made of, one per plugin.
const ELEMENTS: &[&str] = &[
    "webrtcbin",
    "nicesrc",
    "dtlsdec",
    "srtpenc",
    "rtpbin",
    "rtpulpfecenc",
    "clocksync",
];

/// Loads the plugins, makes the certificate and shakes hands with itself, in the background, once per process.
pub(crate) fn warm_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        worker::run(|| {
            for name in ELEMENTS {
                let loaded = gst::ElementFactory::find(name).map(|factory| factory.load());
                if !matches!(loaded, Some(Ok(_))) {
                    tracing::error!(
                        element = name,
                        "not installed; no viewer or publisher can be served"
                    );
                }
            }
            // The first one of a process makes an RSA key for itself, though it is never used (F15).
            let first = gst::ElementFactory::make("dtlssrtpdec").build();
            drop(first);
            match certificate::ours() {
                Ok(certificate) => {
                    if let Err(error) = rehearse(certificate) {
                        tracing::warn!(error, "the first session may take longer");
                    }
                }
                Err(error) => tracing::error!(
                    error,
                    "no certificate; no viewer or publisher can be served"
                ),
            }
        });
    });
}
