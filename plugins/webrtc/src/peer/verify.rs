//! Is the peer who it said? webrtcbin does not look (F1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gst::prelude::*;
use sha2::{Digest, Sha256, Sha384, Sha512};
use sluice_core::Fingerprint;

/// Says whether the certificate that the peer showed is the one that its offer named.
///
/// `dtlsdec` is the element that took part in the handshake.
pub(super) fn is_peer(dtlsdec: &gst::Element, offered: &Fingerprint) -> bool {
    let pem = dtlsdec.property::<Option<String>>("peer-pem");
    pem.and_then(|pem| certificate(&pem))
        .is_some_and(|der| fits(&der, offered))
}

fn fits(der: &[u8], offered: &Fingerprint) -> bool {
    let digest = match offered.algorithm.as_str() {
        "sha-256" => Sha256::digest(der).to_vec(),
        "sha-384" => Sha384::digest(der).to_vec(),
        "sha-512" => Sha512::digest(der).to_vec(),
        // The offer's parser refuses the weak ones; anything else fits nothing.
        _ => return false,
    };
    digest == offered.bytes
}

/// Gives the DER of the first certificate in a PEM text.
fn certificate(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}
