//! Names of files, and which templates they fit.

use std::time::Duration;

use super::*;

const START: Moment = Moment {
    unix: Duration::new(1_795_930_971, 4_005_600),
    offset_secs: -25_200,
};

#[test]
fn a_name_has_the_path_and_the_time_in_utc_or_local_time() {
    for (template, want) in [
        (DEFAULT, "door/2026-11-29T05-42-51-004005Z"),
        (
            "/srv/%p/%lY%lm%ld/%lH%lM%lS.%f%lz",
            "/srv/door/20261128/224251.004005-0700",
        ),
        ("100%%_%Y%m%d%H%M%S%f%z", "100%_20261129054251004005+0000"),
    ] {
        let template = Template::parse(template).unwrap();
        assert_eq!(template.name("door", START, 0), want);
        assert_eq!(template.name("door", START, 2), format!("{want}_2"));
    }
}

#[test]
fn a_template_that_cannot_work_is_refused_with_a_reason() {
    for (template, want) in [
        ("", "it names no file; for example %p/%Y-%m-%dT%H-%M-%S-%fZ"),
        (
            "a/",
            "it names no file; for example %p/%Y-%m-%dT%H-%M-%S-%fZ",
        ),
        ("../%p", "it must not hold .. or a NUL"),
        (
            "%Y%m%d%lH%M%S%f",
            "it mixes UTC and local time; write all of %Y %m %d %H %M %S, or all of %lY %lm %ld %lH %lM %lS",
        ),
        ("a\0b", "it must not hold .. or a NUL"),
        (
            "%p",
            "it must tell segments apart: the year (%Y) is missing",
        ),
        (
            "%Y%m%d%H%M%S",
            "it must tell segments apart: the part of a second (%f) is missing",
        ),
    ] {
        let error = Template::parse(template).unwrap_err();
        assert_eq!(error.to_string(), want, "{template}");
    }
    for (template, letter) in [("%q", "q"), ("%lp", "lp"), ("a%", ""), ("%l%", "l%")] {
        let error = Template::parse(template).unwrap_err();
        assert_eq!(error, TemplateError::Unknown(letter.to_owned()));
    }
}

#[test]
fn a_name_says_when_its_segment_begins() {
    let micros = Duration::from_micros(START.unix.as_micros().try_into().unwrap());
    let offset_at = |unix: Duration| {
        assert!(unix.as_secs().abs_diff(START.unix.as_secs()) < 86_400);
        START.offset_secs
    };
    for template in [
        DEFAULT,
        "/srv/%p/%lY%lm%ld/%lH%lM%lS.%lf%lz",
        "/srv/%p/%lY%lm%ld/%lH%lM%lS.%f",
        "/srv/%Y%m%d/%lH/%H%M%S%f%z",
    ] {
        let template = Template::parse(template).unwrap();
        for copy in [0, 3] {
            let name = template.name("door", START, copy);
            assert_eq!(template.start("door", &name, offset_at), Some(micros));
            assert_eq!(template.start("yard", &format!("{name}x"), offset_at), None);
        }
    }
    let template = Template::parse("%Y%m%d%H%M%S%f").unwrap();
    let no_day = "20260230054251004005";
    assert_eq!(template.start("door", no_day, |_| 0), None);
}

#[test]
fn a_name_is_known_again_and_others_are_not() {
    let template = Template::parse("/srv/%p/%Y%m%d/%H%M%S-%f%lz").unwrap();
    let name = template.name("door", START, 0);
    assert_eq!(template.folder("door"), "/srv/door");
    for (name, want) in [
        (name.clone(), true),
        (template.name("door", START, 12), true),
        (template.name("yard", START, 0), false),
        (format!("{name}x"), false),
        (format!("{name}_"), false),
        (format!("{name}_1x"), false),
        ("/srv/door/20261129/holiday".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(template.owns("door", &name), want, "{name}");
    }
}

#[test]
fn templates_that_could_give_two_paths_one_name_are_found() {
    const PLAIN: &str = "/rec/%Y%m%d%H%M%S%f";
    for (one, two, want) in [
        (PLAIN, PLAIN, true),
        ("/rec/%p/%Y%m%d%H%M%S%f", "/rec/%p/%Y%m%d%H%M%S%f", false),
        (PLAIN, "/other/%Y%m%d%H%M%S%f", false),
        // Where a number comes is a matter of the moment.
        (PLAIN, "/rec/%S%f%Y%m%d%H%M", true),
        // The second file of a moment has a number.
        (PLAIN, "/rec/%Y%m%d%H%M%S%f_7", true),
        (PLAIN, "/rec/%Y%m%d%H%M%S%f_", false),
        (PLAIN, "/rec/%Y%m%d%H%M%S%f-7", false),
        ("/rec/%Y%m%d%H%M%S%f%z", "/rec/%Y%m%d%H%M%S%f-0000", true),
        ("/rec/%p%Y%m%d%H%M%S%f", "/rec/a%Y%m%d%H%M%S%f", true),
    ] {
        let [one, two] = [one, two].map(|text| Template::parse(text).unwrap());
        assert_eq!(one.shares("a", &two, "b"), want, "{one:?} {two:?}");
        assert_eq!(two.shares("b", &one, "a"), want, "{two:?} {one:?}");
    }
}

#[test]
fn the_folder_is_what_comes_before_the_first_time() {
    for (template, want) in [
        ("%Y%m%d%H%M%S%f", "."),
        ("/%Y%m%d%H%M%S%f", "/"),
        ("rec/%p-%Y%m%d%H%M%S%f", "rec/a"),
        ("rec/%p/%Y/%m%d%H%M%S%f", "rec/a/b"),
    ] {
        let template = Template::parse(template).unwrap();
        assert_eq!(template.folder("a/b"), want);
    }
}
