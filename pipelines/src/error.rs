//! Why a route cannot be built or started.

use sluice_core::id::RouteId;

/// GStreamer did not start.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The library itself failed.
    #[error("GStreamer did not start ({0}); reinstall libgstreamer1.0-0")]
    Gstreamer(String),
    /// One of our own plugins could not be registered.
    #[error("the built-in plugin {plugin} could not be registered")]
    Register {
        /// The plugin's name.
        plugin: &'static str,
    },
}

/// A route could not be built or started.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// An element is not installed.
    #[error(
        "{route}: the GStreamer element {factory} is missing; install the Debian package {package}"
    )]
    MissingElement {
        /// The route.
        route: RouteId,
        /// The element's name.
        factory: String,
        /// Where Debian has it.
        package: String,
    },
    /// GStreamer refused a link, a pad or a property.
    #[error("{route}: the pipeline could not be built ({what})")]
    Build {
        /// The route.
        route: RouteId,
        /// What was refused.
        what: String,
    },
    /// The pipeline did not start.
    #[error("{route}: the pipeline did not start")]
    Start {
        /// The route.
        route: RouteId,
    },
}

impl RouteError {
    /// Says whether a later try can succeed without anyone doing something.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::MissingElement { .. } | Self::Build { .. } => false,
            Self::Start { .. } => true,
        }
    }
}
