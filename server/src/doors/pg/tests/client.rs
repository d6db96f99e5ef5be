//! What a driver gets.

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

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

#[tokio::test]
async fn a_query_in_both_protocols() {
    let server = server().await;
    let client = connect(&server).await;
    let row = client.query_one("SELECT 1::BIGINT + 1, 'a'", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (2, "a"));
    let answers = client.simple_query("SELECT 1 AS a; SELECT 2.5").await.unwrap();
    let rows: Vec<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    assert_eq!(rows, ["1", "2.5"]);
}
