//! Action signals: what the typed API does, for other languages. What the elements have in common.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use gst::glib;
use gst::prelude::*;
use sluice_core::{Problem, SessionId};

use crate::viewers::{Joined, Patched, no_session};

/// What an action does; a problem becomes `sluice-problem` with `status` and `detail`.
pub(crate) type Action<E> = fn(&E, &[glib::Value]) -> Result<gst::Structure, Problem>;

/// Makes an action signal of the element `E` that returns a structure.
pub(crate) fn action<E: IsA<glib::Object>>(
    name: &'static str,
    parameters: &[glib::Type],
    run: Action<E>,
) -> glib::subclass::Signal {
    glib::subclass::Signal::builder(name)
        .action()
        .param_types(parameters.iter().copied())
        .return_type_from(gst::Structure::static_type())
        .class_handler(move |args| {
            let element = args.first()?.get::<E>().ok()?;
            let reply = run(&element, args).unwrap_or_else(|problem| {
                gst::Structure::builder("sluice-problem")
                    .field("status", u32::from(problem.status))
                    .field("detail", problem.detail)
                    .build()
            });
            Some(reply.to_value())
        })
        .build()
}

/// Gives a new session: `sluice-joined`.
pub(crate) fn joined(joined: Joined) -> gst::Structure {
    gst::Structure::builder("sluice-joined")
        .field("answer", joined.answer)
        .field("id", joined.id.to_string())
        .field("etag", joined.etag)
        .build()
}

/// Gives what a PATCH did: `sluice-patched`.
pub(crate) fn patched(patched: Patched) -> gst::Structure {
    let patch = gst::Structure::builder("sluice-patched");
    match patched {
        Patched::Trickled => patch.build(),
        Patched::Restarted { body, etag } => patch.field("body", body).field("etag", etag).build(),
    }
}

/// Gives whether a session was closed: `sluice-left`.
pub(crate) fn left(was_there: bool) -> Result<gst::Structure, Problem> {
    if was_there {
        Ok(gst::Structure::new_empty("sluice-left"))
    } else {
        Err(no_session())
    }
}

/// Reads a text argument; the element itself is number 0.
pub(crate) fn argument(args: &[glib::Value], index: usize) -> Result<String, Problem> {
    args.get(index)
        .and_then(|value| value.get::<Option<String>>().ok().flatten())
        .ok_or_else(|| Problem::new(400, "An argument is missing."))
}

/// Reads the first argument as a session's name.
pub(crate) fn id(args: &[glib::Value]) -> Result<SessionId, Problem> {
    argument(args, 1)?.parse().map_err(|_invalid| no_session())
}

/// Waits for a future of this crate. They are woken by our own worker threads, so that no runtime is
/// needed; the caller's thread blocks, as it asked to by emitting an action.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
