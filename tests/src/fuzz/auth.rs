//! Requests as access control sees them: addresses, `Host`, `Origin`, proxies and credentials.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use sluice_core::access::{
    Action, Client, Credentials, Grant, Identity, Network, Origins, Policy, Proxies, ProxyHeader,
    Relation, Rule, Site, Target, Verdict, Ways, Who, grants, is_own_name, target, without_tokens,
};
use sluice_core::redact;

use super::check_problem;

/// The input is a request: `GET /path?query`, then headers, a line each. Beside HTTP's there are `Peer`, the address
/// of the other end, and `Claim`, what a JWT grants.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let url = first.split(' ').nth(1).unwrap_or(first);
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let all = |wanted: &str| -> Vec<&str> {
        let of = headers.iter();
        of.filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| *value)
            .collect()
    };
    let one = |wanted: &str| all(wanted).first().copied();

    credentials(one("authorization"), query);
    masking(text);
    let peer = one("peer").and_then(|peer| peer.parse().ok());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let client = client(peer, &all("x-forwarded-for"), &all("forwarded"));
    let own_name = one("host").is_some_and(names);
    relation(one("origin"), one("sec-fetch-site"), one("host"));
    let claim = one("claim").and_then(|claim| serde_json::from_str(claim).ok());
    let grants = claim.map(|claim| grants(&claim)).unwrap_or_default();
    judge(path, &grants, &client, own_name);
}

fn credentials(header: Option<&str>, query: Option<&str>) {
    let found = Credentials::read(header, query);
    match &found {
        Credentials::Nothing | Credentials::Unreadable => {}
        Credentials::Token(token) => {
            assert!(!token.expose().contains(':'));
            hidden(&found, token.expose());
        }
        Credentials::Password { user, password } => {
            assert!(!user.contains(':'));
            hidden(&found, password.expose());
            let again = Credentials::basic(user, password.expose());
            if let Credentials::Password {
                user: same,
                password: known,
            } = Credentials::read(Some(&again), None)
            {
                assert_eq!(&same, user);
                assert!(known.matches(password.expose()));
            } else {
                // Only for its length: base64 makes four bytes of three.
                assert!(again.len() > 8 * 1024, "{again}");
            }
        }
    }
    if let Some(query) = query {
        let kept = without_tokens(query);
        let left = Credentials::read(None, kept.as_deref());
        assert!(matches!(left, Credentials::Nothing), "{kept:?}");
        assert!(kept.as_ref().is_none_or(|kept| kept.len() <= query.len()));
        assert_eq!(kept.as_deref().and_then(without_tokens), kept);
    }
}

/// A secret that is no part of our own words is not shown.
fn hidden(credentials: &Credentials, secret: &str) {
    let shown = format!("{credentials:?}");
    let user = if let Credentials::Password { user, .. } = credentials {
        format!("{user:?}")
    } else {
        String::new()
    };
    let rest = shown.replacen(&user, "", 1);
    let known = "Password { user: , password: *** } Token(***)";
    assert!(known.contains(secret) || !rest.contains(secret), "{shown}");
}

/// A secret in the middle of any text is masked, and a second pass, which may hide more, does not bring it back.
fn masking(text: &str) {
    for (before, after) in [
        ("rtsp://user:", "@cam/1"),
        ("/door/whep?token=", "&x=1"),
        ("Authorization: Bearer ", ""),
        ("srt://cam:9000?passphrase=", ""),
    ] {
        let line = format!("{text} {before}S3CRET-0123456789-abcdef{after}");
        let shown = redact(&line);
        let shown = shown.matches("S3CRET").count();
        assert!(shown <= text.matches("S3CRET").count(), "{line:?}");
    }
}

fn client(peer: IpAddr, forwarded_for: &[&str], forwarded: &[&str]) -> Client {
    let trusted: Vec<Network> = ["10.0.0.0/8", "loopback", "2001:db8:1::/48"]
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let mut found = None;
    for (header, lines) in [
        (ProxyHeader::Forwarded, forwarded),
        (ProxyHeader::XForwardedFor, forwarded_for),
    ] {
        let proxies = Proxies {
            trusted: trusted.clone(),
            header,
        };
        let client = proxies.client(peer, lines, !lines.is_empty());
        if !proxies.trusts(peer) {
            // A stranger's word about itself is worth nothing.
            assert_eq!(client.address, peer.to_canonical());
            assert_eq!(client.hidden, !lines.is_empty());
        }
        // A proxy appends where it had the request from; what stands before that changes nothing.
        let own = match header {
            ProxyHeader::Forwarded => "for=203.0.113.7",
            ProxyHeader::XForwardedFor => "203.0.113.7",
        };
        let appended = format!("{}, {own}", lines.join(", "));
        let proxied = proxies.client(Ipv4Addr::new(10, 0, 0, 1).into(), &[&appended], true);
        assert_eq!(
            proxied.address,
            Ipv4Addr::new(203, 0, 113, 7),
            "{appended:?}"
        );
        assert!(!proxied.hidden);
        found = Some(client);
    }
    found.unwrap_or_else(|| panic!("there are two headers"))
}

/// No name below a domain that strangers can register is ours.
fn names(host: &str) -> bool {
    let known = ["gate.example.org".to_owned()];
    let name: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        .collect();
    assert!(!is_own_name(&format!("{name}.attacker.example"), &known));
    is_own_name(host, &known)
}

fn relation(origin: Option<&str>, fetch_site: Option<&str>, host: Option<&str>) {
    let mut origins = Origins::default();
    for allowed in ["https://app.example.org", "http://localhost:3000"] {
        assert_eq!(origins.add(allowed), Ok(()));
    }
    let site = |origin, fetch_site| Site {
        origin,
        fetch_site,
        host,
    };
    let relation = origins.relation(site(origin, fetch_site));
    if relation == Relation::Allowed {
        assert!(matches!(
            origin,
            Some("https://app.example.org" | "http://localhost:3000")
        ));
    }
    let hostile = "https://attacker.example";
    let is_its_host = host.is_some_and(|host| host.to_ascii_lowercase().contains("attacker"));
    if !is_its_host && host.is_none_or(|host| host.is_ascii() && !host.contains('%')) {
        let cross = origins.relation(site(Some(hostile), Some("cross-site")));
        assert_eq!(cross, Relation::Foreign, "{host:?}");
    }
    if let Some(origin) = origin {
        let mut more = Origins::default();
        // What is taken into a config is recognised when a browser says it.
        if more.add(origin).is_ok() && !more.any() {
            assert_eq!(more.add(origin), Ok(()));
        }
    }
}

fn judge(path: &str, grants: &[Grant], client: &Client, own_name: bool) {
    let ask = match target(path) {
        Target::Open => {
            let first = path.trim_start_matches('/');
            return assert!(first.starts_with(['h', '_', '%']), "{path}");
        }
        Target::Socket => return assert!(path.len() <= "/%77%73".len(), "{path}"),
        Target::Page(ask) | Target::Guarded(ask) => ask,
    };
    let closed = Policy::closed("write `auth`");
    let open = Policy {
        rules: vec![
            Rule {
                who: Who::Names(BTreeSet::from(["alice".to_owned()])),
                from: Vec::new(),
                grant: Grant::everything(),
            },
            Rule::open(Action::Read),
            Rule::loopback(),
        ],
        ways: Ways {
            bearer: true,
            basic: true,
        },
        remedy: String::new(),
    };
    for policy in [&closed, &open] {
        let judge = |identity: Identity<'_>| {
            let verdict = policy.judge(&ask, &identity, client, own_name);
            if let Verdict::Forbid(problem) = &verdict {
                check_problem(problem, &[403]);
            }
            verdict == Verdict::Allow
        };
        let nobody = judge(Identity::Nobody);
        let bearer = judge(Identity::Bearer(grants));
        // Signing in takes nothing away.
        assert!(!nobody || (bearer && judge(Identity::Named("bob"))));
        let covered = grants.iter().any(|grant| grant.covers(&ask));
        assert!(bearer || !covered);
    }
    let allowed = closed.judge(&ask, &Identity::Nobody, client, own_name) == Verdict::Allow;
    assert_eq!(
        allowed,
        client.address.is_loopback() && !client.hidden && own_name
    );
    let alice = open.judge(&ask, &Identity::Named("alice"), client, own_name);
    assert_eq!(alice, Verdict::Allow);
}
