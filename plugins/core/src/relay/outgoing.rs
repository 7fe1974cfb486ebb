//! What of a path is pushed to another server.

use crate::plan::invitation;
use crate::sdp::Part;
use crate::track::{Codec, Kind, Track};

/// What is offered, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// One of each kind at most; `track` is the place in the list that was given.
    pub parts: Vec<Part>,
    /// Why a kind is not offered; a clause for each.
    pub obstacles: Vec<String>,
}

/// Chooses one track of each kind: the first that WebRTC can carry as it is, Opus before other sound, as every server
/// takes it. Kinds in `left_out` are not offered.
pub fn outgoing(tracks: &[Track], left_out: &[Kind]) -> Outgoing {
    let mut outgoing = Outgoing {
        parts: Vec::new(),
        obstacles: Vec::new(),
    };
    for kind in [Kind::Video, Kind::Audio] {
        if !left_out.contains(&kind) {
            outgoing.choose(kind, tracks);
        }
    }
    outgoing
}

impl Outgoing {
    fn choose(&mut self, kind: Kind, tracks: &[Track]) {
        let numbered = tracks.iter().enumerate();
        let mut of_kind: Vec<_> = numbered.filter(|(_, track)| track.kind() == kind).collect();
        of_kind.sort_by_key(|(_, track)| track.codec != Codec::Opus);
        let mut obstacle = None;
        for (index, track) in of_kind {
            match invitation(std::slice::from_ref(track)) {
                Ok(parts) => {
                    let parts = parts.into_iter();
                    self.parts.extend(parts.map(|part| Part {
                        track: index,
                        ..part
                    }));
                    return;
                }
                Err(problem) => obstacle = obstacle.or(Some(problem.detail)),
            }
        }
        self.obstacles.extend(obstacle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::{AudioFormat, VideoFormat};

    fn video(codec: Codec) -> Track {
        Track::video(codec, VideoFormat::default())
    }

    fn audio(codec: Codec) -> Track {
        Track::audio(codec, AudioFormat::default())
    }

    #[test]
    fn one_track_of_each_kind_goes_out_and_opus_before_g711() {
        let tracks = [
            video(Codec::H264),
            video(Codec::Vp8),
            audio(Codec::Pcmu),
            audio(Codec::Opus),
        ];
        let found = outgoing(&tracks, &[]);
        let parts: Vec<_> = found
            .parts
            .iter()
            .map(|part| (part.track, part.codec))
            .collect();
        assert_eq!(parts, [(0, Codec::H264), (3, Codec::Opus)]);
        assert!(found.obstacles.is_empty());
        let without = outgoing(&tracks, &[Kind::Audio]);
        assert_eq!(without.parts.len(), 1);
    }

    #[test]
    fn what_cannot_be_carried_is_said_and_the_rest_goes_out() {
        let found = outgoing(&[video(Codec::H265), audio(Codec::Opus)], &[]);
        assert_eq!(found.parts.len(), 1);
        assert!(found.obstacles[0].contains("H.265"), "{found:?}");
        assert_eq!(outgoing(&[], &[]).parts, []);
    }
}
