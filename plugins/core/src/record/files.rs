//! What the name of a recording's file says of its state.

use super::container::Container;
use super::template::PART;

/// How complete a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// It was finished.
    Whole,
    /// It is being written, or was when something ended the recorder.
    Open,
    /// It was not finished; what was whole of it is there.
    Repaired,
    /// It was not finished, and cannot be played.
    Broken,
}

impl FileState {
    /// Gives the API's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Open => "recording",
            Self::Repaired => "repaired",
            Self::Broken => "broken",
        }
    }
}

/// A file's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// What the template made.
    pub name: &'a str,
    /// What is in it.
    pub container: Container,
    /// How complete it is.
    pub state: FileState,
}

/// Takes a file's name apart; none if it is no recording's.
pub fn named(file: &str) -> Option<Named<'_>> {
    let (rest, open) = match file.strip_suffix(PART) {
        Some(rest) => (rest, true),
        None => (file, false),
    };
    let (rest, ending) = rest.rsplit_once('.')?;
    let container = Container::from_extension(ending)?;
    if open {
        return Some(Named {
            name: rest,
            container,
            state: FileState::Open,
        });
    }
    let marked = rest.rsplit_once('.').and_then(|(name, mark)| {
        let word = mark.split_once('_').map_or(Some(mark), |(word, copy)| {
            let is_copy = !copy.is_empty() && copy.bytes().all(|byte| byte.is_ascii_digit());
            is_copy.then_some(word)
        })?;
        match word {
            "repaired" => Some((name, FileState::Repaired)),
            "broken" => Some((name, FileState::Broken)),
            _ => None,
        }
    });
    let (name, state) = marked.unwrap_or((rest, FileState::Whole));
    Some(Named {
        name,
        container,
        state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_what_it_is() {
        use FileState::{Broken, Open, Repaired, Whole};
        for (file, want) in [
            ("a/1.mp4", Some(("a/1", "fmp4", Whole))),
            ("1.5.webm", Some(("1.5", "mkv", Whole))),
            ("1.mp4.part", Some(("1", "fmp4", Open))),
            ("1.repaired.mkv", Some(("1", "mkv", Repaired))),
            ("1.repaired_2.ts", Some(("1", "mpegts", Repaired))),
            ("1.broken.mp4", Some(("1", "fmp4", Broken))),
            ("1.broken_x.mp4", Some(("1.broken_x", "fmp4", Whole))),
            ("1.txt", None),
            ("mp4", None),
            ("1.part", None),
        ] {
            let got = named(file).map(|named| (named.name, named.container.name(), named.state));
            assert_eq!(got, want, "{file}");
        }
    }
}
