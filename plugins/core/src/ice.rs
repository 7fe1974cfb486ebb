//! STUN and TURN servers of the config, and credentials for one client (draft-uberti-behave-turn-rest).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::access::Secret;
use crate::link::{IceServer, LinkError, ice_server_link};

/// What a client needs to use a server.
#[derive(Debug, Clone)]
pub enum IceCredentials {
    /// Nothing: STUN.
    None,
    /// The same for all clients.
    Static {
        /// As the server knows it.
        username: String,
        /// Its password.
        credential: Secret,
    },
    /// Made for each client and valid for a time; the server knows the secret too (coturn's
    /// `static-auth-secret`).
    Minted {
        /// What both know.
        secret: Secret,
        /// How long they are valid.
        ttl: Duration,
    },
}

/// A server that clients are told.
#[derive(Debug, Clone)]
pub struct IceSource {
    url: String,
    credentials: IceCredentials,
}

impl IceSource {
    /// Checks that clients can be given this server.
    ///
    /// # Errors
    ///
    /// The URL or the credentials do not fit into a `Link` header.
    pub fn new(url: impl Into<String>, credentials: IceCredentials) -> Result<Self, LinkError> {
        let source = Self {
            url: url.into(),
            credentials,
        };
        ice_server_link(&source.mint("client", Duration::ZERO))?;
        Ok(source)
    }

    /// Gives the server to one client; `now` is the time since 1970.
    ///
    /// The server's log shows `client`, so it should be a name that a person can use.
    pub fn mint(&self, client: &str, now: Duration) -> IceServer {
        let pair = match &self.credentials {
            IceCredentials::None => None,
            IceCredentials::Static {
                username,
                credential,
            } => Some((username.clone(), credential.expose().to_owned())),
            IceCredentials::Minted { secret, ttl } => {
                let expiry = (now + *ttl).as_secs();
                let client: String = client
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                    .take(64)
                    .collect();
                let username = format!("{expiry}:{client}");
                let password = password(secret, &username);
                Some((username, password))
            }
        };
        let (username, credential) = pair.unzip();
        IceServer {
            url: self.url.clone(),
            username,
            credential,
        }
    }

    /// Gives the `Link` header for one client; `now` is the time since 1970.
    ///
    /// # Errors
    ///
    /// Never for what [`IceSource::new`] has checked.
    pub fn link(&self, client: &str, now: Duration) -> Result<String, LinkError> {
        ice_server_link(&self.mint(client, now))
    }

    /// Gives its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn password(secret: &Secret, username: &str) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted() -> IceSource {
        let credentials = IceCredentials::Minted {
            secret: Secret::new("north"),
            ttl: Duration::from_hours(1),
        };
        IceSource::new("turn:turn.example.org:3478", credentials).unwrap()
    }

    #[test]
    fn a_password_is_the_hmac_of_its_user_name() {
        // printf '1700003600:door' | openssl dgst -sha1 -hmac north -binary | base64
        let server = minted().mint("door", Duration::from_secs(1_700_000_000));
        assert_eq!(server.username.as_deref(), Some("1700003600:door"));
        assert_eq!(
            server.credential.as_deref(),
            Some("Wl2Dj9ZvdVtIRWo6doRTafyvzlM=")
        );
    }

    #[test]
    fn each_client_has_its_own() {
        let now = Duration::from_secs(1_700_000_000);
        let (one, two) = (minted().mint("a", now), minted().mint("b", now));
        assert_ne!(one.credential, two.credential);
        let later = minted().mint("a", now + Duration::from_secs(1));
        assert_ne!(one.credential, later.credential);
    }

    #[test]
    fn a_name_cannot_break_out_of_the_user_name() {
        let link = minted()
            .link("a:b\r\nX: \"y\u{fc}", Duration::ZERO)
            .unwrap();
        assert!(link.contains("username=\"3600:abXy\""), "{link}");
    }

    #[test]
    fn what_no_header_can_carry_is_refused_at_the_start() {
        let fixed = |username: &str, credential: &str| IceCredentials::Static {
            username: username.to_owned(),
            credential: Secret::new(credential),
        };
        for (url, credentials, error) in [
            ("turn:t", IceCredentials::None, LinkError::Credentials),
            ("turn:t", fixed("a\nb", "c"), LinkError::Characters),
            (
                "turn:t",
                fixed("a", "c\r\nSet-Cookie: x"),
                LinkError::Characters,
            ),
            ("http://t", fixed("a", "b"), LinkError::Url),
        ] {
            assert_eq!(
                IceSource::new(url, credentials).map(drop),
                Err(error),
                "{url}"
            );
        }
        assert!(IceSource::new("stun:s", IceCredentials::None).is_ok());
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", minted());
        assert!(!shown.contains("north"), "{shown}");
    }
}
