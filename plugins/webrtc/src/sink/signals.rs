//! Action signals: the same as the typed API, for other languages.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use sluice_core::{Problem, SessionId};

use crate::viewers::{Patched, ViewerInfo, Viewers};

/// Gives the action signals.
pub(super) fn all() -> Vec<glib::subclass::Signal> {
    let text = String::static_type();
    let structure = gst::Structure::static_type();
    vec![
        // Answers an offer: `sluice-joined` with answer, id, etag; or `sluice-problem` with status, detail.
        action("join", &[text], structure, |viewers, args| {
            let offer = argument(args, 1)?;
            let joined = block_on(viewers.join(&offer))?;
            Ok(gst::Structure::builder("sluice-joined")
                .field("answer", joined.answer)
                .field("id", joined.id.to_string())
                .field("etag", joined.etag)
                .build())
        }),
        // Takes a trickle fragment: session id, content type, If-Match, body.
        action("patch", &[text; 4], structure, |viewers, args| {
            let id = id(args)?;
            let (kind, if_match, body) =
                (argument(args, 2)?, argument(args, 3)?, argument(args, 4)?);
            let patched = block_on(viewers.patch(&id, Some(&kind), Some(&if_match), &body))?;
            let patch = gst::Structure::builder("sluice-patched");
            Ok(match patched {
                Patched::Trickled => patch.build(),
                Patched::Restarted { body, etag } => {
                    patch.field("body", body).field("etag", etag).build()
                }
            })
        }),
        // Closes a session: `sluice-left`, or `sluice-problem` if there is none of that id.
        action("leave", &[text], structure, |viewers, args| {
            if block_on(viewers.leave(&id(args)?)) {
                Ok(gst::Structure::new_empty("sluice-left"))
            } else {
                Err(crate::viewers::no_session())
            }
        }),
        action("list", &[], structure, |viewers, _args| Ok(stats(viewers))),
    ]
}

/// Gives all viewers in one structure, as the property `stats` has them.
pub(super) fn stats(viewers: &Viewers) -> gst::Structure {
    let list = viewers.list();
    let structures = list.iter().map(|info| one(info).to_send_value());
    gst::Structure::builder("sluice-viewers")
        .field("count", u32::try_from(list.len()).unwrap_or(u32::MAX))
        .field("viewers", gst::Array::from_values(structures))
        .build()
}

fn one(info: &ViewerInfo) -> gst::Structure {
    gst::Structure::builder("sluice-viewer")
        .field("id", &info.id)
        .field("state", info.state)
        .field("since", info.since_s)
        .field("bytes-sent", info.bytes_sent)
        .field("packets-sent", info.packets_sent)
        .field("lists-around-fec", info.lists_around_fec)
        .field("nacks", info.nacks)
        .field("plis", info.plis)
        .field_if_some("rtt", info.rtt_ms)
        .field_if_some("loss", info.loss)
        .field_if_some("first-picture", info.first_picture_ms)
        .build()
}

type Action = fn(&Viewers, &[glib::Value]) -> Result<gst::Structure, Problem>;

fn action(
    name: &'static str,
    parameters: &[glib::Type],
    reply: glib::Type,
    run: Action,
) -> glib::subclass::Signal {
    glib::subclass::Signal::builder(name)
        .action()
        .param_types(parameters.iter().copied())
        .return_type_from(reply)
        .class_handler(move |args| {
            let element = args.first()?.get::<super::WhepSink>().ok()?;
            let reply = run(&element.imp().viewers(), args).unwrap_or_else(|problem| {
                gst::Structure::builder("sluice-problem")
                    .field("status", u32::from(problem.status))
                    .field("detail", problem.detail)
                    .build()
            });
            Some(reply.to_value())
        })
        .build()
}

fn argument(args: &[glib::Value], index: usize) -> Result<String, Problem> {
    args.get(index)
        .and_then(|value| value.get::<Option<String>>().ok().flatten())
        .ok_or_else(|| Problem::new(400, "An argument is missing."))
}

fn id(args: &[glib::Value]) -> Result<SessionId, Problem> {
    let id = argument(args, 1)?;
    id.parse().map_err(|_invalid| crate::viewers::no_session())
}

/// Waits for a future of this crate. They are woken by our own worker threads, so that no runtime is
/// needed; the caller's thread blocks, as it asked to by emitting an action.
fn block_on<F: Future>(future: F) -> F::Output {
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
