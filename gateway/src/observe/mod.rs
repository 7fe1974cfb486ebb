//! Logging: the only place that installs anything global.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// A path is down and will stay down.
    Error,
    /// Someone should look today.
    Warn,
    /// A person-sized change of state.
    Info,
    /// Every decision; addresses appear from here on.
    Debug,
    /// Every packet.
    Trace,
}

impl LogLevel {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Sends logs to standard error. GStreamer's own log stays where `GST_DEBUG` puts it.
///
/// Called once, before anything else; a second call changes nothing.
pub fn install(format: LogFormat, level: LogLevel) {
    let ours = level.name();
    // The elements' crates tell the path's task what happens, and it logs that with the path's name:
    // their own lines are for those who look closely.
    let elements = match level {
        LogLevel::Error => "error",
        LogLevel::Warn | LogLevel::Info => "warn",
        LogLevel::Debug | LogLevel::Trace => ours,
    };
    // Other crates speak up when something is wrong only. To stun-types every malformed packet is, and anybody can send those.
    let others = if level == LogLevel::Error {
        "error"
    } else {
        "warn"
    };
    let filter = EnvFilter::new(format!(
        "{others},stun_types=error,sluice={ours},gstsluice={elements}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(matches!(level, LogLevel::Debug | LogLevel::Trace));
    let installed = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
    if let Err(error) = installed {
        tracing::debug!(%error, "a logger was there already");
    }
}
