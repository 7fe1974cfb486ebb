//! The gateway: config, supervisor and control plane around Sluice's routes.

pub mod cli;
pub mod config;
pub mod control;
pub mod observe;
pub mod password;
pub mod recordings;
pub mod supervisor;
