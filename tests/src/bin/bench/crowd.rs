//! A thousand viewers, and two hundred who come within two seconds.

use std::time::{Duration, Instant};

use sluice_tests::camera::Camera;
use sluice_tests::viewer::rtp::Totals;
use sluice_tests::viewer::{Viewer, Viewers};
use sluice_tests::wait::{pass, within};

use crate::run::{Load, Row, Running, Server, join, measure, ms, paced};

/// So many of the usual camera are held.
const HUNDREDS: [usize; 2] = [200, 400];

/// And so many of a smaller one.
const THOUSAND: Load = Load {
    camera: "--audio opus --stamp --transports tcp --key-interval 2 --size 640x360 --bitrate 300",
    viewers: 1000,
    ramp: Duration::from_millis(30),
};

/// So many come at once, while so many watch already.
const COME: usize = 200;
const WATCH: usize = 20;
const WITHIN: Duration = Duration::from_secs(2);

/// So many knock at the same time, at most.
const DOORS: usize = 4;

const PATIENCE: Duration = Duration::from_secs(20);

/// What those who came at once, and those who watched, have seen.
#[derive(Debug)]
pub(crate) struct Rush {
    pub(crate) watching: usize,
    pub(crate) came: usize,
    /// Until all had come, in ms.
    pub(crate) within: f64,
    pub(crate) first_pictures: Vec<f64>,
    /// Frames per s and packets lost of those who watched, from when the first came until the last had a picture.
    pub(crate) frames_per_s: f64,
    pub(crate) lost: u64,
}

/// Measures those who are held, and those who come at once.
pub(crate) fn crowd(span: Duration) -> (Vec<Row>, Rush) {
    let hundreds = HUNDREDS.map(Load::usual);
    let loads = hundreds.into_iter().chain([THOUSAND]);
    let held = loads.map(|load| measure(Server::Sluice, load, span));
    (held.collect(), rush())
}

fn rush() -> Rush {
    let camera = Camera::with(Load::usual(0).camera);
    let running = Running::start(Server::Sluice, &camera);
    let (watching, coming) = (Viewers::new(), Viewers::new());
    let url = running.url();
    let watchers: Vec<Viewer> = (0..WATCH).map(|_| join(&watching, &url, true)).collect();
    for watcher in &watchers {
        within(PATIENCE, || watcher.counts().to_key_frame);
    }
    pass(Duration::from_secs(3));
    let before: Vec<Totals> = watchers.iter().map(|v| v.counts().video).collect();
    let start = Instant::now();
    let pace = WITHIN / u32::try_from(COME / DOORS).unwrap_or(1);
    let door = || paced(COME / DOORS, pace, |_| join(&coming, &url, true));
    let came: Vec<_> = std::thread::scope(|scope| {
        let doors: Vec<_> = (0..DOORS).map(|_| scope.spawn(door)).collect();
        let come = doors.into_iter();
        come.flat_map(|door| door.join().expect("all of them are let in"))
            .collect()
    });
    let all_came = start.elapsed();
    let to_picture = |(_, v): &(Instant, Viewer)| within(PATIENCE, || v.counts().to_key_frame);
    let first_pictures: Vec<f64> = came.iter().filter_map(to_picture).map(ms).collect();
    let seconds = start.elapsed().as_secs_f64();
    let gained = watchers.iter().zip(&before);
    let gained = gained.map(|(v, before)| v.counts().video.since(*before));
    let total = gained.fold(Totals::default(), Totals::plus);
    Rush {
        watching: WATCH,
        came: came.len(),
        within: ms(all_came),
        first_pictures,
        frames_per_s: total.frames as f64 / seconds / WATCH as f64,
        lost: total.lost,
    }
}
