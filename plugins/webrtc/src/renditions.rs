//! What makes renditions of a sink's pictures, when viewers need them: the sink asks, whoever links its pads makes.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::plan::uninvited;
use sluice_core::{Choice, Codec, Kind, Plan, Policy, Problem};

use crate::producer::{Offered, Producer, tracks_of};

/// Video pads of this number and above carry renditions that were made of another pad's track.
pub const FIRST_RENDITION: u32 = 1000;

/// How long a viewer's request waits for a rendition's first picture: a camera's next key frame may be seconds away.
const FIRST_PICTURE: Duration = Duration::from_secs(12);

/// Makes renditions of the tracks of one sink.
pub trait Renditions: Debug + Send + Sync {
    /// What viewers may get.
    fn policy(&self) -> Policy;

    /// The codecs of the renditions that there are of the video pad with the number `of`, or are being started.
    fn running(&self, of: u32) -> Vec<Codec>;

    /// Gives the rendition in the codec `to` of the video pad with the number `of`; starts it where there is none. The sink's pad for it
    /// may have its caps later. May block for some milliseconds.
    ///
    /// # Errors
    ///
    /// 503 when there are as many renditions as this machine may make, or when this one failed a moment ago.
    fn lease(&self, of: u32, to: Codec) -> Result<Arc<dyn Lease>, Problem>;
}

/// Somebody needs a rendition, until this is dropped.
pub trait Lease: Debug + Send + Sync {
    /// The number of its video pad: [`FIRST_RENDITION`] or above.
    fn pad(&self) -> u32;

    /// Why there will be no pictures, once that is known.
    fn failure(&self) -> Option<Problem>;
}

/// What a session that needs a rendition holds.
pub(crate) type Held = Option<Arc<dyn Lease>>;

/// Puts the rendition that the plan asks for in the place of its track, and waits for its first picture.
///
/// # Errors
///
/// As [`Renditions::lease`]; 503 when no picture comes in time.
pub(crate) async fn render(
    producer: &Arc<Producer>,
    mut offered: Vec<Offered>,
    plan: &Plan,
) -> Result<(Vec<Offered>, Held), Problem> {
    let (Choice::Transcode { track, to, .. }, Some(renditions)) =
        (&plan.video, producer.renditions())
    else {
        return Ok((offered, None));
    };
    let Some(place) = offered.get_mut(*track) else {
        return Ok((offered, None));
    };
    let (of, to) = (place.number, *to);
    // Elements are made and started in it.
    let leased = tokio::task::spawn_blocking(move || renditions.lease(of, to)).await;
    let lease = leased.map_err(|_panicked| {
        Problem::new(500, "The rendition could not be started; see the log.")
    })??;
    *place = first_picture(producer, lease.as_ref(), to).await?;
    Ok((offered, Some(lease)))
}

async fn first_picture(
    producer: &Producer,
    lease: &dyn Lease,
    to: Codec,
) -> Result<Offered, Problem> {
    let deadline = Instant::now() + FIRST_PICTURE;
    let mut changes = producer.watch_tracks();
    loop {
        if let Some(offered) = producer.rendition(lease.pad()) {
            return Ok(offered);
        }
        if let Some(problem) = lease.failure() {
            return Err(problem);
        }
        let changed = tokio::time::timeout_at(deadline.into(), changes.changed()).await;
        if !matches!(changed, Ok(Ok(()))) {
            return Err(Problem::new(
                503,
                format!("The source's pictures have not become {to} yet: no key frame came; try again in a few seconds."),
            )
            .retry_after(Duration::from_secs(2)));
        }
    }
}

/// Decides what the path's pictures are made into for whoever has not said what it plays; `None` where they can be sent as they
/// are, or nothing can be made of them.
pub(crate) fn for_anyone(producer: &Producer, offered: &[Offered]) -> Option<Plan> {
    let renditions = producer.renditions()?;
    let running = running(&*renditions, offered);
    uninvited(&tracks_of(offered), &renditions.policy(), &running)
}

/// Gives the codecs of the renditions that there are of the first pictures.
pub(crate) fn running(renditions: &dyn Renditions, offered: &[Offered]) -> Vec<Codec> {
    let mut offered = offered.iter();
    let video = offered.find(|one| one.track.kind() == Kind::Video);
    video.map_or_else(Vec::new, |video| renditions.running(video.number))
}
