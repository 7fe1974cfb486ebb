//! How each kind of URI is written.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::relay::Endpoint;

use super::{Place, Scheme, SourceUri, SrtMode, SrtOptions};

pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let plain = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    // `camera.local:554/stream` has no scheme, it has a port.
    let port = !rest.starts_with("//")
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && scheme != "test";
    (plain && !port).then_some((scheme, rest))
}

pub(super) fn web(scheme: Scheme, text: &str) -> Result<SourceUri, String> {
    let mut url = Url::parse(text).map_err(|error| {
        format!("{error}; write {scheme}://host/path, and in a password write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25")
    })?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("it has no host; write {scheme}://host/path"));
    }
    let user = decoded(url.username(), "user")?;
    let password = decoded(url.password().unwrap_or_default(), "password")?;
    let credentials = (!user.is_empty() || !password.is_empty()).then_some((user, password));
    // Neither fails for a URL with a host.
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.map_err(|()| "its user and password cannot be read".to_owned())?;
    url.set_fragment(None);
    Ok(SourceUri {
        scheme,
        place: Place::Url(url),
        credentials,
    })
}

/// WHEP: as its endpoint reads it, and kept with its own scheme.
pub(super) fn whep(scheme: Scheme, text: &str) -> Result<SourceUri, String> {
    Endpoint::parse(text).map_err(|what| format!("it {what}"))?;
    web(scheme, text)
}

pub(super) fn srt(rest: &str) -> Result<SourceUri, String> {
    const SHAPE: &str = "write srt://host:port?mode=caller, or srt://:port?mode=listener";
    let (authority, query) = authority(rest).ok_or(SHAPE)?;
    let (host, port) = host_and_port(authority, SHAPE)?;
    let options = SrtOptions::parse(query, host.is_none())?;
    if host.is_none() && options.mode != SrtMode::Listener {
        return Err(format!("a {} needs a host; {SHAPE}", options.mode.as_str()));
    }
    Ok(SourceUri::at(
        Scheme::Srt,
        Place::Srt {
            host,
            port,
            options,
        },
    ))
}

pub(super) fn udp(rest: &str) -> Result<SourceUri, String> {
    const SHAPE: &str =
        "write udp://:5000 for any address, or udp://@239.1.1.1:5000 for a multicast group";
    let (authority, query) = authority(rest).ok_or(SHAPE)?;
    let authority = authority.strip_prefix('@').unwrap_or(authority);
    let (host, port) = host_and_port(authority, SHAPE)?;
    if !query.is_empty() {
        return Err(format!("udp has no options; {SHAPE}"));
    }
    Ok(SourceUri::at(Scheme::Udp, Place::Udp { host, port }))
}

/// Splits `//host:port/?query` into `host:port` and `query`.
fn authority(rest: &str) -> Option<(&str, &str)> {
    let (head, query) = rest
        .strip_prefix("//")?
        .split_once('?')
        .unwrap_or((rest.strip_prefix("//")?, ""));
    let head = head.strip_suffix('/').unwrap_or(head);
    (!head.contains(['/', '#'])).then_some((head, query))
}

/// In place of what may be the begin of a password: `user:pass?word@host`.
const UNSAID: &str = "what stands there";

fn host_and_port(authority: &str, shape: &str) -> Result<(Option<String>, u16), String> {
    // First, since a password would be taken for the port, and told.
    if authority.contains('@') {
        return Err(format!("it has a user in it; {shape}"));
    }
    let (host, port) = authority
        .rsplit_once(':')
        .filter(|(host, _)| !host.starts_with('[') || host.ends_with(']'))
        .ok_or_else(|| format!("it has no port; {shape}"))?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = if is_number { port } else { UNSAID };
        format!("{port} is not a port (1 to 65535); {shape}")
    })?;
    if host.is_empty() {
        return Ok((None, port));
    }
    let checked = url::Host::parse(host).map_err(|_| {
        let has_colon = host.contains(':') && !host.starts_with('[');
        let host = if has_colon {
            UNSAID.to_owned()
        } else {
            quoted(host)
        };
        format!("{host} is not a host; {shape}")
    })?;
    let host = match checked {
        url::Host::Domain(name) => name,
        url::Host::Ipv4(address) => address.to_string(),
        url::Host::Ipv6(address) => address.to_string(),
    };
    Ok((Some(host), port))
}

pub(super) fn file_uri(rest: &str) -> Result<SourceUri, String> {
    const SHAPE: &str = "write file:///path/to/file.mp4";
    let path = match rest.strip_prefix("//") {
        Some(after) if after.starts_with('/') => after,
        Some(after) => after
            .strip_prefix("localhost")
            .filter(|path| path.starts_with('/'))
            .ok_or_else(|| format!("a file's path is absolute; {SHAPE}"))?,
        None if rest.starts_with('/') => rest,
        None => return Err(format!("a file's path is absolute; {SHAPE}")),
    };
    if path.contains(['?', '#']) {
        return Err("write ? as %3F and # as %23 in a file's path".to_owned());
    }
    file(&decoded(path, "path")?)
}

pub(super) fn file(path: &str) -> Result<SourceUri, String> {
    if path.contains('\0') || path.ends_with('/') || Path::new(path).file_name().is_none() {
        return Err("it names no file; give the absolute path of a file".to_owned());
    }
    Ok(SourceUri::at(
        Scheme::File,
        Place::Path(PathBuf::from(path)),
    ))
}

pub(super) fn v4l2(rest: &str) -> Result<SourceUri, String> {
    const SHAPE: &str = "a camera's device is under /dev; write v4l2:///dev/video0";
    let path = rest
        .strip_prefix("//")
        .filter(|path| !path.contains(['?', '#']));
    let device = decoded(path.ok_or(SHAPE)?, "device")?;
    let name = device.strip_prefix("/dev/").filter(|name| {
        let mut parts = name.split('/');
        parts.all(|part| !matches!(part, "" | "." | "..")) && !name.chars().any(char::is_control)
    });
    name.ok_or(SHAPE)?;
    Ok(SourceUri::at(
        Scheme::V4l2,
        Place::Path(PathBuf::from(device)),
    ))
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| format!("its {what} is not UTF-8 after percent-decoding"))
}

/// Shows a piece of a URI: short, since it may be as long as its writer likes.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
