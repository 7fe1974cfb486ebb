//! `docs/conformance.md` is written from two tables here; every test that they name exists, and every test that
//! is named by a number stands in them. `UPDATE=1 cargo nextest run --workspace -E 'test(conformance)'` writes it.

mod hostile;
mod items;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::{files, read, root};

/// How much a specification wants it.
enum Level {
    Must,
    Should,
    Optional,
}

/// What comes of it.
enum Outcome {
    /// The tests named show it.
    Passes,
    /// It is for clients.
    NotServer(&'static str),
    /// It is not there, or not whole; why.
    NotYet(&'static str),
}

use Level::{Must, Optional, Should};
use Outcome::{NotServer, NotYet, Passes};

/// One row: number, level, claim, outcome, tests.
type Row = (u8, Level, &'static str, Outcome, &'static [&'static str]);

const HEAD: &str = "# Conformance

What Sluice does of WHIP ([RFC 9725](https://www.rfc-editor.org/rfc/rfc9725)), WHEP (draft-ietf-wish-whep) and what they build on, and what it
does when it is attacked. Each row names the tests that show it; those of `tests/tests/e2e` run the built gateway and talk to it
by plain HTTP, by [str0m](https://crates.io/crates/str0m) as an independent WebRTC stack, and by browsers. This page is written from
`tests/tests/rules/conformance`; do not edit it by hand.
";

#[test]
fn the_page_about_conformance_is_that_of_the_tables() {
    let page = page();
    let file = root().join("docs/conformance.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/conformance.md is not what the tables say: run UPDATE=1 cargo nextest run --locked --workspace -E 'test(conformance)'"
    );
}

#[test]
fn each_conformance_test_that_is_named_exists_and_each_that_exists_is_named() {
    let mut functions = BTreeSet::new();
    for path in files(".rs") {
        let text = read(&path);
        let names = text
            .split("fn ")
            .skip(1)
            .filter_map(|rest| rest.split('(').next());
        functions.extend(names.map(ToOwned::to_owned));
    }
    let mut named = BTreeSet::new();
    for (number, _, _, outcome, tests) in items::ITEMS.iter().chain(hostile::ITEMS) {
        assert!(
            !matches!(outcome, Passes) || !tests.is_empty(),
            "item {number} passes by no test"
        );
        for test in *tests {
            let function = test.rsplit("::").next().unwrap_or(test);
            assert!(
                functions.contains(function),
                "item {number} names {test}, which is nowhere"
            );
            named.insert(function);
        }
    }
    for function in &functions {
        let mut letters = function.chars();
        let of_table = matches!(letters.next(), Some('c' | 'h'))
            && letters
                .by_ref()
                .take(2)
                .filter(char::is_ascii_digit)
                .count()
                == 2
            && letters.next() == Some('_');
        assert!(
            !of_table || named.contains(function.as_str()),
            "{function} stands in no table of tests/tests/rules/conformance"
        );
    }
}

#[test]
fn the_conformance_tables_have_every_number_once() {
    let numbers = |rows: &[Row]| rows.iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(numbers(items::ITEMS), (1..=72).collect::<Vec<_>>());
    assert_eq!(numbers(hostile::ITEMS), (1..=24).collect::<Vec<_>>());
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Requirements\n\n");
    table(&mut page, items::ITEMS);
    page.push_str(
        "\n## Hostile inputs\n\nIn each test of `hostile` two viewers watch meanwhile, and lose nothing.\n\n",
    );
    table(&mut page, hostile::ITEMS);
    page
}

fn table(page: &mut String, rows: &[Row]) {
    let count = |of: fn(&Outcome) -> bool| rows.iter().filter(|row| of(&row.3)).count();
    writeln!(
        page,
        "{} pass, {} are for clients, {} are not there or not whole.\n",
        count(|outcome| matches!(outcome, Passes)),
        count(|outcome| matches!(outcome, NotServer(_))),
        count(|outcome| matches!(outcome, NotYet(_))),
    )
    .unwrap();
    page.push_str("| item | | claim | result | tests |\n|---|---|---|---|---|\n");
    for (number, level, claim, outcome, tests) in rows {
        let level = match level {
            Must => "must",
            Should => "should",
            Optional => "optional",
        };
        let result = match outcome {
            Passes => "passes".to_owned(),
            NotServer(why) => format!("for clients: {why}"),
            NotYet(why) => format!("not yet: {why}"),
        };
        let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        writeln!(
            page,
            "| {number} | {level} | {claim} | {result} | {} |",
            tests.join(", ")
        )
        .unwrap();
    }
}
