//! Asking another server for a session: what pushing to it and pulling from it have in common.

mod http;
mod remote;

pub(crate) use http::Client;
pub(crate) use remote::Remote;
