//! The Postgres door as clients use it: psql's backslash commands, prepared statements, binary results, cancellation, many at once.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use serde_json::json;
use sluice_tests::{
    job,
    parts::{kafka::Broker, psql, python},
    pg::{Pg, block_on},
    server::Server,
};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::support::SOON;

fn furnished() -> Server {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("doors", 1);
    let server = Server::start();
    server
        .connect()
        .run(&job::script(&broker.bootstrap(), &topic));
    server
}

#[test]
fn psqls_backslash_commands_answer() {
    let server = furnished();
    let print = |command: &str| psql::print(server.pg_port(), &["-c", command]);
    for (command, says) in [
        ("\\d", vec!["events", "streaming_metrics"]),
        ("\\dt *.*", vec!["gold", "real_time_metrics"]),
        ("\\dt gold.*", vec!["real_time_metrics", "table"]),
        ("\\dv", vec!["streaming_metrics"]),
        ("\\d+", vec!["events"]),
        (
            "\\d gold.real_time_metrics",
            vec![
                "window_start",
                "timestamp with time zone",
                "event_count",
                "bigint",
                "p95_value",
                "double precision",
                "date",
                "hour",
            ],
        ),
        ("\\d+ gold.real_time_metrics", vec!["window_start", "hour"]),
        ("\\d streaming_metrics", vec!["window_start", "event_count"]),
        ("\\l", vec!["sluice", "UTF8"]),
        ("\\dn", vec!["public", "bronze", "silver", "gold"]),
        ("\\du", vec!["sluice"]),
        ("\\df nothing*", vec![]),
        ("\\conninfo", vec!["sluice"]),
    ] {
        let text = print(command);
        for said in says {
            assert!(
                text.contains(said),
                "{command} does not show {said}:\n{text}"
            );
        }
    }
    let hidden = print("\\dt");
    assert!(!hidden.contains("pg_class"), "{hidden}");
}

#[test]
fn prepared_statements_and_binary_results_carry_every_type() {
    let server = Server::start();
    let pg = server.connect();
    let client = pg.client();
    block_on(async {
        let row = client
            .query_one(
                "SELECT $1::bigint + 1, $2::text || '!', $3::double precision * 2, $4::boolean, $5::int, $6::smallint",
                &[&41_i64, &"hé", &1.25_f64, &true, &-7_i32, &3_i16],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 42);
        assert_eq!(row.get::<_, String>(1), "hé!");
        assert_eq!(row.get::<_, f64>(2), 2.5);
        assert!(row.get::<_, bool>(3));
        assert_eq!(row.get::<_, i32>(4), -7);
        assert_eq!(row.get::<_, i16>(5), 3);

        let statement = client
            .prepare(
                "SELECT value * 2 AS v FROM generate_series(1, $1::bigint) AS g (value) ORDER BY 1",
            )
            .await
            .unwrap();
        assert_eq!(statement.columns()[0].name(), "v");
        assert_eq!(
            statement.columns()[0].type_(),
            &tokio_postgres::types::Type::INT8
        );
        for n in [0_i64, 1, 1000] {
            let rows = client.query(&statement, &[&n]).await.unwrap();
            assert_eq!(rows.len() as i64, n);
            assert!(rows.last().is_none_or(|row| row.get::<_, i64>(0) == 2 * n));
        }
        let null: Option<i32> = client
            .query_one("SELECT NULL::int", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(null, None);
        // an error in the extended protocol leaves the connection usable
        let refused = client
            .query("SELECT 1 / $1::int", &[&0_i32])
            .await
            .unwrap_err();
        assert_eq!(
            refused.code().map(tokio_postgres::error::SqlState::code),
            Some("22012")
        );
        assert_eq!(
            client
                .query_one("SELECT 1::int", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
        // two statements in one Parse are refused
        let refused = client.prepare("SELECT 1; SELECT 2").await.unwrap_err();
        assert_eq!(
            refused.code().map(tokio_postgres::error::SqlState::code),
            Some("42601")
        );
    });
}

#[test]
fn a_running_query_is_cancelled_and_really_stops() {
    let server = Server::start();
    let pg = server.connect();
    let token = pg.client().cancel_token();
    let cancel = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        block_on(token.cancel_query(NoTls)).unwrap();
    });
    let start = Instant::now();
    pg.refused(
        "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b",
        "57014",
        &["canceling statement due to user request"],
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    cancel.join().unwrap();
    assert_eq!(pg.value("SELECT 1"), "1");
    server.wait(
        "the processor to be quiet again",
        Duration::from_secs(20),
        || {
            let before = server.cpu_seconds();
            std::thread::sleep(Duration::from_millis(500));
            (server.cpu_seconds() - before < 0.15).then_some(())
        },
    );
    // a cancel between two statements is of none; the driver does not wait until the server has taken it
    block_on(pg.client().cancel_token().cancel_query(NoTls)).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(pg.value("SELECT 2"), "2");
}

/// Protocol 3.2 has long keys for it; libpq knows it since 18.
#[test]
fn libpq_cancels_by_the_key_of_whichever_protocol_was_agreed_on() {
    let server = Server::start();
    let told = python::run("protocol_psycopg.py", &[&server.pg_port().to_string()]);
    let cancelled = "57014: canceling statement due to user request";
    let agreed =
        |protocol| json!({"agreed": protocol, "cancelled": [cancelled, cancelled], "after": 1});
    let expected = json!({
        "libpq": 18, "3.0": agreed(30_000), "3.2": agreed(30_002), "latest": agreed(30_002),
    });
    assert_eq!(told, expected);
}

#[test]
fn statement_timeout_is_kept() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("SET statement_timeout = '300ms'");
    pg.refused(
        "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b",
        "57014",
        &["statement timeout"],
    );
    pg.run("RESET statement_timeout");
    assert_eq!(pg.value("SELECT 1"), "1");
}

#[test]
fn users_databases_and_settings() {
    let server = Server::start();
    let unknown = Pg::connect_as(server.pg_port(), "sluice", "nope")
        .err()
        .unwrap();
    assert_eq!(unknown.state, "3D000", "{unknown}");
    assert!(
        unknown.message.contains("database \"nope\" does not exist"),
        "{unknown}"
    );
    let pg = server.connect();
    assert_eq!(pg.value("SELECT current_user"), "sluice");
    assert_eq!(pg.value("SELECT current_database()"), "sluice");
    assert_eq!(pg.value("SHOW TimeZone"), "UTC");
    assert!(pg.value("SELECT version()").contains("Sluice"));
    pg.run("SET application_name = 'x'; BEGIN; COMMIT");
    assert_eq!(pg.value("SHOW application_name"), "x");
    pg.refused(
        "SET no_such_thing = 1",
        "42704",
        &["unrecognized configuration parameter \"no_such_thing\""],
    );
    pg.refused(
        "SET freshness = 'yesterday'",
        "22023",
        &["freshness", "committed"],
    );
}

#[test]
fn a_hundred_connections_at_once_are_served() {
    let mut server = Server::start();
    let connections: Vec<Pg> = (0..100).map(|_| server.connect()).collect();
    for (n, pg) in connections.iter().enumerate() {
        assert_eq!(pg.value(&format!("SELECT {n}")), n.to_string());
    }
    drop(connections);
    // and none is left behind
    server.wait("connections to be closed", SOON, || {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
            .ok()?
            .count();
        (fds < 90).then_some(())
    });
    assert!(server.is_running());
}

#[test]
fn garbage_on_the_port_hurts_nobody() {
    use std::{io::Write, net::TcpStream};
    let mut server = Server::start();
    for (bytes, port) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], server.pg_port()),
        (&b"\x00\x00\x00\x03"[..], server.pg_port()),
        (&b"\xff\xff\xff\xff\xff\xff\xff\xff"[..], server.pg_port()),
        (&b"\x00\x00\x00\x08\x04\xd2\x16\x2f"[..], server.pg_port()), // SSLRequest, then nothing
        (&b"\x16\x03\x01\x02\x00\x01"[..], server.flight_port()),
        (&b"\0\0\0\0\0\0\0\0"[..], server.http_port()),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(bytes).ok();
    }
    assert_eq!(server.connect().value("SELECT 1"), "1");
    assert!(server.is_running());
    assert!(
        !server.log_text().contains("panicked"),
        "{}",
        server.log_tail()
    );
}

/// A result is not gathered before it is sent: of one that takes for ever the first rows are there soon, by both protocols.
#[test]
fn the_first_rows_come_while_the_rest_is_computed() {
    let server = Server::start();
    let endless = "SELECT a, md5(a::text) FROM generate_series(1, 1000000000000) AS g (a)";
    for extended in [true, false] {
        let pg = server.connect();
        let first = block_on(async {
            let first = async {
                if extended {
                    let rows = pg.client().query_raw(endless, Vec::<String>::new()).await?;
                    let mut rows = std::pin::pin!(rows);
                    let row = rows.try_next().await?;
                    return Ok::<_, tokio_postgres::Error>(row.is_some());
                }
                let messages = pg.client().simple_query_raw(endless).await?;
                let mut messages = std::pin::pin!(messages);
                while let Some(message) = messages.try_next().await? {
                    if matches!(message, SimpleQueryMessage::Row(_)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            };
            tokio::time::timeout(SOON, first).await
        });
        let first = first.expect("a row in time").unwrap();
        assert!(first, "no row; extended: {extended}");
        // It was still running.
        let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%md5(a::text)%' AND pid <> pg_backend_pid()";
        assert_eq!(server.connect().number(active), 1, "extended: {extended}");
        block_on(pg.client().cancel_token().cancel_query(NoTls)).unwrap();
        let other = server.connect();
        server.wait("the query to end", SOON, || {
            (other.number(active) == 0).then_some(())
        });
    }
}
