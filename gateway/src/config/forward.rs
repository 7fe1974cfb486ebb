//! `forward`: servers that a path is pushed to.

use std::path::PathBuf;

use sluice_core::relay::Endpoint;
use sluice_pipelines::ForwardTarget;

use super::access::one_secret;
use super::error::ConfigError;
use super::raw::Entry;
use super::raw_forward::{RawForward, RawForwards};

/// Turns the targets of the path `key` into typed ones; whatever is wrong goes to `errors`.
pub(super) fn convert(
    key: &str,
    raw: &RawForwards,
    errors: &mut Vec<ConfigError>,
) -> Vec<ForwardTarget> {
    let key = format!("{key}.forward");
    let mut targets: Vec<ForwardTarget> = Vec::new();
    for entry in &raw.0 {
        let Some(target) = one(&key, entry, errors) else {
            continue;
        };
        let twice = targets
            .iter()
            .any(|other| other.endpoint.url() == target.endpoint.url());
        if twice {
            let error = ConfigError::new(
                &entry.place,
                &key,
                "names a target twice",
                "keep one of the two",
            );
            errors.push(error.value(&target.endpoint.to_string()));
        }
        targets.push(target);
    }
    targets
}

fn one(
    key: &str,
    entry: &Entry<RawForward>,
    errors: &mut Vec<ConfigError>,
) -> Option<ForwardTarget> {
    let keys = entry.value.keys(&entry.place);
    let Some(url) = &keys.url else {
        let remedy = "add `url:`, such as whip://b.example.org:8889/studio/whip";
        errors.push(ConfigError::new(
            &entry.place,
            key,
            "has a target without `url`",
            remedy,
        ));
        return None;
    };
    let endpoint = match Endpoint::parse(&url.value) {
        Ok(endpoint) => endpoint,
        Err(wrong) => {
            errors.push(ConfigError::new(&url.place, key, wrong, "").value(&url.value));
            return None;
        }
    };
    let ca_file = keys.ca_file.as_ref().and_then(|file| {
        if let Err(cause) = std::fs::File::open(&file.value) {
            let problem = format!("cannot be read ({cause})");
            let remedy = "name a PEM file that the user of this process may read";
            let error = ConfigError::new(&file.place, format!("{key}.ca_file"), problem, remedy);
            errors.push(error.value(&file.value));
            return None;
        }
        Some(PathBuf::from(&file.value))
    });
    let endpoint = if keys.token.is_some() || keys.token_file.is_some() {
        if endpoint.has_secret() {
            let remedy = "write it in the address or in `token_file`, not in both";
            errors.push(ConfigError::new(
                &entry.place,
                key,
                "has a target with two secrets",
                remedy,
            ));
            return None;
        }
        let (place, token) = one_secret(
            key,
            &entry.place,
            ("token", &keys.token),
            ("token_file", &keys.token_file),
            errors,
        )?;
        match endpoint.with_token(&token) {
            Ok(endpoint) => endpoint,
            Err(wrong) => {
                errors.push(ConfigError::new(&place, format!("{key}.token"), wrong, ""));
                return None;
            }
        }
    } else {
        endpoint
    };
    Some(ForwardTarget { endpoint, ca_file })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, PathConfig};

    fn studio(forward: &str, environment: &[(String, String)]) -> Result<PathConfig, String> {
        let text = format!("paths:\n  studio:\n    source: publisher\n    forward: {forward}\n");
        Config::parse("sluice.yaml", &text, environment)
            .map(|config| config.paths.into_values().next().unwrap())
            .map_err(|errors| errors.to_string())
    }

    fn refusal(forward: &str) -> String {
        studio(forward, &[]).unwrap_err()
    }

    #[test]
    fn one_address_or_several_with_their_secrets_apart() {
        let one = studio("whip://b:8889/s/whip", &[]).unwrap();
        assert_eq!(one.spec.forward[0].endpoint.url(), "http://b:8889/s/whip");
        assert!(!one.on_demand);
        let two = studio("[http://b/1, {url: 'whips://c/2', token: s3cret}]", &[]).unwrap();
        assert_eq!(two.spec.forward.len(), 2);
        let c = &two.spec.forward[1].endpoint;
        assert_eq!(c.authorization().as_deref(), Some("Bearer s3cret"));
        assert!(!format!("{two:?}").contains("s3cret"));
    }

    #[test]
    fn a_token_comes_from_a_file_or_a_variable() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let from_file = format!("{{url: 'whip://b/s', token_file: {}}}", file.display());
        let name = "SLUICE_PATHS_STUDIO_FORWARD_1_TOKEN".to_owned();
        let variable = [(name, "s3cret".to_owned())];
        for path in [
            studio(&from_file, &[]).unwrap(),
            studio("[whip://b/s]", &variable).unwrap(),
        ] {
            let endpoint = &path.spec.forward[0].endpoint;
            assert_eq!(endpoint.authorization().as_deref(), Some("Bearer s3cret"));
        }
        let stray = [(
            "SLUICE_PATHS_STUDIO_FORWARD_2_TOKEN".to_owned(),
            "x".to_owned(),
        )];
        let error = studio("[whip://b/s]", &stray).unwrap_err();
        assert!(error.contains("FORWARD_2_TOKEN"), "{error}");
    }

    #[test]
    fn mistakes_are_said_with_their_line_and_without_their_secrets() {
        for (forward, part) in [
            ("rtmp://b/1", "unknown scheme \"rtmp\""),
            ("[whip://b/1, 'whip://b/1']", "names a target twice"),
            ("{token: x}", "has a target without `url`"),
            ("{url: 'whip://b/1', tokn: x}", "did you mean `token`"),
            ("{url: 'whip://:s3cret@b/1', token: s3cret}", "two secrets"),
            ("{url: 'whip://b/1', token: 's3cret ü'}", "no bearer token"),
            (
                "{url: 'whip://b/1', token_file: /nothing}",
                "cannot be read",
            ),
            ("{url: 'whips://b/1', ca_file: /nothing}", "cannot be read"),
            (
                "whip://b/1\n    on_demand: true",
                "needs the source at all times",
            ),
        ] {
            let refusal = refusal(forward);
            assert!(refusal.contains(part), "{forward}: {refusal}");
            assert!(refusal.starts_with("sluice.yaml:"), "{refusal}");
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
        let text = "defaults: {forward: 'whip://b/1'}\npaths: {a: {source: 'test:'}}\n";
        let error = Config::parse("sluice.yaml", text, &[]).unwrap_err();
        assert!(error.to_string().contains("belongs to one path"), "{error}");
    }

    #[test]
    fn the_first_stun_server_is_asked_by_sluice_itself() {
        let text = |servers: &str| {
            format!("webrtc: {{ice_servers: {servers}}}\npaths: {{a: {{source: 'test:'}}}}\n")
        };
        for (servers, asked) in [
            ("[]", None),
            (
                "[{url: 'stun:s.example.org'}]",
                Some("stun://s.example.org:3478"),
            ),
            (
                "[{url: 'stun:s.example.org:19302'}]",
                Some("stun://s.example.org:19302"),
            ),
        ] {
            let config = Config::parse("sluice.yaml", &text(servers), &[]).unwrap();
            let path = config.paths.values().next().unwrap();
            assert_eq!(path.spec.stun_server.as_deref(), asked);
        }
    }
}
