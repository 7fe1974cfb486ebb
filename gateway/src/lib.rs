//! The gateway: config, supervisor and control plane around Sluice's routes.

pub mod config;
