//! `auth.allow`: the list of rules.

use std::collections::BTreeSet;
use std::str::FromStr;

use sluice_core::access::{Action, Grant, Rule, Who};

use super::super::error::ConfigError;
use super::super::raw::{Entry, RawList};
use super::super::raw_access::RawRule;
use super::cannot;

/// Words that stand for people; no user has one of these names.
pub(super) const WORDS: &[&str] = &["anyone", "signed-in"];

pub(super) fn convert(
    raw: &[Entry<RawRule>],
    known: &BTreeSet<&String>,
    errors: &mut Vec<ConfigError>,
) -> Vec<Rule> {
    raw.iter()
        .filter_map(|entry| rule(entry, known, errors))
        .collect()
}

fn rule(
    entry: &Entry<RawRule>,
    known: &BTreeSet<&String>,
    errors: &mut Vec<ConfigError>,
) -> Option<Rule> {
    let raw = &entry.value;
    let missing = |key: &str, remedy: &str| {
        ConfigError::new(
            &entry.place,
            "auth.allow",
            format!("has a rule without `{key}`"),
            remedy,
        )
    };
    let Some(who) = filled(raw.who.as_ref()) else {
        errors.push(missing(
            "who",
            "add who: anyone, who: signed-in, or names of users and tokens",
        ));
        return None;
    };
    let Some(may) = filled(raw.may.as_ref()) else {
        errors.push(missing(
            "may",
            "add what they may: publish, read, playback, api, metrics or everything",
        ));
        return None;
    };
    Some(Rule {
        who: people(who, known, errors)?,
        from: all(raw.from.as_ref(), "auth.allow.from", errors)?,
        grant: Grant {
            may: actions(may, errors)?,
            paths: all(raw.paths.as_ref(), "auth.allow.paths", errors)?,
        },
    })
}

/// An empty list is no answer.
fn filled(list: Option<&RawList>) -> Option<&RawList> {
    list.filter(|list| !list.0.is_empty())
}

fn people(list: &RawList, known: &BTreeSet<&String>, errors: &mut Vec<ConfigError>) -> Option<Who> {
    if let [only] = &list.0[..] {
        match only.value.as_str() {
            "anyone" => return Some(Who::Anyone),
            "signed-in" => return Some(Who::SignedIn),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for entry in &list.0 {
        if known.contains(&entry.value) {
            names.insert(entry.value.clone());
        } else {
            errors.push(cannot(
                entry,
                "auth.allow.who",
                "write a name from `auth.users` or `auth.tokens`, or anyone or signed-in alone",
            ));
        }
    }
    (names.len() == list.0.len()).then_some(Who::Names(names))
}

fn actions(list: &RawList, errors: &mut Vec<ConfigError>) -> Option<BTreeSet<Action>> {
    if let [only] = &list.0[..]
        && only.value == "everything"
    {
        return Some(Action::ALL.into());
    }
    let mut actions = BTreeSet::new();
    for entry in &list.0 {
        match entry.value.parse() {
            Ok(action) => {
                actions.insert(action);
            }
            Err(()) => {
                errors.push(cannot(
                    entry,
                    "auth.allow.may",
                    "write publish, read, playback, api or metrics, or everything alone",
                ));
                return None;
            }
        }
    }
    Some(actions)
}

/// Reads every value of a list that may be missing; `None` when one of them is wrong.
///
/// A wrong range must not shrink the list to one that is empty, which would mean "from everywhere".
fn all<T: FromStr<Err: std::fmt::Display>>(
    list: Option<&RawList>,
    key: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<T>> {
    let Some(list) = list else {
        return Some(Vec::new());
    };
    if list.0.is_empty() {
        let error = ConfigError::new(
            &super::super::error::Place::Elsewhere,
            key,
            "is an empty list",
            "leave it out for all, or name some",
        );
        errors.push(error);
        return None;
    }
    let mut values = Vec::new();
    for entry in &list.0 {
        match entry.value.parse() {
            Ok(value) => values.push(value),
            Err(wrong) => {
                errors.push(cannot(entry, key, &format!("{wrong}")));
                return None;
            }
        }
    }
    Some(values)
}
