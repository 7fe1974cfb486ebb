//! Who may do what: from a request's method, address, headers and credentials to allow, 401 or 403.
//!
//! Nothing here verifies a password's hash or a JWT's signature: the caller does, and says who was found.

mod action;
mod claims;
mod client;
mod credentials;
mod network;
mod origin;
mod pattern;
mod policy;
mod rate;
mod target;
mod throttle;

pub use action::Action;
pub use claims::grants;
pub use client::{Client, Proxies, ProxyHeader};
pub use credentials::{Credentials, Secret, without_tokens};
pub use network::{Network, NetworkError};
pub use origin::{OriginError, Origins, Relation, Site, is_own_name};
pub use pattern::{Pattern, PatternError};
pub use policy::{Grant, Identity, Policy, Rule, Verdict, Ways, Who};
pub use rate::RateLimit;
pub use target::{Ask, Target, target};
pub use throttle::Throttle;
