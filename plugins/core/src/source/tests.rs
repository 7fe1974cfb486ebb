use super::*;
use crate::testing::ms;

fn parse(text: &str) -> SourceUri {
    SourceUri::parse(text).unwrap()
}

#[test]
fn every_scheme_is_read() {
    // The host is empty, and the port 0, where there is none.
    for (text, location, host, port) in [
        ("rtsp://cam/stream1", "rtsp://cam/stream1", "cam", 554),
        (
            "RTSP://cam:8554/s?c=1",
            "rtsp://cam:8554/s?c=1",
            "cam",
            8554,
        ),
        (
            "rtsps://[2001:db8::1]/s",
            "rtsps://[2001:db8::1]/s",
            "2001:db8::1",
            322,
        ),
        ("srt://h:9000", "srt://h:9000?mode=caller", "h", 9000),
        ("srt://:9000", "srt://:9000?mode=listener", "", 9000),
        (
            "srt://0.0.0.0:90?mode=listener",
            "srt://0.0.0.0:90?mode=listener",
            "0.0.0.0",
            90,
        ),
        ("udp://:5000", "udp://0.0.0.0:5000", "", 5000),
        (
            "udp://@239.1.1.1:5000",
            "udp://239.1.1.1:5000",
            "239.1.1.1",
            5000,
        ),
        (
            "udp://[ff02::1]:5000",
            "udp://[ff02::1]:5000",
            "ff02::1",
            5000,
        ),
        ("http://h/a.m3u8", "http://h/a.m3u8", "h", 80),
        (
            "https://h:8443/a.mp4?x=1",
            "https://h:8443/a.mp4?x=1",
            "h",
            8443,
        ),
        ("file:///srv/a%20b.mp4", "file:///srv/a%20b.mp4", "", 0),
        ("v4l2:///dev/video0", "v4l2:///dev/video0", "", 0),
        ("test:", "test:", "", 0),
    ] {
        let uri = parse(text);
        assert_eq!(uri.location(), location, "{text}");
        assert_eq!(uri.host().unwrap_or_default(), host, "{text}");
        assert_eq!(uri.port().unwrap_or_default(), port, "{text}");
        assert!(location.starts_with(uri.scheme().as_str()), "{text}");
    }
}

#[test]
fn user_and_password_are_decoded_and_leave_the_location() {
    for (text, user, password) in [
        ("rtsp://admin:secret@cam/1", "admin", "secret"),
        (
            "rtsp://admin:p%40ss%3Aw%2Frd%23%25%3F@cam/1",
            "admin",
            "p@ss:w/rd#%?",
        ),
        ("rtsp://ad%40min:x@cam/1", "ad@min", "x"),
        ("rtsp://admin:a@b@cam/1", "admin", "a@b"),
        ("rtsp://admin:a:b@cam/1", "admin", "a:b"),
        ("rtsp://admin@cam/1", "admin", ""),
        ("https://u:p%C3%BC@cam/1", "u", "pü"),
    ] {
        let uri = parse(text);
        assert_eq!(uri.credentials(), Some((user, password)), "{text}");
        assert!(uri.location().ends_with("://cam/1"), "{}", uri.location());
        assert!(uri.to_string().ends_with("://***@cam/1"), "{uri}");
    }
    assert_eq!(parse("rtsp://cam/1").credentials(), None);
}

#[test]
fn an_error_is_one_sentence_however_long_the_text() {
    let long = "x".repeat(100_000);
    for text in [
        format!("{long}:y"),
        format!("srt://h:{long}"),
        format!("srt://{long}%:1"),
        format!("srt://h:1?mode={long}"),
        format!("srt://h:1?{long}=1"),
        format!("test:?{long}={long}"),
        long.clone(),
    ] {
        let error = SourceUri::parse(&text).unwrap_err().to_string();
        assert!(error.len() < 400, "{error}");
    }
}

#[test]
fn neither_display_nor_debug_nor_errors_show_a_secret() {
    for text in [
        "rtsp://admin:SECRET@cam/1",
        "rtsp://admin:SEC%40RET@cam/1?token=SECRET",
        "srt://h:9000?passphrase=SECRETSECRET",
        "srt://h:9000?passphrase=SECRET",
        "srt://h:9000?passphrase=SECRETSECRET&mode=wrong",
        "srt://u:SECRET@h:9000",
        "srt://u:SECRET@h",
        "udp://u:SECRET@h",
        "srt://h:9000?passphrase=0123456789&SECRET",
        "http://h/a?access_token=SECRET",
        "rtmp://u:SECRET@h/x",
        "rtsp://u:SECRET#1@h/x",
        "rtsp://u:SECRET@",
        "ftp://u:SECRET@h\n/",
    ] {
        let shown = match SourceUri::parse(text) {
            Ok(uri) => format!("{uri} {uri:?} {:?}", uri.srt()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("SEC"), "{shown}");
    }
}

#[test]
fn srt_options_are_read() {
    let uri = parse(
        "srt://h:9000?mode=rendezvous&passphrase=ten%20letters&pbkeylen=32&streamid=%23!::r=live/door&latency=250",
    );
    let srt = uri.srt().unwrap();
    assert_eq!(srt.mode, SrtMode::Rendezvous);
    assert_eq!(srt.passphrase.as_deref(), Some("ten letters"));
    assert_eq!(srt.pbkeylen, Some(32));
    assert_eq!(srt.streamid.as_deref(), Some("#!::r=live/door"));
    assert_eq!(srt.latency, Some(ms(250)));
    assert_eq!(
        uri.location(),
        "srt://h:9000?mode=rendezvous&streamid=%23%21::r%3Dlive/door&latency=250&pbkeylen=32"
    );
}

#[test]
fn a_file_is_an_absolute_path() {
    for (text, path) in [
        ("/srv/slate.mp4", "/srv/slate.mp4"),
        ("/srv/50% of #1?.mp4", "/srv/50% of #1?.mp4"),
        ("file:///srv/a%20b%23.mp4", "/srv/a b#.mp4"),
        ("file:/srv/a.mp4", "/srv/a.mp4"),
        ("file://localhost/srv/a.mp4", "/srv/a.mp4"),
        ("v4l2:///dev/v4l/by-id/cam", "/dev/v4l/by-id/cam"),
        (
            "v4l2:///dev/v4l/by-id/cam%20%40%25",
            "/dev/v4l/by-id/cam @%",
        ),
    ] {
        assert_eq!(parse(text).path(), Some(PathBuf::from(path)), "{text}");
    }
    assert_eq!(
        parse("/srv/a b#.mp4").location(),
        "file:///srv/a%20b%23.mp4"
    );
}

#[test]
fn the_test_picture_takes_options() {
    let uri = parse("test:?size=640x360&fps=15&key-interval=10&codec=vp8");
    let expected = TestOptions {
        width: 640,
        height: 360,
        framerate: 15,
        key_interval: ms(10_000),
        codec: crate::Codec::Vp8,
    };
    assert_eq!(uri.test(), Some(&expected));
    assert_eq!(
        uri.to_string(),
        "test:?size=640x360&fps=15&key-interval=10&codec=vp8"
    );
    assert_eq!(parse("test://").test(), Some(&TestOptions::default()));
}

#[test]
fn what_is_wrong_is_refused_with_what_would_be_right() {
    for (text, says) in [
        ("", "has no scheme"),
        ("door.mp4", "absolute path"),
        ("cam.local:554/stream", "has no scheme"),
        ("rtmp://h/live", "unknown scheme \"rtmp\"; use rtsp"),
        ("exec:ffmpeg", "unknown scheme \"exec\""),
        ("gopher://h", "unknown scheme"),
        ("rtsp://", "host"),
        ("rtsp://user:p/w@cam/1", "write @ as %40"),
        ("rtsp://cam:99999/1", "port"),
        ("srt://h", "has no port; write srt://host:port"),
        (
            "srt://u:pass?word@h:9000",
            "what stands there is not a port",
        ),
        (
            "srt://u:pass:5?word@h:9000",
            "what stands there is not a host",
        ),
        ("srt://h:0", "1 to 65535"),
        ("srt://h:9000/path/x", "write srt://host:port"),
        ("srt://:9000?mode=caller", "a caller needs a host"),
        (
            "srt://h:9000?mode=server",
            "use caller, listener or rendezvous",
        ),
        (
            "srt://h:9000?passphrase=short",
            "has 5 characters; SRT wants 10 to 79",
        ),
        ("srt://h:9000?pbkeylen=20", "use 0, 16, 24 or 32"),
        ("srt://h:9000?latency=fast", "milliseconds"),
        ("srt://h:9000?colour=red", "\"colour\" is unknown; use mode"),
        ("srt://h:9000?mode", "write name=value"),
        ("udp://239.1.1.1", "udp://@239.1.1.1:5000"),
        ("file://relative.mp4", "write file:///path"),
        ("file:///dir/", "names no file"),
        ("file:///.", "names no file"),
        ("v4l2:///etc/passwd", "v4l2:///dev/video0"),
        ("v4l2:///dev/../etc/passwd", "v4l2:///dev/video0"),
        ("v4l2:///dev//", "v4l2:///dev/video0"),
        ("v4l2:///dev/.", "v4l2:///dev/video0"),
        ("v4l2:///dev/%2e%2e/etc/passwd", "v4l2:///dev/video0"),
        ("test:?size=641x360", "write test:"),
        ("test:smpte", "write test:"),
        ("rtsp://h/\nx", "control character"),
    ] {
        let error = SourceUri::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text:?}: {error}");
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn a_uri_reads_back_the_same_with_its_secrets() {
    for text in [
        "rtsp://bob:p%40ss%2F%20w@h:554/a?b=c",
        "rtsp://h/a",
        "srt://h:9000?mode=caller&passphrase=0123%204567%2689&pbkeylen=32&streamid=a%20b&latency=80",
        "srt://:9000?mode=listener",
        "udp://@239.1.1.1:5000",
        "udp://:5000",
        "file:///tmp/a%20b.mp4",
        "https://u:p@h/a.m3u8",
        "wheps://:t0ken@h:8889/cam/whep",
        "whep://u:p@h/cam/whep",
        "test:",
        "v4l2:///dev/video0",
    ] {
        let source = SourceUri::parse(text).unwrap();
        let again = SourceUri::parse(&source.location_with_secrets()).unwrap();
        // `udp://:5000` reads back with its address written out, which means the same.
        assert_eq!(source.location(), again.location());
        assert_eq!(source.credentials(), again.credentials());
        assert_eq!(source.srt(), again.srt());
    }
}

#[test]
fn a_whep_source_has_a_token_or_a_user_and_shows_neither() {
    let source = SourceUri::parse("whep://:s3cret@h:8889/cam/whep").unwrap();
    assert_eq!(source.scheme(), Scheme::Whep);
    assert_eq!(source.credentials(), Some(("", "s3cret")));
    assert_eq!(source.to_string(), "whep://***@h:8889/cam/whep");
    assert_eq!(SourceUri::parse("wheps://h/cam").unwrap().port(), Some(443));
    let error = SourceUri::parse("whep://bob@h/cam")
        .unwrap_err()
        .to_string();
    assert!(error.contains("user without a password"), "{error}");
}
