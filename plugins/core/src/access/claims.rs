//! What a JWT's claim grants.

use std::collections::BTreeSet;

use serde_json::Value;

use super::action::Action;
use super::pattern::Pattern;
use super::policy::Grant;

/// Reads the claim with the permissions.
///
/// It may be a list of objects (`{"action": "read", "path": "cam-*"}`, also with `actions` and `paths`
/// as lists), a list of texts (`"read:cam-*"`, `"api"`), or one text with spaces between them, as OAuth
/// has scopes. What is not understood grants nothing.
pub fn grants(claim: &Value) -> Vec<Grant> {
    match claim {
        Value::String(scopes) => scopes.split_whitespace().filter_map(scope).collect(),
        Value::Array(items) => items.iter().filter_map(item).collect(),
        Value::Object(_) => item(claim).into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn item(item: &Value) -> Option<Grant> {
    if let Value::String(text) = item {
        return scope(text);
    }
    let object = item.as_object()?;
    let either = |one, many| object.get(one).or_else(|| object.get(many));
    let may: BTreeSet<Action> = texts(either("action", "actions")?)?
        .into_iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let paths = match either("path", "paths") {
        None => Vec::new(),
        Some(paths) => {
            let paths = texts(paths)?;
            // MediaMTX's empty path is every path.
            let every = paths.iter().all(|path| path.is_empty());
            if every { Vec::new() } else { patterns(&paths)? }
        }
    };
    (!may.is_empty()).then_some(Grant { may, paths })
}

fn scope(text: &str) -> Option<Grant> {
    let (action, paths) = match text.split_once(':') {
        Some((action, path)) => (action, patterns(&[path])?),
        None => (text, Vec::new()),
    };
    Some(Grant {
        may: BTreeSet::from([action.parse().ok()?]),
        paths,
    })
}

/// Patterns that are none are left out; with none left, the grant is for no path at all.
fn patterns(texts: &[&str]) -> Option<Vec<Pattern>> {
    let patterns: Vec<_> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    (!patterns.is_empty()).then_some(patterns)
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) if !items.is_empty() => items.iter().map(Value::as_str).collect(),
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::target::Ask;
    use super::*;

    #[test]
    fn a_claim_grants_what_it_says_and_nothing_that_is_not_understood() {
        let one = json!([{"action": "read", "path": "cam-*"}]);
        let lists = json!({"actions": ["read", "publish"], "paths": ["a", "b"]});
        let texts = json!(["read:door", "api"]);
        let scopes = json!("openid read:door publish:cam-*");
        let every = json!([{"action": "publish", "path": ""}]);
        // A regular expression of another server is no pattern, and must not become "all".
        let regex = json!([{"action": "read", "path": "~^cam"}]);
        for (claim, ask, granted) in [
            (&one, "read cam-1", true),
            (&one, "read door", false),
            (&one, "publish cam-1", false),
            (&lists, "publish b", true),
            (&lists, "publish c", false),
            (&texts, "read door", true),
            (&texts, "api", true),
            (&scopes, "publish cam-9", true),
            (&scopes, "read cam-9", false),
            (&every, "publish door", true),
            (&json!([{"action": "read"}]), "read door", true),
            (&regex, "read cam-1", false),
            (&json!("read:~.*"), "read door", false),
            (&json!("read:"), "read door", false),
            (&json!([{"action": "read", "path": []}]), "read door", false),
            (&json!([{"action": "read", "path": 7}]), "read door", false),
            (&json!([{"action": "admin"}]), "api", false),
            (&json!(true), "read door", false),
            (&json!(null), "read door", false),
        ] {
            let (action, path) = ask.split_once(' ').unwrap_or((ask, ""));
            let asked = Ask {
                action: action.parse().unwrap(),
                path: (!path.is_empty()).then(|| path.to_owned()),
            };
            let got = grants(claim).iter().any(|grant| grant.covers(&asked));
            assert_eq!(got, granted, "{claim} {ask}");
        }
    }
}
