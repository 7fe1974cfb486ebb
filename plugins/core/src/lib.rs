//! Sluice's decisions.
