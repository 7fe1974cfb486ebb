//! Hashes of passwords.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// Hashes that want more memory than this, in KiB, are refused: each sign-in would take it.
const MOST_MEMORY: u32 = 256 * 1024;

/// Hashes a password with argon2id and a random salt; the result is a PHC string.
///
/// # Errors
/// The password is too long, or the system gives no random numbers.
pub fn hash(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|cause| format!("The password cannot be hashed ({cause}); try another."))
}

/// Says whether the text is a hash that [`verify`] can use.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        let params = argon2::Params::try_from(&hash);
        hash.algorithm.as_str().starts_with("argon2")
            && hash.hash.is_some()
            && params.is_ok_and(|params| params.m_cost() <= MOST_MEMORY)
    })
}

/// Compares a password with a hash. Takes some 30 ms and 19 MiB with the usual parameters.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = hash("tür/hunter2").unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(is_hash(&hash));
        assert!(verify("tür/hunter2", &hash));
        assert!(!verify("tür/hunter3", &hash));
        assert_ne!(hash, super::hash("tür/hunter2").unwrap());
    }

    #[test]
    fn other_texts_are_no_hash() {
        for text in [
            "",
            "hunter2",
            "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
        ] {
            assert!(!is_hash(text), "{text}");
        }
    }
}
