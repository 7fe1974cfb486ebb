//! Secrets that a config names by file, so that the config itself can be shown around.

use std::path::Path;

use super::error::{ConfigError, Place};

/// Longer files are not passwords.
const MAX_BYTES: usize = 4096;

/// Reads a secret: the file's first line, without its end.
pub(super) fn read(place: &Place, key: &str, path: &Path) -> Result<String, ConfigError> {
    let wrong = |problem: String, remedy: &str| {
        Err(ConfigError::new(place, key, problem, remedy).value(&path.display().to_string()))
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) => {
            return wrong(
                format!("cannot be read ({cause})"),
                "name a file that the user of this process may read",
            );
        }
    };
    if text.len() > MAX_BYTES {
        return wrong(
            "is too long for a password".to_owned(),
            "name a file that holds the password alone",
        );
    }
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => wrong(
            "is empty".to_owned(),
            "write the password into its first line",
        ),
    }
}

/// Puts a secret where a source's URI expects it: `user:SECRET@`, SRT's passphrase, or WHEP's bearer token.
///
/// Returns `None` when the URI has no place for it.
pub(super) fn insert(uri: &str, secret: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes())
        .collect::<String>()
        // A plus means a space only in forms; in user info it is a plus.
        .replace('+', "%20");
    if scheme.eq_ignore_ascii_case("srt") {
        let joint = if rest.contains('?') { '&' } else { '?' };
        return (!rest.contains("passphrase="))
            .then(|| format!("{uri}{joint}passphrase={encoded}"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    if !authority.contains('@') && ["whep", "wheps"].contains(&scheme.to_ascii_lowercase().as_str())
    {
        return Some(format!("{scheme}://:{encoded}@{authority}{tail}"));
    }
    let (user, host) = authority.rsplit_once('@')?;
    (!user.is_empty() && !user.contains(':'))
        .then(|| format!("{scheme}://{user}:{encoded}@{host}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::insert;

    #[test]
    fn a_password_goes_behind_its_user() {
        assert_eq!(
            insert("rtsp://bob@cam/1?x=@", "p@ss w").as_deref(),
            Some("rtsp://bob:p%40ss%20w@cam/1?x=@")
        );
        assert_eq!(insert("rtsp://cam/1", "x"), None);
        assert_eq!(insert("rtsp://bob:old@cam/1", "x"), None);
    }

    #[test]
    fn a_whep_secret_is_the_token_or_a_users_password() {
        assert_eq!(
            insert("wheps://h:8889/cam/whep", "t.k-1").as_deref(),
            Some("wheps://:t.k-1@h:8889/cam/whep")
        );
        assert_eq!(
            insert("whep://bob@h/x", "pw").as_deref(),
            Some("whep://bob:pw@h/x")
        );
        assert_eq!(insert("whep://:t@h/x", "pw"), None);
    }

    #[test]
    fn an_srt_secret_is_the_passphrase() {
        assert_eq!(
            insert("srt://:9000?mode=listener", "0123456789").as_deref(),
            Some("srt://:9000?mode=listener&passphrase=0123456789")
        );
    }
}
