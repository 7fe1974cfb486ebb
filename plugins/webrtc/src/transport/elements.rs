//! The two elements that a transport lends to webrtcbin: packets in, packets out. Neither has a thread (ICE.md, I14, I16).

use std::sync::{Arc, LazyLock, Once, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::session::Session;

/// How `IceSink` is known where elements are known by their factory: it has none.
pub(crate) const SINK: &str = "SluiceIceSink";

glib::wrapper! {
    pub(crate) struct IceSrc(ObjectSubclass<src::IceSrc>) @extends gst::Element, gst::Object;
}

glib::wrapper! {
    pub(crate) struct IceSink(ObjectSubclass<sink::IceSink>) @extends gst::Element, gst::Object;
}

impl IceSrc {
    /// Pushes one packet into webrtcbin, whose own queue stands right behind: returns at once.
    pub(super) fn deliver(&self, packet: &[u8]) {
        let imp = self.imp();
        // Two receivers may have packets of one session, from two addresses.
        imp.started.call_once(|| imp.start());
        let mut buffer = gst::Buffer::from_mut_slice(packet.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.current_running_time());
        }
        // A session that is being closed takes none; nothing is to be done about it.
        let _flow = imp.pad.push(buffer);
    }

    /// Lets webrtcbin's queue drop what is too much. Once connected it would make this thread wait instead, and with it
    /// all other sessions (I15). To be called after webrtcbin has heard that the session is connected.
    pub(super) fn never_wait(&self) {
        let mut pad = self.imp().pad.clone();
        // A capsfilter stands between.
        for _step in 0..4 {
            let Some(next) = pad.peer().and_then(|peer| peer.parent_element()) else {
                break;
            };
            if next
                .factory()
                .is_some_and(|factory| factory.name() == "queue")
            {
                next.set_property_from_str("leaky", "downstream");
                return;
            }
            let Some(src) = next.static_pad("src") else {
                break;
            };
            pad = src;
        }
        tracing::warn!(
            "webrtcbin's receive queue is not where it was; a stuck session may hold up others"
        );
    }
}

impl IceSink {
    pub(super) fn attach(&self, session: Arc<Session>) {
        if self.imp().session.set(session).is_err() {
            tracing::error!("a sink has one session only");
        }
    }
}

mod src {
    use super::*;

    pub(crate) struct IceSrc {
        pub(super) pad: gst::Pad,
        pub(super) started: Once,
    }

    impl IceSrc {
        pub(super) fn start(&self) {
            let caps = gst::Caps::new_empty_simple("application/x-rtp");
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            for event in [
                gst::event::StreamStart::new(&self.obj().name()),
                gst::event::Caps::new(&caps),
                gst::event::Segment::new(&segment),
            ] {
                self.pad.push_event(event);
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for IceSrc {
        const NAME: &'static str = "SluiceIceSrc";
        type Type = super::IceSrc;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template = class.pad_template("src").expect("it is the class's own");
            Self {
                pad: gst::Pad::from_template(&template),
                started: Once::new(),
            }
        }
    }

    impl ObjectImpl for IceSrc {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_element_flags(gst::ElementFlags::SOURCE);
            self.obj().add_pad(&self.pad).expect("it is the first");
        }
    }

    impl GstObjectImpl for IceSrc {}

    impl ElementImpl for IceSrc {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| template("src", gst::PadDirection::Src));
            &TEMPLATES
        }
    }
}

mod sink {
    use super::*;

    pub(crate) struct IceSink {
        pad: gst::Pad,
        pub(super) session: OnceLock<Arc<Session>>,
    }

    impl IceSink {
        fn chain(&self, buffer: &gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
            let packet = buffer
                .map_readable()
                .map_err(|_error| gst::FlowError::Error)?;
            if let Some(session) = self.session.get() {
                session.send(&packet);
            }
            Ok(gst::FlowSuccess::Ok)
        }

        fn chain_list(
            &self,
            list: &gst::BufferListRef,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let mut bytes = Vec::with_capacity(list.calculate_size());
            let mut lengths = Vec::with_capacity(list.len());
            for buffer in list.iter() {
                let packet = buffer
                    .map_readable()
                    .map_err(|_error| gst::FlowError::Error)?;
                bytes.extend_from_slice(&packet);
                lengths.push(packet.len());
            }
            if let Some(session) = self.session.get() {
                session.send_train(&bytes, &lengths);
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for IceSink {
        const NAME: &'static str = SINK;
        type Type = super::IceSink;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template = class.pad_template("sink").expect("it is the class's own");
            let failed = || Err(gst::FlowError::Error);
            let pad = gst::Pad::builder_from_template(&template)
                .chain_function(move |_pad, parent, buffer| {
                    Self::catch_panic_pad_function(parent, failed, |imp| imp.chain(&buffer))
                })
                .chain_list_function(move |_pad, parent, list| {
                    Self::catch_panic_pad_function(parent, failed, |imp| imp.chain_list(&list))
                })
                .build();
            Self {
                pad,
                session: OnceLock::new(),
            }
        }
    }

    impl ObjectImpl for IceSink {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_element_flags(gst::ElementFlags::SINK);
            self.obj().add_pad(&self.pad).expect("it is the first");
        }
    }

    impl GstObjectImpl for IceSink {}

    impl ElementImpl for IceSink {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| template("sink", gst::PadDirection::Sink));
            &TEMPLATES
        }
    }
}

fn template(name: &str, direction: gst::PadDirection) -> Vec<gst::PadTemplate> {
    let (always, any) = (gst::PadPresence::Always, gst::Caps::new_any());
    let template = gst::PadTemplate::new(name, direction, always, &any);
    vec![template.expect("the name fits the presence")]
}
