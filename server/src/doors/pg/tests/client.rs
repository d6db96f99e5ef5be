//! What a driver gets: the extended protocol in binary, portals, transactions, cursors, errors.

use std::time::{Duration, SystemTime};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage, error::SqlState};

use super::fixture::{Server, server};

pub(super) async fn connect(server: &Server) -> Client {
    let parameters = format!(
        "host=127.0.0.1 port={} user=sluice dbname=sluice",
        server.address.port()
    );
    let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// First columns of all rows, in order.
async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let answers = client.simple_query(sql).await.unwrap();
    answers
        .iter()
        .filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect()
}

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", SqlState::code)
}

#[tokio::test]
async fn a_query_in_both_protocols() {
    let server = server().await;
    let client = connect(&server).await;
    let row = client
        .query_one("SELECT 1::BIGINT + 1, 'a'", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (2, "a"));
    assert_eq!(
        texts(&client, "SELECT 1 AS a; SELECT 2.5").await,
        ["1", "2.5"]
    );
}

#[tokio::test]
async fn columns_are_named_as_in_postgres() {
    let server = server().await;
    let client = connect(&server).await;
    let sql = "SELECT 1, 'a', count(*), max(event_count) AS most, sum(event_count)::int, avg(avg_value) FROM gold.metrics";
    let statement = client.prepare(sql).await.unwrap();
    let names: Vec<_> = statement.columns().iter().map(|c| c.name()).collect();
    assert_eq!(
        names,
        ["?column?", "?column?", "count", "most", "sum", "avg"]
    );
}

#[tokio::test]
async fn parameters_are_typed_by_where_they_stand() {
    let server = server().await;
    let client = connect(&server).await;
    let sql = "SELECT event_type FROM gold.metrics WHERE event_count > $1 AND window_start < $2 AND avg_value < $3";
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let rows = client
        .query(sql, &[&6_i64, &later, &2.0_f64])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, Option<&str>>(0), Some("click"));
}

#[tokio::test]
async fn a_parameter_nothing_tells_of_is_a_text() {
    let server = server().await;
    let client = connect(&server).await;
    let row = client.query_one("SELECT $1", &[&"x"]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "x");
    let wrong = client.query_one("SELECT $1", &[&1_i32]).await;
    assert!(wrong.is_err(), "the driver was told text");
}

#[tokio::test]
async fn nulls_go_both_ways() {
    let server = server().await;
    let client = connect(&server).await;
    let row = client
        .query_one("SELECT $1::bigint, NULL", &[&None::<i64>])
        .await
        .unwrap();
    assert_eq!(row.get::<_, Option<i64>>(0), None);
    assert_eq!(row.get::<_, Option<&str>>(1), None);
}

#[tokio::test]
async fn a_portal_gives_its_rows_in_portions() {
    let server = server().await;
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let statement = transaction
        .prepare("SELECT * FROM generate_series(1, 25)")
        .await
        .unwrap();
    let portal = transaction.bind(&statement, &[]).await.unwrap();
    let mut seen = Vec::new();
    for expected in [10, 10, 5, 0] {
        let rows = transaction.query_portal(&portal, 10).await.unwrap();
        assert_eq!(rows.len(), expected);
        seen.extend(rows.iter().map(|row| row.get::<_, i64>(0)));
    }
    assert_eq!(seen, (1..=25).collect::<Vec<_>>());
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_failed_block_refuses_everything_until_it_ends() {
    let server = server().await;
    let client = connect(&server).await;
    client.batch_execute("BEGIN").await.unwrap();
    let first = client.batch_execute("SELECT 1/0").await.unwrap_err();
    assert_eq!(code(&first), "22012");
    let second = client.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(code(&second), "25P02");
    let third = client.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(code(&third), "25P02");
    client.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_savepoint_saves_a_block() {
    let server = server().await;
    let client = connect(&server).await;
    client.batch_execute("BEGIN; SAVEPOINT a").await.unwrap();
    client.batch_execute("SELECT 1/0").await.unwrap_err();
    client.batch_execute("ROLLBACK TO a").await.unwrap();
    client
        .batch_execute("SELECT 1; RELEASE a; COMMIT")
        .await
        .unwrap();
    let outside = client.batch_execute("SAVEPOINT b").await.unwrap_err();
    assert_eq!(code(&outside), "25P01");
}

#[tokio::test]
async fn cursors_scan_forward() {
    let server = server().await;
    let client = connect(&server).await;
    let sql = "BEGIN; DECLARE \"C\" NO SCROLL CURSOR FOR SELECT * FROM generate_series(1, 10)";
    client.batch_execute(sql).await.unwrap();
    assert_eq!(texts(&client, "FETCH 2 FROM \"C\"").await, ["1", "2"]);
    assert_eq!(texts(&client, "MOVE FORWARD 3 IN \"C\"").await, [""; 0]);
    assert_eq!(texts(&client, "FETCH \"C\"").await, ["6"]);
    assert_eq!(
        texts(&client, "FETCH ALL FROM \"C\"").await,
        ["7", "8", "9", "10"]
    );
    assert_eq!(texts(&client, "FETCH NEXT FROM \"C\"").await, [""; 0]);
    client.batch_execute("COMMIT").await.unwrap();
    let gone = client.batch_execute("FETCH \"C\"").await.unwrap_err();
    assert_eq!(code(&gone), "34000");
}

#[tokio::test]
async fn a_cursor_with_hold_outlives_its_block() {
    let server = server().await;
    let client = connect(&server).await;
    let sql = "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM generate_series(1, 3)";
    client.batch_execute(sql).await.unwrap();
    assert_eq!(texts(&client, "FETCH ALL c").await, ["1", "2", "3"]);
    let back = client
        .batch_execute("FETCH PRIOR FROM c")
        .await
        .unwrap_err();
    assert_eq!(code(&back), "55000");
    client.batch_execute("CLOSE ALL").await.unwrap();
}

#[tokio::test]
async fn an_error_stops_the_rest_of_a_text() {
    let server = server().await;
    let client = connect(&server).await;
    let sql = "SET application_name = 'a'; SELECT 1/0; SET application_name = 'b'";
    client.batch_execute(sql).await.unwrap_err();
    assert_eq!(texts(&client, "SHOW application_name").await, ["a"]);
}

#[tokio::test]
async fn what_drivers_send_between_uses_of_a_connection() {
    let server = server().await;
    let client = connect(&server).await;
    client.batch_execute("").await.unwrap();
    client.batch_execute("-- ping").await.unwrap();
    let reset = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;";
    client.batch_execute(reset).await.unwrap();
    client
        .batch_execute("DEALLOCATE ALL; DISCARD ALL")
        .await
        .unwrap();
    for alone in [
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
        "ABORT",
        "END",
    ] {
        client.batch_execute(alone).await.unwrap();
    }
}

#[tokio::test]
async fn another_database_does_not_exist() {
    let server = server().await;
    let parameters = format!(
        "host=127.0.0.1 port={} user=sluice dbname=other",
        server.address.port()
    );
    let Err(error) = tokio_postgres::connect(&parameters, NoTls).await else {
        panic!("it does");
    };
    assert_eq!(code(&error), "3D000");
}
