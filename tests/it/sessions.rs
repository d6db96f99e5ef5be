//! Who is connected, what runs, what waits, and who may stop it; that a statement has its time at both doors; whom there is room for.

use std::{
    thread::{available_parallelism, sleep},
    time::{Duration, Instant},
};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow_flight::{
    Ticket,
    error::FlightError,
    sql::{
        CommandGetDbSchemas, CommandStatementIngest, TableDefinitionOptions, TableExistsOption,
        TableNotExistOption, client::FlightSqlServiceClient,
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use sluice_tests::{
    parts::psql,
    pg::{Pg, block_on},
    server::Server,
};
use tokio::time::timeout;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::support::SOON;

/// Counts for longer than any test.
const LONG: &str =
    "SELECT count(*) FROM generate_series(1, 1000) AS a, generate_series(1, 100000000000) AS b";
/// Rows without end, practically.
const ENDLESS: &str = "SELECT repeat('x', 100) AS x FROM generate_series(1, 1000000000000)";

/// A client of the Flight SQL door with a token.
pub(crate) struct Flight(pub(crate) FlightSqlServiceClient<Channel>);

impl Flight {
    pub(crate) fn channel(port: u16) -> Channel {
        let url = format!("http://127.0.0.1:{port}");
        block_on(Endpoint::new(url).unwrap().connect()).unwrap()
    }

    /// The client tells of a refused handshake as a text.
    pub(crate) fn log_in(channel: &Channel, user: &str) -> Result<Self, String> {
        Self::log_in_with(channel, user, "")
    }

    fn log_in_with(channel: &Channel, user: &str, password: &str) -> Result<Self, String> {
        let mut client = FlightSqlServiceClient::new(channel.clone());
        block_on(client.handshake(user, password)).map_err(|error| error.to_string())?;
        Ok(Self(client))
    }

    /// A client that says in each call that it is ann, whose password is `of ann`, and has no token.
    fn ann_each_time(channel: &Channel) -> Self {
        let mut client = FlightSqlServiceClient::new(channel.clone());
        client.set_header("authorization", "Basic YW5uOm9mIGFubg==");
        Self(client)
    }

    pub(crate) fn connect(server: &Server, user: &str) -> Self {
        Self::log_in(&Self::channel(server.flight_port()), user).unwrap()
    }

    /// Another client with the same token.
    fn beside(&self, channel: &Channel) -> Self {
        let mut client = FlightSqlServiceClient::new(channel.clone());
        client.set_token(self.0.token().unwrap().clone());
        Self(client)
    }

    pub(crate) fn update(&mut self, sql: &str) -> Result<i64, Status> {
        block_on(self.0.execute_update(sql.into(), None)).map_err(status)
    }

    /// How many rows there are.
    pub(crate) fn rows(&mut self, sql: &str) -> Result<usize, Status> {
        block_on(async {
            let info = self.0.execute(sql.into(), None).await?;
            rows_of(&mut self.0, info).await
        })
        .map_err(status)
    }

    /// What GetDbSchemas lists.
    fn schemas(&mut self) -> Vec<String> {
        block_on(async {
            let asked = CommandGetDbSchemas::default();
            let info = self.0.get_db_schemas(asked).await.unwrap();
            let mut names = Vec::new();
            for endpoint in info.endpoint {
                let mut batches = self.0.do_get(endpoint.ticket.unwrap()).await.unwrap();
                while let Some(batch) = batches.try_next().await.unwrap() {
                    let column = batch.column_by_name("db_schema_name").unwrap();
                    let column = column.as_string::<i32>();
                    names.extend(column.iter().flatten().map(str::to_owned));
                }
            }
            names
        })
    }

    fn prepared(&mut self, sql: &str) -> Result<usize, Status> {
        block_on(async {
            let mut statement = self.0.prepare(sql.into(), None).await?;
            let info = statement.execute().await?;
            rows_of(&mut self.0, info).await
        })
        .map_err(status)
    }

    /// Sends a batch, and then nothing for as long as the server bears it.
    fn stalled_ingest(&mut self, table: &str) -> Result<i64, Status> {
        let numbers = Int64Array::from(vec![1, 2, 3]);
        let batch = RecordBatch::try_from_iter([("n", std::sync::Arc::new(numbers) as _)]).unwrap();
        let batches = stream::iter([Ok(batch)]).chain(stream::pending());
        let command = CommandStatementIngest {
            table_definition_options: Some(TableDefinitionOptions {
                if_not_exist: TableNotExistOption::Create.into(),
                if_exists: TableExistsOption::Append.into(),
            }),
            table: table.into(),
            ..CommandStatementIngest::default()
        };
        block_on(self.0.execute_ingest(command, batches)).map_err(status)
    }
}

/// All rows of a ticket, whoever it was made for.
fn redeem(flight: &mut Flight, ticket: Ticket) -> Result<usize, Status> {
    block_on(async {
        let mut batches = flight.0.do_get(ticket).await?;
        let mut rows = 0;
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows();
        }
        Ok::<usize, FlightError>(rows)
    })
    .map_err(status)
}

async fn rows_of(
    client: &mut FlightSqlServiceClient<Channel>,
    info: arrow_flight::FlightInfo,
) -> Result<usize, FlightError> {
    let mut rows = 0;
    for endpoint in info.endpoint {
        let mut batches = client.do_get(endpoint.ticket.unwrap()).await?;
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows();
        }
    }
    Ok(rows)
}

pub(crate) fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => panic!("{other}"),
    }
}

pub(crate) fn says(status: &Status, code: Code, words: &[&str]) {
    assert_eq!(status.code(), code, "{status}");
    for word in words {
        assert!(status.message().contains(word), "{word} in {status}");
    }
}

fn hears(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "{word} in {told}");
    }
}

/// Waits until the owner sees so many sessions that a condition holds for.
fn sees(server: &Server, owner: &Pg, count: i64, condition: &str) {
    let question = format!("SELECT count(*) FROM pg_stat_activity WHERE {condition}");
    server.wait(&format!("{count} of {condition}"), SOON, || {
        (owner.number(&question) == count).then_some(())
    });
}

fn pid(pg: &Pg) -> i64 {
    pg.number("SELECT pg_backend_pid()")
}

/// Runs a statement on a connection of its own, in a thread.
fn begin(server: &Server, user: &str, sql: &str) -> std::thread::JoinHandle<String> {
    let pg = Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
    let sql = sql.to_owned();
    std::thread::spawn(move || match pg.try_run(&sql) {
        Ok(rows) => format!("{rows:?}"),
        Err(refusal) => refusal.to_string(),
    })
}

#[test]
fn a_statement_has_its_time_at_the_flight_door() {
    let server = Server::start();
    let mut flight = Flight::connect(&server, "sluice");
    flight.update("CREATE TABLE gold.kept (n BIGINT)").unwrap();
    flight.update("SET statement_timeout = '700ms'").unwrap();
    let insert = "INSERT INTO gold.kept SELECT * FROM generate_series(1, 100000000000)";
    let change = "UPDATE gold.kept SET n = s.m FROM generate_series(1, 100000000000) AS s(m) WHERE s.m % 7 = kept.n";
    type Way = Box<dyn Fn(&mut Flight) -> Status>;
    let ways: [(&str, Way); 6] = [
        ("a statement", Box::new(|f| f.rows(LONG).unwrap_err())),
        (
            "rows that stream",
            Box::new(|f| f.rows(ENDLESS).unwrap_err()),
        ),
        (
            "a prepared statement",
            Box::new(|f| f.prepared(LONG).unwrap_err()),
        ),
        (
            "an insert",
            Box::new(move |f| f.update(insert).unwrap_err()),
        ),
        (
            "an update, with a row to change",
            Box::new(move |f| {
                f.update("INSERT INTO gold.kept VALUES (1)").unwrap();
                f.update(change).unwrap_err()
            }),
        ),
        (
            "an ingest",
            Box::new(|f| f.stalled_ingest("made").unwrap_err()),
        ),
    ];
    for (way, run) in ways {
        let began = Instant::now();
        let told = run(&mut flight);
        let took = began.elapsed();
        println!(
            "{way}: {} after {took:?}",
            told.message().replace('\n', " ")
        );
        says(
            &told,
            Code::Cancelled,
            &["canceling statement due to statement timeout", "57014"],
        );
        assert!(took >= Duration::from_millis(650), "{way}: {took:?}");
        assert!(took < Duration::from_secs(20), "{way}: {took:?}");
    }
    flight.update("SET statement_timeout = 0").unwrap();
    // What was written is what had the time.
    assert_eq!(
        flight.rows("SELECT n FROM gold.kept WHERE n = 1").unwrap(),
        1
    );
    assert_eq!(flight.rows("SELECT n FROM gold.kept").unwrap(), 1);
    says(
        &flight.rows("SELECT * FROM made").unwrap_err(),
        Code::NotFound,
        &["42P01"],
    );
    // The Postgres door says the same of statements that write.
    let pg = server.connect();
    pg.run("SET statement_timeout = '700ms'");
    for statement in [LONG, insert, change] {
        pg.refused(
            statement,
            "57014",
            &["canceling statement due to statement timeout"],
        );
    }
    pg.refused(
        "SET statement_timeout = 'soon'",
        "22023",
        &["invalid value for parameter"],
    );
}

#[test]
fn sessions_of_both_doors_are_seen_and_what_they_do() {
    let server = Server::start();
    let owner = server.connect();
    owner.run(
        "CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE watch LOGIN IN ROLE pg_monitor",
    );
    let connect = |user: &str| Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
    let (ann, bob, watch) = (connect("ann"), connect("bob"), connect("watch"));
    let mut flight = Flight::connect(&server, "ann");
    flight.update("SET application_name = 'by flight'").unwrap();
    let pids = [pid(&owner), pid(&ann), pid(&bob), pid(&watch)];
    assert_eq!(
        pids.iter().collect::<std::collections::BTreeSet<_>>().len(),
        4
    );
    // What one runs oneself is active.
    let own = "SELECT state || ' ' || query FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(ann.value(own), format!("active {own}"));
    ann.run("SET application_name = 'ann''s tool'; BEGIN; SELECT 1");
    let row = owner.run(&format!(
        "SELECT usename, datname, application_name, client_addr, client_port > 0, backend_start <= xact_start,
                xact_start <= query_start, query_start <= state_change, state, wait_event_type, wait_event, query, backend_type, usesysid = r.oid
         FROM pg_stat_activity JOIN pg_roles r ON r.rolname = usename WHERE pid = {}",
        pids[1]
    ));
    println!("{row:?}");
    let row: Vec<&str> = row[0].iter().map(|v| v.as_deref().unwrap_or("∅")).collect();
    assert_eq!(
        row,
        [
            "ann",
            "sluice",
            "ann's tool",
            "127.0.0.1",
            "t",
            "t",
            "t",
            "t",
            "idle in transaction",
            "Client",
            "ClientRead",
            "SET application_name = 'ann''s tool'; BEGIN; SELECT 1",
            "client backend",
            "t"
        ]
    );
    ann.try_run("SELECT 1/0").unwrap_err();
    let state = |pid: i64| format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}");
    assert_eq!(
        owner.value(&state(pids[1])),
        "idle in transaction (aborted)"
    );
    ann.run("ROLLBACK");
    assert_eq!(owner.value(&state(pids[1])), "idle");
    let by_flight = "SELECT usename || ' ' || state || ' ' || query FROM pg_stat_activity WHERE application_name = 'by flight'";
    assert_eq!(
        owner.value(by_flight),
        "ann idle SET application_name = 'by flight'"
    );
    // Others see that somebody is there, and no more; those who may monitor see all.
    let look = format!(
        "SELECT usename, query, state, client_addr, query_start FROM pg_stat_activity WHERE pid = {}",
        pids[1]
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        bob.run(&look),
        [vec![
            some("ann"),
            some("<insufficient privilege>"),
            None,
            None,
            None
        ]]
    );
    assert_eq!(watch.run(&look)[0][1], some("ROLLBACK"));
    let of_flight = "SELECT query FROM pg_stat_activity WHERE application_name = 'by flight'";
    assert_eq!(bob.value(of_flight), "<insufficient privilege>");
    // By the extended protocol too.
    let rows = block_on(ann.client().query("SELECT $1::text AS said", &[&"x"])).unwrap();
    assert_eq!(rows.len(), 1);
    let last = format!("SELECT query FROM pg_stat_activity WHERE pid = {}", pids[1]);
    assert_eq!(owner.value(&last), "SELECT $1::text AS said");
    // No secret is told, whether the statement was taken or not.
    for statement in [
        "ALTER ROLE ann PASSWORD 'canary'",
        "ALTER ROLE nobody PASSWORD 'canary'",
        "CREATE ROLE x PASSWORD 'canary' 'canary'",
        "CREATE SECRET s AS 'canary'",
        "CREATE STREAM s (a INT) WITH (connector = 'kafka', \"kafka.sasl.password\" = 'canary')",
        "CREATE STREAM s (a INT) WITH (connector = 'kafka', \"kafka.sasl.password\" = 'canary",
    ] {
        let _ = ann.try_run(statement);
        let told = owner.value(&last);
        assert!(told.contains("***") && !told.contains("canary"), "{told}");
        let _ = flight.update(statement);
        let told = owner.value(of_flight);
        assert!(told.contains("***") && !told.contains("canary"), "{told}");
    }
    // Who has gone is not there any more.
    drop((bob, flight));
    sees(&server, &owner, 0, "usename = 'bob'");
}

#[test]
fn a_session_is_cancelled_and_ended_by_whoever_may() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE boss LOGIN IN ROLE ann");
    let connect = |user: &str| Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
    let (bob, boss) = (connect("bob"), connect("boss"));
    let find = "SELECT pid FROM pg_stat_activity WHERE usename = 'ann' AND state = 'active'";
    for (who, ends, says) in [
        (
            &boss,
            "pg_cancel_backend",
            "57014: canceling statement due to user request",
        ),
        (
            &owner,
            "pg_terminate_backend",
            "57P01: terminating connection due to administrator command",
        ),
    ] {
        let running = begin(&server, "ann", LONG);
        sees(&server, &owner, 1, "usename = 'ann' AND state = 'active'");
        let pid = owner.number(find);
        let refused = match ends {
            "pg_cancel_backend" => "must be a member of the role whose query is being canceled",
            _ => "must be a member of the role whose process is being terminated",
        };
        bob.refused(&format!("SELECT {ends}({pid})"), "42501", &[refused]);
        assert_eq!(who.value(&format!("SELECT {ends}({pid})")), "t");
        assert_eq!(running.join().unwrap(), says);
    }
    // An idle one hears of its end, and a cancel does nothing to it.
    let ann = connect("ann");
    let number = pid(&ann);
    assert_eq!(
        owner.value(&format!("SELECT pg_cancel_backend({number})")),
        "t"
    );
    assert_eq!(ann.value("SELECT 1"), "1");
    // One's own role may.
    assert_eq!(
        connect("ann").value(&format!(
            "SELECT pg_catalog.pg_terminate_backend({number}, 100)"
        )),
        "t"
    );
    server.wait("the connection to close", SOON, || {
        ann.is_closed().then_some(())
    });
    sees(&server, &owner, 0, &format!("pid = {number}"));
    // In a condition it is for the rows that those before it leave.
    sees(&server, &owner, 0, "usename = 'ann'");
    let others = [connect("ann"), connect("bob")];
    let stop =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ann' AND pg_terminate_backend(pid)";
    assert_eq!(boss.value(stop), "1");
    server.wait("the connection to close", SOON, || {
        others[0].is_closed().then_some(())
    });
    assert_eq!(others[1].value("SELECT 1"), "1");
    let stop = "SELECT count(*) FROM (SELECT pg_cancel_backend(pid) AS done FROM pg_stat_activity WHERE usename = 'boss') AS stopped WHERE done";
    assert_eq!(boss.try_run(stop).unwrap_err().state, "57014");
    // One that is not there.
    owner.take_notices();
    assert_eq!(
        owner.value(&format!("SELECT pg_terminate_backend({number})")),
        "f"
    );
    let notices = owner.take_notices();
    let [notice] = notices.as_slice() else {
        panic!("one warning expected");
    };
    assert_eq!(
        (notice.state.as_str(), notice.message.as_str()),
        (
            "01000",
            format!("PID {number} is not a PostgreSQL backend process").as_str()
        )
    );
    assert!(owner.run("SELECT pg_cancel_backend(NULL)")[0][0].is_none());
    let psql = psql::run(
        server.pg_port(),
        &["-tAc", "SELECT pg_cancel_backend(1999999999)"],
    );
    let told = String::from_utf8_lossy(&psql.stderr).into_owned();
    assert!(
        told.contains("WARNING:  PID 1999999999 is not a PostgreSQL backend process"),
        "{told}"
    );
    // A superuser's is a superuser's, and planning a call does nothing.
    let owners = pid(&owner);
    bob.refused(
        &format!("SELECT pg_cancel_backend({owners})"),
        "42501",
        &["must be a superuser to cancel superuser query"],
    );
    bob.refused(
        &format!("SELECT pg_terminate_backend({owners})"),
        "42501",
        &["must be a superuser to terminate superuser process"],
    );
    let prepared = block_on(
        boss.client()
            .prepare(&format!("SELECT pg_terminate_backend({})", pid(&boss))),
    );
    prepared.unwrap();
    assert_eq!(boss.value("SELECT 1"), "1");
}

#[test]
fn a_flight_session_is_cancelled_and_ended_too() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN");
    let bob = Pg::connect_as(server.pg_port(), "bob", "sluice").unwrap();
    let channel = Flight::channel(server.flight_port());
    let mut flight = Flight::log_in(&channel, "ann").unwrap();
    let number = owner.number("SELECT pid FROM pg_stat_activity WHERE usename = 'ann'");
    for (call, code, words) in [
        (
            "pg_cancel_backend",
            Code::Cancelled,
            ["canceling statement due to user request", "57014"],
        ),
        (
            "pg_terminate_backend",
            Code::Unavailable,
            [
                "terminating connection due to administrator command",
                "57P01",
            ],
        ),
    ] {
        // Two results at a time: both stop.
        let results: Vec<_> = [LONG, ENDLESS]
            .map(|sql| {
                let mut client = flight.beside(&channel);
                std::thread::spawn(move || client.rows(sql).unwrap_err())
            })
            .into();
        sleep(Duration::from_millis(500));
        sees(
            &server,
            &owner,
            1,
            &format!("pid = {number} AND state = 'active'"),
        );
        bob.refused(
            &format!("SELECT {call}({number})"),
            "42501",
            &["must be a member"],
        );
        assert_eq!(owner.value(&format!("SELECT {call}({number})")), "t");
        for result in results {
            says(&result.join().unwrap(), code, &words);
        }
        if call == "pg_cancel_backend" {
            sees(
                &server,
                &owner,
                1,
                &format!("pid = {number} AND state = 'idle'"),
            );
            assert_eq!(flight.rows("SELECT 1").unwrap(), 1);
        }
    }
    sees(&server, &owner, 0, "usename = 'ann'");
    let told = flight.rows("SELECT 1").unwrap_err();
    says(
        &told,
        Code::Unauthenticated,
        &["the session of this token has ended"],
    );
    assert_eq!(
        owner.value(&format!("SELECT pg_cancel_backend({number})")),
        "f"
    );
}

#[test]
fn who_waits_for_a_turn_is_seen_and_counted_by_one_who_does_not_wait() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN");
    // Three quarters of all are for one role.
    let turns = 12 * available_parallelism().unwrap().get() as i64;
    assert_eq!(server.metric("sluice_ad_hoc_statements_running"), 0);
    let running: Vec<_> = (0..turns + 3)
        .map(|_| begin(&server, "ann", LONG))
        .collect();
    let waits = "wait_event_type = 'Extension' AND wait_event = 'AdHocTurn' AND state = 'active'";
    sees(&server, &owner, 3, waits);
    assert_eq!(server.metric("sluice_ad_hoc_statements_running"), turns);
    assert_eq!(server.metric("sluice_ad_hoc_statements_waiting"), 3);
    // Another role's do not wait for them.
    let bob = Pg::connect_as(server.pg_port(), "bob", "sluice").unwrap();
    assert_eq!(
        bob.number("SELECT count(*) FROM generate_series(1, 1000)"),
        1000
    );
    // What waits is stopped as well as what runs.
    let began = Instant::now();
    let stopped = owner.number(&format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {waits} AND pg_cancel_backend(pid)"
    ));
    println!(
        "{stopped} waiting statements stopped in {:?}",
        began.elapsed()
    );
    assert_eq!(stopped, 3);
    sees(&server, &owner, 0, waits);
    owner.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    for statement in running {
        let told = statement.join().unwrap();
        assert_eq!(told, "57014: canceling statement due to user request");
    }
    server.wait("the turns to be free", SOON, || {
        (server.metric("sluice_ad_hoc_statements_running") == 0).then_some(())
    });
    assert_eq!(server.metric("sluice_ad_hoc_statements_waiting"), 0);
}

/// Processors that each thread of ad-hoc queries may run on, by number of threads.
#[cfg(target_os = "linux")]
fn processors_of_ad_hoc_threads(server: &Server) -> std::collections::BTreeSet<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let allowed = tasks.flatten().filter_map(|task| {
        let read = |file| std::fs::read_to_string(task.path().join(file)).ok();
        (read("comm")?.trim() == "ad-hoc").then_some(())?;
        let status = read("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some(line.trim().to_owned())
    });
    allowed.collect()
}

/// Beside a stream alone, and no longer than it runs; a query that keeps its thread from its first row on, too.
#[cfg(target_os = "linux")]
#[test]
fn a_long_query_leaves_a_processor_to_streams() {
    let server = Server::start();
    let owner = server.connect();
    let all = processors_of_ad_hoc_threads(&server);
    assert_eq!(all.len(), 1, "{all:?}");
    let long = |count| {
        server.wait("the long statements", SOON, || {
            (server.metric("sluice_ad_hoc_statements_long") == count).then_some(())
        });
    };
    let stop = || {
        owner.run(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        );
    };
    let keeps_its_thread = "SELECT sum(a.v * b.v) FROM generate_series(1, 1000000) AS a(v), generate_series(1, 1000000) AS b(v)";
    let statement = begin(&server, "sluice", keeps_its_thread);
    long(1);
    assert_eq!(processors_of_ad_hoc_threads(&server), all, "no stream");
    owner.run(
        "CREATE STREAM events (ts TIMESTAMPTZ, event_type TEXT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '1 second')
           WITH (connector = 'generator', rows_per_second = '100');
         CREATE TABLE gold.n AS SELECT window_start, count(*) AS n FROM TUMBLE(events, ts, INTERVAL '1 second') GROUP BY window_start",
    );
    let spared = processors_of_ad_hoc_threads(&server);
    match available_parallelism().unwrap().get() {
        1 => assert_eq!(spared, all, "there is no other"),
        _ => assert_ne!(spared, all),
    }
    stop();
    assert!(statement.join().unwrap().starts_with("57014"));
    long(0);
    assert_eq!(
        processors_of_ad_hoc_threads(&server),
        spared,
        "the next may come soon"
    );
    server.wait("all processors", SOON, || {
        (processors_of_ad_hoc_threads(&server) == all).then_some(())
    });
}

#[test]
fn one_role_does_not_take_all_flight_sessions() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE eve LOGIN");
    let channel = Flight::channel(server.flight_port());
    let mut open = Vec::new();
    let mut fill = |user: &str| loop {
        match Flight::log_in(&channel, user) {
            Ok(flight) => open.push(flight),
            Err(told) => return (open.len(), told),
        }
    };
    let (count, told) = fill("ann");
    assert_eq!(count, 500, "{told}");
    hears(&told, &["too many connections for role", "53300"]);
    let (count, told) = fill("bob");
    assert_eq!(count, 997, "{told}");
    let reserved = "remaining connection slots are reserved for superusers";
    hears(&told, &[reserved, "53300"]);
    hears(&fill("eve").1, &[reserved]);
    let mut owners = Flight::connect(&server, "sluice");
    assert_eq!(owners.rows("SELECT 1").unwrap(), 1);
    // The owner makes room.
    assert_eq!(
        owner.number(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ann' AND pg_terminate_backend(pid)"
        ),
        500
    );
    let mut eves = Flight::log_in(&channel, "eve").unwrap();
    assert_eq!(eves.rows("SELECT 1").unwrap(), 1);
}

#[test]
fn a_token_ends_with_what_it_was_given_for() {
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.set_env("SLUICE_PASSWORD", "of the owner");
    server.up();
    let owner = Pg::connect_with(server.pg_port(), "sluice", "of the owner").unwrap();
    let ended = ["the session of this token has ended", "28000"];
    for (what, after) in [
        ("ALTER ROLE ann PASSWORD 'another'", &ended[..]),
        ("ALTER ROLE ann PASSWORD NULL", &ended),
        ("ALTER ROLE ann VALID UNTIL '2020-01-01'", &ended),
        ("ALTER ROLE ann NOLOGIN", &ended),
        ("DROP ROLE ann", &["role \"ann\" was dropped", "28000"]),
        (
            "DROP ROLE ann; CREATE ROLE ann LOGIN PASSWORD 'of ann'",
            &["role \"ann\" was dropped", "28000"],
        ),
    ] {
        owner.run("DROP ROLE IF EXISTS ann; CREATE ROLE ann LOGIN PASSWORD 'of ann'");
        // A connection keeps the sessions of calls without a token.
        let channel = Flight::channel(server.flight_port());
        let mut token = Flight::log_in_with(&channel, "ann", "of ann").unwrap();
        let mut each_time = Flight::ann_each_time(&channel);
        for client in [&mut token, &mut each_time] {
            assert_eq!(client.rows("SELECT 1").unwrap(), 1, "{what}");
        }
        // What changes nothing of it ends nothing.
        owner.run("ALTER ROLE ann CONNECTION LIMIT 100");
        assert_eq!(token.rows("SELECT 1").unwrap(), 1, "{what}");
        owner.run(what);
        let told = token.rows("SELECT 1").unwrap_err();
        says(&told, Code::Unauthenticated, after);
        let told = each_time.rows("SELECT 1").unwrap_err();
        assert_eq!(told.code(), Code::Unauthenticated, "{what}: {told}");
    }
}

#[test]
fn a_token_that_was_refused_is_not_good_again() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN");
    let mut flight = Flight::connect(&server, "ann");
    assert_eq!(flight.rows("SELECT pg_advisory_lock(8)").unwrap(), 1);
    for change in ["NOLOGIN", "LOGIN"] {
        owner.run(&format!("ALTER ROLE ann {change}"));
        let told = flight.rows("SELECT 1").unwrap_err();
        let ended = ["the session of this token has ended"];
        says(&told, Code::Unauthenticated, &ended);
    }
    // Its session is gone with it.
    server.wait("the lock of a token that has ended", SOON, || {
        (owner.value("SELECT pg_try_advisory_lock(8)") == "t").then_some(())
    });
    let mut anew = Flight::connect(&server, "ann");
    assert_eq!(anew.rows("SELECT 1").unwrap(), 1);
}

#[test]
fn a_session_that_is_ended_holds_no_lock_from_then_on() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN");
    let end =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ann' AND pg_terminate_backend(pid)";
    let taken = "SELECT pg_try_advisory_lock(7)";
    let mut flight = Flight::connect(&server, "ann");
    assert_eq!(flight.rows("SELECT pg_advisory_lock(7)").unwrap(), 1);
    assert_eq!(owner.value(taken), "f");
    assert_eq!(owner.number(end), 1);
    assert_eq!(owner.value(taken), "t");
    owner.run("SELECT pg_advisory_unlock_all()");
    flight.rows(taken).unwrap_err();
    assert_eq!(owner.number("SELECT count(*) FROM pg_locks"), 0);
    // So at the other door.
    let ann = Pg::connect_as(server.pg_port(), "ann", "sluice").unwrap();
    ann.run("SELECT pg_advisory_lock(7)");
    assert_eq!(owner.number(end), 1);
    assert_eq!(owner.value(taken), "t");
}

#[test]
fn an_ended_flight_session_makes_room_before_its_client_calls_again() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN CONNECTION LIMIT 1");
    let end =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ann' AND pg_terminate_backend(pid)";
    let room = || {
        server.wait("room for another session", SOON, || {
            Pg::connect_as(server.pg_port(), "ann", "sluice").ok()
        })
    };
    let full = || Pg::connect_as(server.pg_port(), "ann", "sluice").is_err();
    let channel = Flight::channel(server.flight_port());
    for mut flight in [
        Flight::log_in(&channel, "ann").unwrap(),
        Flight::ann_each_time(&channel),
    ] {
        flight.update("CREATE TEMP TABLE work (a INTEGER)").unwrap();
        assert!(full());
        assert_eq!(owner.number(end), 1);
        drop(room());
        sees(&server, &owner, 0, "usename = 'ann'");
        flight.rows("SELECT * FROM work").unwrap_err();
    }
    // So does one that was idle for too long.
    let mut flight = Flight::log_in(&channel, "ann").unwrap();
    flight.update("SET idle_session_timeout = '300ms'").unwrap();
    let began = Instant::now();
    drop(room());
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn schemas_that_a_role_may_not_use_are_not_listed_to_it() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN; CREATE SCHEMA closed; CREATE SCHEMA opened; GRANT USAGE ON SCHEMA opened TO ann");
    let mut anns = Flight::connect(&server, "ann");
    let mut owners = Flight::connect(&server, "sluice");
    let has = |schemas: &[String], name: &str| schemas.iter().any(|schema| schema == name);
    let (hers, all) = (anns.schemas(), owners.schemas());
    for name in ["public", "gold", "system", "opened"] {
        assert!(
            has(&hers, name) && has(&all, name),
            "{name} in {hers:?}, {all:?}"
        );
    }
    assert!(has(&all, "closed"), "{all:?}");
    assert!(!has(&hers, "closed"), "{hers:?}");
    owner.run("GRANT USAGE ON SCHEMA closed TO ann");
    assert!(has(&anns.schemas(), "closed"));
}

#[test]
fn connect_is_a_privilege_at_both_doors() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE readers; CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN IN ROLE readers; CREATE ROLE eve LOGIN SUPERUSER");
    let before = Pg::connect_as(server.pg_port(), "ann", "sluice").unwrap();
    owner.run("REVOKE CONNECT ON DATABASE sluice FROM PUBLIC; GRANT CONNECT ON DATABASE sluice TO readers");
    // Who is in stays in.
    assert_eq!(before.value("SELECT 1"), "1");
    let refusal = Pg::connect_as(server.pg_port(), "ann", "sluice")
        .err()
        .unwrap();
    assert_eq!(
        (
            refusal.state.as_str(),
            refusal.message.as_str(),
            refusal.detail.as_str()
        ),
        (
            "42501",
            "permission denied for database \"sluice\"",
            "User does not have CONNECT privilege."
        )
    );
    let psql = psql::run(server.pg_port(), &["-U", "ann", "-c", "SELECT 1"]);
    let told = String::from_utf8_lossy(&psql.stderr).into_owned();
    assert!(
        told.contains("FATAL:  permission denied for database \"sluice\""),
        "{told}"
    );
    let channel = Flight::channel(server.flight_port());
    let told = Flight::log_in(&channel, "ann").err().unwrap();
    hears(
        &told,
        &[
            "permission denied for database",
            "User does not have CONNECT privilege.",
            "42501",
        ],
    );
    for user in ["bob", "eve", "sluice"] {
        let pg = Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
        assert_eq!(pg.value("SELECT current_user"), user);
        assert_eq!(
            Flight::log_in(&channel, user)
                .unwrap()
                .rows("SELECT 1")
                .unwrap(),
            1
        );
    }
    assert_eq!(
        owner.value("SELECT has_database_privilege('ann', 'sluice', 'CONNECT')"),
        "f"
    );
    owner.run("GRANT CONNECT ON DATABASE sluice TO ann");
    Pg::connect_as(server.pg_port(), "ann", "sluice").unwrap();
    Flight::log_in(&channel, "ann").unwrap();
}

#[test]
fn an_idle_client_is_let_go_when_its_session_says_so() {
    let server = Server::start();
    for setting in [
        "SET idle_session_timeout = '300ms'",
        "SET idle_in_transaction_session_timeout = '300ms'; BEGIN",
    ] {
        let pg = server.connect();
        pg.run(setting);
        server.wait("the connection to close", SOON, || {
            pg.is_closed().then_some(())
        });
    }
    // The other one does not count outside of a block, nor while something runs.
    let pg = server.connect();
    pg.run(
        "SET idle_in_transaction_session_timeout = '1s'; SET statement_timeout = '2500ms'; BEGIN",
    );
    pg.refused(LONG, "57014", &["statement timeout"]);
    pg.run("ROLLBACK");
    sleep(Duration::from_millis(1500));
    assert_eq!(pg.value("SELECT 1"), "1");
    let mut flight = Flight::connect(&server, "sluice");
    flight.update("SET idle_session_timeout = '300ms'").unwrap();
    assert_eq!(flight.rows("SELECT 1").unwrap(), 1);
    sleep(Duration::from_millis(600));
    let told = flight.rows("SELECT 1").unwrap_err();
    says(
        &told,
        Code::Unauthenticated,
        &["the session of this token has ended"],
    );
}

#[test]
fn a_client_of_an_ended_session_hears_why() {
    let server = Server::start();
    let owner = server.connect();
    let mut psql = psql::command(server.pg_port());
    psql.args(["-c", "SELECT pg_terminate_backend(pg_backend_pid())"]);
    let out = psql.output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        told.contains("FATAL:  terminating connection due to administrator command"),
        "{told}"
    );
    // A stream of rows that its client takes is ended between any two.
    let pg = server.connect();
    let number = pid(&pg);
    let ended = block_on(async {
        let rows = pg.client().query_raw(ENDLESS, Vec::<String>::new()).await;
        let mut rows = Box::pin(rows.unwrap());
        rows.next().await.unwrap().unwrap();
        let end = std::thread::spawn(move || {
            owner.run(&format!("SELECT pg_terminate_backend({number})"));
        });
        let error = timeout(SOON, async {
            loop {
                if let Err(error) = rows.next().await.unwrap() {
                    return error;
                }
            }
        });
        let error = error.await.unwrap();
        end.join().unwrap();
        error
    });
    assert_eq!(
        ended.code().map(|code| code.code()),
        Some("57P01"),
        "{ended}"
    );
}

/// Tickets and prepared statements are their session's: neither another role nor another session of the same one redeems them.
#[test]
fn a_ticket_of_somebody_else_is_refused() {
    let server = Server::start();
    let owner = server.connect();
    owner.run(
        "CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
         CREATE TABLE gold.anns (n INT); INSERT INTO gold.anns VALUES (1), (2); GRANT SELECT ON gold.anns TO ann",
    );
    let mut ann = Flight::connect(&server, "ann");
    let sql = "SELECT n FROM gold.anns";
    let ticket = |info: &arrow_flight::FlightInfo| info.endpoint[0].ticket.clone().unwrap();
    let of_statement = block_on(ann.0.execute(sql.into(), None)).unwrap();
    let mut prepared = block_on(ann.0.prepare(sql.into(), None)).unwrap();
    let of_prepared = block_on(prepared.execute()).unwrap();
    // The command that names the handle is a ticket as well.
    let handle = of_prepared.flight_descriptor.clone().unwrap().cmd;
    let handle = Ticket { ticket: handle };
    let mut others = ["bob", "ann", "sluice"].map(|user| Flight::connect(&server, user));
    for other in &mut others {
        for info in [&of_statement, &of_prepared] {
            let told = redeem(other, ticket(info)).unwrap_err();
            says(&told, Code::NotFound, &["ticket does not exist"]);
        }
        let told = redeem(other, handle.clone()).unwrap_err();
        says(
            &told,
            Code::NotFound,
            &["prepared statement does not exist"],
        );
    }
    // It was not used up by them.
    for ticket in [ticket(&of_statement), ticket(&of_prepared), handle] {
        assert_eq!(redeem(&mut ann, ticket).unwrap(), 2);
    }
}
