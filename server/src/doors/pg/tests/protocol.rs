//! The order of messages, seen from outside.

use super::{
    fixture::server,
    raw::{Raw, error, field, tags},
};

const PARSE_ONE: &[u8] = b"\0SELECT 1\0\0\0";
const BIND: &[u8] = b"\0\0\0\0\0\0\0\0";

#[tokio::test]
async fn encryption_is_declined_and_the_start_goes_on() {
    let server = server().await;
    let mut raw = Raw::open(&server).await;
    raw.start(80_877_103, b"").await;
    let mut answer = [0];
    tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut answer)
        .await
        .unwrap();
    assert_eq!(&answer, b"N");
    raw.start(
        196_608,
        b"user\0sluice\0database\0sluice\0client_encoding\0'utf-8'\0\0",
    )
    .await;
    let answers = raw.until_ready().await;
    assert!(tags(&answers).starts_with("RS"));
}

#[tokio::test]
async fn clients_are_told_what_they_look_for() {
    let server = server().await;
    let (_raw, answers) = Raw::login(&server).await;
    let told: Vec<String> = answers
        .iter()
        .filter(|(tag, _)| *tag == 'S')
        .map(|(_, body)| String::from_utf8(body.to_vec()).unwrap())
        .collect();
    for (name, beginning) in [
        ("server_version", "15."),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("session_authorization", "sluice"),
        ("in_hot_standby", "off"),
    ] {
        let expected = format!("{name}\0{beginning}");
        assert!(told.iter().any(|t| t.starts_with(&expected)), "{name}");
    }
    let key = answers.iter().find(|(tag, _)| *tag == 'K').unwrap();
    assert_eq!(key.1.len(), 8, "a client of 3.0 keeps four bytes of key");
}

#[tokio::test]
async fn a_newer_protocol_is_negotiated_down() {
    let server = server().await;
    let mut raw = Raw::open(&server).await;
    let options = b"user\0sluice\0database\0sluice\0_pq_.later\0on\0\0";
    raw.start(0x0003_270f, options).await;
    let answers = raw.until_ready().await;
    let (tag, body) = &answers[0];
    assert_eq!(*tag, 'v');
    assert_eq!(&body[..4], &0x0003_0002_u32.to_be_bytes());
    let key = answers.iter().find(|(tag, _)| *tag == 'K').unwrap();
    assert_eq!(key.1.len(), 36);
}

#[tokio::test]
async fn every_statement_of_a_text_has_its_own_answer() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'Q', b"SELECT 1; BEGIN; SELECT 2;\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "TDCCTDCZ");
    assert_eq!(&answers[2].1[..], b"SELECT 1\0");
    assert_eq!(&answers[3].1[..], b"BEGIN\0");
    assert_eq!(&answers[7].1[..], b"T");
    raw.send(b'Q', b"COMMIT; COMMIT\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "CNCZ");
    assert_eq!(field(&answers[1], 'C'), "25P01");
    assert_eq!(field(&answers[1], 'S'), "WARNING");
    raw.send(b'Q', b" /* nothing */ -- at all\0").await;
    assert_eq!(tags(&raw.until_ready().await), "IZ");
}

#[tokio::test]
async fn parameters_are_told_when_they_change_whatever_changed_them() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    for (text, expected, told) in [
        (
            "SET TIME ZONE 'Asia/Tokyo'",
            "CSZ",
            "TimeZone\0Asia/Tokyo\0",
        ),
        ("SET TIME ZONE 'Asia/Tokyo'", "CZ", ""),
        ("SET statement_timeout = 5000", "CZ", ""),
        (
            "BEGIN; SET LOCAL TIME ZONE 'UTC'",
            "CCSZ",
            "TimeZone\0UTC\0",
        ),
        ("COMMIT", "CSZ", "TimeZone\0Asia/Tokyo\0"),
        (
            "BEGIN; SET application_name = 'a'",
            "CCSZ",
            "application_name\0a\0",
        ),
        ("ROLLBACK", "CSZ", "application_name\0\0"),
        (
            "SELECT set_config('application_name', 'b', false)",
            "TDCSZ",
            "application_name\0b\0",
        ),
    ] {
        raw.send(b'Q', format!("{text}\0").as_bytes()).await;
        let answers = raw.until_ready().await;
        assert_eq!(tags(&answers), expected, "{text}");
        let status = answers.iter().find(|(tag, _)| *tag == 'S');
        assert_eq!(
            status.map_or("".as_bytes(), |status| &status.1),
            told.as_bytes(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_error_says_where() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'Q', b"SELECT 1;\n FETCH one two three FROM c\0")
        .await;
    let answers = raw.until_ready().await;
    let error = error(&answers);
    assert_eq!(field(error, 'C'), "42601");
    assert_eq!(field(error, 'V'), "ERROR");
    assert!(!field(error, 'P').is_empty(), "{}", field(error, 'M'));
}

#[tokio::test]
async fn the_unnamed_statement_outlives_sync() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'P', PARSE_ONE).await;
    raw.send(b'H', b"").await;
    assert_eq!(raw.next().await.unwrap().0, '1');
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "Z");
    raw.send(b'D', b"S\0").await;
    raw.send(b'H', b"").await;
    assert_eq!(tags(&raw.until('T').await), "tT");
    raw.send(b'S', b"").await;
    raw.until_ready().await;
    raw.send(b'B', BIND).await;
    raw.send(b'E', b"\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "2DCZ");
}

#[tokio::test]
async fn after_an_error_all_is_passed_by_up_to_sync() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'B', b"\0nothing\0\0\0\0\0\0\0").await;
    raw.send(b'P', PARSE_ONE).await;
    raw.send(b'Q', b"SELECT 1\0").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "EZ");
    assert_eq!(field(&answers[0], 'C'), "26000");
    raw.send(b'Q', b"SELECT 1\0").await;
    assert_eq!(tags(&raw.until_ready().await), "TDCZ");
}

#[tokio::test]
async fn one_statement_is_prepared_at_a_time() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'P', b"\0SELECT 1; SELECT 2\0\0\0").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(&answers[0], 'C'), "42601");
    for body in [&b"\0\0\0\0"[..], b"\0-- ping\0\0\0"] {
        raw.send(b'P', body).await;
        raw.send(b'B', BIND).await;
        raw.send(b'D', b"P\0").await;
        raw.send(b'E', b"\0\0\0\0\0").await;
        raw.send(b'S', b"").await;
        assert_eq!(tags(&raw.until_ready().await), "12nIZ");
    }
}

#[tokio::test]
async fn names_are_taken_once() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'P', b"a\0SELECT 1\0\0\0").await;
    raw.send(b'P', b"a\0SELECT 1\0\0\0").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "42P05");
    raw.send(b'B', b"p\0a\0\0\0\0\0\0\0").await;
    raw.send(b'B', b"p\0a\0\0\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "42P03");
    raw.send(b'C', b"Sa\0").await;
    raw.send(b'C', b"Snever\0").await;
    raw.send(b'P', b"a\0SELECT 2\0\0\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "331Z");
}

#[tokio::test]
async fn a_portal_is_suspended_and_goes_on() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'P', b"\0SELECT * FROM generate_series(1,5)\0\0\0")
        .await;
    raw.send(b'B', BIND).await;
    for _ in 0..3 {
        raw.send(b'E', b"\0\0\0\0\x02").await;
    }
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "12DDsDDsDCZ");
    // The transaction ended with Sync, and the portal with it.
    raw.send(b'E', b"\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(&answers[0], 'C'), "34000");
}

#[tokio::test]
async fn a_bound_portal_is_a_cursor_to_fetch() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'Q', b"BEGIN\0").await;
    raw.until_ready().await;
    raw.send(b'P', b"\0SELECT * FROM generate_series(1,9)\0\0\0")
        .await;
    // Its rows are binary for those who execute it.
    raw.send(b'B', b"p\0\0\0\0\0\0\0\x01\0\x01").await;
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "12Z");
    raw.send(b'Q', b"FETCH 2 FROM p\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "TDDCZ");
    assert_eq!(&answers[1].1[..], b"\0\x01\0\0\0\x011");
    assert_eq!(&answers[3].1[..], b"FETCH 2\0");
    raw.send(b'Q', b"MOVE 3 FROM p\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(&answers[0].1[..], b"MOVE 3\0");
    raw.send(b'E', b"p\0\0\0\0\x01").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "DsZ");
    assert_eq!(answers[0].1.last(), Some(&6), "{answers:?}");
    // What was executed has been given.
    raw.send(b'Q', b"FETCH ABSOLUTE 8 FROM p\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(&answers[1].1[..], b"\0\x01\0\0\0\x018");
    raw.send(b'Q', b"CLOSE p\0").await;
    assert_eq!(tags(&raw.until_ready().await), "CZ");
    raw.send(b'E', b"p\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "34000");
}

#[tokio::test]
async fn a_portal_without_rows_is_no_cursor() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'Q', b"BEGIN\0").await;
    raw.until_ready().await;
    raw.send(b'P', b"\0SET statement_timeout = 0\0\0\0").await;
    raw.send(b'B', b"p\0\0\0\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until_ready().await), "12Z");
    raw.send(b'Q', b"FETCH p\0").await;
    let answers = raw.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "55000");
}
