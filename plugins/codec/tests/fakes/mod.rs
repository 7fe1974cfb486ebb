//! Encoders and decoders that go wrong in every way: bins around real ones.
#![allow(
    clippy::unwrap_used,
    clippy::exit,
    dead_code,
    unreachable_pub,
    reason = "tests; each file uses some of it"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use sluice_core::Codec;
use sluice_core::transcode::{Colour, Encoder, Memory, PixelFormat, Rate};

/// How one goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// Never returns from the call that takes this picture.
    HangsAt(u64),
    /// Never returns from its start.
    HangsAtStart,
    FailsAtStart,
    /// Posts an error with this picture.
    FailsAt(u64),
    /// Takes pictures and gives none.
    Swallows,
    /// Gives bytes that are no picture.
    Garbage,
    /// Ends the process.
    Crashes,
    /// Takes so many ms for each picture.
    Slow(u64),
}

fn wait(time: Option<Duration>) {
    // A thread that nobody unparks: it hangs, or waits for the time.
    match time {
        Some(time) => std::thread::park_timeout(time),
        None => loop {
            std::thread::park();
        },
    }
}

fn misbehave(bin: &gst::Bin, fault: Fault, inner: &gst::Element) {
    let count = AtomicU64::new(0);
    let weak = bin.downgrade();
    let sink = inner.static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::HangsAt(at) if nth >= at => wait(None),
            Fault::FailsAt(at) if nth >= at => {
                let bin = weak.upgrade().unwrap();
                gst::element_error!(bin, gst::StreamError::Encode, ("session limit"));
                return gst::PadProbeReturn::Drop;
            }
            Fault::Swallows => return gst::PadProbeReturn::Drop,
            Fault::Crashes => std::process::abort(),
            Fault::Slow(ms) => wait(Some(Duration::from_millis(ms))),
            Fault::None
            | Fault::HangsAt(_)
            | Fault::HangsAtStart
            | Fault::FailsAtStart
            | Fault::FailsAt(_)
            | Fault::Garbage => {}
        }
        gst::PadProbeReturn::Ok
    });
    if fault == Fault::Garbage {
        let src = inner.static_pad("src").unwrap();
        src.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
                let buffer = buffer.make_mut();
                let mut map = buffer.map_writable().unwrap();
                map.fill(0xa5);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

macro_rules! fake {
    ($module:ident, $type:literal, $factory:literal, $inner:literal, $fault:expr) => {
        pub mod $module {
            use super::*;

            #[derive(Default)]
            pub struct Imp;

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $type;
                type Type = Fake;
                type ParentType = gst::Bin;
            }

            impl ObjectImpl for Imp {
                fn constructed(&self) {
                    self.parent_constructed();
                    let bin = self.obj();
                    let inner = gst::ElementFactory::make($inner).build().unwrap();
                    bin.add(&inner).unwrap();
                    for name in ["sink", "src"] {
                        let pad = inner.static_pad(name).unwrap();
                        let ghost = gst::GhostPad::builder_with_target(&pad).unwrap();
                        bin.add_pad(&ghost.name(name).build()).unwrap();
                    }
                    misbehave(bin.upcast_ref(), $fault, &inner);
                }
            }

            impl GstObjectImpl for Imp {}

            impl ElementImpl for Imp {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static METADATA: std::sync::LazyLock<gst::subclass::ElementMetadata> =
                        std::sync::LazyLock::new(|| {
                            gst::subclass::ElementMetadata::new($factory, "Codec", "Fake", "tests")
                        });
                    Some(&METADATA)
                }

                fn change_state(
                    &self,
                    transition: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    if transition == gst::StateChange::ReadyToPaused {
                        if $fault == Fault::FailsAtStart {
                            return Err(gst::StateChangeError);
                        }
                        if $fault == Fault::HangsAtStart {
                            wait(None);
                        }
                    }
                    self.parent_change_state(transition)
                }
            }

            impl BinImpl for Imp {}

            glib::wrapper! {
                pub struct Fake(ObjectSubclass<Imp>) @extends gst::Bin, gst::Element, gst::Object;
            }

            pub fn register() -> &'static str {
                gst::Element::register(None, $factory, gst::Rank::NONE, Fake::static_type())
                    .unwrap();
                $factory
            }
        }
    };
}

fake!(good, "FakeGood", "fakegood", "vp8enc", Fault::None);
fake!(
    hangs,
    "FakeHangs",
    "fakehangs",
    "vp8enc",
    Fault::HangsAt(20)
);
fake!(
    hangs_at_start,
    "FakeHangsAtStart",
    "fakehangsatstart",
    "vp8enc",
    Fault::HangsAtStart
);
fake!(
    fails_at_start,
    "FakeFailsAtStart",
    "fakefailsatstart",
    "vp8enc",
    Fault::FailsAtStart
);
fake!(
    fails,
    "FakeFails",
    "fakefails",
    "vp8enc",
    Fault::FailsAt(100)
);
fake!(
    swallows,
    "FakeSwallows",
    "fakeswallows",
    "vp8enc",
    Fault::Swallows
);
fake!(
    garbage,
    "FakeGarbage",
    "fakegarbage",
    "vp8enc",
    Fault::Garbage
);
fake!(
    crashes,
    "FakeCrashes",
    "fakecrashes",
    "vp8enc",
    Fault::Crashes
);
fake!(slow, "FakeSlow", "fakeslow", "vp8enc", Fault::Slow(150));
fake!(
    decoder_fails,
    "FakeDecoderFails",
    "fakedecoderfails",
    "vp8dec",
    Fault::FailsAt(30)
);
fake!(
    decoder_hangs,
    "FakeDecoderHangs",
    "fakedecoderhangs",
    "vp8dec",
    Fault::HangsAt(30)
);

/// A row of the table for one of them.
pub const fn row(factory: &'static str) -> Encoder {
    Encoder {
        factory,
        codec: Codec::Vp8,
        memory: Memory::System,
        format: PixelFormat::I420,
        rate: Rate::Bps("target-bitrate"),
        rate_is_live: true,
        key: None,
        colour: Colour::Bt601,
        live: &[],
    }
}
