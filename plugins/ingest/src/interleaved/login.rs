//! Says who asks: Basic or Digest, whichever the server offers first.

use http_auth::{PasswordClient, PasswordParams};

/// Answers challenges with a user's password. It is in no log: nothing here is `Debug`.
pub(super) struct Login {
    credentials: Option<(String, String)>,
    client: Option<PasswordClient>,
}

impl Login {
    /// Without credentials no challenge can be answered.
    pub(super) const fn new(credentials: Option<(String, String)>) -> Self {
        Self {
            credentials,
            client: None,
        }
    }
}

impl sluice_core::rtsp::Login for Login {
    fn on_challenge(&mut self, challenges: &str, was_refused: bool) -> bool {
        if self.credentials.is_none() {
            return false;
        }
        let Ok(client) = PasswordClient::try_from(challenges) else {
            return false;
        };
        let is_stale = matches!(&client, PasswordClient::Digest(digest) if digest.stale());
        self.client = Some(client);
        !was_refused || is_stale
    }

    fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        let (username, password) = self.credentials.as_ref()?;
        let answer = self.client.as_mut()?.respond(&PasswordParams {
            username,
            password,
            uri,
            method,
            body: Some(&[]),
        });
        answer.ok()
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::rtsp::Login as _;

    use super::*;

    fn known() -> Login {
        Login::new(Some(("me".to_owned(), "secret".to_owned())))
    }

    #[test]
    fn digest_is_answered_by_md5_and_sha256_and_basic_too() {
        for (challenge, part) in [
            ("Digest realm=\"cam\", nonce=\"n\"", "response=\""),
            (
                "Digest realm=\"cam\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"",
                "algorithm=SHA-256",
            ),
            ("Basic realm=\"cam\"", "Basic bWU6c2VjcmV0"),
            (
                "Basic realm=\"cam\", Digest realm=\"cam\", nonce=\"n\"",
                "Digest ",
            ),
        ] {
            let mut login = known();
            assert_eq!(login.authorization("OPTIONS", "rtsp://cam/"), None);
            assert!(login.on_challenge(challenge, false), "{challenge}");
            let answer = login.authorization("OPTIONS", "rtsp://cam/").unwrap();
            assert!(answer.contains(part), "{challenge}: {answer}");
        }
    }

    #[test]
    fn a_refused_answer_is_given_again_only_to_a_fresh_nonce() {
        let mut login = known();
        let challenge = "Digest realm=\"cam\", nonce=\"n\"";
        assert!(login.on_challenge(challenge, false));
        assert!(!login.on_challenge(challenge, true));
        assert!(login.on_challenge(&format!("{challenge}, stale=true"), true));
        assert!(!Login::new(None).on_challenge(challenge, false));
        assert!(!known().on_challenge("Strange realm=\"cam\"", false));
    }
}
