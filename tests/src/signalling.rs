//! A socket of `/ws`, spoken to by hand; and the stock elements there, in processes of their own.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::lips::Seen;
use crate::picture::Row;
use crate::process::{Process, our_binary};

/// How long one look at the socket takes.
const LOOK: Duration = Duration::from_millis(20);

/// A socket and what came on it.
#[derive(Debug)]
pub struct Socket {
    socket: WebSocket<TcpStream>,
    waiting: VecDeque<Value>,
    /// Its name, from the welcome.
    pub id: String,
    /// Pings that came.
    pub pings: u32,
    /// Why it ended: the code of the close frame, or 0.
    pub closed: Option<u16>,
}

impl Socket {
    /// Opens a socket and takes the welcome.
    ///
    /// # Panics
    /// When the gateway refuses it.
    pub fn open(url: &str) -> Self {
        Self::try_open(url, &[]).unwrap_or_else(|status| panic!("{url} answered {status}"))
    }

    /// Opens a socket with these headers.
    ///
    /// # Errors
    /// The status of the answer, when it is not a socket's.
    ///
    /// # Panics
    /// When there is no answer, or no welcome.
    #[expect(
        clippy::unwrap_in_result,
        reason = "only a refusal is an answer; all else is a failed test"
    )]
    pub fn try_open(url: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(
                HeaderName::try_from(*name).expect("a header's name"),
                HeaderValue::try_from(*value).expect("a header's value"),
            );
        }
        let host = request.uri().authority().expect("a host").to_string();
        let stream = TcpStream::connect(&host).expect("the gateway listens");
        let (socket, _response) = match tungstenite::client(request, stream) {
            Ok(done) => done,
            Err(HandshakeError::Failure(Error::Http(response))) => {
                return Err(response.status().as_u16());
            }
            Err(error) => panic!("{url}: {error}"),
        };
        socket
            .get_ref()
            .set_read_timeout(Some(LOOK))
            .expect("a timeout");
        let mut socket = Self {
            socket,
            waiting: VecDeque::new(),
            id: String::new(),
            pings: 0,
            closed: None,
        };
        let welcome = socket.wait("welcome");
        welcome["peerId"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut socket.id);
        Ok(socket)
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    /// Sends a text, whatever it is. A socket that is closed takes it and does nothing.
    pub fn send_text(&mut self, text: &str) {
        self.send_frame(Message::text(text));
    }

    /// Sends a frame, whatever it is.
    pub fn send_frame(&mut self, frame: Message) {
        if let Err(error) = self.socket.send(frame)
            && self.closed.is_none()
        {
            self.end(&error);
        }
    }

    /// Asks for a session with a path.
    pub fn start(&mut self, path: &str) {
        self.send(&json!({"type": "startSession", "peerId": path}));
    }

    /// Asks for the paths and gives their names.
    pub fn list(&mut self) -> Vec<String> {
        self.send(&json!({"type": "list"}));
        let list = self.wait("list");
        let producers = list["producers"].as_array().cloned().unwrap_or_default();
        let names = producers.iter().map(|one| {
            assert_eq!(one["id"], one["meta"]["name"], "{one}");
            one["id"].as_str().unwrap_or_default().to_owned()
        });
        names.collect()
    }

    /// Gives the next message, if one comes in time.
    pub fn next(&mut self, limit: Duration) -> Option<Value> {
        let end = Instant::now() + limit;
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            if self.closed.is_some() || Instant::now() >= end {
                return None;
            }
            self.look();
        }
    }

    /// Waits for the next message of a kind; others before it are kept.
    ///
    /// # Panics
    /// When none comes, with what came.
    pub fn wait(&mut self, kind: &str) -> Value {
        self.wait_for(kind, |message| message["type"] == kind)
    }

    /// Waits for the next message that is wanted; others before it are kept.
    ///
    /// # Panics
    /// When none comes, with what came.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.waiting.iter().position(&wanted) {
                return self.waiting.remove(at).expect("it is there");
            }
            assert!(
                self.closed.is_none() && Instant::now() < end,
                "no {what} came; closed: {:?}; others: {:?}",
                self.closed,
                self.waiting
            );
            self.look();
        }
    }

    /// Waits for the end; gives the code of the close frame, 0 if there was none.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait_closed(&mut self, limit: Duration) -> u16 {
        let end = Instant::now() + limit;
        loop {
            if let Some(code) = self.closed {
                return code;
            }
            assert!(Instant::now() < end, "the socket is open after {limit:?}");
            self.look();
        }
    }

    /// Takes what is there, and answers pings.
    pub fn look(&mut self) {
        match self.socket.read() {
            Ok(Message::Text(text)) => {
                let message = serde_json::from_str(&text);
                self.waiting.push_back(message.expect("messages are JSON"));
            }
            Ok(Message::Ping(_)) => self.pings += 1,
            Ok(Message::Close(frame)) => {
                self.closed = Some(frame.map_or(0, |frame| frame.code.into()));
            }
            Ok(Message::Binary(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(error) => self.end(&error),
        }
    }

    fn end(&mut self, error: &Error) {
        if let Error::Io(error) = error
            && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        {
            return;
        }
        self.closed.get_or_insert(0);
    }
}

/// A running stock element.
#[derive(Debug)]
pub struct Stock {
    process: Process,
}

/// What a stock element has decoded so far.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Decoded {
    /// Pictures.
    pub video: u64,
    /// Buffers of sound.
    pub audio: u64,
    /// From the element's start to the first picture.
    pub first_ms: Option<u64>,
    /// Colours of the latest picture, for [`crate::picture::check_whole`].
    pub rows: Vec<Row>,
    /// Flashes and beeps, by the element's clock.
    pub lips: Seen,
}

impl Stock {
    /// Starts `stock-ws` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(our_binary("stock-ws"));
        command.args(arguments);
        Self {
            process: Process::spawn("stock-ws", &mut command),
        }
    }

    /// Waits until so much was decoded.
    ///
    /// # Panics
    /// When it was not in time, with what the element wrote.
    pub fn wait_decoded(&self, video: u64, audio: u64, limit: Duration) -> Decoded {
        self.process.wait_line(limit, |line| {
            let decoded: Decoded = serde_json::from_str(line).ok()?;
            (decoded.video >= video && decoded.audio >= audio).then_some(decoded)
        })
    }

    /// Waits until it has seen so many flashes, and heard as many beeps, and gives the newest.
    ///
    /// # Panics
    /// When it has not in time.
    pub fn wait_flashes(&self, count: usize, limit: Duration) -> Seen {
        self.process.wait_line(limit, |line| {
            let decoded: Decoded = serde_json::from_str(line).ok()?;
            let seen = decoded.lips;
            (seen.flashes.len() >= count && seen.beeps.len() >= count).then_some(seen)
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
