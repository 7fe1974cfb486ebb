//! One session as its socket sees it: what was said, and what has to wait.

use gst_plugin_webrtc_signalling_protocol::{PeerMessageInner, SdpMessage};

use super::{Order, message};

/// Candidates of a peer that are taken: more than a machine with many addresses has.
const MOST_CANDIDATES: u32 = 100;

/// In bytes; those of browsers have about 150. What waits for a description is kept, so that it must not be large.
const LONGEST_CANDIDATE: usize = 1024;

/// What the gateway says of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Description {
    /// It offers.
    Offer(String),
    /// It answers.
    Answer(String),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    View,
    Publish,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A publisher was called, and has not offered yet.
    Called,
    /// The gateway makes its description.
    Making,
    /// The gateway has offered.
    Offered,
    /// The peer has answered, and it is being looked at.
    Accepting,
    /// Both have said what they had to.
    Agreed,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) path: String,
    pub(super) side: Side,
    pub(super) step: Step,
    /// Why it ended before its description was there.
    pub(super) over: Option<String>,
    candidates: u32,
    /// Of the peer, before there is anybody to give them to. They may overtake the offer: `webrtcsink` sends
    /// each message from a task of its own.
    early: Vec<(u32, String)>,
    /// Ours, before the description that they belong to.
    held: Vec<(u32, String)>,
}

impl Session {
    pub(super) const fn new(path: String, side: Side) -> Self {
        Self {
            path,
            side,
            step: match side {
                Side::View => Step::Making,
                Side::Publish => Step::Called,
            },
            over: None,
            candidates: 0,
            early: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Takes a message of the peer; the error is a sentence for it.
    pub(super) fn on_message(
        &mut self,
        id: &str,
        message: PeerMessageInner,
    ) -> Result<Vec<Order>, String> {
        match (message, self.side, self.step) {
            (PeerMessageInner::Sdp(SdpMessage::Offer { sdp }), Side::Publish, Step::Called) => {
                self.step = Step::Making;
                Ok(vec![Order::Publish {
                    session: id.to_owned(),
                    path: self.path.clone(),
                    offer: sdp,
                }])
            }
            (PeerMessageInner::Sdp(SdpMessage::Answer { sdp }), _, Step::Offered) => {
                self.step = Step::Accepting;
                Ok(vec![Order::Accept {
                    session: id.to_owned(),
                    answer: sdp,
                }])
            }
            (PeerMessageInner::Sdp(description), side, _) => Err(unexpected(&description, side)),
            (
                PeerMessageInner::Ice {
                    candidate,
                    sdp_m_line_index,
                },
                _,
                step,
            ) => {
                self.candidates = self.candidates.saturating_add(1);
                if self.candidates > MOST_CANDIDATES {
                    return Err("this session has had all the candidates that are taken".to_owned());
                }
                let length = candidate.len();
                if length > LONGEST_CANDIDATE {
                    return Err(format!(
                        "a candidate has {length} bytes; at most {LONGEST_CANDIDATE} are read"
                    ));
                }
                if step != Step::Agreed {
                    self.early.push((sdp_m_line_index, candidate));
                    return Ok(Vec::new());
                }
                Ok(vec![give(id, sdp_m_line_index, candidate)])
            }
        }
    }

    /// Says the gateway's description, and what had to wait for it.
    pub(super) fn on_description(&mut self, id: &str, description: Description) -> Vec<Order> {
        let sdp = match description {
            Description::Offer(sdp) => {
                self.step = Step::Offered;
                SdpMessage::Offer { sdp }
            }
            Description::Answer(sdp) => {
                self.step = Step::Agreed;
                SdpMessage::Answer { sdp }
            }
        };
        let mut orders = vec![message::peer(id, PeerMessageInner::Sdp(sdp))];
        for (mline, candidate) in std::mem::take(&mut self.held) {
            orders.push(tell(id, mline, candidate));
        }
        if self.step == Step::Agreed {
            orders.extend(self.given(id));
        }
        orders
    }

    /// Tells a candidate of the gateway, once its description was told.
    pub(super) fn on_candidate(
        &mut self,
        id: &str,
        mline: u32,
        candidate: String,
    ) -> Option<Order> {
        match self.step {
            Step::Called | Step::Making => {
                self.held.push((mline, candidate));
                None
            }
            Step::Offered | Step::Accepting | Step::Agreed => Some(tell(id, mline, candidate)),
        }
    }

    /// Takes note that the answer was taken.
    pub(super) fn on_accepted(&mut self, id: &str) -> Vec<Order> {
        self.step = Step::Agreed;
        self.given(id)
    }

    fn given(&mut self, id: &str) -> Vec<Order> {
        let early = std::mem::take(&mut self.early);
        early
            .into_iter()
            .map(|(mline, candidate)| give(id, mline, candidate))
            .collect()
    }
}

/// Says why a description is out of place.
fn unexpected(description: &SdpMessage, side: Side) -> String {
    let sentence = match (description, side) {
        (SdpMessage::Offer { .. }, Side::View) => {
            "only the gateway offers in this session; send an answer"
        }
        (SdpMessage::Offer { .. }, Side::Publish) => {
            "this session has its offer already; a new one needs a new session"
        }
        (SdpMessage::Answer { .. }, _) => {
            "nothing was offered in this session that an answer could be to"
        }
    };
    sentence.to_owned()
}

fn give(session: &str, mline: u32, candidate: String) -> Order {
    Order::Candidate {
        session: session.to_owned(),
        mline,
        candidate,
    }
}

fn tell(session: &str, sdp_m_line_index: u32, candidate: String) -> Order {
    let ice = PeerMessageInner::Ice {
        candidate,
        sdp_m_line_index,
    };
    message::peer(session, ice)
}
