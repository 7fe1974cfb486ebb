//! Files that are put together while they are sent: bytes made here, and pieces of recordings.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_core::record::clip::{Clip, ClipError, Source, clip};
use sluice_core::record::contents::mp4;
use sluice_core::record::files::FileState;
use sluice_core::record::moment::rfc3339;
use sluice_core::record::playlist::{self, Fragment};
use sluice_core::record::{Container, template};
use sluice_pipelines::RecordSpec;

use super::{Archive, Reading, Recording, rewritten};

/// Read and sent at once: a client that does not read on costs no more memory than this.
const CHUNK: u64 = 256 * 1024;

/// What an address cannot hold as it is. Players look at its ending, so that dots must stay.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A recording that is open, and not deleted meanwhile.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    _reading: Reading,
}

impl Opened {
    /// Takes a file, and what keeps the recording that it stands for.
    pub(super) const fn of(file: File, reading: Reading) -> Self {
        Self {
            file,
            _reading: reading,
        }
    }
}

/// A file as it is sent.
#[derive(Debug)]
pub struct Assembly {
    head: Bytes,
    parts: Vec<Part>,
    length: u64,
}

#[derive(Debug)]
struct Part {
    opened: Arc<Opened>,
    at: u64,
    bytes: u64,
}

/// Why nothing can be cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The disk.
    #[error("a recording cannot be read: {0}")]
    Disk(#[from] io::Error),
    /// What is there does not allow it.
    #[error("{0}")]
    Clip(#[from] ClipError),
    /// What is in a file does not go into MP4.
    #[error("{name} {why}; fetch it whole below files/")]
    Format {
        /// The file.
        name: String,
        /// The middle of a sentence.
        why: String,
    },
    /// Files that are no MP4 in fragments are rewritten first.
    #[error(
        "more than 4 GB would have to be rewritten as MP4; ask for less, or fetch the files whole below files/"
    )]
    TooMuch,
}

impl Archive {
    /// Opens one file whole.
    ///
    /// # Errors
    /// When it is gone or cannot be read.
    pub fn whole(self: &Arc<Self>, file: &Path) -> io::Result<Assembly> {
        let opened = self.open(file)?;
        let bytes = opened.file.metadata()?.len();
        Ok(Assembly {
            head: Bytes::new(),
            parts: vec![Part {
                opened,
                at: 0,
                bytes,
            }],
            length: bytes,
        })
    }

    /// Cuts one MP4 out of a path's recordings. Blocks while it reads the heads of all fragments in question, and rewrites files that are
    /// no MP4 in fragments.
    ///
    /// # Errors
    /// When nothing was recorded then, or what was cannot be cut.
    pub fn cut(
        self: &Arc<Self>,
        path: &str,
        spec: &RecordSpec,
        from: Duration,
        duration: Duration,
    ) -> Result<(Clip, Assembly), CutError> {
        let until = from.saturating_add(duration);
        let list = self.list(path, spec)?;
        let meant = list
            .iter()
            .filter(|one| one.end > from && one.start < until)
            .filter(|one| one.state != FileState::Broken);
        let (mut sources, mut files) = (Vec::new(), Vec::new());
        let mut rewritten = 0;
        for one in meant {
            let mut opened = self.open(&one.file)?;
            let heads = if let Some(heads) = heads(one, &opened.file)? {
                heads
            } else {
                rewritten += one.bytes;
                rewritten::check(rewritten)?;
                opened = self.rewritten(one)?;
                fragments(one, &opened.file)?.ok_or(ClipError::Nothing)?
            };
            let runs = heads.fragments.into_iter().flat_map(|one| one.runs);
            sources.push(Source {
                runs: runs.collect(),
                ..heads.source
            });
            files.push(opened);
        }
        let clip = clip(&sources, from, duration)?;
        let parts = clip.pieces.iter().filter_map(|piece| {
            Some(Part {
                opened: Arc::clone(files.get(piece.source)?),
                at: piece.at,
                bytes: piece.bytes,
            })
        });
        let parts: Vec<_> = parts.collect();
        let length = parts.iter().map(|part| part.bytes).sum::<u64>() + clip.head.len() as u64;
        let assembly = Assembly {
            head: Bytes::from(clip.head.clone()),
            parts,
            length,
        };
        Ok((clip, assembly))
    }

    /// Lists the parts of a path's files for players of HLS; files that are no MP4 in fragments are left out. Blocks while it reads
    /// the heads of all fragments in question.
    ///
    /// # Errors
    /// When nothing was recorded then that can be listed.
    pub fn playlist(
        self: &Arc<Self>,
        path: &str,
        spec: &RecordSpec,
        from: Duration,
        duration: Duration,
    ) -> Result<String, CutError> {
        let until = from.saturating_add(duration);
        let list = self.list(path, spec)?;
        let mut files = Vec::new();
        for one in list
            .iter()
            .filter(|one| one.end > from && one.start < until)
        {
            let opened = self.open(&one.file)?;
            files.extend(heads(one, &opened.file)?);
        }
        playlist::playlist(&files).ok_or(CutError::Clip(ClipError::Nothing))
    }

    fn open(self: &Arc<Self>, file: &Path) -> io::Result<Arc<Opened>> {
        let reading = self.reading(file);
        let file = File::open(file)?;
        Ok(Arc::new(Opened::of(file, reading)))
    }
}

/// Reads the heads of a file; none if it is no MP4 in fragments. The frames are in the fragments, not in the source.
fn heads(one: &Recording, file: &File) -> io::Result<Option<playlist::File>> {
    if one.container != Container::FragmentedMp4 {
        return Ok(None);
    }
    fragments(one, file)
}

/// The same of any file that stands for a recording.
fn fragments(one: &Recording, file: &File) -> io::Result<Option<playlist::File>> {
    let length = file.metadata()?.len();
    let mut read = |at: u64, len: usize| read_at(file, at, len);
    let Some((header, header_end)) = mp4::header(length, &mut read)? else {
        return Ok(None);
    };
    if !header.fragmented {
        return Ok(None);
    }
    let mut places = Vec::new();
    mp4::for_each_fragment(header_end, length, &mut read, |at, size, end| {
        places.push((at, size, end));
    })?;
    let mut fragments = Vec::new();
    for (at, size, end) in places {
        let runs = mp4::runs(&read(at, size)?, at, &header);
        fragments.push(Fragment { at, end, runs });
    }
    Ok(Some(playlist::File {
        address: address(&one.name),
        header_end,
        source: Source {
            start: one.start,
            header,
            runs: Vec::new(),
        },
        fragments,
    }))
}

/// Where a file is found from the playlist on: by the name that it has when it is whole.
fn address(name: &str) -> String {
    let whole = name.strip_suffix(template::PART).unwrap_or(name);
    let parts = whole.split('/');
    let parts: Vec<_> = parts
        .map(|part| utf8_percent_encode(part, RESERVED).to_string())
        .collect();
    format!("files/{}", parts.join("/"))
}

fn read_at(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut data = vec![0; len];
    let mut filled = 0;
    while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(filled as u64))? {
            0 => break,
            count => filled += count,
        }
    }
    data.truncate(filled);
    Ok(data)
}

impl Assembly {
    /// Gives its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Reads the first bytes of a range, at most a quarter of a megabyte; none at its end. Blocks as long as the disk does.
    ///
    /// # Errors
    /// When the disk cannot be read, or a file has become shorter.
    pub fn read(&self, range: &Range<u64>) -> io::Result<Bytes> {
        let head = self.head.len() as u64;
        if range.start < head {
            let end = usize::try_from(range.end.min(head)).unwrap_or_default();
            let start = usize::try_from(range.start).unwrap_or_default();
            return Ok(self.head.slice(start..end));
        }
        let mut made = Vec::new();
        let (mut begin, mut at) = (head, range.start);
        for part in &self.parts {
            let end = begin.saturating_add(part.bytes);
            if at < end && at < range.end {
                let room = CHUNK.saturating_sub(made.len() as u64);
                let bytes = (end.min(range.end) - at).min(room);
                let wanted = usize::try_from(bytes).unwrap_or_default();
                let data = read_at(&part.opened.file, part.at + (at - begin), wanted)?;
                if data.len() < wanted {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                at += bytes;
                made.extend(data);
            }
            if made.len() as u64 >= CHUNK || at >= range.end {
                break;
            }
            begin = end;
        }
        Ok(Bytes::from(made))
    }
}

/// What a client that keeps it can compare: another one for other bytes.
#[must_use]
pub fn tag(clip: &Clip) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(&clip.head);
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

/// A name for the file on the client's disk.
#[must_use]
pub fn file_name(path: &str, clip: &Clip) -> String {
    let start = rfc3339(clip.start).replace(':', "-");
    format!("{path}-{start}.mp4")
}
