//! Too much of something, from outside: an error or a limit, and the rest goes on.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    pg::{Pg, Refusal, block_on},
    server::Server,
};

use crate::{sessions::Flight, support::SOON, under_load::Stop};

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

/// A statement and its answer.
fn ask(stream: &mut (impl Read + Write)) {
    send(stream, "SELECT 1 FROM pg_class LIMIT 1");
    hear(stream);
}

fn send(stream: &mut impl Write, query: &str) {
    let mut message = vec![b'Q'];
    message.extend(((query.len() + 5) as u32).to_be_bytes());
    message.extend(query.as_bytes());
    message.push(0);
    stream.write_all(&message).unwrap();
}

/// All that comes until the server waits for the next statement.
fn hear(stream: &mut impl Read) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut some = [0; 4096];
    while !heard.ends_with(b"Z\0\0\0\x05I") {
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "closed");
        heard.extend(&some[..count]);
    }
    heard
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
    // The goal is 100.
    assert!(took <= 60.0, "{took} MiB");
    // Those that have asked something let go of what they asked it with.
    for mut stream in &open {
        ask(&mut stream);
    }
    let rested = server.wait("rest", Duration::from_secs(60), || {
        let took = server.memory_mib("VmRSS") - before;
        (took <= 130.0).then_some(took)
    });
    println!("{IDLE} that have asked something: {rested:.0} MiB");
    // All of them at once: they wait for their turns, and none is refused.
    for (number, mut stream) in (100..).zip(&open) {
        send(
            &mut stream,
            &format!("SELECT count(*) FROM generate_series(1, {number})"),
        );
    }
    for (number, mut stream) in (100..).zip(&open) {
        let heard = String::from_utf8_lossy(&hear(&mut stream)).into_owned();
        assert!(heard.contains(&number.to_string()), "{number}: {heard:?}");
    }
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

/// A client whose machine is gone sends nothing, not even an end: the system asks for a sign of life.
#[test]
#[cfg(target_os = "linux")]
fn a_silent_connection_is_asked_for_a_sign_of_life() {
    let server = Server::start();
    let stream = raw(&server);
    let theirs = format!(":{:04X}", server.pg_port());
    let ours = format!(":{:04X}", stream.local_addr().unwrap().port());
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let socket = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<&str>>())
        .find(|words| words[1].ends_with(&theirs) && words[2].ends_with(&ours))
        .unwrap();
    // The timer that runs is the one of keepalive.
    assert!(socket[5].starts_with("02:"), "{socket:?}");
}

/// How long the server took to let go of a Flight client of whom it hears nothing any more; `limit` where it did not.
fn let_go_of(server: &Server, limit: Duration) -> Duration {
    let between = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = between.local_addr().unwrap().port();
    let gone = AtomicBool::new(false);
    thread::scope(|scope| {
        let (gone, between) = (&gone, &between);
        let network = scope.spawn(move || {
            let (mut client, _) = between.accept().unwrap();
            let door = (Ipv4Addr::LOCALHOST, server.flight_port());
            let mut inner = TcpStream::connect(door).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), inner.try_clone().unwrap());
            scope.spawn(move || {
                let mut some = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut some) {
                    if !gone.load(Ordering::Relaxed) {
                        to.write_all(&some[..count]).unwrap();
                    }
                }
            });
            // What the server says, until it says no more.
            inner
                .set_read_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            let mut since = None;
            let mut some = [0; 4096];
            loop {
                if gone.load(Ordering::Relaxed) {
                    since.get_or_insert_with(Instant::now);
                }
                let passed = since.map_or(Duration::ZERO, |since| since.elapsed());
                match inner.read(&mut some) {
                    Ok(count @ 1..) => client.write_all(&some[..count]).unwrap(),
                    Err(error) if error.kind() == ErrorKind::WouldBlock && passed < limit => {}
                    _ => {
                        client.shutdown(Shutdown::Both).unwrap();
                        return passed;
                    }
                }
            }
        });
        let mut flight = Flight::log_in(&Flight::channel(port), "sluice").unwrap();
        assert_eq!(flight.rows("SELECT 1").unwrap(), 1);
        gone.store(true, Ordering::Relaxed);
        network.join().unwrap()
    })
}

/// Its network is gone, and neither of them hears of it: a ping every minute has half a minute to be answered.
#[test]
#[ignore = "a minute and a half: make test-clients"]
fn a_flight_client_that_gives_no_sign_of_life_is_let_go() {
    let limit = Duration::from_secs(120);
    let took = let_go_of(&Server::start(), limit);
    println!("let go after {took:?}");
    assert!(took < limit, "still there after {limit:?}");
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
        "EXPLAIN ANALYZE SELECT n, repeat('x', 100) FROM generate_series(1, 1000000000000) AS g(n)",
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
fn what_expressions_make_is_counted() {
    let server = Server::start_with(&["--query-memory", "512MB"]);
    let pg = server.connect();
    pg.run("SET statement_timeout = '60 s'");
    let of = |what: &str| format!("SELECT {what} FROM (SELECT repeat('a', 50000000) AS x) AS t");
    let times = |count: usize, between: &str| vec!["x"; count].join(between);
    let repeated: Vec<String> = (0..20)
        .map(|n| format!("repeat('{n}', 40000000)"))
        .collect();
    for sql in [
        of(&format!("length({})", times(20, " || "))),
        of(&format!("length(concat({}))", times(20, ", "))),
        of(&format!("length(concat_ws(',', {}))", times(20, ", "))),
        of(&format!("array_length(ARRAY[{}], 1)", times(30, ", "))),
        of("array_length(string_to_array(x, 'a'), 1)"),
        format!("SELECT length({})", repeated.join(" || ")),
        format!("SELECT {}", repeated.join(", ")),
        "SELECT repeat('x', 100000) FROM generate_series(1, 8192)".to_owned(),
        "SELECT max(length(a || b)) FROM (SELECT repeat('x', 20000 + n::int) AS a, repeat('y', 20000 + n::int) AS b FROM generate_series(1, 8192) AS g (n)) AS t".to_owned(),
    ] {
        let refusal = pg.try_run(&sql).expect_err(&sql[..sql.len().min(60)]);
        let known = ["53200", "54000"].contains(&refusal.state.as_str());
        assert!(known, "{}: {refusal}", &sql[..sql.len().min(60)]);
    }
    // It is given back, and what is long without being too long runs.
    for _ in 0..20 {
        assert_eq!(pg.value(&of("length(x || x)")), "100000000");
    }
    // One value for all rows is made once.
    let one = "SELECT max(length(repeat('x', 1000000))) FROM generate_series(1, 8192)";
    assert_eq!(pg.value(one), "1000000");
    let short = "SELECT max(length('a' || repeat('x', 1000 + n::int % 9))) FROM generate_series(1, 100000) AS g (n)";
    assert_eq!(pg.value(short), "1009");
    let most = server.memory_mib("VmHWM");
    assert!(most < 1024.0, "{most} MiB");
}

#[test]
fn statements_that_are_too_deep_or_too_wide_are_refused() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run("SET statement_timeout = '20 s'");
    let around = |before: &str, inner: &str, after: &str, times: usize| {
        format!("{}{inner}{}", before.repeat(times), after.repeat(times))
    };
    let ctes: Vec<String> = (1..5_000)
        .map(|n| format!("t{n} AS (SELECT * FROM t{})", n - 1))
        .collect();
    let too_much = [
        format!("SELECT {}", around("(", "1", ")", 100_000)),
        format!("SELECT {}", around("abs(", "1", ")", 100_000)),
        format!(
            "SELECT {}",
            around("CASE WHEN true THEN ", "1", " END", 50_000)
        ),
        format!("SELECT {}", around("ARRAY[", "1", "]", 50_000)),
        format!("SELECT {}", around("- ", "1", "", 100_000)),
        format!("SELECT {}", around("NOT ", "true", "", 100_000)),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT true{}", " AND true".repeat(100_000)),
        around("SELECT * FROM (", "SELECT 1 AS a", ") AS t", 10_000),
        around("SELECT (", "SELECT 1", ")", 10_000),
        around("SELECT 1 WHERE EXISTS (", "SELECT 1", ")", 10_000),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000)),
        format!("SELECT 1{}", " INTERSECT SELECT 1".repeat(10_000)),
        format!("SELECT 1 FROM a{}", ", a".repeat(20_000)),
        format!("SELECT 1 FROM a{}", " JOIN a USING (b)".repeat(20_000)),
        format!("SELECT {}x", "a.".repeat(50_000)),
        format!("SELECT 1::int{}", "[]".repeat(50_000)),
        format!("SELECT 1{}", "::int".repeat(50_000)),
        format!(
            "WITH t0 AS (SELECT 1 AS a), {} SELECT * FROM t4999",
            ctes.join(", ")
        ),
        "SELECT $65536".to_owned(),
        "SELECT count(*) FROM generate_series(1, 1e12)".to_owned(),
        "SELECT array_length(array_agg(n), 1) FROM generate_series(1, 1000000000000) AS g(n)"
            .to_owned(),
    ];
    for sql in &too_much {
        let began = Instant::now();
        let refusal = pg.try_run(sql).expect_err(&sql[..sql.len().min(40)]);
        let known = [
            "54000", "54001", "57014", "53200", "42P01", "42883", "42804", "42P17",
        ];
        assert!(
            known.contains(&refusal.state.as_str()),
            "{}…: {refusal}",
            &sql[..sql.len().min(40)]
        );
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{}…",
            &sql[..sql.len().min(40)]
        );
        assert_eq!(
            other.value("SELECT 1"),
            "1",
            "{}…",
            &sql[..sql.len().min(40)]
        );
    }
    let (other_list, other_rows) = (",1".repeat(300_000), ",(1)".repeat(300_000));
    for sql in [
        format!("SELECT 1 IN (1{other_list})"),
        format!("SELECT count(*) FROM (VALUES (1){other_rows}) AS t (n)"),
        format!("SELECT '{{1{other_list}}}'::int[]"),
    ] {
        pg.refused(&sql, "54001", &["more than 250000 commas"]);
    }
    // As wide as people's are, they run.
    let rows: Vec<String> = (0..10_000).map(|n| format!("({n})")).collect();
    let values = format!("SELECT count(*) FROM (VALUES {}) AS t (n)", rows.join(", "));
    assert_eq!(pg.value(&values), "10000");
    let list: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let within = format!("SELECT 5 IN ({})", list.join(", "));
    assert_eq!(pg.value(&within), "t");
    let unions = format!(
        "SELECT count(*) FROM (SELECT 1{}) AS t",
        " UNION ALL SELECT 1".repeat(100)
    );
    assert_eq!(pg.value(&unions), "101");
}

#[test]
fn long_lists_and_deep_values_end_no_server() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run("SET statement_timeout = '60 s'");
    pg.run("CREATE TABLE listed AS SELECT n, 'name ' || n AS name FROM generate_series(1, 1000) AS s (n)");
    let list = |count: usize| -> String {
        let numbers: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        numbers.join(", ")
    };
    let patterns = |count: usize| -> String {
        let patterns: Vec<String> = (0..count).map(|n| format!("'name {n}%_'")).collect();
        patterns.join(", ")
    };
    // Names of two digits and more have one of a digit less before them.
    let answered = [
        (
            format!("SELECT count(*) FROM listed WHERE n IN ({})", list(60_000)),
            "1000",
        ),
        (
            format!(
                "SELECT count(*) FROM listed WHERE n <> ALL (ARRAY[{}])",
                list(60_000)
            ),
            "0",
        ),
        (
            format!(
                "SELECT count(*) FROM listed WHERE n = ANY ('{{{}}}'::int[])",
                list(60_000)
            ),
            "1000",
        ),
        (
            format!(
                "SELECT count(*) FROM listed WHERE name LIKE ANY (ARRAY[{}])",
                patterns(400)
            ),
            "991",
        ),
        (format!("SELECT 1{}", "::int".repeat(60)), "1"),
        (
            format!(
                "SELECT '{}{}'::jsonb ->> 0 IS NULL",
                "[".repeat(900),
                "]".repeat(900)
            ),
            "f",
        ),
    ];
    for (sql, expected) in &answered {
        let begun = Instant::now();
        let got = pg.value(sql);
        println!("{}… {:?}", &sql[..sql.len().min(60)], begun.elapsed());
        assert_eq!(got, *expected, "{}…", &sql[..sql.len().min(60)]);
    }
    let nested = |before: &str, inner: &str, after: &str, times: usize| {
        format!("{}{inner}{}", before.repeat(times), after.repeat(times))
    };
    let refused = [
        format!("SELECT '{}'::json", nested("[", "", "]", 30_000)),
        format!(
            "SELECT '{}'::jsonb -> 'a'",
            nested("{\"a\":", "1", "}", 20_000)
        ),
        format!("SELECT {}", nested("ROW(", "1", ")", 25)),
        nested("WITH a AS (", "SELECT 1 AS x", ") SELECT 1 AS x", 25),
        nested("SELECT (", "SELECT 1", ")", 25),
        nested("SELECT 1 WHERE EXISTS (", "SELECT 1", ")", 25),
        nested("SELECT 1 WHERE 1 IN (", "SELECT 1", ")", 25),
    ];
    // What is no JSON, or too much of it, is of no kind.
    let typed = format!("SELECT json_typeof('{}')", nested("[", "", "]", 30_000));
    assert_eq!(pg.run(&typed), [[None]]);
    for sql in &refused {
        let refusal = pg.try_run(sql).expect_err(&sql[..sql.len().min(60)]);
        assert_eq!(
            refusal.state,
            "54001",
            "{}…: {refusal}",
            &sql[..sql.len().min(60)]
        );
        assert_eq!(other.value("SELECT 1"), "1");
    }
    // As deep as people's are, they run.
    assert_eq!(pg.value(&nested("SELECT (", "SELECT 1", ")", 8)), "1");
    let whatever = [
        format!(
            "SELECT count(*) FROM listed WHERE n > ANY (ARRAY[{}])",
            list(60_000)
        ),
        format!(
            "SELECT count(*) FROM listed WHERE name ILIKE ANY (ARRAY[{}])",
            patterns(8_000)
        ),
        format!(
            "DELETE FROM listed WHERE name ~ ANY (ARRAY[{}])",
            patterns(8_000)
        ),
    ];
    pg.run("SET statement_timeout = '5 s'");
    for sql in &whatever {
        let begun = Instant::now();
        let told = pg.try_run(sql).map(drop).map_err(|refusal| refusal.state);
        println!(
            "{}… {told:?} {:?}",
            &sql[..sql.len().min(60)],
            begun.elapsed()
        );
        assert_eq!(other.value("SELECT 1"), "1");
    }
}

#[test]
fn what_names_stand_for_is_counted_and_not_written_out() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE gold.x (a INT, b TEXT); INSERT INTO gold.x VALUES (1, 'a')");
    let chain = |levels: usize, next: &str, end: &str| {
        let names = (1..=levels).map(|n| {
            let next = next.replace('@', &format!("c{}", n - 1));
            format!(", c{n} AS ({next})")
        });
        let names: String = names.collect();
        format!("WITH c0 AS (SELECT a FROM gold.x){names} SELECT count(*) FROM c{levels} {end}")
    };
    let twice = "SELECT a FROM @ UNION ALL SELECT a FROM @";
    let sum = "SELECT a + a AS a FROM @";
    let within = "SELECT a FROM @ WHERE a IN (SELECT a FROM @)";
    let joined = "SELECT l.a FROM @ AS l JOIN @ AS r ON l.a = r.a";
    for (next, end) in [
        (twice, ""),
        (within, ""),
        (joined, ""),
        (sum, "WHERE a > 1000"),
        (sum, "AS l JOIN gold.x ON x.a = l.a"),
        (
            "SELECT a FROM (SELECT a + a AS a FROM @) AS t GROUP BY a",
            "WHERE a > 1000",
        ),
    ] {
        let began = Instant::now();
        pg.refused(
            &chain(30, next, end),
            "54001",
            &["statement is too complex"],
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{next}");
    }
    // One that reads nothing is as much when it is written out so often.
    for first in ["SELECT 1 AS a", "VALUES (1)"] {
        let sql = chain(40, &twice.replace("SELECT a", "SELECT *"), "");
        let sql = sql.replace("SELECT a FROM gold.x", first);
        pg.refused(&sql, "54001", &["statement is too complex"]);
    }
    // Views are what they stand for too.
    pg.run("CREATE VIEW gold.v0 AS SELECT a FROM gold.x");
    let refused = (1..30).find_map(|n| {
        let last = n - 1;
        let sql = format!("CREATE VIEW gold.v{n} AS SELECT a FROM gold.v{last} UNION ALL SELECT a FROM gold.v{last}");
        pg.try_run(&sql).err()
    });
    assert_eq!(refused.unwrap().state, "54001");
    assert!(
        server.memory_mib("VmHWM") < 600.0,
        "{}",
        server.memory_mib("VmHWM")
    );
    // What people write runs.
    assert_eq!(pg.number(&chain(6, twice, "")), 64);
    assert_eq!(pg.number(&chain(6, joined, "WHERE a > 0")), 1);
    assert_eq!(pg.number(&chain(30, sum, "")), 1);
    assert_eq!(pg.number(&chain(8, sum, "WHERE a = 256")), 1);
}

#[test]
fn a_row_of_a_stream_that_makes_too_much_is_a_dead_letter() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(
        "CREATE STREAM g (ts TIMESTAMPTZ, event_type TEXT, row_number BIGINT, WATERMARK FOR ts AS ts - INTERVAL '10 seconds')
           WITH (connector = 'generator', rows = '1000', splits = '1', event_interval = '1 second', start_time = '2026-03-01T00:00:00Z');
         CREATE TABLE gold.m AS SELECT window_start, count(*) AS n,
             max(length(repeat(event_type, CASE WHEN row_number % 100 = 7 THEN 100000000 ELSE 2 END))) AS longest,
             max(length(replace(repeat(event_type, 300), 'a', '&amp;'))) AS replaced, max(length(rpad(event_type, 2000, ' '))) AS padded
           FROM TUMBLE(g, ts, INTERVAL '1 day') GROUP BY window_start",
    );
    server.wait("the rows to be read", SOON, || {
        let state = pg.value("SELECT state FROM system.queries");
        (state == "finished").then_some(())
    });
    assert_eq!(pg.number("SELECT sum(n)::bigint FROM gold.m"), 990);
    let dead = "SELECT count(*) FROM gold.m__dead_letter WHERE reason LIKE 'repeat would make % bytes at once%'";
    assert_eq!(pg.number(dead), 10);
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
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.set_env("SLUICE_PASSWORD", "of the owner");
    server.up();
    for _ in 0..2 {
        let refusal = Pg::connect_with(server.pg_port(), "sluice", "wrong").err();
        assert_eq!(refusal.unwrap().state, "28P01");
    }
    let (_, metrics) = server.get("/metrics").unwrap();
    let failed = "sluice_logins_total{outcome=\"failed\"} 2";
    assert!(metrics.contains(failed), "{metrics}");
    let pg = Pg::connect_with(server.pg_port(), "sluice", "of the owner").unwrap();
    let noted = "SELECT user_name, address, door, reason FROM system.failed_logins ORDER BY at";
    assert_eq!(
        pg.value(&format!("SELECT count(*) FROM ({noted}) AS l WHERE reason LIKE 'password authentication failed%' AND address = '127.0.0.1' AND door = 'postgres'")),
        "2"
    );
    assert_eq!(
        pg.value(
            "SELECT count(*) FROM system.failed_logins WHERE at > now() - INTERVAL '10 minutes'"
        ),
        "2"
    );
}

/// What no client should send to begin with,
const NO_START: [&[u8]; 5] = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff\0\x03\0\0",
    b"\0\0\0\x0e\0\x03\0\0user\0\0",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"GET /nowhere HTTP/7\r\n\r\n",
];
/// and what none should send later: a length too short, an unknown type, bodies that end too soon.
const NO_MESSAGE: [&[u8]; 5] = [
    b"Q\0\0\0\x03",
    b"?\0\0\0\x04",
    b"P\0\0\0\x04S\0\0\0\x04",
    b"B\0\0\0\x08\0\0\xff\xffS\0\0\0\x04",
    b"Q\0\0\0\x0aSELECT",
];

fn malformed(server: &Server) {
    let send = |mut stream: TcpStream, bytes: &[u8]| {
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).unwrap();
        // Who has heard enough may have gone by now.
        let sent = stream.write_all(bytes);
        let sent = sent.and_then(|()| stream.shutdown(Shutdown::Write));
        drop(sent.and_then(|()| stream.read_to_end(&mut Vec::new())));
    };
    for port in [server.pg_port(), server.flight_port(), server.http_port()] {
        for bytes in NO_START {
            send(
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(),
                bytes,
            );
        }
    }
    for bytes in NO_MESSAGE {
        send(raw(server), bytes);
    }
}

/// Messages of two gigabytes, of which some come.
fn huge(server: &Server) {
    let some = vec![b'x'; 1 << 20];
    for tag in [b'Q', b'B', b'd'] {
        let mut stream = raw(server);
        stream.write_all(&[tag, 0x7f, 0xff, 0xff, 0xff]).unwrap();
        for _ in 0..64 {
            stream.write_all(&some).unwrap();
        }
    }
}

fn deep(server: &Server) {
    let pg = server.connect();
    for (open, close, before, after) in [
        ("(", ")", "SELECT 1 + ", ""),
        ("[", "]", "SELECT '", "'::json"),
    ] {
        let (open, close) = (open.repeat(30_000), close.repeat(30_000));
        let sql = format!("{before}{open}1{close}{after}");
        assert_eq!(pg.try_run(&sql).unwrap_err().state, "54001", "{before}");
    }
}

fn giant(server: &Server) {
    let pg = server.connect();
    pg.run("SET statement_timeout = '300 ms'");
    for sql in [
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
        "SELECT * FROM generate_series(1, 1000000000000) AS g(n) ORDER BY n DESC LIMIT 1",
    ] {
        assert_eq!(pg.try_run(sql).unwrap_err().state, "57014", "{sql}");
    }
}

#[test]
fn a_storm_of_bad_input_moves_no_stream() {
    const ROWS: i64 = 32_000;
    let server = Server::start();
    let pg = server.connect();
    pg.run(&format!(
        "CREATE STREAM e (ts TIMESTAMPTZ, event_type TEXT, row_number BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
           WITH (connector = 'generator', rows = '{ROWS}', rows_per_second = '4000', splits = '2', event_interval = '100 milliseconds',
                 start_time = '2026-03-01T00:00:00Z', out_of_order = '0 seconds')"
    ));
    let start = |name: &str| {
        pg.run(&format!(
            "CREATE TABLE gold.{name} WITH (commit_interval = '300 milliseconds') AS
             SELECT window_start, event_type, count(*) AS n, min(row_number) AS first, max(row_number) AS last
             FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, event_type"
        ));
    };
    let finish = |name: &str| {
        server.wait("the end of the stream", SOON, || {
            let state = format!("SELECT state FROM system.queries WHERE name = 'gold.{name}'");
            (pg.value(&state) == "finished").then_some(())
        });
        let error = format!(
            "SELECT coalesce(last_error, '') FROM system.queries WHERE name = 'gold.{name}'"
        );
        assert_eq!(pg.value(&error), "");
    };
    // Silence is no harm either, before a login and after it.
    let mut quiet: Vec<TcpStream> = (0..50).map(|_| raw(&server)).collect();
    let strangers: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, server.pg_port())).unwrap())
        .collect();
    start("stormy");
    let over = AtomicBool::new(false);
    let kinds: [fn(&Server); 4] = [malformed, huge, deep, giant];
    let rounds = kinds.map(|_| AtomicUsize::new(0));
    thread::scope(|scope| {
        let _stop = Stop(&over);
        for (kind, rounds) in kinds.iter().zip(&rounds) {
            let (server, over) = (&server, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    kind(server);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        finish("stormy");
    });
    println!("rounds of malformed, huge, deep and giant input: {rounds:?}");
    let most = server.memory_mib("VmHWM");
    assert!(most < 1024.0, "{most} MiB");
    for stream in &mut quiet {
        ask(stream);
    }
    drop(strangers);
    // The same once more, in peace.
    start("calm");
    finish("calm");
    for name in ["stormy", "calm"] {
        let rows = format!("SELECT sum(n)::bigint FROM gold.{name}");
        assert_eq!(pg.number(&rows), ROWS, "{name}");
        let late = format!("SELECT count(*) FROM gold.{name}__late");
        assert_eq!(pg.number(&late), 0, "{name}");
    }
    for (one, other) in [("stormy", "calm"), ("calm", "stormy")] {
        let differ = format!(
            "SELECT count(*) FROM (SELECT * FROM gold.{one} EXCEPT SELECT * FROM gold.{other}) AS d"
        );
        assert_eq!(pg.number(&differ), 0, "in {one} and not in {other}");
    }
}
