//! Interim: until sluice-core has its own.
#![allow(dead_code, missing_docs, clippy::all, clippy::pedantic, reason = "interim")]
use sluice_core::{Kind, Problem, Track};
pub mod sdp {
    use super::*;
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Fingerprint { pub algorithm: String, pub bytes: Vec<u8> }
    #[derive(Debug, Clone)]
    pub struct OfferedCodec { pub pt: u8, pub encoding_name: String, pub clock_rate: u32, pub fmtp: String, pub rtx: Option<u8> }
    #[derive(Debug, Clone)]
    pub struct OfferedMedia { pub mid: String, pub kind: Option<Kind>, pub codecs: Vec<OfferedCodec>, pub extmap: Vec<(u8, String)>, pub port_zero: bool }
    #[derive(Debug, Clone)]
    pub struct Offer { pub media: Vec<OfferedMedia>, pub ice_ufrag: String, pub ice_pwd: String, pub fingerprint: Fingerprint }
    #[derive(Debug)]
    pub struct OfferError { pub status: u16, pub sentence: String }
    impl Offer {
        pub fn parse(text: &str) -> Result<Self, OfferError> {
            let bad = |s: &str| OfferError { status: 400, sentence: s.to_owned() };
            let mut o = Offer { media: vec![], ice_ufrag: String::new(), ice_pwd: String::new(), fingerprint: Fingerprint { algorithm: String::new(), bytes: vec![] } };
            for line in text.lines() {
                let line = line.trim_end();
                if let Some(m) = line.strip_prefix("m=") {
                    let mut w = m.split(' ');
                    let kind = match w.next() { Some("video") => Some(Kind::Video), Some("audio") => Some(Kind::Audio), _ => None };
                    let port_zero = w.next() == Some("0");
                    o.media.push(OfferedMedia { mid: String::new(), kind, codecs: vec![], extmap: vec![], port_zero });
                } else if let Some(v) = line.strip_prefix("a=ice-ufrag:") { o.ice_ufrag = v.into(); }
                else if let Some(v) = line.strip_prefix("a=ice-pwd:") { o.ice_pwd = v.into(); }
                else if let Some(v) = line.strip_prefix("a=fingerprint:") {
                    let (a, h) = v.split_once(' ').ok_or_else(|| bad("fingerprint"))?;
                    o.fingerprint = Fingerprint { algorithm: a.into(), bytes: h.split(':').filter_map(|b| u8::from_str_radix(b, 16).ok()).collect() };
                } else if let Some(media) = o.media.last_mut() {
                    if let Some(v) = line.strip_prefix("a=mid:") { media.mid = v.into(); }
                    else if let Some(v) = line.strip_prefix("a=rtpmap:") {
                        let (pt, rest) = v.split_once(' ').ok_or_else(|| bad("rtpmap"))?;
                        let mut parts = rest.split('/');
                        media.codecs.push(OfferedCodec { pt: pt.parse().map_err(|_| bad("pt"))?, encoding_name: parts.next().unwrap_or("").into(), clock_rate: parts.next().and_then(|c| c.parse().ok()).unwrap_or(0), fmtp: String::new(), rtx: None });
                    } else if let Some(v) = line.strip_prefix("a=fmtp:") {
                        if let Some((pt, rest)) = v.split_once(' ') { if let Some(c) = media.codecs.iter_mut().find(|c| c.pt.to_string() == pt) { c.fmtp = rest.into(); } }
                    } else if let Some(v) = line.strip_prefix("a=extmap:") {
                        if let Some((id, uri)) = v.split_once(' ') { let id = id.split('/').next().unwrap_or(""); media.extmap.push((id.parse().unwrap_or(0), uri.trim().into())); }
                    }
                }
            }
            if o.media.is_empty() || o.fingerprint.bytes.is_empty() { return Err(bad("This is no offer.")); }
            Ok(o)
        }
    }
    #[derive(Default)]
    pub struct AnswerEdit { pub fingerprint: [u8; 32] }
    pub fn finish(answer: &str, edit: &AnswerEdit) -> String {
        let hex: Vec<_> = edit.fingerprint.iter().map(|b| format!("{b:02X}")).collect();
        let mut out = String::new();
        for line in answer.lines() {
            if line.starts_with("a=fingerprint:") { out += &format!("a=fingerprint:sha-256 {}\r\n", hex.join(":")); }
            else if line.starts_with("a=candidate:") && line.to_ascii_lowercase().contains(" tcp ") {}
            else if line.starts_with("a=candidate:") && line.contains(" fe80:") {}
            else { out += line; out += "\r\n"; }
        }
        out
    }
}
pub mod plan {
    use super::*; use super::sdp::Offer;
    #[derive(Debug, Clone, PartialEq)]
    pub enum Choice { PassThrough { track: usize, pt: u8, rtx: Option<u8> }, Refuse { why: String }, Absent }
    pub struct Plan { pub video: Choice, pub audio: Choice }
    impl Plan { pub fn refusal(&self) -> Option<Problem> {
        [&self.video, &self.audio].into_iter().find_map(|c| if let Choice::Refuse { why } = c { Some(Problem::new(422, why.clone())) } else { None })
    } }
    pub fn plan(tracks: &[Track], offer: &Offer) -> Plan {
        let one = |kind: Kind| {
            let Some(media) = offer.media.iter().find(|m| m.kind == Some(kind)) else { return Choice::Absent };
            let mut any = false;
            for (i, t) in tracks.iter().enumerate().filter(|(_, t)| t.kind() == kind) {
                any = true;
                let Some(name) = t.codec.encoding_name() else { continue };
                for c in &media.codecs {
                    if !c.encoding_name.eq_ignore_ascii_case(name) { continue }
                    if name == "H264" && (!c.fmtp.contains("packetization-mode=1") || !c.fmtp.to_ascii_lowercase().contains("profile-level-id=42")) { continue }
                    return Choice::PassThrough { track: i, pt: c.pt, rtx: None };
                }
            }
            if any { Choice::Refuse { why: format!("no codec for {kind}") } } else { Choice::Absent }
        };
        Plan { video: one(Kind::Video), audio: one(Kind::Audio) }
    }
}
