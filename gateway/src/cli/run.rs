//! Serves a config until a signal comes.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gstsluicewebrtc::Transport;
use sluice_core::Transcode;
use sluice_core::access::Network;
use sluice_pipelines::probe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, TlsConfig};
use crate::control::{self, Certificate, Gate, TlsError};
use crate::recordings::{self, Archive, Uploads};
use crate::supervisor::Supervisor;

/// The exit code when something went wrong while running.
const WENT_WRONG: u8 = 1;
/// From the signal to the exit it takes at most 5 s; the rest of it is for the process to end.
const DRAIN: Duration = Duration::from_millis(4500);
/// How long started requests may take to be answered once all viewers are gone.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// Runs until SIGTERM or SIGINT; a second one ends it at once.
pub(super) fn serve(config: &Config) -> ExitCode {
    if let Err(error) = sluice_pipelines::init() {
        return super::fail(WENT_WRONG, &format!("{error}."));
    }
    let missing = sluice_pipelines::missing(config.paths.values().map(|path| &path.spec));
    if !missing.is_empty() {
        return super::fail(WENT_WRONG, &missing_sentence(&missing));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(cause) => {
            return super::fail(
                WENT_WRONG,
                &format!("The system gives no threads ({cause}); free some."),
            );
        }
    };
    let code = runtime.block_on(supervise(config));
    // What is left may be a source that never answers: the process ends without it.
    runtime.shutdown_background();
    code
}

/// Tries the machine's encoders out in the background, or reads what was found out before. Until then, and if no thread can be had,
/// they are tried in the table's order when one is needed.
fn learn_encoders(config: &Config) {
    let mut paths = config.paths.values();
    let may_need = paths.any(|path| path.spec.transcode.policy.transcode != Transcode::Never);
    if !may_need || config.transcodes.limit() == 0 {
        return;
    }
    let learn = || {
        let report = probe::run(&super::encoders::options());
        report.apply();
        for row in report.rows.iter().filter(|row| row.chosen) {
            let (codec, encoder) = (row.encoder.codec, row.encoder.factory);
            tracing::debug!(%codec, encoder, "this encoder is used first");
        }
    };
    let spawned = std::thread::Builder::new()
        .name("sluice-probe".to_owned())
        .spawn(learn);
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread to try the encoders out with");
    }
}

/// One sentence: every element, and one command that brings them all.
pub(super) fn missing_sentence(missing: &[sluice_pipelines::Missing]) -> String {
    let elements: Vec<_> = missing
        .iter()
        .map(|one| format!("{} (which {} needs)", one.factory, one.what))
        .collect();
    let mut packages: Vec<_> = missing.iter().map(|one| one.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let plural = if missing.len() == 1 {
        "The GStreamer element"
    } else {
        "The GStreamer elements"
    };
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!(
        "{plural} {} {verb} missing; on Debian: apt install {}",
        elements.join(", "),
        packages.join(" ")
    )
}

/// Opens the port of media before anybody is told of the gateway.
fn open_media_port(config: &Config) -> Result<(), String> {
    let media = Transport {
        ice: config.transport.ice,
        udp_ports: config.transport.udp_ports.clone(),
        tcp: config.transport.tcp,
        stun_server: config.transport.stun_server.clone(),
        ..Transport::default()
    };
    let help = "stop that one, or choose another port with `webrtc.udp` in the config";
    gstsluicewebrtc::open_port(&media).map_err(|sentence| format!("{sentence}; {help}."))
}

async fn supervise(config: &Config) -> ExitCode {
    let (mut term, mut int) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(term), Ok(int)) => (term, int),
        (Err(cause), _) | (_, Err(cause)) => {
            return super::fail(WENT_WRONG, &format!("Signals cannot be caught ({cause})."));
        }
    };
    // Before any port is open: whatever is wrong here stops the start.
    let (gate, certificate, tls) = match secure(config) {
        Ok(secured) => secured,
        Err(sentence) => return super::fail(WENT_WRONG, &sentence),
    };
    let listener = match control::bind(config.listen).await {
        Ok(listener) => listener,
        Err(error) => return super::fail(WENT_WRONG, &error.to_string()),
    };
    let Ok(address) = listener.local_addr() else {
        return super::fail(
            WENT_WRONG,
            "The port was lost as soon as it was open; start again.",
        );
    };
    // Before the port is open.
    gstsluicewebrtc::receive_with(config.receive_threads);
    if let Err(sentence) = open_media_port(config) {
        return super::fail(WENT_WRONG, &sentence);
    }
    gstsluicewebrtc::pace(config.pacing);
    gstsluicewebrtc::refuse_above(config.watermarks);
    learn_encoders(config);
    let supervisor = Supervisor::start(config);
    let patience = config
        .paths
        .values()
        .map(|path| path.start_timeout)
        .max()
        .unwrap_or_default();
    let stop = CancellationToken::new();
    let sockets = control::Sockets::new();
    let paths = supervisor.paths();
    let (recordings, tenders) = tend_recordings(config, &stop);
    let router = control::router(
        &paths,
        gate,
        &config.ice_servers,
        patience,
        &sockets,
        recordings,
    );
    let mut server = tokio::spawn(control::serve(listener, router, tls, stop.clone()));
    let watcher = certificate.map(|certificate| tokio::spawn(certificate.watch(stop.clone())));
    tracing::info!("access: {}", config.access.summary());
    announce(config, address);
    tokio::select! {
        () = either(&mut term, &mut int) => {}
        _ = &mut server => {
            return super::fail(WENT_WRONG, "The HTTP listener ended by itself; start again.");
        }
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = drain(supervisor, &sockets, server, stop) => {
            tenders.iter().for_each(JoinHandle::abort);
            if let Some(watcher) = watcher {
                watcher.abort();
            }
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        () = either(&mut term, &mut int) => {
            tracing::warn!("stopped at once");
            ExitCode::from(WENT_WRONG)
        }
    }
}

/// Starts what deletes recordings by their rules, and what brings them elsewhere.
fn tend_recordings(
    config: &Config,
    stop: &CancellationToken,
) -> (control::Recordings, Vec<JoinHandle<()>>) {
    let archive = Arc::new(Archive::default());
    let uploads = Uploads::open(config, &archive);
    let keeper = recordings::keep_rules(
        config.clone(),
        Arc::clone(&archive),
        uploads.clone(),
        stop.clone(),
    );
    let uploader = uploads.clone().map(|all| all.run(stop.clone()));
    let tenders = std::iter::once(tokio::spawn(keeper)).chain(uploader.map(tokio::spawn));
    let tenders = tenders.collect();
    (control::Recordings { archive, uploads }, tenders)
}

type Secured = (
    Arc<Gate>,
    Option<Arc<Certificate>>,
    Option<Arc<rustls::ServerConfig>>,
);

/// Makes what stands between the port and the handlers.
fn secure(config: &Config) -> Result<Secured, String> {
    let gate = Gate::new(config.access.clone())?;
    let Some(tls) = &config.tls else {
        return Ok((gate, None, None));
    };
    let load = || {
        let certificate = Certificate::load(tls, &config.access.host_names)?;
        let server = certificate.server()?;
        Ok((certificate, server))
    };
    let (certificate, server) = load().map_err(|error: TlsError| error.to_string())?;
    if *tls == TlsConfig::SelfSigned {
        let sha256 = certificate.fingerprint();
        tracing::info!(
            sha256,
            "the certificate is self-signed: browsers warn; compare this"
        );
    }
    Ok((gate, Some(certificate), Some(server)))
}

/// Viewers first, while their DELETEs are still answered; then the port.
async fn drain(
    supervisor: Supervisor,
    sockets: &control::Sockets,
    server: JoinHandle<()>,
    stop: CancellationToken,
) {
    let left = supervisor.drain(DRAIN.saturating_sub(LAST_ANSWERS)).await;
    if left > 0 {
        tracing::warn!(left, "paths did not stop in time");
    }
    stop.cancel();
    let left = sockets.drain(LAST_ANSWERS).await;
    if left > 0 {
        tracing::debug!(left, "sockets were still open");
    }
    // A browser's idle connection is no reason to stay.
    if tokio::time::timeout(LAST_ANSWERS, server).await.is_err() {
        tracing::debug!("connections were still open");
    }
}

async fn either(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Tells people, and programs that wait for it, where the pages are.
fn announce(config: &Config, address: SocketAddr) {
    let scheme = if config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let base = base_url(scheme, address);
    let mut text = format!("Sluice is ready: {base}");
    for id in config.paths.keys() {
        text.push_str(&format!("\n  {id}: {base}{id}"));
    }
    if address.ip().is_unspecified() && others_may_watch(config) {
        for ip in control::addresses() {
            let from = base_url(scheme, SocketAddr::new(ip, address.port()));
            text.push_str(&format!("\n  from other machines: {from}"));
        }
    }
    // Nobody may be reading; serving matters more.
    super::say(&text);
}

/// Whether another machine has any reason to try.
fn others_may_watch(config: &Config) -> bool {
    let rules = &config.access.policy.rules;
    let mut wider = rules
        .iter()
        .filter(|rule| rule.from[..] != [Network::Loopback]);
    wider.next().is_some() || config.access.hook.is_some() || config.access.jwt.is_some()
}

/// An address that a browser on this machine can open.
fn base_url(scheme: &str, address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        ip => ip,
    };
    format!("{scheme}://{}/", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_address_opens_in_a_browser() {
        for (address, url) in [
            ("[::]:8889", "http://127.0.0.1:8889/"),
            ("0.0.0.0:1", "http://127.0.0.1:1/"),
            ("192.0.2.1:2", "http://192.0.2.1:2/"),
            ("[2001:db8::1]:3", "http://[2001:db8::1]:3/"),
        ] {
            assert_eq!(base_url("http", address.parse().unwrap()), url);
        }
    }
}
