//! Names of paths with stars in them.

use std::fmt;
use std::str::FromStr;

/// A path's name, in which each `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(String);

/// The text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path pattern has 1 to 64 of a-z, 0-9, -, _ and *")]
pub struct PatternError;

impl Pattern {
    /// Says whether a path's name fits.
    pub fn matches(&self, path: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = path.strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else {
            // No star: the name itself.
            return rest.is_empty();
        };
        // The first place where each middle part fits leaves the most for those after it.
        let mut rest = rest;
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Gives it as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'*')
            });
        fits.then(|| Self(text.to_owned())).ok_or(PatternError)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, path, fits) in [
            ("door", "door", true),
            ("door", "door2", false),
            ("door", "a-door", false),
            ("*", "anything", true),
            ("*", "", true),
            ("cam-*", "cam-", true),
            ("cam-*", "cam-1", true),
            ("cam-*", "xcam-1", false),
            ("*-in", "hall-in", true),
            ("*-in", "hall-inn", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a*ab*ab", "aab", false),
            ("**", "x", true),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_no_pattern() {
        for text in ["", "a/b", "Door", "~^cam", "a b", "a\n", &"x".repeat(65)] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError), "{text:?}");
        }
    }
}
