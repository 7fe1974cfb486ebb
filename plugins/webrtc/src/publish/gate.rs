//! What every packet of a publisher goes through after SRTP: nothing passes before its certificate was checked,
//! nothing that was not negotiated, and of each section one stream only, or the layers that were offered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Fingerprint;
use sluice_core::whip::{Accepted, RID, Streams, extension};

use crate::peer;
use crate::probe::{PACKETS, retain, swallow};

/// What is known of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unknown,
    /// The certificate fits the offer.
    Peer,
    /// It does not, or the session is over.
    Shut,
}

struct State {
    verdict: Verdict,
    /// By payload type of the media; retransmissions have none.
    streams: BTreeMap<u8, Streams>,
}

/// Called when the certificate was checked: whether it fits. From a streaming thread; must not block.
type OnVerdict = Box<dyn Fn(bool) + Send + Sync>;

/// The gate of one session. Lock order: its state is taken alone.
pub(super) struct Gate {
    offered: Fingerprint,
    rtx: Vec<u8>,
    /// The id of the header extension that names a layer.
    rid: Option<u8>,
    state: Mutex<State>,
    on_verdict: OnceLock<OnVerdict>,
    since: Instant,
    /// When anything came from the peer, in ms since `since`, plus one; zero means never.
    heard: AtomicU64,
    packets: AtomicU64,
    bytes: AtomicU64,
    /// Not negotiated, another layer, or before the certificate was checked.
    refused: AtomicU64,
}

/// What was counted at the gate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) refused: u64,
}

impl Gate {
    /// Makes a gate that is shut until the certificate was checked.
    pub(super) fn new(offered: Fingerprint, accepted: &[Accepted]) -> Arc<Self> {
        let streams = accepted.iter().map(|one| (one.pt, Streams::new(&one.rids)));
        Arc::new(Self {
            offered,
            rtx: accepted.iter().filter_map(|one| one.rtx).collect(),
            rid: accepted.iter().find_map(|one| one.extension(RID)),
            state: Mutex::new(State {
                verdict: Verdict::Unknown,
                streams: streams.collect(),
            }),
            on_verdict: OnceLock::new(),
            since: Instant::now(),
            heard: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Says who is told of the verdict; to be set before anything can arrive.
    pub(super) fn on_verdict(&self, act: impl Fn(bool) + Send + Sync + 'static) {
        if self.on_verdict.set(Box::new(act)).is_err() {
            tracing::error!("a gate has one listener");
        }
    }

    /// Puts the gate behind a `dtlssrtpdec`.
    pub(super) fn guard(self: &Arc<Self>, dtlssrtpdec: &gst::Element) {
        for (name, is_media) in [("rtp_src", true), ("rtcp_src", false)] {
            let Some(pad) = dtlssrtpdec.static_pad(name) else {
                tracing::error!(name, "dtlssrtpdec has no such pad; nothing passes");
                self.shut();
                continue;
            };
            let gate = self.clone();
            let decoder = dtlssrtpdec.downgrade();
            pad.add_probe(PACKETS, move |_pad, info| match decoder.upgrade() {
                Some(decoder) => gate.on_data(&decoder, is_media, info),
                None => swallow(info),
            });
        }
    }

    /// Decides about what leaves SRTP.
    fn on_data(
        &self,
        dtlssrtpdec: &gst::Element,
        is_media: bool,
        info: &mut gst::PadProbeInfo<'_>,
    ) -> gst::PadProbeReturn {
        if !self.is_open(|| peer::is_who_it_said(dtlssrtpdec, &self.offered)) {
            self.refused.fetch_add(1, Relaxed);
            return swallow(info);
        }
        self.hear();
        retain(info, |buffer| {
            if is_media {
                self.takes(buffer)
            } else {
                self.takes_rtcp(buffer)
            }
        })
    }

    /// Checks the certificate if that was not done yet, and says whether it fits.
    pub(super) fn is_open(&self, check: impl FnOnce() -> bool) -> bool {
        let fits = {
            let mut state = self.state.lock();
            match state.verdict {
                Verdict::Peer => return true,
                Verdict::Shut => return false,
                Verdict::Unknown => {}
            }
            // With the lock: a second thread must wait for the verdict, which takes microseconds.
            let fits = check();
            state.verdict = if fits { Verdict::Peer } else { Verdict::Shut };
            fits
        };
        self.hear();
        if let Some(act) = self.on_verdict.get() {
            act(fits);
        }
        fits
    }

    /// Gives what the peer's certificate must hash to.
    pub(super) const fn offered(&self) -> &Fingerprint {
        &self.offered
    }

    /// Lets nothing pass any more.
    pub(super) fn shut(&self) {
        self.state.lock().verdict = Verdict::Shut;
    }

    /// Says when anything last came from the peer.
    pub(super) fn heard(&self) -> Option<Instant> {
        let ms = self.heard.load(Relaxed).checked_sub(1)?;
        Some(self.since + std::time::Duration::from_millis(ms))
    }

    /// Gives what was counted.
    pub(super) fn counted(&self) -> Counted {
        Counted {
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    fn hear(&self) {
        let ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.heard.store(ms + 1, Relaxed);
    }

    /// Decides about one RTCP packet.
    fn takes_rtcp(&self, packet: &mut gst::Buffer) -> bool {
        let pure = peer::rtcp::purify(packet);
        if pure.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        pure.is_ok_and(|said| !said.leaves_nothing())
    }

    /// Decides about one RTP packet by its header (RFC 3550, 5.1).
    fn takes(&self, packet: &gst::BufferRef) -> bool {
        let mut header = [0; 12];
        // Copying out of a shorter one would panic.
        let is_whole = packet.size() >= header.len();
        let taken = is_whole && packet.copy_to_slice(0, &mut header).is_ok() && {
            let [_, kind, _, _, _, _, _, _, s0, s1, s2, s3] = header;
            let (pt, ssrc) = (kind & 0x7f, u32::from_be_bytes([s0, s1, s2, s3]));
            let mut state = self.state.lock();
            match state.streams.get_mut(&pt) {
                Some(streams) => match self.rid.filter(|_| streams.has_layers()) {
                    Some(id) => packet.map_readable().is_ok_and(|packet| {
                        streams.on_packet(ssrc, extension(&packet, id), Instant::now())
                    }),
                    None => streams.on_packet(ssrc, None, Instant::now()),
                },
                None => self.rtx.contains(&pt),
            }
        };
        if taken {
            self.packets.fetch_add(1, Relaxed);
            self.bytes.fetch_add(packet.size() as u64, Relaxed);
        } else {
            self.refused.fetch_add(1, Relaxed);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::Codec;

    fn gate() -> Arc<Gate> {
        gst::init().unwrap();
        let accepted = Accepted {
            mline: 0,
            mid: "0".to_owned(),
            codec: Codec::Vp8,
            encoding_name: "VP8",
            pt: 96,
            rtx: Some(97),
            fmtp: String::new(),
            extensions: vec![],
            rids: vec![],
        };
        Gate::new(Fingerprint::sha256([1; 32]), &[accepted])
    }

    fn packet(pt: u8, ssrc: u8) -> gst::Buffer {
        gst::Buffer::from_slice([0x80, pt, 0, 1, 0, 0, 0, 0, 0, 0, 0, ssrc, 1, 2, 3])
    }

    #[test]
    fn the_certificate_is_checked_once_and_who_asks_is_told() {
        let gate = gate();
        let (told, verdicts) = std::sync::mpsc::channel();
        gate.on_verdict(move |fits| told.send(fits).unwrap());
        assert!(gate.heard().is_none());
        assert!(gate.is_open(|| true));
        assert!(gate.is_open(|| panic!("a second check")));
        assert!(gate.heard().is_some());
        assert_eq!(verdicts.try_iter().collect::<Vec<_>>(), [true]);
        gate.shut();
        assert!(!gate.is_open(|| true));
    }

    #[test]
    fn a_false_certificate_keeps_the_gate_shut() {
        let gate = gate();
        assert!(!gate.is_open(|| false));
        assert!(!gate.is_open(|| true));
    }

    #[test]
    fn only_what_was_negotiated_passes_and_one_layer_of_it() {
        let gate = gate();
        let passes: Vec<_> = [(96, 1), (96, 2), (97, 3), (98, 1), (0xe0, 1), (96, 1)]
            .into_iter()
            .map(|(pt, ssrc)| gate.takes(&packet(pt, ssrc)))
            .collect();
        // 0xe0 is payload type 96 with the marker bit.
        assert_eq!(passes, [true, false, true, false, true, true]);
        assert!(!gate.takes(&gst::Buffer::from_slice([0x80; 11])));
        let counted = gate.counted();
        assert_eq!(
            (counted.packets, counted.bytes, counted.refused),
            (4, 60, 3)
        );
    }
}
