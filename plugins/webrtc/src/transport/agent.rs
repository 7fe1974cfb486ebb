//! `GstWebRTCICE`, its stream and its transport, for webrtcbin's `ice-agent`. webrtcbin is their only caller, on its own
//! thread and with its lock held: nothing here waits (ICE.md, I9).

use std::sync::{Arc, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{
    WebRTCICEComponent, WebRTCICEConnectionState as Connection,
    WebRTCICEGatheringState as Gathering,
};
use parking_lot::Mutex;
use sluice_core::ice_lite::{Credentials, candidates};

use super::elements::{IceSink, IceSrc};
use super::mux::Mux;
use super::session::{News, Session};
use super::vtable;

glib::wrapper! {
    /// An ICE agent that answers, on the one port that all sessions share.
    pub(crate) struct Agent(ObjectSubclass<imp::Agent>) @extends gst_webrtc::WebRTCICE, gst::Object;
}

glib::wrapper! {
    pub(crate) struct Stream(ObjectSubclass<imp::Stream>) @extends gst_webrtc::WebRTCICEStream, gst::Object;
}

glib::wrapper! {
    pub(crate) struct Transport(ObjectSubclass<imp::Transport>)
        @extends gst_webrtc::WebRTCICETransport, gst::Object;
}

impl Agent {
    /// Makes one for one webrtcbin.
    pub(crate) fn new(mux: Arc<Mux>) -> Self {
        let agent: Self = glib::Object::new();
        if agent.imp().mux.set(mux).is_err() {
            tracing::error!("an ICE agent has one port only");
        }
        agent
    }

    /// Makes a webrtcbin that uses this agent.
    ///
    /// # Errors
    ///
    /// The element is not installed.
    pub(crate) fn webrtcbin(
        &self,
        builder: gst::element_factory::ElementBuilder<'_>,
    ) -> Result<gst::Element, glib::BoolError> {
        vtable::hand_over(self, || {
            let agent = self.clone().upcast::<gst_webrtc::WebRTCICE>();
            builder.property("ice-agent", agent).build()
        })
    }

    /// Restarts ICE with the peer's new credentials, and gives ours. Media go on meanwhile. `None` before there is a
    /// session.
    pub(crate) fn restart(&self, theirs: &Credentials) -> Option<Credentials> {
        self.session()?.restart(theirs.clone())
    }

    /// Gives the session, once there is one: with all bundled, the only one.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.sessions().into_iter().next()
    }

    /// Tells webrtcbin nothing any more: to be called before it is taken down, and without its locks.
    pub(crate) fn hush(&self) {
        for session in self.sessions() {
            session.hush();
        }
    }

    /// Lets nothing through any more. Does not wait.
    pub(crate) fn shut(&self) {
        for session in self.sessions() {
            session.shut();
        }
    }

    fn sessions(&self) -> Vec<Arc<Session>> {
        let streams = self.imp().streams.lock();
        let sessions = streams.iter().filter_map(Stream::session);
        sessions.cloned().collect()
    }

    /// Makes the stream of webrtcbin's session `id`.
    pub(super) fn add_stream(&self, id: u32) -> Option<Stream> {
        let mux = self.imp().mux.get()?;
        let stream = Stream::new(id, Arc::clone(mux));
        self.imp().streams.lock().push(stream.clone());
        Some(stream)
    }

    /// Tells all our candidates at once, and that there are no more (I10).
    pub(super) fn gather(&self, stream: &Stream) {
        let (Some(mux), Some(transport)) = (self.imp().mux.get(), stream.transport()) else {
            return;
        };
        let transport = transport.upcast_ref::<gst_webrtc::WebRTCICETransport>();
        transport.gathering_state_change(Gathering::Gathering);
        let told = *self.imp().on_candidate.lock();
        if let Some(told) = told {
            for candidate in candidates(&mux.addresses(), mux.port(), mux.tcp()) {
                vtable::tell(self, told, stream, &format!("a={candidate}"));
            }
        }
        transport.gathering_state_change(Gathering::Complete);
    }
}

impl Stream {
    fn new(id: u32, mux: Arc<Mux>) -> Self {
        let stream: Self = glib::Object::new();
        let transport: Transport = glib::Object::builder()
            .property("component", WebRTCICEComponent::Rtp)
            .build();
        let (src, sink): (IceSrc, IceSink) = (glib::Object::new(), glib::Object::new());
        vtable::fill(&stream, id, &transport, &src, &sink);
        let session = Session::new(mux, &src);
        let (weak, receiver) = (transport.downgrade(), src.downgrade());
        session.on_news(move |news| {
            let Some(transport) = weak.upgrade() else {
                return;
            };
            let transport = transport.upcast_ref::<gst_webrtc::WebRTCICETransport>();
            match news {
                News::Connected => {
                    transport.connection_state_change(Connection::Checking);
                    transport.connection_state_change(Connection::Connected);
                    transport.selected_pair_change();
                    if let Some(src) = receiver.upgrade() {
                        src.never_wait();
                    }
                }
                News::Failed => transport.connection_state_change(Connection::Failed),
            }
        });
        sink.attach(Arc::clone(&session));
        let elements = imp::Elements {
            _src: src,
            _sink: sink,
        };
        let parts = imp::Parts {
            session,
            transport: transport.clone(),
        };
        let new =
            transport.imp().elements.set(elements).is_ok() && stream.imp().parts.set(parts).is_ok();
        if !new {
            tracing::error!("an ICE stream is made once");
        }
        stream
    }

    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.imp().parts.get().map(|parts| &parts.session)
    }

    pub(super) fn transport(&self) -> Option<&Transport> {
        self.imp().parts.get().map(|parts| &parts.transport)
    }
}

pub(super) mod imp {
    use super::{
        Agent as AgentObject, Arc, IceSink, IceSrc, Mutex, Mux, OnceLock, Session,
        Stream as StreamObject, Transport as TransportObject, glib, vtable,
    };
    use gst::subclass::prelude::*;

    #[derive(Default)]
    pub(crate) struct Agent {
        pub(in crate::transport) mux: OnceLock<Arc<Mux>>,
        /// Kept until the agent goes: webrtcbin borrows them up to 1.26.9 (I2).
        pub(in crate::transport) streams: Mutex<Vec<StreamObject>>,
        pub(in crate::transport) on_candidate: Mutex<Option<vtable::OnCandidate>>,
    }

    #[derive(Default)]
    pub(crate) struct Stream {
        pub(in crate::transport) parts: OnceLock<Parts>,
    }

    pub(in crate::transport) struct Parts {
        pub(in crate::transport) session: Arc<Session>,
        pub(in crate::transport) transport: TransportObject,
    }

    #[derive(Default)]
    pub(crate) struct Transport {
        pub(in crate::transport) elements: OnceLock<Elements>,
    }

    /// webrtcbin borrows both (I4).
    pub(in crate::transport) struct Elements {
        pub(in crate::transport) _src: IceSrc,
        pub(in crate::transport) _sink: IceSink,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Agent {
        const NAME: &'static str = "SluiceIceAgent";
        type Type = AgentObject;
        type ParentType = gst_webrtc::WebRTCICE;
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Stream {
        const NAME: &'static str = "SluiceIceStream";
        type Type = StreamObject;
        type ParentType = gst_webrtc::WebRTCICEStream;
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Transport {
        const NAME: &'static str = "SluiceIceTransport";
        type Type = TransportObject;
        type ParentType = gst_webrtc::WebRTCICETransport;
    }

    impl ObjectImpl for Agent {
        fn dispose(&self) {
            // A session that was never closed ends with its webrtcbin.
            self.obj().shut();
        }
    }

    impl GstObjectImpl for Agent {}
    impl ObjectImpl for Stream {}
    impl GstObjectImpl for Stream {}
    impl ObjectImpl for Transport {}
    impl GstObjectImpl for Transport {}
}
