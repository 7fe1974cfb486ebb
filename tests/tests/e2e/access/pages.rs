//! The pages ask who is there.

use std::net::Ipv4Addr;

use serde_json::Value;
use sluice_tests::browser::{Browser, Engine};
use sluice_tests::gateway::Gateway;
use sluice_tests::netns::Netns;
use sluice_tests::wait::until;

use super::{TOKEN, gateway, hash};
use crate::secs;

fn desk() -> (Netns, Ipv4Addr) {
    let netns = Netns::new();
    let (machine, _) = netns.join_machine();
    (netns, machine)
}

fn guarded() -> Gateway {
    let hash = hash("right");
    gateway(&format!(
        "auth: {{users: {{alice: {{password: '{hash}'}}}}, tokens: {{wall: {{token: {TOKEN}}}}}, allow: [{{who: alice, may: everything}}, {{who: wall, may: read, paths: cam}}]}}"
    ))
}

/// Waits until a function of the page gives this.
fn wait(browser: &mut Browser, function: &str, expected: &Value) {
    let mut last = Value::Null;
    let found = sluice_tests::wait::within(secs(30), || {
        last = browser.eval(function);
        (last == *expected).then_some(())
    });
    assert!(found.is_some(), "{function} gives {last}, not {expected}");
}

fn sign_in(browser: &mut Browser, user: &str, secret: &str) {
    browser.eval(&format!(
        "() => {{ const form = document.querySelector('form.signin'); \
         form.querySelector('[name=username]').value = '{user}'; \
         form.querySelector('[name=current-password]').value = '{secret}'; \
         form.querySelector('button').click(); }}"
    ));
}

/// The form is whole, on the screen, below its sentence, and the page is no wider than the window.
const FITS: &str = "() => { \
    const box = document.querySelector('form.signin').getBoundingClientRect(); \
    const stage = document.querySelector('#stage, main').getBoundingClientRect(); \
    const sentence = document.querySelector('#sentence, #trouble').getBoundingClientRect(); \
    return document.documentElement.scrollWidth <= innerWidth && box.left >= 0 && box.right <= innerWidth \
        && box.bottom <= stage.bottom && sentence.top >= stage.top && sentence.bottom <= box.top; }";

const STATE: &str = "() => document.documentElement.dataset.state";
const SENTENCE: &str = "() => document.getElementById('sentence').textContent";

#[test]
fn the_player_asks_who_is_there_says_what_is_wrong_and_plays() {
    let (netns, machine) = desk();
    let gateway = guarded();
    let url = gateway.at_host(&machine.to_string(), "cam");
    let mut browser = Browser::open(Engine::Chromium, &netns, &url);

    wait(&mut browser, STATE, &"locked".into());
    let asks = browser.eval(SENTENCE).to_string();
    assert!(
        asks.contains("user name and a password, or a token"),
        "{asks}"
    );
    // A phone's width: nothing is cut off, nothing has to be scrolled sideways.
    browser.resize(390, 844);
    wait(&mut browser, FITS, &true.into());
    browser.resize(1280, 900);

    sign_in(&mut browser, "alice", "wrong");
    until(secs(30), "a sentence about the wrong password", || {
        browser
            .eval(SENTENCE)
            .to_string()
            .contains("is wrong")
            .then_some(())
    });
    sign_in(&mut browser, "alice", "right");
    browser.until_playing(secs(60));
    // Kept for the session of this tab, and nowhere else.
    assert_eq!(browser.eval("() => localStorage.length"), 0);
    assert_eq!(browser.eval("() => sessionStorage.length"), 1);
    assert_eq!(browser.eval("() => document.cookie"), "");
}

#[test]
fn a_token_in_the_address_plays_and_leaves_the_address() {
    let (netns, machine) = desk();
    let gateway = guarded();
    let url = gateway.at_host(&machine.to_string(), &format!("cam?token={TOKEN}"));
    let mut browser = Browser::open(Engine::Chromium, &netns, &url);
    browser.until_playing(secs(60));
    let shown = browser.eval("() => location.href").to_string();
    assert!(!shown.contains(TOKEN) && shown.contains("/cam"), "{shown}");
    assert!(!gateway.log().contains(TOKEN), "{}", gateway.log());
}

#[test]
fn the_list_asks_who_is_there_and_shows_pictures() {
    let (netns, machine) = desk();
    let gateway = guarded();
    let url = gateway.at_host(&machine.to_string(), "");
    let mut browser = Browser::open(Engine::Chromium, &netns, &url);
    wait(
        &mut browser,
        "() => Boolean(document.querySelector('form.signin'))",
        &true.into(),
    );
    assert_eq!(
        browser.eval("() => document.querySelectorAll('.card').length"),
        0
    );
    sign_in(&mut browser, "alice", "right");
    wait(
        &mut browser,
        "() => document.querySelectorAll('.card').length",
        &2.into(),
    );
    wait(
        &mut browser,
        "() => Boolean(document.querySelector('form.signin'))",
        &false.into(),
    );
}
