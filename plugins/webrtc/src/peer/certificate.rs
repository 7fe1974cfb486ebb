//! The DTLS certificate: one ECDSA P-256 per process.
//!
//! webrtcbin would make an RSA key per session: some stacks accept ECDSA only, and the first viewer of a
//! process would wait up to half a second for the key.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// Certificate and private key, and what the SDP says of them.
pub(crate) struct Certificate {
    /// Both in PEM, as `dtlssrtpdec` wants them.
    pub(crate) pem: String,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: [u8; 32],
}

static OURS: LazyLock<Result<Certificate, String>> = LazyLock::new(generate);

/// Gives the process's certificate, made when first asked for.
///
/// # Errors
///
/// There is no randomness; nothing can be served then.
pub(crate) fn ours() -> Result<&'static Certificate, String> {
    OURS.as_ref().map_err(Clone::clone)
}

fn generate() -> Result<Certificate, String> {
    let failed = |error: rcgen::Error| format!("no DTLS certificate could be made: {error}");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut parameters = rcgen::CertificateParams::default();
    let mut name = rcgen::DistinguishedName::new();
    // Says nothing about this machine or its user (RFC 8827, 6.5 asks for no identity).
    name.push(rcgen::DnType::CommonName, "WebRTC");
    parameters.distinguished_name = name;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    Ok(Certificate {
        pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
        fingerprint: Sha256::digest(certificate.der()).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_ecdsa_certificate_per_process() {
        let (first, second) = (ours().unwrap(), ours().unwrap());
        assert_eq!(first.fingerprint, second.fingerprint);
        assert!(first.pem.contains("BEGIN CERTIFICATE"));
        assert!(first.pem.contains("BEGIN PRIVATE KEY"));
        // An RSA key of 2048 bits makes a PEM of about 2900 characters, P-256 one of about 700.
        assert!(first.pem.len() < 1200);
    }
}
