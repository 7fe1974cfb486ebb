//! Names of peers and sessions that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Makes names of 128 bits. The system is asked for randomness once, and may refuse; after that no name can fail.
pub(super) struct Names {
    secret: [u8; 32],
    count: u64,
}

impl Names {
    /// Makes it; `None` if the system gives no randomness.
    pub(super) fn new() -> Option<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).ok()?;
        Some(Self { secret, count: 0 })
    }

    /// Gives a name that was not given before. Who does not know the secret learns nothing from the others.
    pub(super) fn next(&mut self) -> String {
        self.count += 1;
        let hash = Sha256::new()
            .chain_update(self.secret)
            .chain_update(self.count.to_be_bytes())
            .finalize();
        let half = hash.iter().copied().take(16).collect::<Vec<_>>();
        URL_SAFE_NO_PAD.encode(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_128_bits_and_never_come_twice() {
        let mut all = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let mut names = Names::new().unwrap();
            all.extend((0..100).map(|_| names.next()));
        }
        assert_eq!(all.len(), 400);
        assert!(all.iter().all(|name| name.len() == 22));
    }
}
