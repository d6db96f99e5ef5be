//! Statements that are stopped: by a cancel request, a timeout, a client that leaves, the server's end.

use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, error::SqlState};

use super::{
    client::connect,
    fixture::{Server, server},
    raw::{Raw, error, field},
};

/// Longer than any test should take, and cheap in memory.
const ENDLESS: &str = "SELECT * FROM endless";

#[tokio::test]
async fn a_cancel_request_stops_what_runs_and_nothing_else() {
    let server = server().await;
    let client = connect(&server).await;
    let token = client.cancel_token();
    let stopper = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel_query(NoTls).await.unwrap();
    });
    let sql = "SELECT count(*) FROM endless";
    let error = client.query_one(sql, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    stopper.await.unwrap();
    // Idle, it does nothing.
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    client.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_cancels_nothing() {
    let server = server().await;
    let (mut raw, answers) = Raw::login(&server).await;
    let key = answers
        .iter()
        .find(|(tag, _)| *tag == 'K')
        .unwrap()
        .1
        .clone();
    let mut wrong = key.to_vec();
    wrong[7] ^= 1;
    raw.send(b'Q', b"SELECT * FROM endless\0").await;
    raw.until('D').await;
    Raw::open(&server).await.start(80_877_102, &wrong).await;
    for _ in 0..50_000 {
        assert_eq!(raw.next().await.unwrap().0, 'D');
    }
    Raw::open(&server).await.start(80_877_102, &key).await;
    let answers = raw.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "57014");
}

/// A key of protocol 3.2 is good whole and as it was given, and not otherwise.
#[tokio::test]
async fn a_long_key_cancels_as_it_was_given_alone() {
    let server = server().await;
    let mut raw = Raw::open(&server).await;
    raw.start(0x0003_0002, b"user\0sluice\0database\0sluice\0\0")
        .await;
    let answers = raw.until_ready().await;
    assert!(
        answers.iter().all(|(tag, _)| *tag != 'v'),
        "nothing to negotiate"
    );
    let (_, key) = answers.iter().find(|(tag, _)| *tag == 'K').unwrap();
    assert_eq!(key.len(), 4 + 32, "the session's number and its key");
    raw.send(b'Q', format!("{ENDLESS}\0").as_bytes()).await;
    raw.until('D').await;
    let last = key.len() - 1;
    let mut other = key.to_vec();
    other[last] ^= 1;
    let short = key.slice(..8);
    let longer = [&key[..], &[0]].concat();
    let none = key.slice(..4);
    for wrong in [&other[..], &short[..], &key[..last], &longer[..], &none[..]] {
        let mut request = Raw::open(&server).await;
        request.start(80_877_102, wrong).await;
        // Closed without a word: it was looked at.
        assert_eq!(request.next().await, None, "{} bytes", wrong.len());
    }
    for _ in 0..50_000 {
        assert_eq!(raw.next().await.unwrap().0, 'D');
    }
    Raw::open(&server).await.start(80_877_102, key).await;
    let answers = raw.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "57014");
    raw.send(b'Q', b"SELECT 1\0").await;
    let answers = raw.until_ready().await;
    assert!(answers.iter().any(|(tag, _)| *tag == 'D'), "it goes on");
}

#[tokio::test]
async fn a_statement_has_its_time() {
    let server = server().await;
    let client = connect(&server).await;
    client
        .batch_execute("SET statement_timeout = '150ms'")
        .await
        .unwrap();
    let start = Instant::now();
    let error = client
        .query("SELECT count(*) FROM endless", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    let message = error.as_db_error().unwrap().message();
    assert_eq!(message, "canceling statement due to statement timeout");
    assert!(start.elapsed() < Duration::from_secs(20));
    client
        .batch_execute("SET statement_timeout = 0; SELECT 1")
        .await
        .unwrap();
}

/// Rows are made only as fast as they are read, and not at all once the client has left.
#[tokio::test]
async fn a_client_that_does_not_read_or_leaves_stops_the_rows() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    raw.send(b'Q', format!("{ENDLESS}\0").as_bytes()).await;
    raw.until('D').await;
    let settled = settle(&server).await;
    assert!(settled < 20_000_000, "rows pile up: {settled}");
    drop(raw);
    let after = settle(&server).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.rows_made(), after, "rows are still made");
}

/// How many rows were made once no more are.
async fn settle(server: &Server) -> usize {
    let mut last = server.rows_made();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if server.rows_made() == last {
            return last;
        }
        last = server.rows_made();
    }
    panic!("rows are made without end");
}

#[tokio::test]
async fn everyone_is_told_when_the_server_ends() {
    let server = server().await;
    let (mut raw, _) = Raw::login(&server).await;
    let (mut busy, _) = Raw::login(&server).await;
    busy.send(b'Q', b"SELECT count(*) FROM endless\0").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(server);
    assert_eq!(field(&raw.next().await.unwrap(), 'C'), "57P01");
    let answers = busy.until_ready().await;
    assert_eq!(field(error(&answers), 'C'), "57P01");
    assert_eq!(raw.next().await, None);
}

/// The session's number, which is that of its key.
fn pid(answers: &[super::raw::Answer]) -> i32 {
    let (_, key) = answers.iter().find(|(tag, _)| *tag == 'K').unwrap();
    i32::from_be_bytes(*key.first_chunk().unwrap())
}

#[tokio::test]
async fn a_session_is_cancelled_and_ended_by_its_number() {
    let server = server().await;
    let (mut raw, answers) = Raw::login(&server).await;
    let activities = crate::engine::for_tests();
    let session = activities.activities().get(pid(&answers)).unwrap();
    raw.send(b'Q', b"SELECT * FROM endless\0").await;
    raw.until('D').await;
    assert_eq!(session.shown().query, "SELECT * FROM endless");
    session.cancel();
    assert_eq!(field(error(&raw.until_ready().await), 'C'), "57014");
    raw.send(b'Q', b"SELECT * FROM endless\0").await;
    raw.until('D').await;
    session.end();
    let answers = raw.until('E').await;
    assert_eq!(field(error(&answers), 'S'), "FATAL");
    assert_eq!(field(error(&answers), 'C'), "57P01");
    assert_eq!(raw.next().await, None);
    // Idle.
    let (mut raw, answers) = Raw::login(&server).await;
    let session = activities.activities().get(pid(&answers)).unwrap();
    session.end();
    assert_eq!(field(&raw.next().await.unwrap(), 'C'), "57P01");
    assert_eq!(raw.next().await, None);
}

#[tokio::test]
async fn an_idle_client_is_told_why_it_has_to_go() {
    let server = server().await;
    for (text, code) in [
        ("SET idle_session_timeout = 50", "57P05"),
        (
            "SET idle_in_transaction_session_timeout = '50ms'; BEGIN",
            "25P03",
        ),
    ] {
        let (mut raw, _) = Raw::login(&server).await;
        raw.send(b'Q', format!("{text}\0").as_bytes()).await;
        raw.until_ready().await;
        let told = raw.next().await.unwrap();
        assert_eq!(
            (field(&told, 'S'), field(&told, 'C')),
            ("FATAL".into(), code.into())
        );
        assert_eq!(raw.next().await, None);
    }
}
