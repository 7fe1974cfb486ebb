//! What a child process writes, collected as it comes.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionread, read};

/// The lines of all streams of a process, in the order in which they were read.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    streams: Vec<Stream>,
}

/// One pipe. It is read, and the text extended, under the log's lock: what was written is in the pipe or in the text.
#[derive(Debug)]
struct Stream {
    pipe: Arc<OwnedFd>,
    /// Bytes read so far.
    taken: u64,
    /// The beginning of a line.
    part: Vec<u8>,
}

impl Log {
    /// Reads a pipe to its end, on a thread of its own. Each line also goes to `lines`.
    pub(crate) fn follow(
        self: &Arc<Self>,
        pipe: OwnedFd,
        lines: Option<Sender<String>>,
    ) -> JoinHandle<()> {
        let pipe = Arc::new(pipe);
        let mut state = self.state.lock();
        let index = state.streams.len();
        state.streams.push(Stream {
            pipe: Arc::clone(&pipe),
            taken: 0,
            part: Vec::new(),
        });
        drop(state);
        let log = Arc::clone(self);
        std::thread::spawn(move || while log.take(index, &pipe, lines.as_ref()) {})
    }

    /// Waits for the pipe and takes what is in it; false at its end.
    fn take(&self, index: usize, pipe: &OwnedFd, lines: Option<&Sender<String>>) -> bool {
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
        let mut buffer = [0; 4096];
        let mut state = self.state.lock();
        let State { text, streams } = &mut *state;
        let stream = &mut streams[index];
        let got = match read(pipe, &mut buffer) {
            Ok(got) => got,
            Err(Errno::INTR | Errno::AGAIN) => return true,
            Err(_) => 0,
        };
        stream.taken += got as u64;
        stream.part.extend_from_slice(&buffer[..got]);
        let mut whole = stream
            .part
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if got == 0 {
            whole = stream.part.len();
        }
        let taken: Vec<u8> = stream.part.drain(..whole).collect();
        for line in String::from_utf8_lossy(&taken).lines() {
            text.push_str(line);
            text.push('\n');
            if let Some(lines) = lines {
                // Nobody may be listening any more; the log still wants the line.
                drop(lines.send(line.to_owned()));
            }
        }
        drop(state);
        self.more.notify_all();
        got > 0
    }

    /// All lines that were written before this call, whether or not they have been read by now.
    pub(crate) fn text(&self) -> String {
        let mut state = self.state.lock();
        let due: Vec<u64> = state
            .streams
            .iter()
            .map(|one| one.taken + ioctl_fionread(&one.pipe).unwrap_or(0))
            .collect();
        let late = |state: &mut State| {
            let mut both = state.streams.iter().zip(&due);
            both.any(|(stream, due)| stream.taken < *due)
        };
        self.more.wait_while(&mut state, late);
        state.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::mpsc::channel;

    use super::*;

    // Else a test that has seen a program's answer may miss what the program wrote before it answered.
    #[test]
    fn what_was_written_before_is_there_whether_or_not_it_was_read() {
        let (read, mut write) = std::io::pipe().expect("a pipe");
        let log = Arc::new(Log::default());
        let (tx, lines) = channel();
        let reader = log.follow(read.into(), Some(tx));
        for number in 0..2000 {
            writeln!(write, "line {number}").expect("written");
            assert!(log.text().ends_with(&format!("line {number}\n")));
        }
        write.write_all(b"an unfinished \xFF one").expect("written");
        assert!(log.text().ends_with("line 1999\n"));
        drop(write);
        reader.join().expect("it ends");
        assert!(log.text().ends_with("\nan unfinished \u{FFFD} one\n"));
        assert_eq!(lines.iter().count(), 2001);
    }
}
