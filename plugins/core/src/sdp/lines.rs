//! The lines of a session description, by section.

/// A description: the session's section and one section per `m=` line.
pub(crate) struct Description<'a> {
    pub(crate) session: Section<'a>,
    pub(crate) media: Vec<Section<'a>>,
}

/// Lines without their ends; a media section begins with its `m=` line.
#[derive(Default)]
pub(crate) struct Section<'a> {
    pub(crate) lines: Vec<&'a str>,
}

impl<'a> Section<'a> {
    /// Gives what follows `m=`.
    pub(crate) fn head(&self) -> &'a str {
        self.lines
            .first()
            .and_then(|line| line.strip_prefix("m="))
            .unwrap_or_default()
    }

    /// Gives the values of all `a=name:value`; the value of a bare `a=name` is empty.
    pub(crate) fn attributes(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .filter_map(move |line| attribute(line, name))
    }

    /// Gives the first value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes(name).next()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }
}

/// Gives the value of `a=name:value`, or an empty text for `a=name`.
pub(crate) fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix(':').map(str::trim)
    }
}

/// More sections than any browser makes for one viewer.
const MOST_MEDIA: usize = 32;

/// Splits a description. Lines may end with CRLF or LF.
///
/// The error completes the sentence "the SDP …".
pub(crate) fn split(text: &str) -> Result<Description<'_>, String> {
    let mut session = Section::default();
    let mut media: Vec<Section<'_>> = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let number = index + 1;
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("has a control character in line {number}"));
        }
        let mut chars = line.chars();
        if !(chars.next().is_some_and(|c| c.is_ascii_lowercase()) && chars.next() == Some('=')) {
            return Err(format!(
                "has no letter and = at the beginning of line {number}"
            ));
        }
        if line.starts_with("m=") {
            if media.len() == MOST_MEDIA {
                return Err(format!("has more than {MOST_MEDIA} media sections"));
            }
            media.push(Section { lines: vec![line] });
        } else {
            media.last_mut().unwrap_or(&mut session).lines.push(line);
        }
    }
    if session.lines.first() != Some(&"v=0") {
        return Err("does not begin with v=0".to_owned());
    }
    if media.is_empty() {
        return Err("has no media section".to_owned());
    }
    Ok(Description { session, media })
}
