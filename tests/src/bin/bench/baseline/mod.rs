//! What one gets by hand: an RTSP source, and one `appsrc → webrtcbin` pipeline per viewer, behind
//! the smallest WHEP endpoint.

mod http;
mod session;
pub(crate) mod source;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;

use parking_lot::Mutex;
use session::Session;
use sluice_tests::children;

/// The viewers by number.
#[derive(Default)]
pub(super) struct Viewers {
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
}

impl Viewers {
    /// Hands a frame to every viewer's own pipeline.
    fn push(&self, kind: source::Kind, sample: &gst::Sample) {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            session.push(kind, sample);
        }
    }
}

/// Serves until killed; prints `The baseline is ready: URL`.
pub(super) fn serve(uri: &str) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let folder = tempfile::TempDir::new()?;
    let (pem, print) = children::certificate(folder.path());
    let identity = session::Identity {
        pem: std::fs::read_to_string(pem)?,
        print,
    };
    let viewers = Arc::new(Viewers::default());
    let pushed = Arc::clone(&viewers);
    let _source = source::start(uri, move |kind, sample| pushed.push(kind, sample))?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!(
        "The baseline is ready: http://{}/whep",
        listener.local_addr()?
    );
    std::io::stdout().flush()?;
    let identity = Arc::new(identity);
    let mut next = 0;
    for stream in listener.incoming() {
        next += 1;
        let (viewers, identity) = (Arc::clone(&viewers), Arc::clone(&identity));
        let (stream, number) = (stream?, next);
        std::thread::spawn(move || {
            if let Err(e) = answer(&stream, number, &viewers, &identity) {
                eprintln!("baseline: {e}");
            }
        });
    }
    Ok(())
}

fn answer(
    stream: &std::net::TcpStream,
    number: u64,
    viewers: &Viewers,
    identity: &session::Identity,
) -> Result<(), Box<dyn Error>> {
    let request = http::read(stream)?;
    if request.method == "DELETE" {
        let id = request
            .path
            .rsplit('/')
            .next()
            .and_then(|id| id.parse().ok());
        let session = id.and_then(|id: u64| viewers.sessions.lock().remove(&id));
        drop(session);
        return Ok(http::reply(stream, "200 OK", "", "")?);
    }
    let session = Arc::new(Session::new(&request.body, identity)?);
    // Frames must flow before the answer is made: without caps it would have no `a=ssrc`.
    viewers.sessions.lock().insert(number, Arc::clone(&session));
    let sdp = session.answer(&request.body, identity)?;
    let location = format!("Location: /whep/{number}\r\nContent-Type: application/sdp\r\n");
    Ok(http::reply(stream, "201 Created", &location, &sdp)?)
}
