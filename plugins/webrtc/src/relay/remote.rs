//! What another server made for us, until it is ended.

use parking_lot::Mutex;
use sluice_core::relay::Endpoint;

use super::Client;

/// A session at another server. It may be over before the server has made it.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<(Client, Endpoint)>,
    over: bool,
}

impl Remote {
    /// Takes note of where it is to be ended, if the server said; ends it at once, and gives `false`, when all is over
    /// already. May block for a second.
    pub(crate) fn made(&self, client: Client, session: Option<Endpoint>) -> bool {
        let over = {
            let mut state = self.state.lock();
            state.session = session.map(|session| (client, session));
            state.over
        };
        if over {
            self.end();
        }
        !over
    }

    /// Says whether `end` was called.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Ends it, whether it is there already or not. Blocks for the server's answer to DELETE, one second at most.
    pub(crate) fn end(&self) {
        let session = {
            let mut state = self.state.lock();
            state.over = true;
            state.session.take()
        };
        if let Some((client, session)) = session {
            client.delete(&session);
        }
    }
}
