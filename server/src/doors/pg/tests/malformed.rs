//! Bytes no client should send. Each is answered or cut off, and the next client is served.

use super::{
    fixture::{Server, server},
    raw::{Raw, error, field, tags},
};

async fn still_serves(server: &Server) {
    let (mut raw, _) = Raw::login(server).await;
    raw.send(b'Q', b"SELECT 1\0").await;
    assert_eq!(tags(&raw.until_ready().await), "TDCZ");
}

#[tokio::test]
async fn a_bad_start_is_cut_off() {
    let server = server().await;
    for bytes in [
        &b"\0\0\0\0"[..],
        b"\0\0\0\x07\0\x03\0\0",
        b"\xff\xff\xff\xff\0\x03\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x09\0\x02\0\0\0",
        b"\0\0\0\x0c\0\x03\0\0user",
        b"\0\0\0\x0e\0\x03\0\0user\0\0",
        b"\0\0\0\x0a\x04\xd2\x16\x2e\0\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ] {
        let mut raw = Raw::open(&server).await;
        raw.bytes(bytes).await;
        // Some wait for more: they are told that there is none.
        tokio::io::AsyncWriteExt::shutdown(&mut raw.stream)
            .await
            .unwrap();
        let answers = raw.until_ready().await;
        assert!(["", "E"].contains(&tags(&answers).as_str()), "{bytes:?}");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_bad_body_costs_its_message() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    for (tag, body) in [
        (b'P', &b""[..]),
        (b'P', b"\0SELECT 1\0\0\x05"),
        (b'P', b"\0SELECT 1\0\xff\xff\0\0\0\0"),
        (b'P', b"no end"),
        (b'B', b"\0\0\xff\xff"),
        (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"),
        (b'B', b"\0\0\0\0\0\x01\x80\0\0\0\0\0"),
        (b'B', b"\0\0\0\x01\0\x07\0\0\0\0"),
        (b'D', b"X\0"),
        (b'D', b""),
        (b'E', b"\0\0\0"),
        (b'C', b"Q\0"),
        (b'H', b"more than nothing"),
        (b'p', b"secret\0"),
    ] {
        raw.send(tag, body).await;
        raw.send(b'S', b"").await;
        let answers = raw.until_ready().await;
        assert_eq!(tags(&answers), "EZ", "{tag} {body:?}");
        assert_eq!(field(&answers[0], 'C'), "08P01", "{tag} {body:?}");
    }
    raw.send(b'Q', b"no end").await;
    assert_eq!(tags(&raw.until_ready().await), "EZ");
    raw.send(b'Q', b"SELECT '\xff'\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(&answers[0], 'C'), "22021");
    still_serves(&server).await;
}

/// libpq's `PQfn`, which reads large objects.
#[tokio::test]
async fn a_function_call_is_refused_and_the_connection_goes_on() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'F', b"\0\0\x03\xba\0\0\0\0\0\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "EZ");
    assert_eq!(field(&answers[0], 'C'), "0A000");
    raw.send(b'Q', b"SELECT 1\0").await;
    assert_eq!(tags(&raw.until_ready().await), "TDCZ");
}

/// What a driver's scrolling cursor asks first, of a cursor that is not there.
#[tokio::test]
async fn a_move_of_no_cursor_says_so() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'Q', b"MOVE ABSOLUTE 0 FROM c\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(&answers[0], 'C'), "34000");
}

#[tokio::test]
async fn a_bad_frame_costs_its_connection() {
    let server = server().await;
    for bytes in [&b"!\0\0\0\x04"[..], b"Q\0\0\0\x03", b"Q\xff\xff\xff\xff"] {
        let (mut raw, _) = Raw::login(&server).await;
        raw.bytes(bytes).await;
        let answers = raw.until_ready().await;
        assert_eq!(tags(&answers), "E", "{bytes:?}");
        assert_eq!(field(&answers[0], 'S'), "FATAL");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn bound_values_have_to_fit() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'P', b"s\0SELECT $1 + 1\0\0\x01\0\0\0\x17").await;
    raw.send(b'S', b"").await;
    raw.until_ready().await;
    for (body, code) in [
        (&b"\0s\0\0\0\0\0\0\0"[..], "08P01"),
        (b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x03\0\0\x01\0\0", "22P03"),
        (b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0", "22P02"),
        (b"\0s\0\0\0\0\x01\0\0\0\x0a9999999999\0\0", "22003"),
        (b"\0s\0\0\x02\0\0\0\0\0\x01\0\0\0\x011\0\0", "08P01"),
        (b"\0s\0\0\0\0\x01\0\0\0\x011\0\x02\0\0\0\0", "08P01"),
    ] {
        raw.send(b'B', body).await;
        raw.send(b'S', b"").await;
        let answers = raw.until_ready().await;
        assert_eq!(field(error(&answers), 'C'), code, "{body:?}");
    }
    raw.send(b'B', b"\0s\0\0\0\0\x01\0\0\0\x011\0\0").await;
    raw.send(b'E', b"\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "2DCZ");
}
