//! What files of recordings are called: a template with the path and the time.

use super::moment::{Calendar, Moment};

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
        let mut rest = name;
        for piece in &self.pieces {
            let after = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_str()),
                Piece::Path => rest.strip_prefix(path),
                Piece::Utc(field) | Piece::Local(field) => after_field(rest, *field),
            };
            let Some(after) = after else {
                return false;
            };
            rest = after;
        }
        let copy = rest.strip_prefix('_').unwrap_or("0");
        (rest.is_empty() || rest.starts_with('_'))
            && !copy.is_empty()
            && copy.bytes().all(|byte| byte.is_ascii_digit())
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
        Ok(())
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

fn after_field(text: &str, field: Field) -> Option<&str> {
    let (text, digits) = match field {
        Field::Year => (text, 4),
        Field::Micros => (text, 6),
        Field::Offset => (text.strip_prefix(['+', '-'])?, 4),
        Field::Month | Field::Day | Field::Hour | Field::Minute | Field::Second => (text, 2),
    };
    let (number, rest) = text.split_at_checked(digits)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(rest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Moment = Moment {
        unix: Duration::new(1_795_930_971, 4_005_600),
        offset_secs: -25_200,
    };

    #[test]
    fn a_name_has_the_path_and_the_time_in_utc_or_local_time() {
        for (template, want) in [
            (DEFAULT, "door/2026-11-29T05-42-51-004005Z"),
            (
                "/srv/%p/%lY%lm%ld/%lH%lM%lS.%f%lz",
                "/srv/door/20261128/224251.004005-0700",
            ),
            ("100%%_%Y%m%d%H%M%S%f%z", "100%_20261129054251004005+0000"),
        ] {
            let template = Template::parse(template).unwrap();
            assert_eq!(template.name("door", START, 0), want);
            assert_eq!(template.name("door", START, 2), format!("{want}_2"));
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_with_a_reason() {
        for (template, want) in [
            ("", "it names no file; for example %p/%Y-%m-%dT%H-%M-%S-%fZ"),
            (
                "a/",
                "it names no file; for example %p/%Y-%m-%dT%H-%M-%S-%fZ",
            ),
            ("../%p", "it must not hold .. or a NUL"),
            ("a\0b", "it must not hold .. or a NUL"),
            (
                "%p",
                "it must tell segments apart: the year (%Y) is missing",
            ),
            (
                "%Y%m%d%H%M%S",
                "it must tell segments apart: the part of a second (%f) is missing",
            ),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert_eq!(error.to_string(), want, "{template}");
        }
        for (template, letter) in [("%q", "q"), ("%lp", "lp"), ("a%", ""), ("%l%", "l%")] {
            let error = Template::parse(template).unwrap_err();
            assert_eq!(error, TemplateError::Unknown(letter.to_owned()));
        }
    }

    #[test]
    fn a_name_is_known_again_and_others_are_not() {
        let template = Template::parse("/srv/%p/%Y%m%d/%H%M%S-%f%lz").unwrap();
        let name = template.name("door", START, 0);
        assert_eq!(template.folder("door"), "/srv/door");
        for (name, want) in [
            (name.clone(), true),
            (template.name("door", START, 12), true),
            (template.name("yard", START, 0), false),
            (format!("{name}x"), false),
            (format!("{name}_"), false),
            (format!("{name}_1x"), false),
            ("/srv/door/20261129/holiday".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(template.owns("door", &name), want, "{name}");
        }
    }

    #[test]
    fn the_folder_is_what_comes_before_the_first_time() {
        for (template, want) in [
            ("%Y%m%d%H%M%S%f", "."),
            ("/%Y%m%d%H%M%S%f", "/"),
            ("rec/%p-%Y%m%d%H%M%S%f", "rec/a"),
            ("rec/%p/%Y/%m%d%H%M%S%f", "rec/a/b"),
        ] {
            let template = Template::parse(template).unwrap();
            assert_eq!(template.folder("a/b"), want);
        }
    }
}
