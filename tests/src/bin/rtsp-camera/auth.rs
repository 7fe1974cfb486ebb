//! Who may watch: Basic or Digest, and TLS.

use std::error::Error;

use gst_rtsp_server::prelude::*;
use gst_rtsp_server::subclass::prelude::*;
use gst_rtsp_server::{RTSPAuth, RTSPContext, RTSPToken, glib, gst_rtsp};
use sluice_tests::camera::{AuthMethod, CameraOptions};

/// The permission that stands for all: the bindings have no `GstRTSPPermissions`, so access to the
/// media is mapped onto this check, which asks the token only.
const MAY: &str = "transport.client-settings";
const CHECK_MAY: &str = "auth.check.transport.client-settings";

/// Builds what the server asks before it lets a client in; `None` for an open camera.
pub(crate) fn build(options: &CameraOptions) -> Result<Option<RTSPAuth>, Box<dyn Error>> {
    let certificate = super::certificate(options)?;
    if certificate.is_none() && options.auth.is_none() {
        return Ok(None);
    }
    let auth: RTSPAuth = glib::Object::new::<TokenAuth>().upcast();
    let mut token = RTSPToken::builder().field(MAY, true).build();
    match options.credentials()? {
        None => auth.set_default_token(Some(&mut token)),
        Some((AuthMethod::Basic, user, pass)) => {
            auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Basic);
            auth.add_basic(&RTSPAuth::make_basic(user, pass), &token);
        }
        Some((AuthMethod::Digest, user, pass)) => {
            auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
            auth.add_digest(user, pass, &token);
        }
    }
    if certificate.is_some() {
        auth.set_tls_certificate(certificate.as_ref());
    }
    Ok(Some(auth))
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct TokenAuth;

    #[glib::object_subclass]
    impl ObjectSubclass for TokenAuth {
        const NAME: &'static str = "SluiceTestTokenAuth";
        type Type = super::TokenAuth;
        type ParentType = RTSPAuth;
    }

    impl ObjectImpl for TokenAuth {}

    impl RTSPAuthImpl for TokenAuth {
        fn check(&self, context: &RTSPContext, check: &glib::GString) -> bool {
            if check.starts_with("auth.check.media.factory.") {
                return self.parent_check(context, &CHECK_MAY.into());
            }
            self.parent_check(context, check)
        }
    }
}

glib::wrapper! {
    /// Lets in every client whose token allows it, whatever the factory.
    pub struct TokenAuth(ObjectSubclass<imp::TokenAuth>) @extends RTSPAuth;
}
