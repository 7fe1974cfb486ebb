//! One publisher: its str0m instance and socket. Driven by [`super::Publisher`].

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

use super::media::Packet;
use super::{Published, PublisherOptions, Spoil};
use crate::srtp::Protector;
use crate::viewer::rtp::{Head, Payload};
use crate::viewer::sdp;

/// More than str0m needs to say goodbye.
const CLOSING_STEPS: usize = 20;
/// Of RTCP past the stack: what the stack itself sends counts from 1.
const FIRST_INDEX: u32 = 1 << 20;
/// Of a packet of padding alone.
const PADDING: u8 = 200;

/// One track that is sent.
struct Track {
    mid: Mid,
    video: bool,
    /// What the answer takes.
    pt: Option<Pt>,
    sequence: u64,
    /// The payloader's first timestamp.
    base: Option<u32>,
    count: u64,
}

pub(super) struct Session {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    timeout: Instant,
    tracks: Vec<Track>,
    wants_key_frame: bool,
    published: Published,
    first_timestamp: u32,
    spoil: Option<Spoil>,
    spoilt: u64,
    last_packet: Vec<u8>,
    protector: Protector,
    next_index: u32,
    padding_every: u64,
    server: Option<SocketAddr>,
}

impl Session {
    /// Binds a socket and makes the offer.
    pub(super) fn new(local: IpAddr, options: &PublisherOptions) -> Result<(Self, String), String> {
        let now = Instant::now();
        let socket = UdpSocket::bind((local, 0)).map_err(|e| format!("bind: {e}"))?;
        socket.set_nonblocking(true).map_err(|e| e.to_string())?;
        let local = socket.local_addr().map_err(|e| e.to_string())?;
        let (protector, crypto) = Protector::new();
        let mut rtc = config(options).set_crypto_provider(crypto).build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|e| e.to_string())?);
        let mut api = rtc.sdp_api();
        let mut tracks = Vec::new();
        let kinds = [
            (options.video.is_some(), MediaKind::Video),
            (options.audio, MediaKind::Audio),
        ];
        for (_, kind) in kinds.into_iter().filter(|(wanted, _)| *wanted) {
            let mid = api.add_media(kind, Direction::SendOnly, None, None, None);
            tracks.push(Track {
                mid,
                video: kind == MediaKind::Video,
                pt: None,
                sequence: u64::from(options.first.0),
                base: None,
                count: 0,
            });
        }
        let (offer, pending) = api.apply().ok_or("empty offer")?;
        let mut offer = offer.to_sdp_string();
        if options.false_fingerprint {
            offer = sdp::with_false_fingerprint(&offer);
        }
        if options.no_candidates {
            offer = sdp::without_candidates(&offer);
        }
        let session = Self {
            rtc,
            socket,
            local,
            pending: Some(pending),
            timeout: now,
            tracks,
            wants_key_frame: false,
            published: Published::default(),
            first_timestamp: options.first.1,
            spoil: options.spoil,
            spoilt: 0,
            last_packet: Vec::new(),
            protector,
            next_index: FIRST_INDEX,
            padding_every: options.padding_every,
            server: None,
        };
        Ok((session, offer))
    }

    /// Applies the server's answer.
    pub(super) fn on_answer(&mut self, answer: &str, now: Instant) -> Result<(), String> {
        for track in &mut self.tracks {
            let kind = if track.video { "video" } else { "audio" };
            track.pt = sdp::first_payload(answer, kind).map(Pt::from);
        }
        let usable = sdp::usable_answer(answer, self.local.ip());
        let answer = SdpAnswer::from_sdp_string(&usable).map_err(|e| format!("answer: {e}"))?;
        let pending = self.pending.take().ok_or("a second answer")?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|e| format!("accept answer: {e}"))?;
        self.on_timeout(now);
        Ok(())
    }

    /// Sends a packet, if the connection is up.
    pub(super) fn send(&mut self, packet: &Packet, now: Instant) {
        if !self.published.connected || self.published.closed {
            return;
        }
        let Some(track) = self.tracks.iter_mut().find(|t| t.video == packet.video) else {
            return;
        };
        let Some(pt) = track.pt else { return };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(track.mid, None) else {
            return;
        };
        track.sequence += 1;
        let sequence = SeqNo::from(track.sequence);
        let base = *track.base.get_or_insert(packet.timestamp);
        let timestamp = packet.timestamp.wrapping_sub(base);
        let timestamp = timestamp.wrapping_add(self.first_timestamp);
        let mut payload = packet.payload.clone();
        if let Some(spoil) = self.spoil.filter(|_| packet.video) {
            payload = spoil(self.spoilt, payload);
            self.spoilt += 1;
        }
        let write = RtpWrite::new(pt, sequence, timestamp, now, payload);
        stream.write_rtp(write.marker(packet.marker).nackable(packet.video));
        self.published.packets += 1;
        track.count += 1;
        let pads = self.padding_every > 0 && track.count.is_multiple_of(self.padding_every);
        let padding = pads.then(|| {
            track.sequence += 1;
            padding(*pt, track.sequence, timestamp, *stream.ssrc())
        });
        let rollover = u32::try_from(track.sequence >> 16).expect("a short test");
        self.on_timeout(now);
        if let (Some(padding), Some(server)) = (padding, self.server) {
            self.send_raw(&self.protector.rtp(&padding, rollover), server);
            self.published.packets += 1;
            self.published.paddings += 1;
        }
    }

    /// Sends RTCP past the stack, whatever it says.
    pub(super) fn send_rtcp(&mut self, packet: &[u8], to: SocketAddr) {
        let protected = self.protector.rtcp(packet, self.next_index);
        self.next_index += 1;
        self.send_raw(&protected, to);
    }

    /// Reads all that came and moves time on.
    pub(super) fn poll(&mut self, buffer: &mut [u8], now: Instant) {
        while !self.published.closed {
            let Ok((size, from)) = self.socket.recv_from(buffer) else {
                break;
            };
            let datagram = buffer.get(..size).unwrap_or_default();
            if let [_, 200..=206, _, _, ssrc @ ..] = datagram {
                // Readable in SRTCP, too.
                let ssrc = ssrc.first_chunk().copied().map(u32::from_be_bytes);
                self.published.server_ssrc = ssrc.or(self.published.server_ssrc);
            }
            let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, datagram) else {
                continue;
            };
            match self.rtc.handle_input(Input::Receive(now, receive)) {
                Ok(()) => self.drain(now),
                Err(e) => self.fail(format!("rtc: {e}")),
            }
        }
        if !self.published.closed && self.timeout <= now {
            self.on_timeout(now);
        }
    }

    /// Whether a key frame was asked for since the last call.
    pub(super) fn wants_key_frame(&mut self) -> bool {
        std::mem::take(&mut self.wants_key_frame)
    }

    /// Sends a datagram past the stack.
    pub(super) fn send_raw(&self, datagram: &[u8], to: SocketAddr) {
        // A lost datagram is the network's business.
        drop(self.socket.send_to(datagram, to));
    }

    /// The last encrypted media packet.
    pub(super) fn last_packet(&self) -> Vec<u8> {
        self.last_packet.clone()
    }

    /// Says goodbye by DTLS.
    pub(super) fn hang_up(&mut self, now: Instant) {
        self.rtc.close().ok();
        for _ in 0..CLOSING_STEPS {
            self.drain(now);
            if !self.rtc.is_alive() {
                break;
            }
            self.on_timeout(now);
        }
        self.published.closed = true;
    }

    pub(super) fn published(&self) -> Published {
        self.published.clone()
    }

    fn on_timeout(&mut self, now: Instant) {
        match self.rtc.handle_input(Input::Timeout(now)) {
            Ok(()) => self.drain(now),
            Err(e) => self.fail(format!("rtc: {e}")),
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return;
                }
                Ok(Output::Transmit(packet)) => {
                    if Head::parse(&packet.contents).is_some() {
                        self.last_packet = packet.contents.to_vec();
                        self.server = Some(packet.destination);
                    }
                    // A lost datagram is the network's business.
                    drop(self.socket.send_to(&packet.contents, packet.destination));
                }
                Ok(Output::Event(event)) => self.on_event(&event),
                Err(e) => {
                    self.fail(format!("rtc at {now:?}: {e}"));
                    return;
                }
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "str0m's events grow")]
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Connected => self.published.connected = true,
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.fail("ICE disconnected".to_owned());
            }
            Event::Closed => self.fail("closed by the server".to_owned()),
            Event::KeyframeRequest(_) => {
                self.published.key_frames_asked += 1;
                self.wants_key_frame = true;
            }
            Event::MediaEgressStats(stats) => {
                self.published.nacks = self.published.nacks.max(stats.nacks);
            }
            _ => {}
        }
    }

    fn fail(&mut self, why: String) {
        self.published.error.get_or_insert(why);
        self.published.closed = true;
    }
}

/// RFC 3550, 5.1: the last byte counts the padding, itself too.
fn padding(pt: u8, sequence: u64, timestamp: u32, ssrc: u32) -> Vec<u8> {
    let [.., high, low] = sequence.to_be_bytes();
    let mut packet = vec![0xa0, pt, high, low];
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(packet.len() + usize::from(PADDING), 0);
    *packet.last_mut().expect("not empty") = PADDING;
    packet
}

fn config(options: &PublisherOptions) -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_stats_interval(Some(std::time::Duration::from_secs(1)))
        .clear_codecs();
    if options.audio {
        config = config.enable_opus(true, false);
    }
    match options.video {
        Some(Payload::H264) => config.enable_h264(true),
        Some(Payload::Vp8) => config.enable_vp8(true),
        Some(Payload::Vp9) => config.enable_vp9(true),
        Some(_) | None => config,
    }
}
