//! What the first peer of a process would else wait for: half a second.

use std::sync::Once;
use std::time::Duration;

use gst::prelude::*;
use parking_lot::{Condvar, Mutex};

use super::certificate;
use crate::worker;

/// Elements that webrtcbin is made of, one per plugin.
const ELEMENTS: &[&str] = &[
    "webrtcbin",
    "nicesrc",
    "dtlsdec",
    "srtpenc",
    "rtpbin",
    "rtpulpfecenc",
    "clocksync",
];

/// What is warmed up takes half a second; a machine that is slower than this is not waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether it has ended.
static ENDED: Mutex<bool> = Mutex::new(false);
static END: Condvar = Condvar::new();

/// Loads the plugins and makes the certificate, in the background, once per process.
///
/// Who has called it waits with [`warmed_up`] before it ends.
pub(crate) fn warm_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        worker::run(|| {
            load();
            end();
        });
    });
}

/// Waits until what [`warm_up`] began has ended. Blocks, for half a second at most on a machine that is not busy, and for 10 s
/// on any.
///
/// A process that exits frees what OpenSSL holds (`OPENSSL_init_crypto(3)` asks `atexit` for that) while its threads still run,
/// and one that is inside OpenSSL then reads freed memory (seen with gdb, when a handshake was among what is warmed up: of
/// processes that ended in their first half second, one in four did so with SIGSEGV).
pub(crate) fn warmed_up() {
    let mut ended = ENDED.lock();
    let late = END
        .wait_while_for(&mut ended, |ended| !*ended, LIMIT)
        .timed_out();
    if late {
        tracing::warn!("plugins and certificate are still being loaded");
    }
}

fn end() {
    *ENDED.lock() = true;
    END.notify_all();
}

fn load() {
    for name in ELEMENTS {
        let loaded = gst::ElementFactory::find(name).map(|factory| factory.load());
        if !matches!(loaded, Some(Ok(_))) {
            tracing::error!(
                element = name,
                "not installed; no viewer or publisher can be served"
            );
        }
    }
    // The first one of a process makes an RSA key for itself, though it is never used (F15).
    let first = gst::ElementFactory::make("dtlssrtpdec").build();
    drop(first);
    if let Err(error) = certificate::ours() {
        tracing::error!(
            error,
            "no certificate; no viewer or publisher can be served"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_element_that_has_stopped_leaves_nothing_in_openssl() {
        gst::init().unwrap();
        let sink: gst::Element = gst::glib::Object::new::<crate::sink::WhepSink>().upcast();
        let source: gst::Element = gst::glib::Object::new::<crate::source::WhipSrc>().upcast();
        warm_up();
        warmed_up();
        for element in [sink, source] {
            element.set_state(gst::State::Paused).unwrap();
            // As if it had only begun.
            *ENDED.lock() = false;
            let (_open, never) = mpsc::channel::<()>();
            worker::run(move || {
                let _late = never.recv_timeout(Duration::from_millis(300));
                end();
            });
            element.set_state(gst::State::Null).unwrap();
            assert!(*ENDED.lock(), "{} did not wait", element.type_());
        }
    }
}
