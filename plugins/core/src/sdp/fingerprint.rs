//! The fingerprint of a DTLS certificate (RFC 8122).

use std::fmt;

/// The hash of a certificate in DER form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// In lower case: `sha-256`, `sha-384` or `sha-512`.
    pub algorithm: String,
    /// The hash itself.
    pub bytes: Vec<u8>,
}

/// The accepted hashes with their lengths, the strongest last. MD5 and SHA-1 can be forged.
const ALGORITHMS: &[(&str, usize)] = &[("sha-256", 32), ("sha-384", 48), ("sha-512", 64)];

impl Fingerprint {
    /// Makes a SHA-256 fingerprint.
    pub fn sha256(hash: [u8; 32]) -> Self {
        Self {
            algorithm: "sha-256".to_owned(),
            bytes: hash.to_vec(),
        }
    }

    /// Reads the value of `a=fingerprint`; `None` if the hash is unknown, weak or of the wrong length.
    pub fn parse(value: &str) -> Option<Self> {
        let (algorithm, hash) = value.trim().split_once(' ')?;
        let algorithm = algorithm.to_ascii_lowercase();
        let (_, length) = ALGORITHMS.iter().find(|(name, _)| *name == algorithm)?;
        let bytes = hash
            .trim()
            .split(':')
            .map(|byte| {
                (byte.len() == 2)
                    .then(|| u8::from_str_radix(byte, 16).ok())
                    .flatten()
            })
            .collect::<Option<Vec<u8>>>()?;
        (bytes.len() == *length).then_some(Self { algorithm, bytes })
    }

    pub(crate) fn strength(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.algorithm)?;
        for (index, byte) in self.bytes.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_what_it_writes() {
        let fingerprint = Fingerprint::sha256([0xa5; 32]);
        let text = fingerprint.to_string();
        assert!(text.starts_with("sha-256 A5:A5:"), "{text}");
        assert_eq!(Fingerprint::parse(&text), Some(fingerprint.clone()));
        assert_eq!(
            Fingerprint::parse(&text.to_lowercase()),
            Some(fingerprint.clone())
        );
        assert_eq!(
            Fingerprint::parse(&text.replace("sha", "SHA")),
            Some(fingerprint)
        );
    }

    #[test]
    fn weak_and_broken_ones_are_none() {
        let sha1 = format!("sha-1 {}", ["AB"; 20].join(":"));
        let short = format!("sha-256 {}", ["AB"; 31].join(":"));
        let odd = format!("sha-256 {}", ["+A"; 32].join(":"));
        for text in [
            &*sha1,
            &short,
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 zz",
            "md5 00",
            &odd.replace('+', "A:"),
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
