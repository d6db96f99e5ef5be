//! Too much of something: an error, and the rest goes on.

use std::time::Duration;

use super::{
    fixture::{server, server_with},
    raw::{Raw, error, field, tags},
};
use crate::doors::pg::Limits;

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_passed_by() {
    let server = server_with(Limits {
        message_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let (mut raw, _) = Raw::login(&server).await;
    let mut text = b"SELECT 1 --".to_vec();
    text.resize(200_000, b' ');
    text.push(0);
    raw.send(b'Q', &text).await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "EZ");
    assert_eq!(field(&answers[0], 'C'), "54000");
    raw.send(b'Q', b"SELECT 1\0").await;
    assert_eq!(tags(&raw.until_ready().await), "TDCZ");
}

#[tokio::test]
async fn a_statement_of_a_megabyte_runs() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    let mut text = b"SELECT '".to_vec();
    text.resize(1_000_000, b'x');
    text.extend(b"'\0");
    raw.send(b'Q', &text).await;
    let answers = raw.until_ready().await;
    assert_eq!(tags(&answers), "TDCZ");
    assert_eq!(answers[1].1.len(), 2 + 4 + 1_000_000 - 8);
}

#[tokio::test]
async fn connections_are_limited_and_some_kept_for_the_owner() {
    let server = server_with(Limits {
        connections: 3,
        reserved: 1,
        ..Limits::default()
    })
    .await;
    let login = async |user: &str| {
        let mut raw = Raw::open(&server).await;
        let parameters = format!("user\0{user}\0database\0sluice\0\0");
        raw.start(196_608, parameters.as_bytes()).await;
        let answers = raw.until_ready().await;
        (raw, answers)
    };
    let (_first, answers) = login("ann").await;
    assert!(tags(&answers).ends_with('Z'));
    let (second, answers) = login("bob").await;
    assert!(tags(&answers).ends_with('Z'));
    let (_, answers) = login("eve").await;
    assert_eq!(field(error(&answers), 'C'), "53300");
    let (_owner, answers) = login("sluice").await;
    assert!(tags(&answers).ends_with('Z'));
    let (_, answers) = login("sluice").await;
    assert_eq!(field(error(&answers), 'C'), "53300");
    drop(second);
    // The place is free as soon as the server has noticed.
    for _ in 0..100 {
        let (_raw, answers) = login("sluice").await;
        if tags(&answers).ends_with('Z') {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place is still taken");
}

#[tokio::test]
async fn those_who_say_nothing_make_room_for_who_logs_in() {
    let server = server_with(Limits {
        connections: 2,
        reserved: 0,
        strangers: 3,
        ..Limits::default()
    })
    .await;
    let mut first = Raw::open(&server).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Raw::open(&server).await);
    }
    let (mut raw, answers) = Raw::login(&server).await;
    assert!(tags(&answers).ends_with('Z'));
    assert_eq!(first.next().await, None);
    // Who is in stays in.
    for _ in 0..20 {
        silent.push(Raw::open(&server).await);
    }
    let (_other, answers) = Raw::login(&server).await;
    assert!(tags(&answers).ends_with('Z'));
    raw.send(b'Q', b"SELECT 1\0").await;
    assert_eq!(tags(&raw.until_ready().await), "TDCZ");
}

#[tokio::test]
async fn who_does_not_start_is_let_go() {
    let server = server_with(Limits {
        startup_timeout: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut raw = Raw::open(&server).await;
    raw.bytes(b"\0\0").await;
    assert_eq!(raw.next().await, None);
}

#[tokio::test]
async fn who_sends_a_byte_at_a_time_is_let_go() {
    let server = server_with(Limits {
        startup_timeout: Duration::from_millis(400),
        message_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    // Before the login all of it counts, after it each message.
    let (logged_in, _) = Raw::login(&server).await;
    for mut raw in [Raw::open(&server).await, logged_in] {
        let began = std::time::Instant::now();
        let mut message = b"Q\0\0\x10\0SELECT 1".iter().cycle();
        let ended = loop {
            if let Some(byte) = message.next() {
                let sent = tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &[*byte]).await;
                if sent.is_err() {
                    break None;
                }
            }
            let answer = tokio::time::timeout(Duration::from_millis(20), raw.next()).await;
            match answer {
                Ok(answer) => break answer,
                Err(_) => assert!(began.elapsed() < Duration::from_secs(5), "still open"),
            }
        };
        if let Some(answer) = ended {
            assert_eq!(field(&answer, 'C'), "08P01");
        }
    }
    let (mut raw, _) = Raw::login(&server).await;
    // Silence between messages is nobody's business here.
    tokio::time::sleep(Duration::from_millis(500)).await;
    raw.send(b'Q', b"SELECT 1\0").await;
    assert_eq!(tags(&raw.until_ready().await), "TDCZ");
}

#[tokio::test]
async fn lengths_that_cannot_be_are_refused() {
    let server = server_with(Limits {
        message_bytes: 1000,
        message_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let ends_with = async |mut raw: Raw, message: &str| {
        let answer = tokio::time::timeout(Duration::from_secs(10), raw.next()).await;
        let told = answer.unwrap().unwrap();
        let fields = ['S', 'C', 'M'].map(|key| field(&told, key));
        assert_eq!(fields, ["FATAL", "08P01", message]);
        assert_eq!(raw.next().await, None);
    };
    for tag in [b'Q', b'P', b'B', b'd'] {
        let (mut raw, _) = Raw::login(&server).await;
        // Two gigabytes are announced, and do not come.
        raw.bytes(&[tag, 0x7f, 0xff, 0xff, 0xff]).await;
        raw.bytes(&[b'x'; 100_000]).await;
        let (mut other, _) = Raw::login(&server).await;
        other.send(b'Q', b"SELECT 1\0").await;
        assert_eq!(tags(&other.until_ready().await), "TDCZ");
        ends_with(raw, "a message did not come to its end in time").await;
    }
    // The length counts itself, and has a sign.
    for length in [0, 3, 1 << 31, u32::MAX] {
        let (mut raw, _) = Raw::login(&server).await;
        raw.bytes(b"Q").await;
        raw.bytes(&u32::to_be_bytes(length)).await;
        ends_with(raw, "invalid message length").await;
    }
}

#[tokio::test]
async fn parameters_are_counted() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    let mut parse = async |text: &str| {
        raw.send(b'P', format!("\0{text}\0\0\0").as_bytes()).await;
        raw.send(b'D', b"S\0").await;
        raw.send(b'S', b"").await;
        raw.until_ready().await
    };
    for text in [
        "SELECT $65536",
        "SELECT $2000000000",
        "SELECT $99999999999999999999999",
        "SELECT * FROM generate_series(1, $4294967296)",
    ] {
        let answers = parse(text).await;
        assert_eq!(field(error(&answers), 'C'), "54001", "{text}");
    }
    let answers = parse("SELECT $65535::int").await;
    assert_eq!(tags(&answers), "1tTZ");
    assert_eq!(&answers[1].1[..2], &[0xff, 0xff]);
}

#[tokio::test]
async fn prepared_statements_are_limited() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    let mut refused = None;
    for number in 0..=10_000 {
        let body = format!("s{number}\0BEGIN\0\0\0");
        raw.send(b'P', body.as_bytes()).await;
        if number % 500 == 0 {
            raw.send(b'S', b"").await;
            let answers = raw.until_ready().await;
            refused = answers.into_iter().find(|(tag, _)| *tag == 'E');
        }
    }
    assert_eq!(field(&refused.unwrap(), 'C'), "54000");
}
