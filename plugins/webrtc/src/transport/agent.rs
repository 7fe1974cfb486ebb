//! `GstWebRTCICE`, its stream and its transport, for webrtcbin's `ice-agent`. webrtcbin is their only caller, on its own
//! thread and with its lock held: nothing here waits (ICE.md, I9).

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{
    WebRTCICEComponent, WebRTCICEConnectionState as Connection,
    WebRTCICEGatheringState as Gathering,
};
use parking_lot::Mutex;
use sluice_core::ice_lite::{Credentials, candidates, first_addresses, reflexive};
use sluice_core::sdp::Candidate;

use super::elements::{IceSink, IceSrc};
use super::mux::Mux;
use super::session::{News, Session};
use super::vtable;
use super::{Transport as Settings, configured};

glib::wrapper! {
    /// An ICE agent that answers, on the one port that all sessions share.
    ///
    /// webrtcbin takes it by its construct-only property `ice-agent`. It is a lite agent: it answers checks of a peer that
    /// offers, and sends none to find a way; whoever writes the answer adds `a=ice-lite`. One component, so all must be bundled.
    pub struct Agent(ObjectSubclass<imp::Agent>) @extends gst_webrtc::WebRTCICE, gst::Object;
}

glib::wrapper! {
    pub(crate) struct Stream(ObjectSubclass<imp::Stream>) @extends gst_webrtc::WebRTCICEStream, gst::Object;
}

glib::wrapper! {
    pub(crate) struct Transport(ObjectSubclass<imp::Transport>)
        @extends gst_webrtc::WebRTCICETransport, gst::Object;
}

impl Agent {
    /// Makes one for one webrtcbin. All agents of the same ports share the first one that is free. Waits for the first answer
    /// of a STUN server, once in a process and for half a second at most.
    ///
    /// # Errors
    ///
    /// A sentence: the port is taken.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let agent: Self = glib::Object::new();
        let reach = agent.imp().open(settings)?;
        if let Some(server) = &settings.stun_server {
            reach.mux.outer.wait(server);
        }
        Ok(agent)
    }

    /// Makes a webrtcbin that uses this agent, out of what its other properties are to be.
    ///
    /// # Errors
    ///
    /// The element is not installed.
    pub fn webrtcbin(
        &self,
        builder: gst::element_factory::ElementBuilder<'_>,
    ) -> Result<gst::Element, glib::BoolError> {
        let agent = self.clone().upcast::<gst_webrtc::WebRTCICE>();
        builder.property("ice-agent", agent).build()
    }

    /// Restarts ICE with the peer's new credentials, and gives ours. Media go on meanwhile. `None` before there is a
    /// session.
    pub fn restart(&self, theirs: &Credentials) -> Option<Credentials> {
        self.session()?.restart(theirs.clone())
    }

    /// Gives the session, once there is one: with all bundled, the only one.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.sessions().into_iter().next()
    }

    /// Gives what is set when the peer's connection had no room for packets; `None` before there is a session.
    pub(crate) fn choked(&self) -> Option<Arc<AtomicBool>> {
        Some(self.session()?.choked())
    }

    /// Tells webrtcbin nothing any more: to be called before it is taken down, and without its locks. webrtcbin's handlers take
    /// no reference to what they work on.
    pub fn hush(&self) {
        for session in self.sessions() {
            session.hush();
        }
    }

    /// Lets nothing through any more. Does not wait.
    pub fn shut(&self) {
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
        let imp = self.imp();
        let reach = match imp.reach.get() {
            Some(reach) => Ok(reach),
            // Made by another language: with what is configured for all.
            None => imp.open(&configured()),
        };
        let reach = reach
            .inspect_err(|sentence| tracing::error!("an ICE agent has no port: {sentence}"))
            .ok()?;
        let stream = Stream::new(id, Arc::clone(&reach.mux));
        imp.streams.lock().push(stream.clone());
        Some(stream)
    }

    /// Tells all our candidates at once, and that there are no more (I10).
    pub(super) fn gather(&self, stream: &Stream) {
        let Some(transport) = stream.transport() else {
            return;
        };
        let transport = transport.upcast_ref::<gst_webrtc::WebRTCICETransport>();
        transport.gathering_state_change(Gathering::Gathering);
        let told = *self.imp().on_candidate.lock();
        if let Some(told) = told {
            let reach = self.imp().reach.get();
            for candidate in reach.map(Reach::candidates).unwrap_or_default() {
                vtable::tell(self, told, stream, &format!("a={candidate}"));
            }
        }
        transport.gathering_state_change(Gathering::Complete);
    }

    /// Takes a candidate of the peer's. We go to none (I24); but where a STUN server is to tell our outer address, there is a
    /// NAT before us that may let in only those to whom we have sent something.
    pub(super) fn on_candidate(&self, stream: &Stream, candidate: &str) {
        let reach = self.imp().reach.get();
        if reach.is_none_or(|reach| reach.settings.stun_server.is_none()) {
            return;
        }
        let candidate = Candidate::parse(candidate).filter(Candidate::usable);
        let place = candidate.and_then(|one| Some(SocketAddr::new(one.ip()?, one.port)));
        if let (Some(session), Some(place)) = (stream.session(), place) {
            session.open_for(place);
        }
    }
}

/// The port of an agent, and what peers are told of it.
pub(super) struct Reach {
    mux: Arc<Mux>,
    settings: Settings,
}

impl Reach {
    /// Opens the port, if no other agent has.
    fn open(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            mux: settings.mux()?,
            settings: settings.clone(),
        })
    }

    fn candidates(&self) -> Vec<Candidate> {
        let (mux, settings) = (&self.mux, &self.settings);
        let own = mux.addresses(&settings.interfaces);
        let told = first_addresses(&own, &settings.hosts, mux.has(true), mux.has(false));
        let mut all = candidates(&told, mux.port(), mux.tcp());
        if let Some(server) = &settings.stun_server {
            all.extend(reflexive(&told, mux.port(), &mux.outer.addresses(server)));
        }
        all
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
        Agent as AgentObject, Arc, IceSink, IceSrc, Mutex, OnceLock, Reach, Session, Settings,
        Stream as StreamObject, Transport as TransportObject, glib, vtable,
    };
    use gst::subclass::prelude::*;
    use std::sync::LazyLock;
    use std::sync::atomic::AtomicBool;

    #[derive(Default)]
    pub struct Agent {
        pub(in crate::transport) reach: OnceLock<Reach>,
        /// Kept until the agent goes: webrtcbin borrows them up to 1.26.9 (I2).
        pub(in crate::transport) streams: Mutex<Vec<StreamObject>>,
        /// It is there to see what webrtcbin does with its reference.
        pub(in crate::transport) is_trial: AtomicBool,
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

    impl Agent {
        /// Opens the port; once.
        pub(super) fn open(&self, settings: &Settings) -> Result<&Reach, String> {
            let reach = Reach::open(settings)?;
            Ok(self.reach.get_or_init(|| reach))
        }
    }

    impl ObjectImpl for Agent {
        fn signals() -> &'static [glib::subclass::Signal] {
            static SIGNALS: LazyLock<[glib::subclass::Signal; 1]> = LazyLock::new(|| {
                // For other languages than Rust.
                let hush = glib::subclass::Signal::builder("hush").action();
                let hush = hush.class_handler(|args| {
                    let agent = args.first()?.get::<AgentObject>().ok()?;
                    agent.hush();
                    None
                });
                [hush.build()]
            });
            &*SIGNALS
        }

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
