//! Nothing of another server passes before its certificate was compared with its answer (F1).

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Fingerprint;

use crate::peer;
use crate::probe::{PACKETS, retain, swallow};

#[derive(Debug, Default, PartialEq, Eq)]
enum Verdict {
    /// The answer is not there yet.
    #[default]
    Unknown,
    /// What the certificate must hash to.
    Expected(Fingerprint),
    /// It fits.
    Open,
    /// It does not, or the session is over.
    Shut,
}

/// The gate of one session.
#[derive(Debug, Default)]
pub(super) struct Gate {
    verdict: Mutex<Verdict>,
}

impl Gate {
    /// Takes note of what the answer promises.
    pub(super) fn expect(&self, fingerprint: Fingerprint) {
        let mut verdict = self.verdict.lock();
        if *verdict == Verdict::Unknown {
            *verdict = Verdict::Expected(fingerprint);
        }
    }

    /// Checks the certificate if that was not done yet, and says whether it fits.
    pub(super) fn check(&self, dtlssrtpdec: &gst::Element) -> bool {
        let mut verdict = self.verdict.lock();
        if let Verdict::Expected(expected) = &*verdict {
            *verdict = if peer::is_who_it_said(dtlssrtpdec, expected) {
                Verdict::Open
            } else {
                Verdict::Shut
            };
        }
        *verdict == Verdict::Open
    }

    /// Lets nothing pass any more.
    pub(super) fn shut(&self) {
        *self.verdict.lock() = Verdict::Shut;
    }
}

/// Puts the gate right behind SRTP: before media, and before what the server reports.
pub(super) fn guard(gate: &std::sync::Arc<Gate>, dtlssrtpdec: &gst::Element) {
    for (name, is_media) in [("rtp_src", true), ("rtcp_src", false)] {
        let Some(pad) = dtlssrtpdec.static_pad(name) else {
            tracing::error!(name, "dtlssrtpdec has no such pad; nothing passes");
            gate.shut();
            continue;
        };
        let (gate, decoder) = (gate.clone(), dtlssrtpdec.downgrade());
        pad.add_probe(PACKETS, move |_pad, info| {
            let decoder = decoder.upgrade();
            if !decoder.is_some_and(|decoder| gate.check(&decoder)) {
                return swallow(info);
            }
            retain(info, |buffer| {
                is_media || peer::rtcp::purify(buffer).is_ok_and(|said| !said.leaves_nothing())
            })
        });
    }
}
