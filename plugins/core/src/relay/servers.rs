//! The STUN and TURN servers that another server gives its clients in `Link` headers (RFC 9725, 4.6).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::link::IceServer;

/// More servers than this are not asked: each costs every session sockets and time.
const MOST: usize = 4;

/// Reads the ICE servers out of the values of `Link` headers; what is none, or cannot be read, is left out.
pub fn ice_servers<'a>(links: impl IntoIterator<Item = &'a str>) -> Vec<IceServer> {
    let links = links
        .into_iter()
        .flat_map(|value| split_outside_quotes(value, ','));
    links.filter_map(ice_server).take(MOST).collect()
}

/// Reads `<turn:host>; rel="ice-server"; username="…"; credential="…"`.
fn ice_server(link: &str) -> Option<IceServer> {
    let mut parts = split_outside_quotes(link, ';').into_iter().map(str::trim);
    let url = parts.next()?.strip_prefix('<')?.strip_suffix('>')?;
    let mut server = IceServer {
        url: url.to_owned(),
        username: None,
        credential: None,
    };
    let mut is_ice_server = false;
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "rel" => is_ice_server |= value.split(' ').any(|rel| rel == "ice-server"),
            "username" => server.username = Some(value),
            "credential" => server.credential = Some(value),
            // An OAuth token is nothing that webrtcbin could use.
            "credential-type" if value != "password" => return None,
            _ => {}
        }
    }
    is_ice_server.then_some(server)
}

/// Gives the address of a server as webrtcbin takes it: `turn://user:credential@host:port?transport=udp`, or
/// `stun://host:port`; `None` if it cannot use it. Never to be logged.
pub fn as_webrtcbin_takes_it(server: &IceServer) -> Option<String> {
    let (scheme, rest) = server.url.split_once(':')?;
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if place.is_empty() || !place.chars().all(fits) {
        return None;
    }
    let has_port = place
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.ends_with(':') && port.parse::<u16>().is_ok());
    let place = match (has_port, scheme) {
        (true, _) => place.to_owned(),
        (false, "turns") => format!("{place}:5349"),
        (false, _) => format!("{place}:3478"),
    };
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match (scheme, &server.username, &server.credential) {
        ("stun", ..) => Some(format!("stun://{place}")),
        ("turn" | "turns", Some(username), Some(credential)) => {
            let query = query
                .filter(|query| matches!(*query, "transport=udp" | "transport=tcp"))
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            let (username, credential) = (encoded(username), encoded(credential));
            Some(format!("{scheme}://{username}:{credential}@{place}{query}"))
        }
        _ => None,
    }
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c| {
        let splits = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        splits
    })
    .collect()
}

/// Takes the quotes off a quoted string (RFC 9110, 5.6.4).
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ice_server_link;

    fn turn(url: &str, username: &str, credential: &str) -> IceServer {
        IceServer {
            url: url.to_owned(),
            username: Some(username.to_owned()),
            credential: Some(credential.to_owned()),
        }
    }

    #[test]
    fn what_we_write_is_what_we_read() {
        let servers = [
            turn("turn:t.example.net?transport=tcp", r#"a"b, <c>;d"#, r"e\f"),
            IceServer {
                url: "stun:s.example.net".to_owned(),
                username: None,
                credential: None,
            },
        ];
        let links: Vec<_> = servers
            .iter()
            .map(|server| ice_server_link(server).unwrap())
            .collect();
        assert_eq!(ice_servers(links.iter().map(String::as_str)), servers);
        // Several in one header mean the same.
        assert_eq!(ice_servers([links.join(", ").as_str()]), servers);
    }

    #[test]
    fn what_is_no_ice_server_is_left_out() {
        for link in [
            "",
            "<turn:t>",
            "<https://h/a>; rel=\"next\"",
            "turn:t; rel=\"ice-server\"",
            "<turn:t>; rel=\"ice-server\"; credential-type=\"oauth\"",
            "<turn:t; rel=\"ice-server",
        ] {
            assert_eq!(ice_servers([link]), [], "{link}");
        }
        let many = "<stun:s>; rel=ice-server,".repeat(50);
        assert_eq!(ice_servers([many.as_str()]).len(), MOST);
    }

    #[test]
    fn webrtcbin_gets_a_uri_with_a_port_and_encoded_credentials() {
        for (url, taken) in [
            ("turn:t", Some("turn://1%3Ad:p%2F%3D@t:3478")),
            (
                "turn:t:1?transport=tcp",
                Some("turn://1%3Ad:p%2F%3D@t:1?transport=tcp"),
            ),
            ("turns:t", Some("turns://1%3Ad:p%2F%3D@t:5349")),
            (
                "turn:[2001:db8::1]",
                Some("turn://1%3Ad:p%2F%3D@[2001:db8::1]:3478"),
            ),
            ("stun:s:19302", Some("stun://s:19302")),
            ("turn:a@b", None),
            ("turn:", None),
            ("http:t", None),
        ] {
            let server = turn(url, "1:d", "p/=");
            assert_eq!(as_webrtcbin_takes_it(&server).as_deref(), taken, "{url}");
        }
        let anonymous = IceServer {
            url: "turn:t".to_owned(),
            username: None,
            credential: None,
        };
        assert_eq!(as_webrtcbin_takes_it(&anonymous), None);
    }
}
