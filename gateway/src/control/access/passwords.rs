//! Passwords of users: hashed slowly once, remembered while right.

use std::collections::{BTreeMap, HashSet};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use sluice_core::access::Secret;
use tokio::sync::Semaphore;

use crate::password;

/// So many are hashed at a time, whoever asks: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
/// So many right pairs are remembered.
const KNOWN: usize = 1024;

/// Checks passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    users: BTreeMap<String, Secret>,
    /// For users that there are not: they must take as long as those that there are.
    nobody: Secret,
    /// Pairs that were right, as salted hashes: a page that asks every second must not cost a core.
    known: Mutex<HashSet<[u8; 32]>>,
    salt: [u8; 32],
    hashing: Semaphore,
}

impl Passwords {
    /// # Errors
    /// A sentence: the system gives no random numbers.
    pub(super) fn new(users: BTreeMap<String, Secret>) -> Result<Self, String> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|cause| format!("The system gives no random numbers ({cause})."))?;
        let nobody = if users.is_empty() {
            String::new()
        } else {
            password::hash("")?
        };
        Ok(Self {
            users,
            nobody: Secret::new(nobody),
            known: Mutex::default(),
            salt,
            hashing: Semaphore::new(AT_ONCE),
        })
    }

    /// Says whether there is such a user.
    pub(super) fn has(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Says whether the pair is known to be right; costs nothing.
    pub(super) fn is_known(&self, user: &str, password: &Secret) -> bool {
        let pair = self.digest(user, password);
        self.known.lock().contains(&pair)
    }

    /// Says whether the pair is right; takes its time, also for a user that there is not.
    pub(super) async fn is_right(&self, user: &str, password: &Secret) -> bool {
        if self.users.is_empty() {
            return false;
        }
        let right = self.is_known(user, password) || self.hash(user, password).await;
        if right {
            self.remember(self.digest(user, password));
        }
        right
    }

    async fn hash(&self, user: &str, password: &Secret) -> bool {
        let Ok(_turn) = self.hashing.acquire().await else {
            return false;
        };
        let hash = self.users.get(user).unwrap_or(&self.nobody).clone();
        let is_user = self.users.contains_key(user);
        let password = password.clone();
        let verify = move || password::verify(password.expose(), hash.expose());
        tokio::task::spawn_blocking(verify).await.unwrap_or(false) && is_user
    }

    fn remember(&self, pair: [u8; 32]) {
        let mut known = self.known.lock();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(pair);
    }

    fn digest(&self, user: &str, password: &Secret) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.salt);
        digest.update(user.len().to_be_bytes());
        digest.update(user);
        digest.update(password.expose());
        digest.finalize().into()
    }
}
