//! Files.

use gst::prelude::*;
use sluice_core::SourceUri;
use sluice_core::redial::Failure;

use super::Order;
use crate::failure::Fault;
use crate::route::Plumbing;

/// Builds filesrc → typefind; what follows is found by type.
pub(super) fn build(plumbing: &Plumbing, _order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let subject = plumbing.subject;
    let path = uri.path().ok_or_else(|| plumbing.broken("the file"))?;
    match std::fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(meta) if meta.is_dir() => {
            return Err(Fault::new(
                Failure::NotFound,
                format!("{subject} is a folder, not a file."),
            ));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Fault::new(
                Failure::NotFound,
                format!("{subject} does not exist."),
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(Fault::new(
                Failure::Unauthorized,
                format!("{subject} may not be read: permission denied."),
            ));
        }
        Err(error) => {
            return Err(Fault::new(
                Failure::NotFound,
                format!("{subject} cannot be read: {error}."),
            ));
        }
    }
    let source = plumbing.add("filesrc")?;
    source.set_property("location", path);
    plumbing.find_type(&source)
}
