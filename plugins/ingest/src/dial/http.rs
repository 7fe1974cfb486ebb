//! Files and HLS over HTTP.

use gst::prelude::*;
use sluice_core::SourceUri;
use sluice_core::redial::Failure;

use super::Order;
use crate::failure::Fault;
use crate::route::Plumbing;

/// Builds souphttpsrc → typefind; what follows is found by type (an .m3u8 leads to hlsdemux).
pub(super) fn build(plumbing: &Plumbing, order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    if order.fingerprint.is_some() {
        let reason = format!(
            "{} is reached over HTTP, where tls-fingerprint does not work; set tls-ca-file.",
            plumbing.subject
        );
        return Err(Fault::new(Failure::Unsupported, reason));
    }
    let source = plumbing.add("souphttpsrc")?;
    source.set_property("location", uri.location());
    source.set_property("user-agent", "Sluice");
    source.set_property(
        "timeout",
        u32::try_from(order.connect.as_secs()).unwrap_or(60).max(1),
    );
    // Redialling is the supervisor's.
    source.set_property("retries", 0_i32);
    if let Some((user, password)) = uri.credentials() {
        source.set_property("user-id", user);
        source.set_property("user-pw", password);
    }
    if let Some(file) = &order.ca_file {
        source.set_property("ssl-ca-file", file.to_string_lossy().as_ref());
    }
    plumbing.find_type(&source)
}
