//! The certificate of the listener: from files, read again when they change, or made at the start.

use std::fs::Metadata;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// One of the files.
    #[error("The TLS file {file} {problem}; {remedy}.", file = file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// The self-signed one could not be made.
    #[error("A self-signed certificate cannot be made ({0}); name files in `tls` instead.")]
    SelfSigned(String),
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up ({0}).")]
    Setup(#[from] rustls::Error),
}

/// The certificate that is in use, and where it comes from.
#[derive(Debug)]
pub struct Certificate {
    current: Mutex<Arc<CertifiedKey>>,
    files: Option<(PathBuf, PathBuf)>,
}

impl Certificate {
    /// Reads or makes it. `names` are those that a self-signed one is for, besides this machine's own.
    ///
    /// # Errors
    /// One sentence for the person who started Sluice.
    pub fn load(config: &TlsConfig, names: &[String]) -> Result<Arc<Self>, TlsError> {
        let (key, files) = match config {
            TlsConfig::SelfSigned => (self_signed(names)?, None),
            TlsConfig::Files { cert, key } => (read(cert, key)?, Some((cert.clone(), key.clone()))),
        };
        Ok(Arc::new(Self {
            current: Mutex::new(Arc::new(key)),
            files,
        }))
    }

    /// Gives its SHA-256, as people compare it; for a self-signed one, which nobody vouches for.
    pub fn fingerprint(&self) -> String {
        let current = Arc::clone(&self.current.lock());
        let digest = current.cert.first().map(Sha256::digest).unwrap_or_default();
        let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// Makes the listener's settings: HTTP/2 and HTTP/1.1 by ALPN, TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// The library refuses its own defaults.
    pub fn server(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let resolver = Arc::clone(self) as Arc<dyn ResolvesServerCert>;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again whenever they change; a broken one is logged, and the old certificate stays.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let Some((cert, key)) = &self.files else {
            return;
        };
        let mut seen = (stamp(cert), stamp(key));
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = (stamp(cert), stamp(key));
            if now == seen {
                continue;
            }
            seen = now;
            match read(cert, key) {
                Ok(new) => {
                    *self.current.lock() = Arc::new(new);
                    tracing::info!("the TLS certificate was read again");
                }
                Err(error) => {
                    tracing::error!(
                        "{error} The certificate in use stays until the files are right."
                    );
                }
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.lock()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What changes when a file is written or put in place of another.
fn stamp(file: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata: Metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |file: &Path, problem: String, remedy| TlsError::File {
        file: file.to_owned(),
        problem,
        remedy,
    };
    let text = |file: &Path| {
        std::fs::read(file).map_err(|cause| {
            let remedy = "name a file that the user of this process may read";
            wrong(file, format!("cannot be read ({cause})"), remedy)
        })
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text(cert)?)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    if chain.is_empty() {
        let remedy = "it must begin with -----BEGIN CERTIFICATE-----";
        return Err(wrong(cert, "has no certificate in PEM".to_owned(), remedy));
    }
    let secret = PrivateKeyDer::from_pem_slice(&text(key)?).map_err(|_| {
        let remedy = "it must have a part -----BEGIN PRIVATE KEY-----, without a passphrase";
        wrong(key, "has no private key in PEM".to_owned(), remedy)
    })?;
    CertifiedKey::from_der(chain, secret, &provider()).map_err(|cause| {
        let remedy = "the key must be the one that this certificate was made for";
        wrong(
            key,
            format!("does not go with {} ({cause})", cert.display()),
            remedy,
        )
    })
}

fn self_signed(names: &[String]) -> Result<CertifiedKey, TlsError> {
    let here = [
        "localhost".to_owned(),
        Ipv4Addr::LOCALHOST.to_string(),
        Ipv6Addr::LOCALHOST.to_string(),
    ];
    let mut all: Vec<String> = here.into_iter().chain(names.iter().cloned()).collect();
    all.extend(super::addresses().iter().map(IpAddr::to_string));
    all.dedup();
    let made = rcgen::generate_simple_self_signed(all)
        .map_err(|cause| TlsError::SelfSigned(cause.to_string()))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|cause| TlsError::SelfSigned(cause.to_owned()))?;
    let chain = vec![made.cert.der().clone()];
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}
