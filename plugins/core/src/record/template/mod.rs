//! What files of recordings are called: a template with the path and the time.

use std::time::Duration;

use super::moment::{Calendar, Moment};

mod stamp;
#[cfg(test)]
mod tests;

use stamp::Stamp;

/// The ending of a file that is not whole.
pub const PART: &str = ".part";

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path,
    Utc(Field),
    Local(Field),
}

/// One part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Micros,
    Offset,
}

/// The letters of fields, those of `strftime`.
const FIELDS: &[(char, Field)] = &[
    ('Y', Field::Year),
    ('m', Field::Month),
    ('d', Field::Day),
    ('H', Field::Hour),
    ('M', Field::Minute),
    ('S', Field::Second),
    ('f', Field::Micros),
    ('z', Field::Offset),
];

/// Why a template is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is empty or ends with a slash.
    #[error("it names no file; for example {DEFAULT}")]
    NoFile,
    /// A percent sign is followed by something unknown.
    #[error(
        "%{0} is unknown; %p is the path, %Y %m %d %H %M %S %f %z are the time in UTC, with l (%lY) in local time, %% is a percent sign"
    )]
    Unknown(String),
    /// Parts of the time are missing, so that two segments could have one name.
    #[error("it must tell segments apart: {0} is missing")]
    NotDistinct(&'static str),
    /// Parts of the time are in UTC, parts in local time.
    #[error(
        "it mixes UTC and local time; write all of %Y %m %d %H %M %S, or all of %lY %lm %ld %lH %lM %lS"
    )]
    Mixed,
    /// It holds `..` or a NUL.
    #[error("it must not hold .. or a NUL")]
    Escapes,
}

/// The template that is used when none is given.
pub const DEFAULT: &str = "%p/%Y-%m-%dT%H-%M-%S-%fZ";

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

impl Template {
    /// Reads a template: `%p` is the path, `%Y %m %d %H %M %S %f %z` are the time in UTC, `%lY` and so on in
    /// local time, `%%` is a percent sign.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.contains('\0') || text.split('/').any(|part| part == "..") {
            return Err(TemplateError::Escapes);
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                plain.push(letter);
                continue;
            }
            let local = letters.as_str().starts_with('l');
            if local {
                letters.next();
            }
            match letters.next() {
                Some('%') if !local => plain.push('%'),
                Some('p') if !local => pieces.extend([flush(&mut plain), Some(Piece::Path)]),
                other => {
                    let piece = field(other, local)?;
                    pieces.extend([flush(&mut plain), Some(piece)]);
                }
            }
        }
        pieces.push(flush(&mut plain));
        let template = Self {
            text: text.to_owned(),
            pieces: pieces.into_iter().flatten().collect(),
        };
        template.check()?;
        Ok(template)
    }

    /// Gives it as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives the file's name, without an ending, for a segment of `path` that begins at `start`.
    ///
    /// `copy` is 0 for the first one that wants this name, and then counts up: a name is never given twice.
    pub fn name(&self, path: &str, start: Moment, copy: u32) -> String {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Path => name.push_str(path),
                Piece::Utc(field) => name.push_str(&shown(*field, start.utc(), 0)),
                Piece::Local(field) => {
                    name.push_str(&shown(*field, start.local(), start.offset_secs));
                }
            }
        }
        if copy > 0 {
            name.push_str(&format!("_{copy}"));
        }
        name
    }

    /// Gives the folder that all files of `path` are in, at whatever depth.
    pub fn folder(&self, path: &str) -> String {
        let mut fixed = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => fixed.push_str(text),
                Piece::Path => fixed.push_str(path),
                Piece::Utc(_) | Piece::Local(_) => break,
            }
        }
        match fixed.rsplit_once('/') {
            Some(("", _)) => "/".to_owned(),
            Some((folder, _)) => folder.to_owned(),
            None => ".".to_owned(),
        }
    }

    /// Says whether a file's name without its ending can be one of this template and path.
    pub fn owns(&self, path: &str, name: &str) -> bool {
        self.read(path, name).is_some()
    }

    /// Reads from a file's name without its ending when its segment begins, since 1970; none if it is no name of this
    /// template and path. `offset_at` says how far local time is from UTC at such a time, in seconds.
    pub fn start(
        &self,
        path: &str,
        name: &str,
        offset_at: impl Fn(Duration) -> i32,
    ) -> Option<Duration> {
        self.read(path, name)?.start(offset_at)
    }

    fn read(&self, path: &str, name: &str) -> Option<Stamp> {
        let mut stamp = Stamp::default();
        let mut rest = name;
        for piece in &self.pieces {
            rest = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_str()),
                Piece::Path => rest.strip_prefix(path),
                Piece::Utc(field) => stamp.take(*field, false, rest),
                Piece::Local(field) => stamp.take(*field, true, rest),
            }?;
        }
        let copy = rest.strip_prefix('_').unwrap_or("0");
        let is_copy = (rest.is_empty() || rest.starts_with('_'))
            && !copy.is_empty()
            && copy.bytes().all(|byte| byte.is_ascii_digit());
        is_copy.then_some(stamp)
    }

    /// Says whether a segment of `path` could have the name of one of `other_path` under the template `other`.
    pub fn shares(&self, path: &str, other: &Self, other_path: &str) -> bool {
        let (one, two) = (self.shape(path), other.shape(other_path));
        // The second segment that wants a name gets a number behind it.
        let (short, long) = if one.len() <= two.len() {
            (one, two)
        } else {
            (two, one)
        };
        let fits = short.iter().zip(&long).all(|(one, two)| one.meets(*two));
        let mut rest = long.iter().skip(short.len());
        let numbered = match rest.next() {
            None => true,
            Some(first) => {
                let digits: Vec<_> = rest.collect();
                first.meets(Letter::Exactly('_'))
                    && !digits.is_empty()
                    && digits.iter().all(|digit| digit.meets(Letter::Digit))
            }
        };
        fits && numbered
    }

    /// What each letter of a name can be.
    fn shape(&self, path: &str) -> Vec<Letter> {
        let exactly = |text: &str| text.chars().map(Letter::Exactly).collect::<Vec<_>>();
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => exactly(text),
            Piece::Path => exactly(path),
            Piece::Utc(Field::Offset) | Piece::Local(Field::Offset) => {
                [vec![Letter::Sign], vec![Letter::Digit; 4]].concat()
            }
            Piece::Utc(field) | Piece::Local(field) => vec![Letter::Digit; digits(*field)],
        });
        pieces.flatten().collect()
    }

    fn check(&self) -> Result<(), TemplateError> {
        if self.text.is_empty() || self.text.ends_with('/') {
            return Err(TemplateError::NoFile);
        }
        for (field, name) in [
            (Field::Year, "the year (%Y)"),
            (Field::Month, "the month (%m)"),
            (Field::Day, "the day (%d)"),
            (Field::Hour, "the hour (%H)"),
            (Field::Minute, "the minute (%M)"),
            (Field::Second, "the second (%S)"),
            (Field::Micros, "the part of a second (%f)"),
        ] {
            let has = |piece: &Piece| *piece == Piece::Utc(field) || *piece == Piece::Local(field);
            if !self.pieces.iter().any(has) {
                return Err(TemplateError::NotDistinct(name));
            }
        }
        // Only the whole of a time can be read again; a part of a second is the same everywhere.
        let whole = |piece: fn(Field) -> Piece| {
            let fields = [
                Field::Year,
                Field::Month,
                Field::Day,
                Field::Hour,
                Field::Minute,
                Field::Second,
            ];
            fields
                .into_iter()
                .all(|field| self.pieces.contains(&piece(field)))
        };
        if !whole(Piece::Utc) && !whole(Piece::Local) {
            return Err(TemplateError::Mixed);
        }
        Ok(())
    }
}

/// What can stand at one place of a name.
#[derive(Debug, Clone, Copy)]
enum Letter {
    Exactly(char),
    Digit,
    Sign,
}

impl Letter {
    /// Whether both can be the same letter.
    const fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exactly(one), Self::Exactly(two)) => one == two,
            (Self::Exactly(one), Self::Digit) | (Self::Digit, Self::Exactly(one)) => {
                one.is_ascii_digit()
            }
            (Self::Exactly(one), Self::Sign) | (Self::Sign, Self::Exactly(one)) => {
                matches!(one, '+' | '-')
            }
            (Self::Digit, Self::Digit) | (Self::Sign, Self::Sign) => true,
            (Self::Digit, Self::Sign) | (Self::Sign, Self::Digit) => false,
        }
    }
}

fn flush(plain: &mut String) -> Option<Piece> {
    (!plain.is_empty()).then(|| Piece::Text(std::mem::take(plain)))
}

fn field(letter: Option<char>, local: bool) -> Result<Piece, TemplateError> {
    let known = FIELDS.iter().find(|(known, _)| Some(*known) == letter);
    let Some((_, field)) = known else {
        let letter = letter.map(String::from).unwrap_or_default();
        let local = if local { "l" } else { "" };
        return Err(TemplateError::Unknown(format!("{local}{letter}")));
    };
    Ok(if local {
        Piece::Local(*field)
    } else {
        Piece::Utc(*field)
    })
}

fn shown(field: Field, at: Calendar, offset_secs: i32) -> String {
    match field {
        Field::Year => format!("{:04}", at.year),
        Field::Month => format!("{:02}", at.month),
        Field::Day => format!("{:02}", at.day),
        Field::Hour => format!("{:02}", at.hour),
        Field::Minute => format!("{:02}", at.minute),
        Field::Second => format!("{:02}", at.second),
        Field::Micros => format!("{:06}", at.micros),
        Field::Offset => {
            let sign = if offset_secs < 0 { '-' } else { '+' };
            let minutes = offset_secs.unsigned_abs() / 60;
            format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
        }
    }
}

/// How many digits a field has.
const fn digits(field: Field) -> usize {
    match field {
        Field::Year | Field::Offset => 4,
        Field::Micros => 6,
        Field::Month | Field::Day | Field::Hour | Field::Minute | Field::Second => 2,
    }
}
