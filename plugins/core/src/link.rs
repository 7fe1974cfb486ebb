//! `Link` headers that give a client its ICE servers (RFC 9725, 4.6).

use std::fmt;

/// A STUN or TURN server for clients. `Debug` hides the credential.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Such as `stun:stun.example.org` or `turn:turn.example.org:3478?transport=udp`.
    pub url: String,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN.
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceServer({})", self.url)
    }
}

/// Why an ICE server cannot be given to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The URL has an unknown scheme or characters that a header cannot carry.
    #[error(
        "the ICE server's url is not right; write stun:host, turn:host:3478?transport=udp or turns:host"
    )]
    Url,
    /// A TURN server needs both.
    #[error("a TURN server needs a username and a credential")]
    Credentials,
    /// A value has characters that a header cannot carry.
    #[error("the ICE server's username or credential has characters other than visible ASCII")]
    Characters,
}

/// Gives the value of one `Link` header.
///
/// # Errors
///
/// If the server is not one, or if a value could break out of the header.
pub fn ice_server_link(server: &IceServer) -> Result<String, LinkError> {
    let (scheme, rest) = server.url.split_once(':').ok_or(LinkError::Url)?;
    let clean = rest
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'\\' | b','));
    if !clean || rest.is_empty() || rest.starts_with('/') {
        return Err(LinkError::Url);
    }
    let turn = match scheme {
        "stun" | "stuns" => false,
        "turn" | "turns" => true,
        _ => return Err(LinkError::Url),
    };
    let mut link = format!("<{}>; rel=\"ice-server\"", server.url);
    match (&server.username, &server.credential) {
        (Some(username), Some(credential)) => {
            let username = quoted(username).ok_or(LinkError::Characters)?;
            let credential = quoted(credential).ok_or(LinkError::Characters)?;
            link.push_str(&format!(
                "; username={username}; credential={credential}; credential-type=\"password\""
            ));
        }
        (None, None) if !turn => {}
        (None | Some(_), None | Some(_)) => return Err(LinkError::Credentials),
    }
    Ok(link)
}

/// Writes a quoted string (RFC 9110, 5.6.4).
fn quoted(text: &str) -> Option<String> {
    let mut out = String::from("\"");
    for c in text.chars() {
        if !(c == ' ' || c.is_ascii_graphic()) {
            return None;
        }
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, credentials: Option<(&str, &str)>) -> IceServer {
        IceServer {
            url: url.to_owned(),
            username: credentials.map(|(username, _)| username.to_owned()),
            credential: credentials.map(|(_, credential)| credential.to_owned()),
        }
    }

    #[test]
    fn one_server_is_one_link() {
        for (url, credentials, link) in [
            (
                "stun:stun.example.net",
                None,
                r#"<stun:stun.example.net>; rel="ice-server""#,
            ),
            (
                "turn:turn.example.net?transport=udp",
                Some(("1700000000:door", "c2VjcmV0+/=")),
                r#"<turn:turn.example.net?transport=udp>; rel="ice-server"; username="1700000000:door"; credential="c2VjcmV0+/="; credential-type="password""#,
            ),
            (
                "turns:[2001:db8::1]:443",
                Some((r#"a"b"#, r"c\d")),
                r#"<turns:[2001:db8::1]:443>; rel="ice-server"; username="a\"b"; credential="c\\d"; credential-type="password""#,
            ),
        ] {
            assert_eq!(
                ice_server_link(&server(url, credentials)).as_deref(),
                Ok(link)
            );
        }
    }

    #[test]
    fn nothing_breaks_out_of_the_header() {
        let user = |username| Some((username, "secret"));
        for (url, credentials, error) in [
            ("turn:t\r\nSet-Cookie: a=b", user("u"), LinkError::Url),
            ("turn:t>; rel=\"x\"", user("u"), LinkError::Url),
            ("http://t", None, LinkError::Url),
            ("stun://t", None, LinkError::Url),
            ("stun:", None, LinkError::Url),
            ("t", None, LinkError::Url),
            ("turn:t", None, LinkError::Credentials),
            ("turn:t", user("a\r\nX: y"), LinkError::Characters),
            ("turn:t", user("a\0"), LinkError::Characters),
            ("turn:t", user("ü"), LinkError::Characters),
        ] {
            assert_eq!(
                ice_server_link(&server(url, credentials)),
                Err(error),
                "{url:?}"
            );
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let shown = format!("{:?}", server("turn:t", Some(("user", "SECRET"))));
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
