//! Asking other servers: keys of JWTs, and the hook.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

/// Longer answers are not read.
const LONGEST: u64 = 256 * 1024;

/// Makes a client that follows no redirect and trusts whom the system trusts.
///
/// A redirect could lead credentials to a server that nobody named.
pub(super) fn agent(timeout: Duration) -> Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build();
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(timeout))
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .new_agent()
}

/// Fetches a text; blocks.
///
/// # Errors
/// A part of a sentence: why there is none.
pub(super) fn get(agent: &Agent, url: &str) -> Result<String, String> {
    let mut answer = agent.get(url).call().map_err(|cause| cause.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status()));
    }
    answer
        .body_mut()
        .with_config()
        .limit(LONGEST)
        .read_to_string()
        .map_err(|cause| cause.to_string())
}

/// Posts JSON and gives the status of the answer; blocks.
///
/// # Errors
/// A part of a sentence: why there is none.
pub(super) fn post(agent: &Agent, url: &str, json: &str) -> Result<u16, String> {
    agent
        .post(url)
        .header("content-type", "application/json")
        .send(json)
        .map(|answer| answer.status().as_u16())
        .map_err(|cause| cause.to_string())
}
