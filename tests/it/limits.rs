//! Too much of something, from outside: an error or a limit, and the rest goes on.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use sluice_tests::{
    pg::{Pg, Refusal, block_on},
    server::Server,
};

use crate::support::SOON;

const IDLE: usize = 997;

/// A connection that has logged in, as a socket and no more.
fn raw(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.pg_port())).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let body = b"\0\x03\0\0user\0sluice\0database\0sluice\0\0";
    let mut message = ((body.len() + 4) as u32).to_be_bytes().to_vec();
    message.extend(body);
    stream.write_all(&message).unwrap();
    let mut heard = Vec::new();
    let mut some = [0; 4096];
    // ReadyForQuery, idle.
    while !heard.ends_with(b"Z\0\0\0\x05I") {
        let count = stream.read(&mut some).unwrap();
        assert!(
            count > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&heard)
        );
        heard.extend(&some[..count]);
    }
    stream
}

#[test]
fn a_thousand_idle_connections_cost_little_and_the_next_is_refused() {
    let server = Server::start();
    let pg = server.connect();
    // What the first sessions need once.
    drop((0..20).map(|_| raw(&server)).collect::<Vec<_>>());
    let before = server.memory_mib("VmRSS");
    let open: Vec<TcpStream> = (0..IDLE).map(|_| raw(&server)).collect();
    let took = server.memory_mib("VmRSS") - before;
    println!("{IDLE} idle connections: {took:.0} MiB");
    // The goal is 100: each session has maps of all functions of its own (docs/decisions/018).
    assert!(took <= 250.0, "{took} MiB");
    // Held, so that none has the place of the one before it.
    let tried: Vec<Result<Pg, Refusal>> = (0..5).map(|_| server.try_connect()).collect();
    let others: Vec<&Refusal> = tried
        .iter()
        .filter_map(|tried| tried.as_ref().err())
        .collect();
    assert!(!others.is_empty());
    assert!(
        others.iter().all(|refusal| refusal.state == "53300"),
        "{others:?}"
    );
    assert_eq!(pg.value("SELECT 1"), "1");
    drop((open, tried));
    server.wait("a place", SOON, || server.try_connect().ok());
}

#[test]
fn results_without_end_stop_in_time_and_what_cannot_be_held_is_refused() {
    let server = Server::start_with(&["--query-memory", "256MB"]);
    let pg = server.connect();
    pg.run("SET statement_timeout = '1 s'");
    let began = Instant::now();
    for sql in [
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
        "SELECT * FROM generate_series(1, 1000000000000) AS g(n) ORDER BY n DESC LIMIT 1",
    ] {
        let refusal = pg.try_run(sql).unwrap_err();
        assert_eq!(refusal.state, "57014", "{sql}: {refusal}");
    }
    // Rows on their way are under the limit, too.
    let streamed = block_on(async {
        use futures::StreamExt;
        let values: [i64; 0] = [];
        let sql = "SELECT n, repeat('x', 100) FROM generate_series(1, 1000000000000) AS g(n)";
        let rows = pg.client().query_raw(sql, values).await.unwrap();
        let mut rows = std::pin::pin!(rows);
        loop {
            match rows.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    });
    let error = streamed.unwrap().unwrap_err();
    assert_eq!(error.as_db_error().unwrap().code().code(), "57014");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    pg.run("SET statement_timeout = 0");
    let held = "SELECT length(string_agg(repeat('x', 1000), ',')) FROM generate_series(1, 100000000) AS g(n)";
    pg.run("SET statement_timeout = '60 s'");
    let refusal = pg.try_run(held).unwrap_err();
    assert!(
        ["53200", "57014"].contains(&refusal.state.as_str()),
        "{refusal}"
    );
    assert_eq!(pg.value("SELECT 1"), "1");
    assert!(
        server.memory_mib("VmHWM") < 2048.0,
        "{}",
        server.memory_mib("VmHWM")
    );
}

#[test]
fn a_client_that_does_not_read_is_told_of_its_timeout_and_keeps_nobody() {
    let server = Server::start();
    let mut silent = raw(&server);
    let mut query = b"SET statement_timeout = '500 ms'; SELECT n, repeat('x', 1000) FROM generate_series(1, 10000000) AS g(n)\0".to_vec();
    let mut message = vec![b'Q'];
    message.extend(((query.len() + 4) as u32).to_be_bytes());
    message.append(&mut query);
    silent.write_all(&message).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let mut heard = Vec::new();
    let mut some = vec![0; 1 << 16];
    while !heard.ends_with(b"Z\0\0\0\x05I") {
        let count = silent.read(&mut some).unwrap();
        assert!(count > 0, "closed");
        heard.extend_from_slice(&some[..count]);
        let keep = heard.len().saturating_sub(4096);
        heard.drain(..keep);
    }
    let end = String::from_utf8_lossy(&heard);
    assert!(end.contains("57014"), "{end}");
}

#[test]
fn failed_logins_are_counted() {
    let server = Server::start_with(&["--auth", "password"]);
    for _ in 0..2 {
        let refusal = Pg::connect_with(server.pg_port(), "sluice", "wrong").err();
        assert_eq!(refusal.unwrap().state, "28P01");
    }
    let (_, metrics) = server.get("/metrics").unwrap();
    let failed = "sluice_logins_total{outcome=\"failed\"} 2";
    assert!(metrics.contains(failed), "{metrics}");
}
