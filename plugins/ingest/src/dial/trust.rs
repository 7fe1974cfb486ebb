//! Which certificates of rtsps cameras are good.

use std::path::Path;

use gio::prelude::*;
use gst::glib;
use sluice_core::redial::Failure;

use super::Order;
use crate::failure::Fault;
use crate::route::Plumbing;

/// An authority that signed nothing: its key was never kept. `GLib` asks about a certificate only if no authority
/// vouches for it, and takes no empty list of authorities; so with this one alone it asks about every one.
const NOBODY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBeTCCAR+gAwIBAgIUWwMpW2RXUyYTsjVWtxxO4vI/fRswCgYIKoZIzj0EAwIw\n\
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyMjExMjEwOFoYDzIxMjYxMDI5MTEy\n\
MTA4WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AATHrSgEJvuwUvG77xDFOCTYvIkiQ/12pWxUZwBJjisUHsQcbkqKNc+sbkPHWRk9\n\
C11lxcfD3bRMF7vz8+sSO2o9o1MwUTAdBgNVHQ4EFgQUBEuUn3ySYm/ZUHAO1Vwc\n\
k9curOswHwYDVR0jBBgwFoAUBEuUn3ySYm/ZUHAO1Vwck9curOswDwYDVR0TAQH/\n\
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAlsopXQjfglc3Hf3fd59zbq2CfVrz\n\
s6+eV2DH43W5M1kCIGMRpuL1aNaFaPI08/ye3+8b51F83tWQzeEcozmcjx72\n\
-----END CERTIFICATE-----\n\
";

/// Sets up the check: the system's authorities unless told otherwise. Nothing here ever turns it off.
pub(super) fn trust(
    plumbing: &Plumbing,
    order: &Order,
    source: &gst::Element,
) -> Result<(), Fault> {
    let database = match (&order.fingerprint, &order.ca_file) {
        (Some(_), _) => Some(nobody()),
        (None, Some(file)) => Some(gio::TlsFileDatabase::new(file)),
        (None, None) => None,
    };
    if let Some(database) = database {
        let database = database.map_err(|error| {
            let reason = format!(
                "{} cannot be checked: {}.",
                plumbing.subject,
                error.message()
            );
            Fault::new(Failure::Unsupported, reason)
        })?;
        source.set_property("tls-database", database);
    }
    ask(plumbing, order, source);
    Ok(())
}

/// Decides on certificates that no authority vouches for: the pinned one is good, all others fail the dial.
fn ask(plumbing: &Plumbing, order: &Order, source: &gst::Element) {
    let (plumbing, pin) = (plumbing.clone(), order.fingerprint.clone());
    source.connect("accept-certificate", false, move |values| {
        let certificate = values
            .get(2)
            .and_then(|value| value.get::<gio::TlsCertificate>().ok());
        let seen = certificate
            .and_then(|certificate| certificate.certificate())
            .and_then(|der| glib::compute_checksum_for_data(glib::ChecksumType::Sha256, &der));
        let good = pin.is_some() && seen.as_deref() == pin.as_deref();
        if !good {
            let words = if pin.is_some() {
                "shows another TLS certificate than the one of tls-fingerprint"
            } else {
                "has a TLS certificate that is not trusted; set tls-ca-file or tls-fingerprint"
            };
            plumbing.fail(Fault::new(
                Failure::Unauthorized,
                format!("{} {words}.", plumbing.subject),
            ));
        }
        Some(good.to_value())
    });
}

fn nobody() -> Result<gio::TlsFileDatabase, glib::Error> {
    let (file, stream) = gio::File::new_tmp(None::<&Path>)?;
    let read = stream
        .output_stream()
        .write_all(NOBODY.as_bytes(), gio::Cancellable::NONE)
        .and_then(|_| {
            file.path().map_or_else(
                || {
                    Err(glib::Error::new(
                        gio::IOErrorEnum::NotFound,
                        "the temporary file has no path",
                    ))
                },
                gio::TlsFileDatabase::new,
            )
        });
    // Read once, at its making.
    file.delete(gio::Cancellable::NONE)?;
    read
}
