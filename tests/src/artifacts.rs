//! What a failed test leaves behind, in `tests/artifacts/TEST/`.

use std::path::PathBuf;

use parking_lot::Mutex;

static NOTES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// More than a test that plays by the rules leaves; of a longer story the end is kept.
const MOST: usize = 40;

/// Remembers a text for the case that the test fails: an SDP, a config, an answer.
pub fn note(file: &str, text: &str) {
    let mut notes = NOTES.lock();
    notes.push((file.to_owned(), text.to_owned()));
    if notes.len() > MOST {
        notes.remove(1);
    }
}

/// Writes all notes and this one, if the thread is failing.
pub fn save_if_failing(file: &str, text: &str) {
    if !std::thread::panicking() {
        return;
    }
    note(file, text);
    let folder = folder();
    // A failing test has a message of its own; this one must not hide it.
    if std::fs::create_dir_all(&folder).is_err() {
        return;
    }
    for (number, (file, text)) in NOTES.lock().iter().enumerate() {
        drop(std::fs::write(
            folder.join(format!("{number:02}-{file}")),
            text,
        ));
    }
}

/// Where this test's artefacts go.
pub fn folder() -> PathBuf {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main").replace("::", "-");
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("artifacts")
        .join(test)
}
