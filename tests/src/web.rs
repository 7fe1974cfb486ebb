//! A web server of the kit: the gateway's hook and the keys of JWTs come from it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;

/// One request, and what it brought.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Such as `POST /hook`.
    pub line: String,
    /// Its body.
    pub body: String,
}

/// What to answer: a status, and a body; with 307 the body is where to.
type Answer = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

/// A running server; ended when dropped.
pub struct WebServer {
    host: Ipv4Addr,
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Answers every request by this function, one after the other.
    pub fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, answer)
    }

    /// Does so at another address of this machine, which browsers in a namespace reach.
    pub fn start_at(
        host: Ipv4Addr,
        answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (heard, ended, answer) = (Arc::clone(&asked), Arc::clone(&stop), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                // A client that hangs up is its own affair.
                drop(serve(stream, &*answer, &heard));
            }
        });
        Self {
            host,
            port,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// The address of something on it.
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.origin())
    }

    /// What browsers call its pages' origin.
    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it up, so that it sees the flag.
        drop(TcpStream::connect((self.host, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(stream: TcpStream, answer: &Answer, heard: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked = Asked {
        line: first
            .rsplit_once(' ')
            .map_or("", |(line, _)| line)
            .to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let (status, text) = answer(&asked);
    heard.lock().push(asked);
    let location = if status == 307 {
        format!("location: {text}\r\n")
    } else {
        String::new()
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\n{location}content-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}
