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
