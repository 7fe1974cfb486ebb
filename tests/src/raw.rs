//! HTTP byte by byte, for what no client library would send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A connection whose requests are written by hand.
#[derive(Debug)]
pub struct RawHttp {
    stream: TcpStream,
    read: Vec<u8>,
}

impl RawHttp {
    /// Connects to a gateway's port on this machine.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the gateway listens");
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends bytes. A peer that has closed already is an answer that is read later.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()));
    }

    /// Sends bytes; false once the peer takes no more.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The status of the next answer, with its head and body taken away; `None` when the peer closes, or says
    /// nothing within `limit`.
    pub fn status(&mut self, limit: Duration) -> Option<u16> {
        self.answer(limit).map(|(status, _, _)| status)
    }

    /// The next answer: status, head in lower case, body. Bodies have a `Content-Length`, or none.
    pub fn answer(&mut self, limit: Duration) -> Option<(u16, String, String)> {
        let end = Instant::now() + limit;
        loop {
            if let Some(answer) = self.take() {
                return Some(answer);
            }
            if Instant::now() >= end || !self.fill() {
                return self.take();
            }
        }
    }

    /// Whether the peer closes within `limit`; what it says before is thrown away.
    pub fn is_closed(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if !self.fill() {
                return true;
            }
        }
        false
    }

    /// Reads what is there; false at the end of the stream.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(read) => {
                self.read.extend_from_slice(&buffer[..read]);
                true
            }
            Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    fn take(&mut self) -> Option<(u16, String, String)> {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse::<usize>().ok())
            .unwrap_or(0);
        if rest.len() < length {
            return None;
        }
        let body = rest.get(..length)?.to_owned();
        self.read.drain(..head.len() + 4 + length);
        Some((status, head, body))
    }
}
