//! Three hundred viewers come and go, and nothing of them stays.

use std::time::Duration;

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::proc::{Usage, usage};
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::{pass, within};

use crate::secs;

/// Before anything is compared: every pool and the allocator come to their sizes.
const WARM_UPS: usize = 3;
/// The allocator gives memory back to the system in the two seconds after it was freed, when its own thread next
/// wakes.
const DECAY: Duration = Duration::from_secs(10);
/// Three hundred viewers.
const BATCHES: usize = 3;
/// Resident memory goes up and down by about 1.5 % from batch to batch, by how the allocator's pages happen to be
/// shared. When it is too large after three hundred, as many more may show that it comes down again: what is
/// lost does not, and grows.
const MORE_BATCHES: usize = 3;
/// A third of them is killed, and is noticed half a minute later: that many are held at the most.
/// All batches have the same size, so that memory grows by what is lost and not by what is held.
const BATCH: usize = 100;

/// How viewer number `n` leaves: a third deletes, a third closes, a third is killed.
fn leave(n: usize, viewer: Viewer) {
    match n % 3 {
        0 => drop(viewer.delete()),
        1 => viewer.hang_up(),
        _ => drop(viewer),
    }
}

fn cycle(gateway: &Gateway, viewers: &Viewers) {
    for n in 0..BATCH {
        let viewer = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
        assert_eq!(
            viewer.reply.status, 201,
            "viewer {n}: {}",
            viewer.reply.body
        );
        viewer.wait_key_frame(secs(10));
        leave(n, viewer);
    }
}

/// Live GStreamer objects, as GStreamer's own leak tracer lists them in the log.
fn objects(gateway: &Gateway) -> usize {
    let alive = |log: &str| log.matches("object-alive, ").count();
    let before = alive(&gateway.log());
    gateway.process().signal("USR1");
    // The list is complete when it grows no more for half a second.
    let mut last = 0;
    within(secs(20), || {
        pass(Duration::from_millis(500));
        let now = alive(&gateway.log()) - before;
        let same = now == last && now > 0;
        last = now;
        same.then_some(now)
    })
    .expect("the leak tracer lists the live objects")
}

/// Waits for what the killed ones held to be given back, then looks: when nothing has ended for a second, or
/// at once when it is no more than is wanted.
fn settled(gateway: &Gateway, wanted: Option<Usage>) -> Usage {
    gateway.wait_viewers("cam", 1, secs(45));
    let look = || usage(gateway.process().pid()).expect("the gateway runs");
    let mut last = look();
    let _still_changing = within(secs(20), || {
        pass(Duration::from_secs(1));
        let now = look();
        let same = (now.threads, now.fds) == (last.threads, last.fds);
        let back = wanted.is_some_and(|w| now.threads <= w.threads && now.fds <= w.fds);
        last = now;
        (back || (same && wanted.is_none())).then_some(())
    });
    println!("{last:?}");
    last
}

/// Resident memory, kB, when what was freed is given back.
fn resident(gateway: &Gateway) -> u64 {
    pass(DECAY);
    usage(gateway.process().pid())
        .expect("the gateway runs")
        .rss_kb
}

#[test]
fn three_hundred_viewers_leave_no_thread_no_descriptor_and_no_object() {
    let camera = Camera::with("--audio opus --size 640x360 --bitrate 500 --key-interval 1");
    let keys = [("source", camera.url()), ("rtsp_transport", "tcp")];
    let gateway = GatewayOptions::new()
        .path_with("cam", &keys)
        .env(
            "GST_TRACERS",
            "leaks(filters=\"GstObject\",log-leaks-on-deinit=false)",
        )
        .env("GST_LEAKS_TRACER_SIG", "1")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .start();
    let viewers = Viewers::new();
    let stays = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let mut before = Usage::default();
    let mut memory = Vec::new();
    for _ in 0..WARM_UPS {
        cycle(&gateway, &viewers);
        before = settled(&gateway, None);
        memory.push(resident(&gateway));
    }
    // The first batches still find the pools empty.
    let settled_memory = &memory[WARM_UPS - 2..];
    let usual = settled_memory.iter().sum::<u64>() / settled_memory.len() as u64;
    before.rss_kb = usual;
    let limit = usual + usual / 20;
    let objects_before = objects(&gateway);

    let mut after = before;
    for batch in 1..=BATCHES + MORE_BATCHES {
        cycle(&gateway, &viewers);
        after = settled(&gateway, Some(before));
        assert!(
            !stays.counts().closed,
            "who stays was thrown out: {:?}",
            stays.counts()
        );
        if batch >= BATCHES {
            after.rss_kb = resident(&gateway);
            memory.push(after.rss_kb);
            if after.rss_kb < limit {
                break;
            }
        }
    }

    let objects_after = objects(&gateway);
    println!("resident memory, kB: {memory:?}");
    println!("before {before:?}, {objects_before} objects; after {after:?}, {objects_after}");
    assert!(
        after.threads <= before.threads,
        "threads {before:?} {after:?}"
    );
    assert!(after.fds <= before.fds, "descriptors {before:?} {after:?}");
    assert!(
        objects_after <= objects_before,
        "objects {objects_before} {objects_after}"
    );
    assert!(after.rss_kb < limit, "resident memory {before:?} {after:?}");
    stays.wait_frames(30, secs(5));
}
