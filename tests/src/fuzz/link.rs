//! `Link` headers with ICE servers. The gateway writes them and reads none, so they are read here, as RFC 8288 has it.

use std::time::Duration;

use sluice_core::access::Secret;
use sluice_core::link::{IceServer, ice_server_link};
use sluice_core::{IceCredentials, IceSource};

/// 2023-11-14.
const NOW: Duration = Duration::from_secs(1_700_000_000);

/// The input is a URL, a user name, a credential and a client's name, a line each. What is missing is not given.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.split('\n').map(str::to_owned);
    let url = lines.next().unwrap_or_default();
    let (username, credential, client) = (lines.next(), lines.next(), lines.next());
    let server = IceServer {
        url,
        username,
        credential,
    };
    check(&server);
    let secret = Secret::new(server.credential.clone().unwrap_or_default());
    let fixed = IceCredentials::Static {
        username: server.username.clone().unwrap_or_default(),
        credential: secret.clone(),
    };
    let minted = IceCredentials::Minted {
        secret,
        ttl: Duration::from_hours(1),
    };
    for credentials in [IceCredentials::None, fixed, minted] {
        if let Ok(source) = IceSource::new(&*server.url, credentials) {
            let client = client.as_deref().unwrap_or("door");
            assert!(source.link(client, NOW).is_ok(), "{source:?}");
            check(&source.mint(client, NOW));
        }
    }
}

fn check(server: &IceServer) {
    let link = match ice_server_link(server) {
        Ok(link) => link,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    // What a header may carry (RFC 9110, 5.5), and no more than it must.
    assert!(
        link.bytes().all(|b| b == b' ' || b.is_ascii_graphic()),
        "{link:?}"
    );
    let texts = [
        Some(&server.url),
        server.username.as_ref(),
        server.credential.as_ref(),
    ];
    let length: usize = texts.into_iter().flatten().map(String::len).sum();
    assert!(link.len() <= 2 * length + 128);
    let (target, parameters) = read(&link).unwrap_or_else(|| panic!("no link: {link}"));
    assert_eq!(target, server.url);
    let value = |name: &str| {
        let mut of = parameters.iter().filter(|(known, _)| known == name);
        let found = of.next().map(|(_, value)| value.clone());
        assert!(of.next().is_none(), "{name} twice: {link}");
        found
    };
    assert_eq!(value("rel").as_deref(), Some("ice-server"));
    assert_eq!(value("username"), server.username);
    assert_eq!(value("credential"), server.credential);
    let with = server.username.is_some();
    assert_eq!(value("credential-type").is_some(), with, "{link}");
    assert_eq!(parameters.len(), if with { 4 } else { 1 }, "{link}");
}

/// Reads the one link of a header: its target and its parameters (RFC 8288, appendix B.2).
fn read(header: &str) -> Option<(String, Vec<(String, String)>)> {
    let (target, mut rest) = header.strip_prefix('<')?.split_once('>')?;
    let mut parameters = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.strip_prefix(';')?.trim_start().split_once('=')?;
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find([';', ',']).unwrap_or(after.len());
                let (value, behind) = after.split_at_checked(end)?;
                (value.to_owned(), behind)
            }
        };
        parameters.push((name.to_owned(), value));
        rest = behind.trim_start();
    }
    Some((target.to_owned(), parameters))
}

/// Reads up to the quote that ends a quoted string.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}
