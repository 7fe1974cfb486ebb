//! One session, from the first question to the goodbye.

mod headers;
mod refusal;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use rtsp_types::headers::{self as names, HeaderName};
use rtsp_types::{Method, Request, Response, StatusCode, Version};
use url::Url;

use self::headers::Way;

pub use self::refusal::Refusal;

const AGENT: &str = "Sluice";
/// How long before its end a session is kept alive.
const MARGIN: Duration = Duration::from_secs(15);

/// Who answers when a server wants to know who asks. It knows the credentials; the session does not.
pub trait Login {
    /// Takes the challenges of a refused request. Says whether an answer to them may help; with `was_answered` the
    /// request had one.
    fn on_challenge(&mut self, challenges: &str, was_answered: bool) -> bool;

    /// Gives the Authorization header of a request; `None` before the first challenge.
    fn authorization(&mut self, method: &str, uri: &str) -> Option<String>;
}

/// A track that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `a=control` of its media description.
    pub control: Option<String>,
    /// The profile of its media description has feedback (RFC 4585).
    pub has_feedback: bool,
}

/// What a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// RTP of the track with this number, in the order of `set_up`.
    Rtp(usize),
    /// RTCP of it.
    Rtcp(usize),
}

/// What an answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nothing,
    /// The next request.
    Send(Vec<u8>),
    /// The server has said what it has; which of it is wanted goes to `set_up`.
    Described(Vec<u8>),
    /// It plays; the RTP time at which each track begins, where the server says one.
    Playing(Vec<Option<u32>>),
    /// What is asked for is at another place.
    Elsewhere(Url),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Options,
    Describe,
    SetUp(usize),
    Play,
    KeepAlive,
}

/// A request under way.
#[derive(Debug, Clone)]
struct Pending {
    step: Step,
    number: u32,
    /// It says who asks.
    is_authorized: bool,
    /// It was sent before, and refused for want of a good answer to the challenge.
    is_second: bool,
}

struct Track {
    uri: String,
    has_feedback: bool,
    channels: (u8, u8),
}

/// A session under way. Requests come out as bytes; answers go in as [`super::Splitter`] finds them.
pub struct Session<L> {
    login: L,
    /// What is played, as the server calls it.
    uri: String,
    number: u32,
    pending: Option<Pending>,
    /// The session's name, once it has one, and how long it lives without a word from us.
    name: Option<(String, Duration)>,
    has_get_parameter: bool,
    tracks: Vec<Track>,
    /// It has no begin to play from.
    is_live: bool,
    playing: bool,
    keep_alive: Option<Instant>,
}

impl<L: Login> Session<L> {
    /// Makes a session about a URL, which has no credentials in it.
    pub const fn new(uri: String, login: L) -> Self {
        Self {
            login,
            uri,
            number: 0,
            pending: None,
            name: None,
            has_get_parameter: false,
            tracks: Vec::new(),
            is_live: false,
            playing: false,
            keep_alive: None,
        }
    }

    /// Gives the first request.
    ///
    /// # Errors
    ///
    /// If the URL is none.
    pub fn open(&mut self) -> Result<Vec<u8>, Refusal> {
        self.ask(Step::Options, false)
    }

    /// Takes an answer.
    ///
    /// # Errors
    ///
    /// If the server does not play.
    pub fn on_answer(
        &mut self,
        answer: &Response<Vec<u8>>,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let number =
            header(answer, &names::CSEQ).and_then(|number| number.trim().parse::<u32>().ok());
        // An answer without a number is to what was asked last.
        let is_ours = |pending: &mut Pending| number.is_none_or(|number| pending.number == number);
        let Some(pending) = self.pending.take_if(is_ours) else {
            return Ok(Reply::Nothing);
        };
        let status = answer.status();
        if status.is_informational() {
            self.pending = Some(pending);
            return Ok(Reply::Nothing);
        }
        if status == StatusCode::Unauthorized
            && !pending.is_second
            && let Some(challenges) = header(answer, &names::WWW_AUTHENTICATE)
            && self.login.on_challenge(challenges, pending.is_authorized)
        {
            return self.ask(pending.step, true).map(Reply::Send);
        }
        if let Some((name, life)) = header(answer, &names::SESSION).map(headers::session) {
            self.name = Some((name, life));
        }
        if status.is_success() {
            return self.go_on(pending.step, answer, now);
        }
        self.on_failure(pending.step, answer)
    }

    fn go_on(
        &mut self,
        step: Step,
        answer: &Response<Vec<u8>>,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        match step {
            Step::Options => {
                self.has_get_parameter = header(answer, &names::PUBLIC)
                    .is_some_and(|methods| methods.to_ascii_uppercase().contains("GET_PARAMETER"));
                self.ask(Step::Describe, false).map(Reply::Send)
            }
            Step::Describe => {
                let base = header(answer, &names::CONTENT_BASE)
                    .or_else(|| header(answer, &names::CONTENT_LOCATION))
                    .map(str::trim)
                    .filter(|base| Url::parse(base).is_ok());
                if let Some(base) = base {
                    self.uri = base.to_owned();
                }
                Ok(Reply::Described(answer.body().clone()))
            }
            Step::SetUp(number) => {
                if let (Some(track), Some(transport)) = (
                    self.tracks.get_mut(number),
                    header(answer, &names::TRANSPORT),
                ) {
                    match headers::transport(transport) {
                        Way::AsAsked => {}
                        Way::On(rtp, rtcp) => track.channels = (rtp, rtcp),
                        Way::Outside => return Err(Refusal::Transport),
                    }
                }
                let next = if number + 1 < self.tracks.len() {
                    Step::SetUp(number + 1)
                } else {
                    Step::Play
                };
                self.ask(next, false).map(Reply::Send)
            }
            Step::Play => {
                self.playing = true;
                self.plan_keep_alive(now);
                let uris: Vec<_> = self.tracks.iter().map(|track| track.uri.clone()).collect();
                let info = header(answer, &names::RTP_INFO).unwrap_or_default();
                Ok(Reply::Playing(headers::rtp_times(info, &uris)))
            }
            Step::KeepAlive => Ok(Reply::Nothing),
        }
    }

    fn on_failure(&mut self, step: Step, answer: &Response<Vec<u8>>) -> Result<Reply, Refusal> {
        let method = self.method(step).1;
        let status = answer.status();
        if status.is_redirection() {
            let place = header(answer, &names::LOCATION).and_then(|at| Url::parse(at.trim()).ok());
            return place.map(Reply::Elsewhere).ok_or(Refusal::Place { method });
        }
        let refusal = Refusal::of(method, status.into(), answer.reason_phrase());
        match step {
            // Some cameras know no OPTIONS; whether they play is said by the answer to DESCRIBE.
            Step::Options if refusal != Refusal::Unauthorized => {
                self.ask(Step::Describe, false).map(Reply::Send)
            }
            // They play on all the same, or they stop, which is seen then.
            Step::KeepAlive => Ok(Reply::Nothing),
            Step::Options | Step::Describe | Step::SetUp(_) | Step::Play => Err(refusal),
        }
    }

    /// Begins to set up these tracks. `aggregate` and `range` are `a=control` and `a=range` of the session's description.
    ///
    /// # Errors
    ///
    /// If a control URL is none.
    pub fn set_up(
        &mut self,
        wanted: &[Wanted],
        aggregate: Option<&str>,
        range: Option<&str>,
    ) -> Result<Vec<u8>, Refusal> {
        self.is_live = range.is_some_and(|range| range.trim().starts_with("npt=now"));
        if let Some(aggregate) = aggregate {
            self.uri = joined(&self.uri, aggregate);
        }
        let track = |(number, wanted): (usize, &Wanted)| {
            let control = wanted.control.as_deref().unwrap_or_default();
            let first = u8::try_from(number * 2).unwrap_or(u8::MAX - 1);
            Track {
                uri: joined(&self.uri, control),
                has_feedback: wanted.has_feedback,
                channels: (first, first + 1),
            }
        };
        self.tracks = wanted.iter().enumerate().map(track).collect();
        self.ask(Step::SetUp(0), false)
    }

    /// Tells what a channel carries.
    pub fn stream(&self, channel: u8) -> Option<Stream> {
        self.tracks.iter().enumerate().find_map(|(number, track)| {
            if track.channels.0 == channel {
                Some(Stream::Rtp(number))
            } else {
                (track.channels.1 == channel).then_some(Stream::Rtcp(number))
            }
        })
    }

    /// Gives the channel of a track's RTCP.
    pub fn rtcp_channel(&self, track: usize) -> Option<u8> {
        self.tracks.get(track).map(|track| track.channels.1)
    }

    /// Says whether the server has answered PLAY. What comes before is not what was asked for.
    pub const fn is_playing(&self) -> bool {
        self.playing
    }

    /// Answers a request of the server's.
    ///
    /// # Errors
    ///
    /// If it ends the session.
    pub fn on_request(&self, request: &Request<Vec<u8>>) -> Result<Vec<u8>, Refusal> {
        let status = match request.method() {
            Method::Options | Method::GetParameter | Method::SetParameter | Method::Announce => {
                StatusCode::Ok
            }
            Method::Teardown | Method::Redirect => return Err(Refusal::Ended),
            Method::Describe
            | Method::Pause
            | Method::Play
            | Method::PlayNotify
            | Method::Setup
            | Method::Record
            | Method::Extension(_) => StatusCode::NotImplemented,
        };
        let mut answer = Response::builder(Version::V1_0, status);
        for name in [names::CSEQ, names::SESSION] {
            if let Some(value) = request.header(&name) {
                answer = answer.header(name, value.clone());
            }
        }
        let mut bytes = Vec::new();
        let written = answer.empty().write(&mut bytes);
        debug_assert!(written.is_ok(), "memory takes everything");
        Ok(bytes)
    }

    /// Gives when time moves something.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.keep_alive
    }

    /// Moves time on; gives what keeps the session alive when it is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.keep_alive.filter(|due| now >= *due)?;
        self.plan_keep_alive(now);
        self.ask(Step::KeepAlive, false).ok()
    }

    fn plan_keep_alive(&mut self, now: Instant) {
        let life = self.name.as_ref().map(|(_, life)| *life);
        self.keep_alive = life.map(|life| now + life.saturating_sub(MARGIN).max(life / 2));
    }

    /// Gives what ends the session; `None` if the server has none of ours.
    pub fn tear_down(&mut self) -> Option<Vec<u8>> {
        self.name.as_ref()?;
        self.keep_alive = None;
        let uri = self.uri.clone();
        self.request(&Method::Teardown, &uri, &[]).ok()
    }

    fn ask(&mut self, step: Step, is_second: bool) -> Result<Vec<u8>, Refusal> {
        let (method, _) = self.method(step);
        let mut uri = self.uri.clone();
        let mut more = Vec::new();
        match step {
            Step::Options | Step::KeepAlive => {}
            Step::Describe => more.push((names::ACCEPT, "application/sdp".to_owned())),
            Step::SetUp(number) => {
                if let Some(track) = self.tracks.get(number) {
                    uri.clone_from(&track.uri);
                    let profile = if track.has_feedback { "AVPF" } else { "AVP" };
                    let (rtp, rtcp) = track.channels;
                    let way = format!("RTP/{profile}/TCP;unicast;interleaved={rtp}-{rtcp}");
                    more.push((names::TRANSPORT, way));
                }
            }
            // gst-rtsp-server seeks a live stream to a begin that it is asked for, and then waits for all its tracks.
            Step::Play => {
                let range = if self.is_live {
                    "npt=now-"
                } else {
                    "npt=0.000-"
                };
                more.push((names::RANGE, range.to_owned()));
            }
        }
        let bytes = self.request(&method, &uri, &more)?;
        self.pending = Some(Pending {
            step,
            number: self.number,
            is_authorized: contains(&bytes, b"\r\nAuthorization:"),
            is_second,
        });
        Ok(bytes)
    }

    const fn method(&self, step: Step) -> (Method, &'static str) {
        match step {
            Step::Options => (Method::Options, "OPTIONS"),
            Step::Describe => (Method::Describe, "DESCRIBE"),
            Step::SetUp(_) => (Method::Setup, "SETUP"),
            Step::Play => (Method::Play, "PLAY"),
            Step::KeepAlive if self.has_get_parameter => (Method::GetParameter, "GET_PARAMETER"),
            Step::KeepAlive => (Method::Options, "OPTIONS"),
        }
    }

    fn request(
        &mut self,
        method: &Method,
        uri: &str,
        more: &[(HeaderName, String)],
    ) -> Result<Vec<u8>, Refusal> {
        let name = <&str>::from(method).to_owned();
        let place = Url::parse(uri).map_err(|_| Refusal::Place { method: "DESCRIBE" })?;
        self.number += 1;
        let mut request = Request::builder(method.clone(), Version::V1_0)
            .header(names::CSEQ, self.number.to_string())
            .header(names::USER_AGENT, AGENT);
        if let Some(authorization) = self.login.authorization(&name, place.as_str()) {
            request = request.header(names::AUTHORIZATION, authorization);
        }
        if let Some((session, _)) = &self.name {
            request = request.header(names::SESSION, session.as_str());
        }
        for (name, value) in more {
            request = request.header(name.clone(), value.as_str());
        }
        let mut bytes = Vec::new();
        let written = request.request_uri(place).empty().write(&mut bytes);
        debug_assert!(written.is_ok(), "memory takes everything");
        Ok(bytes)
    }
}

fn header<'a>(answer: &'a Response<Vec<u8>>, name: &HeaderName) -> Option<&'a str> {
    answer.header(name).map(|value| value.as_str())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Puts a control URL behind its base as ffmpeg and GStreamer do. RFC 3986 would replace the last part of a base without
/// a slash at its end, which cameras do not mean.
fn joined(base: &str, control: &str) -> String {
    let control = control.trim();
    if control.is_empty() || control == "*" {
        return base.to_owned();
    }
    let is_whole = control
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme.to_ascii_lowercase().starts_with("rtsp"));
    if is_whole {
        return control.to_owned();
    }
    let slash = if base.ends_with('/') || control.starts_with('/') {
        ""
    } else {
        "/"
    };
    format!("{base}{slash}{control}")
}
