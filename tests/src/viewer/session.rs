//! One viewer: its str0m instance, socket and counters. Driven by [`super::Viewers`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, KeyframeRequestKind, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, Ssrc, StreamRx};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

use super::rtp::{Head, Payload, Stream, Totals, is_rtcp};
use super::sdp;
use super::socket::{Arrival, Socket};
use super::{Counts, ViewerOptions};
use crate::srtp::Protector;
use crate::{stamp, stun};

/// A browser asks for a key frame about this often while it has none.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// More than str0m needs to say goodbye.
const CLOSING_STEPS: usize = 20;
/// How often a light viewer says what came.
const EACH_REPORT: Duration = Duration::from_secs(2);
/// Of RTCP past the stack: what the stack itself sends counts from 1.
const FIRST_INDEX: u32 = 1 << 20;
/// A stamp sits in front of a frame's first slice.
const STAMP_WITHIN: usize = 300;

pub(super) struct Session {
    rtc: Rtc,
    socket: Socket,
    /// When the datagram that is looked at arrived, in microseconds since 1970.
    arrived_us: u64,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    /// The answer to the offer, as it was usable here.
    answer: String,
    /// Where the session moves to when its ICE restart is answered.
    next_socket: Option<Socket>,
    options: ViewerOptions,
    timeout: Instant,
    pub(super) posted: Option<Instant>,
    payloads: sdp::Payloads,
    streams: Vec<Stream>,
    nack_wanted: bool,
    nacking: Vec<u32>,
    asked: Option<Instant>,
    random: u64,
    counts: Counts,
    /// When stamped frames were made, and how old they were here, in microseconds.
    stamped: Vec<(u64, u64)>,
    closed: bool,
    sleeps: Option<Instant>,
    /// What came and is held back, by when it is let in.
    late: VecDeque<(Instant, Vec<u8>, SocketAddr)>,
    protector: Protector,
    next_index: u32,
    /// When a light viewer says next what came.
    report_due: Instant,
}

impl Session {
    /// Binds a socket and makes the offer.
    pub(super) fn new(
        local: IpAddr,
        options: ViewerOptions,
        seed: u64,
    ) -> Result<(Self, String), String> {
        let mut session = Self::bare(local, options, seed)?;
        let mut api = session.rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        if session.options.audio {
            api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = api.apply().ok_or("empty offer")?;
        let mut offer = offer.to_sdp_string();
        if session.options.false_fingerprint {
            offer = sdp::with_false_fingerprint(&offer);
        }
        sdp::learn(&mut session.payloads, &offer);
        session.pending = Some(pending);
        Ok((session, offer))
    }

    /// Binds a socket and answers an offer.
    pub(super) fn answering(
        local: IpAddr,
        options: ViewerOptions,
        seed: u64,
        offer: &str,
    ) -> Result<(Self, String), String> {
        let mut session = Self::bare(local, options, seed)?;
        sdp::learn(&mut session.payloads, offer);
        session.nack_wanted = session.options.nack && sdp::has_nack(offer);
        let offer = SdpOffer::from_sdp_string(offer).map_err(|e| format!("offer: {e}"))?;
        let answer = session.rtc.sdp_api().accept_offer(offer);
        let mut answer = answer
            .map_err(|e| format!("accept offer: {e}"))?
            .to_sdp_string();
        if session.options.false_fingerprint {
            answer = sdp::with_false_fingerprint(&answer);
        }
        session.on_timeout(Instant::now());
        Ok((session, answer))
    }

    /// Takes a candidate of the server; one that this viewer cannot use is none.
    pub(super) fn add_candidate(&mut self, candidate: &str) {
        if sdp::usable(candidate, self.local.ip())
            && let Ok(candidate) = Candidate::from_sdp_string(candidate)
        {
            self.rtc.add_remote_candidate(candidate);
            self.on_timeout(Instant::now());
        }
    }

    fn bare(local: IpAddr, options: ViewerOptions, seed: u64) -> Result<Self, String> {
        let now = Instant::now();
        let socket = Socket::bind(local)?;
        let local = socket.local()?;
        let (protector, crypto) = Protector::new();
        let config = config(&options).set_crypto_provider(crypto);
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|e| e.to_string())?);
        Ok(Self {
            rtc,
            socket,
            arrived_us: 0,
            local,
            pending: None,
            answer: String::new(),
            next_socket: None,
            options,
            timeout: now,
            posted: None,
            payloads: [Payload::Unknown; 128],
            streams: Vec::new(),
            nack_wanted: false,
            nacking: Vec::new(),
            asked: None,
            random: 0x9e37_79b9_7f4a_7c15 ^ (seed + 1).wrapping_mul(0x0123_4567_89ab_cdef),
            counts: Counts::default(),
            stamped: Vec::new(),
            closed: false,
            sleeps: None,
            late: VecDeque::new(),
            protector,
            next_index: FIRST_INDEX,
            report_due: now,
        })
    }

    /// Applies the server's answer.
    pub(super) fn on_answer(&mut self, answer: &str, now: Instant) -> Result<(), String> {
        self.counts.to_answer = self.since_post(now);
        sdp::learn(&mut self.payloads, answer);
        self.nack_wanted = self.options.nack && sdp::has_nack(answer);
        let usable = sdp::usable_answer(answer, self.local.ip());
        self.accept(&usable)?;
        self.answer = usable;
        self.on_timeout(now);
        Ok(())
    }

    fn accept(&mut self, answer: &str) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|e| format!("answer: {e}"))?;
        let pending = self.pending.take().ok_or("a second answer")?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|e| format!("accept answer: {e}"))
    }

    /// Makes new ICE credentials and a new socket, and the fragment that says so.
    pub(super) fn restart(&mut self) -> Result<String, String> {
        let socket = Socket::bind(self.local.ip())?;
        let local = socket.local()?;
        let candidate = Candidate::host(local, "udp").map_err(|e| e.to_string())?;
        let mut api = self.rtc.sdp_api();
        let credentials = api.ice_restart(false);
        let (offer, pending) = api.apply().ok_or("nothing to restart")?;
        self.pending = Some(pending);
        self.next_socket = Some(socket);
        let offer = offer.to_sdp_string();
        let mid = offer.lines().find(|line| line.starts_with("a=mid:"));
        Ok(format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\n{}\r\na={}\r\na=end-of-candidates\r\n",
            credentials.ufrag,
            credentials.pass,
            mid.unwrap_or("a=mid:0"),
            candidate.to_sdp_string().trim_start_matches("a="),
        ))
    }

    /// Takes the fragment that answers a restart, and moves to the new socket; the old one closes.
    pub(super) fn on_restarted(&mut self, fragment: &str, now: Instant) -> Result<(), String> {
        let answer = sdp::with_ice_of(&self.answer, &sdp::usable_answer(fragment, self.local.ip()));
        self.accept(&answer)?;
        self.answer = answer;
        self.socket = self.next_socket.take().ok_or("no new socket")?;
        self.local = self.socket.local()?;
        let candidate = Candidate::host(self.local, "udp").map_err(|e| e.to_string())?;
        self.rtc.add_local_candidate(candidate);
        self.on_timeout(now);
        Ok(())
    }

    /// Reads all that came and moves time on.
    pub(super) fn poll(&mut self, buffer: &mut [u8], now: Instant) {
        if self.sleeps.is_some_and(|until| now < until) {
            return;
        }
        while !self.closed {
            let Some(Arrival { size, from, at }) = self.socket.receive(buffer) else {
                break;
            };
            self.arrived_us = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
            let datagram = buffer.get(..size).unwrap_or_default();
            if self.options.delay.is_zero() {
                self.on_datagram(datagram, from, now);
            } else {
                let due = now + self.options.delay;
                self.late.push_back((due, datagram.to_vec(), from));
            }
        }
        while let Some((_, datagram, from)) = self.late.pop_front_if(|(due, ..)| *due <= now) {
            self.on_datagram(&datagram, from, now);
        }
        if !self.closed && self.timeout <= now {
            self.on_timeout(now);
        }
    }

    /// Where its socket is.
    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Hears from now on.
    pub(super) const fn wake(&mut self) {
        self.options.deaf = false;
    }

    /// Answers no STUN request from now on.
    pub(super) const fn withdraw_consent(&mut self) {
        self.options.no_consent = true;
    }

    /// Sleeps until then.
    pub(super) const fn suspend(&mut self, until: Instant) {
        self.sleeps = Some(until);
    }

    /// Goes on from another port, of which its stack knows nothing.
    pub(super) fn rebind(&mut self) {
        self.socket = Socket::bind(self.local.ip()).expect("a socket");
    }

    /// Sends a datagram past the stack.
    pub(super) fn send_raw(&self, datagram: &[u8], to: SocketAddr) {
        self.socket.send(datagram, to);
    }

    /// Sends RTCP past the stack, whatever it says.
    pub(super) fn send_rtcp(&mut self, packet: &[u8], to: SocketAddr) {
        let protected = self.protector.rtcp(packet, self.next_index);
        self.next_index += 1;
        self.send_raw(&protected, to);
    }

    /// Loses this share of what comes, from now on, and everything comes so much later.
    pub(super) const fn suffer(&mut self, drop_percent: f64, delay: Duration) {
        self.options.drop_percent = drop_percent;
        self.options.delay = delay;
    }

    /// Asks for a key frame now.
    pub(super) fn ask_now(&mut self, by_fir: bool, now: Instant) {
        let kind = if by_fir {
            KeyframeRequestKind::Fir
        } else {
            KeyframeRequestKind::Pli
        };
        self.with_video(now, |stream| stream.request_keyframe(kind));
    }

    /// Says by REMB how much it wants.
    pub(super) fn say_remb(&mut self, bits_per_second: u64, now: Instant) {
        self.with_video(now, |stream| {
            stream.request_remb(Bitrate::from(bits_per_second));
        });
    }

    fn with_video(&mut self, now: Instant, act: impl FnOnce(&mut StreamRx)) {
        let video = self.streams.iter().find(|stream| stream.video);
        let Some(ssrc) = video.map(|stream| Ssrc::from(stream.ssrc)) else {
            return;
        };
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc) {
            act(stream);
        }
        self.on_timeout(now);
    }

    /// Says goodbye by DTLS.
    pub(super) fn hang_up(&mut self, now: Instant) {
        if !self.closed {
            self.rtc.close().ok();
            // BYE and close_notify leave one after the other.
            for _ in 0..CLOSING_STEPS {
                self.drain(now);
                if !self.rtc.is_alive() {
                    break;
                }
                self.on_timeout(now);
            }
            self.closed = true;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The counters now.
    pub(super) fn counts(&self) -> Counts {
        let sum = |video: bool| {
            let streams = self.streams.iter().filter(|s| s.video == video);
            streams.fold(Totals::default(), |sum, s| sum.plus(s.totals()))
        };
        let longest = |of: fn(&Stream) -> Duration| {
            let pictures = self.streams.iter().filter(|s| s.video);
            pictures.map(of).max().unwrap_or_default()
        };
        Counts {
            video: sum(true),
            audio: sum(false),
            longest_gap: longest(|s| s.longest_gap),
            longest_step: longest(|s| s.longest_step),
            closed: self.closed,
            ..self.counts.clone()
        }
    }

    /// The synchronisation sources of the pictures so far.
    pub(super) fn video_ssrcs(&self) -> Vec<u32> {
        let video = self.streams.iter().filter(|s| s.video);
        video.map(|s| s.ssrc).collect()
    }

    /// Takes when stamped frames were made, and how old they were here, in microseconds, collected since the last call.
    pub(super) fn take_stamped(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.stamped)
    }

    fn on_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        if let Some(head) = Head::parse(datagram) {
            self.counts.media_packets += 1;
            if self.loses_it() {
                self.counts.dropped_here += 1;
                return;
            }
            if self.reads_heads() {
                self.count(head, now);
                self.report(from, now);
                return;
            }
        }
        if self.options.deaf {
            return;
        }
        if stun::is_request(datagram) {
            self.counts.checks.push(now);
        }
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, datagram) else {
            return;
        };
        match self.rtc.handle_input(Input::Receive(now, receive)) {
            Ok(()) => self.drain(now),
            Err(e) => self.fail(format!("rtc: {e}")),
        }
    }

    /// Whether what comes is kept from the stack, and only counted.
    const fn reads_heads(&self) -> bool {
        self.options.light && self.counts.to_key_frame.is_some()
    }

    /// Says what came, in place of the stack, which has not seen it: a sender of whose packets none come ends the session.
    fn report(&mut self, to: SocketAddr, now: Instant) {
        if now < self.report_due {
            return;
        }
        self.report_due = now + EACH_REPORT;
        for packet in self.streams.iter().map(Stream::report).collect::<Vec<_>>() {
            self.send_rtcp(&packet, to);
        }
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
                Ok(Output::Transmit(packet))
                    if self.options.no_consent && stun::is_answer(&packet.contents) => {}
                Ok(Output::Transmit(packet)) if self.reads_heads() && is_rtcp(&packet.contents) => {
                }
                Ok(Output::Transmit(packet)) => {
                    self.socket.send(&packet.contents, packet.destination);
                }
                Ok(Output::Event(event)) => self.on_event(event, now),
                Err(e) => {
                    self.fail(format!("rtc: {e}"));
                    return;
                }
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "str0m's events grow")]
    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => {
                self.counts.to_connected = self.counts.to_connected.or(self.since_post(now));
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.fail("ICE disconnected".to_owned());
            }
            Event::Closed => self.fail("closed by the server".to_owned()),
            Event::MediaIngressStats(stats) => {
                self.counts.nacks = self.counts.nacks.max(stats.nacks);
            }
            Event::RtpPacket(packet) => self.on_rtp(&packet, now),
            _ => {}
        }
    }

    fn on_rtp(&mut self, packet: &RtpPacket, now: Instant) {
        let ssrc = *packet.header.ssrc;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "str0m extends what was 16 and 32 bits"
        )]
        let head = Head {
            pt: *packet.header.payload_type,
            marker: packet.header.marker,
            seq: *packet.seq_no as u16,
            timestamp: packet.time.numer() as u32,
            ssrc,
        };
        let payload = self.payload(head.pt);
        self.count(head, now);
        if !payload.is_video() {
            return;
        }
        if self.nack_wanted && !self.nacking.contains(&ssrc) {
            self.nacking.push(ssrc);
            // str0m asks by itself only where RTX was negotiated.
            if let Some(stream) = self.rtc.direct_api().stream_rx(&Ssrc::from(ssrc)) {
                stream.suppress_nack(false);
            }
        }
        let front = packet.payload.get(..STAMP_WITHIN.min(packet.payload.len()));
        if let Some(at) = front.and_then(stamp::find) {
            self.stamped.push((at, self.arrived_us.saturating_sub(at)));
        }
        if payload.is_key_frame(&packet.payload) {
            self.counts.key_frames += 1;
            self.counts.to_key_frame = self.counts.to_key_frame.or(self.since_post(now));
        } else if self.counts.to_key_frame.is_none() {
            self.ask_for_key_frame(ssrc, now);
        }
    }

    fn ask_for_key_frame(&mut self, ssrc: u32, now: Instant) {
        if self.asked.is_some_and(|at| now - at < ASK_AGAIN) {
            return;
        }
        self.asked = Some(now);
        if let Some(stream) = self.rtc.direct_api().stream_rx(&Ssrc::from(ssrc)) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    fn count(&mut self, head: Head, now: Instant) {
        let payload = self.payload(head.pt);
        if payload == Payload::Repair {
            self.counts.repair_packets += 1;
            return;
        }
        self.counts.to_media = self.counts.to_media.or(self.since_post(now));
        let known = self.streams.iter().position(|s| s.ssrc == head.ssrc);
        let at = known.unwrap_or_else(|| {
            self.streams
                .push(Stream::new(head.ssrc, payload.is_video()));
            self.streams.len() - 1
        });
        if let Some(stream) = self.streams.get_mut(at) {
            stream.on_packet(head, now);
        }
        if payload.is_video() && self.counts.codec.is_none() {
            self.counts.codec = Some(format!("{payload:?}"));
        }
    }

    fn payload(&self, pt: u8) -> Payload {
        self.payloads
            .get(usize::from(pt))
            .copied()
            .unwrap_or(Payload::Unknown)
    }

    /// xorshift64*, a stand-in for a lossy network.
    fn loses_it(&mut self) -> bool {
        if self.options.drop_percent <= 0.0 {
            return false;
        }
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let draw = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
        let percent = draw as f64 / 4_294_967_296.0 * 100.0;
        percent < self.options.drop_percent
    }

    fn fail(&mut self, why: String) {
        self.counts.error.get_or_insert(why);
        self.closed = true;
    }

    fn since_post(&self, now: Instant) -> Option<Duration> {
        self.posted.map(|at| now.saturating_duration_since(at))
    }
}

fn config(options: &ViewerOptions) -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_stats_interval(Some(Duration::from_secs(1)))
        .clear_codecs();
    if options.low_payload_types {
        let codecs = config.codec_config();
        codecs.add_h264(35.into(), Some(36.into()), true, 0x42_e0_1f);
        let stereo = Some(2);
        let format = FormatParams::default();
        let rate = Frequency::FORTY_EIGHT_KHZ;
        codecs.add_config(63.into(), None, Codec::Opus, rate, stereo, format);
        return config;
    }
    if options.audio {
        config = config.enable_opus(true, false);
        if options.g711 {
            config = config.enable_pcmu(true, false).enable_pcma(true, false);
        }
    }
    for codec in &options.codecs {
        config = match codec {
            Payload::H264 => config.enable_h264(true),
            Payload::H265 => config.enable_h265(true),
            Payload::Vp8 => config.enable_vp8(true),
            Payload::Vp9 => config.enable_vp9(true),
            Payload::Av1 => config.enable_av1(true),
            Payload::Audio | Payload::Repair | Payload::Unknown => config,
        };
    }
    config
}
