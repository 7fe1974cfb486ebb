//! The command line. Exit codes: 0 done, 1 it went wrong while running, 2 wrong use or config.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use sluice_core::access::{Action, Rule};
use sluice_core::id::RouteId;
use sluice_core::source::{Scheme, SourceUri, SourceUriError};

use crate::config::{AccessConfig, Config, DEFAULT_LISTEN, Listen, PathConfig};
use crate::control::Certificate;
use crate::observe::{self, LogFormat, LogLevel};

mod doctor;
mod encoders;
mod reach;
mod run;

/// The command's exit code for wrong use and wrong config.
const WRONG_USE: u8 = 2;

// No `Debug`: a source may have its password in it until it is parsed.
#[derive(Parser)]
#[command(
    name = "sluice",
    version,
    about = "Cameras, files and SRT to browsers over WebRTC",
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: Log,
}

#[derive(Args)]
struct Log {
    /// How log lines look
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "SLUICE_LOG_FORMAT"
    )]
    log_format: LogFormat,
    /// How much is logged; for GStreamer's own log set `GST_DEBUG`
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "info",
        env = "SLUICE_LOG_LEVEL"
    )]
    log_level: LogLevel,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the paths of a config file
    Run {
        /// The config, in YAML
        file: PathBuf,
    },
    /// Serve one source and print its page's address
    Play(Play),
    /// Check a config file and do nothing else
    Check {
        /// The config, in YAML
        file: PathBuf,
    },
    /// Say what this machine lacks for a config, and which recordings its rules would delete now; change nothing
    Doctor {
        /// The config, in YAML
        file: PathBuf,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Print a path as a gst-launch line
    Explain {
        /// The path's name
        path: String,
        /// The config that has it
        #[arg(long)]
        config: PathBuf,
    },
    /// Try out every encoder of this machine and say which one is used
    Encoders {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Also those that were tried before and whose drivers are the same
        #[arg(long)]
        again: bool,
    },
    /// The process that `encoders` tries one in
    #[command(hide = true)]
    ProbeEncoder {
        /// The element's factory
        factory: String,
    },
    /// Hash a password for `auth.users`; it is read from the terminal or from standard input
    HashPassword,
    /// Print the version
    Version,
}

#[derive(Args)]
struct Play {
    /// Where the media comes from (rtsp, srt, udp, http, file, v4l2, or "test:"); several are fallbacks in order
    #[arg(required = true, value_name = "URI")]
    sources: Vec<String>,
    /// Where to serve the page
    #[arg(long, value_parser = listen, default_value_t = DEFAULT_LISTEN)]
    listen: Listen,
    /// Let everybody watch who can reach this machine; otherwise only the machine itself can
    #[arg(long)]
    share: bool,
    /// Start a file again when it ends
    #[arg(long = "loop")]
    repeat: bool,
}

/// What opens `sluice play` to others: the end of a sentence.
const PLAY_REMEDY: &str = "to let others watch, start it with --share";

fn source(text: &str) -> Result<SourceUri, SourceUriError> {
    // A file's name is enough here, as with every other command.
    let is_file = !text.contains(':') && std::path::Path::new(text).exists();
    let absolute = is_file.then(|| std::path::absolute(text).ok()).flatten();
    let text = absolute
        .as_ref()
        .and_then(|path| path.to_str())
        .unwrap_or(text);
    SourceUri::parse(text)
}

fn listen(text: &str) -> Result<Listen, String> {
    Listen::parse(text).ok_or_else(|| "write :PORT or ADDRESS:PORT, such as :8889".to_owned())
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    observe::install(cli.log.log_format, cli.log.log_level);
    match cli.command {
        Command::Run { file } => with_config(&file, |config| run::serve(&config)),
        Command::Play(play) => match live(&play) {
            Ok(config) => run::serve(&config),
            Err(sentence) => fail(WRONG_USE, &sentence),
        },
        Command::Check { file } => with_config(&file, |config| {
            if let Some(tls) = &config.tls
                && let Err(error) = Certificate::load(tls, &config.access.host_names)
            {
                return fail(WRONG_USE, &error.to_string());
            }
            if let Err(sentences) = config.check_folders() {
                return fail(WRONG_USE, &sentences);
            }
            let count = config.paths.len();
            let plural = if count == 1 { "" } else { "s" };
            say(&format!(
                "{}: good, {count} path{plural}, listens on {}",
                file.display(),
                config.listen
            ))
        }),
        Command::Doctor { file, json } => {
            with_config(&file, |config| doctor::examine(&config, json))
        }
        Command::Explain { path, config: file } => {
            with_config(&file, |config| explain(&path, &config))
        }
        Command::Encoders { json, again } => encoders::list(json, again),
        Command::ProbeEncoder { factory } => say(&encoders::attempt(&factory)),
        Command::HashPassword => match hash_password() {
            Ok(hash) => say(&hash),
            Err(sentence) => fail(WRONG_USE, &sentence),
        },
        Command::Version => say(concat!("sluice ", env!("CARGO_PKG_VERSION"))),
    }
}

/// Clap's own words, less the secrets of a URI that it quotes.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        fail(WRONG_USE, sluice_core::redact::redact(&text).trim_end())
    } else {
        say(text.trim_end())
    }
}

fn with_config(file: &std::path::Path, then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(file) {
        Ok(config) => then(config),
        Err(errors) => fail(WRONG_USE, &errors.to_string()),
    }
}

fn live(play: &Play) -> Result<Config, String> {
    let id = RouteId::try_from("live").map_err(|error| error.to_string())?;
    let sources = play.sources.iter().map(|text| source(text));
    let sources = sources
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| capitalised(&format!("{error}.")))?;
    if play.repeat && !sources.iter().all(|one| one.scheme() == Scheme::File) {
        return Err("--loop is for files, and not every source is one; leave it out.".to_owned());
    }
    let mut path = PathConfig::new(id, sources);
    path.spec.repeat = play.repeat;
    // Somebody who starts it by hand wants to know at once whether the source works.
    path.on_demand = false;
    let mut access = AccessConfig::closed(PLAY_REMEDY);
    if play.share {
        access.policy.rules.push(Rule::open(Action::Read));
    }
    Ok(Config::single(play.listen, access, path))
}

/// Reads the password without showing it, or the first line of what is piped in.
fn hash_password() -> Result<String, String> {
    let mut password = String::new();
    let read = if std::io::stdin().is_terminal() {
        rpassword::prompt_password("Password: ").map(|typed| password = typed)
    } else {
        std::io::stdin().read_line(&mut password).map(drop)
    };
    read.map_err(|cause| format!("The password cannot be read ({cause})."))?;
    match password.trim_end_matches(['\r', '\n']) {
        "" => Err("The password is empty; type one, or pipe one in.".to_owned()),
        password => crate::password::hash(password),
    }
}

/// A sentence that stands alone begins like one.
fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn explain(path: &str, config: &Config) -> ExitCode {
    match config.paths.iter().find(|(id, _)| id.as_str() == path) {
        Some((_, path)) => say(&sluice_pipelines::explain(&path.spec)),
        None => {
            let known: Vec<_> = config.paths.keys().map(RouteId::as_str).collect();
            fail(
                WRONG_USE,
                &format!(
                    "There is no path \"{path}\" in this config; it has {}.",
                    known.join(", ")
                ),
            )
        }
    }
}

/// Prints lines for the user; a closed pipe is the reader's wish, and no failure.
fn say(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    // In one write: who reads the first line finds the others.
    let lines = format!("{text}\n");
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints why it did not work.
fn fail(code: u8, text: &str) -> ExitCode {
    let mut out = std::io::stderr().lock();
    match writeln!(out, "{text}") {
        // With standard error closed, the code alone must do.
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}
