//! Subscribers that are far behind, and subscriptions that take much of the processor: what they cost the others.

use std::{
    thread,
    time::{Duration, Instant},
};

use futures::StreamExt;
use sluice_tests::{
    job,
    pg::{Pg, block_on},
    server::Server,
};

use super::resumed::{Open, by_copy, over_flight};
use crate::support::{DRAIN, setting};

/// Rows that are as long in memory as in their file, copied as they come.
fn copied(rows: usize, per_second: &str, commit_interval: &str) -> String {
    format!(
        "CREATE STREAM pages (ts TIMESTAMPTZ, row_number BIGINT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
           WITH (connector = 'generator', rows = '{rows}', rows_per_second = '{per_second}', splits = '1', seed = '5',
                 event_interval = '1 millisecond', max_future_skew = 'off');
         CREATE TABLE gold.copied WITH (commit_interval = '{commit_interval}') AS
           SELECT ts, row_number, value, 'page ' || row_number || ' that somebody with the value ' || CAST(value AS TEXT) || ' has seen' AS page FROM pages"
    )
}

/// The token from before the first epoch.
fn beginning(pg: &Pg) -> String {
    pg.run("BEGIN");
    pg.run("DECLARE t CURSOR FOR SUBSCRIBE gold.copied WITH (snapshot = false, progress)");
    let token = pg.run("FETCH 1 FROM t")[0][0].clone().unwrap();
    pg.run("COMMIT");
    format!("0-{}", token.split_once('-').unwrap().1)
}

/// The numbers of a subscription's rows, summed up, until it has had so many; and the last token.
fn read_all(pg: &Pg, subscribe: &str, rows: usize, mut look: impl FnMut()) -> (i64, String) {
    block_on(async {
        let sql = format!("COPY ({subscribe}) TO STDOUT WITH (FORMAT csv)");
        let data = pg.client().copy_out(&sql).await.unwrap();
        let mut data = std::pin::pin!(data);
        let (mut sum, mut count, mut token) = (0, 0, String::new());
        while count < rows {
            let line = tokio::time::timeout(DRAIN, data.next()).await;
            let line = line.expect("a row in time").unwrap().unwrap();
            let line = String::from_utf8(line.to_vec()).unwrap();
            let mut cells = line.trim_end().split(',');
            match cells.next().unwrap() {
                "" => {}
                of_row => token = of_row.to_owned(),
            }
            sum += cells.next().unwrap().parse::<i64>().unwrap();
            count += 1;
            if count % 20_000 == 0 {
                look();
            }
        }
        (sum, token)
    })
}

#[test]
fn a_large_commit_costs_a_slow_subscriber_little_memory() {
    let rows = setting("SLUICE_TEST_COMMIT_ROWS", 1_000_000);
    let mut server = Server::start();
    let pg = server.connect();
    pg.run(&copied(rows, "max", "10 minutes"));
    server.wait("the copy", DRAIN, || {
        let state = pg.value("SELECT state FROM system.queries");
        (state == "finished").then_some(())
    });
    job::wait_committed(&server, &pg, "gold.copied", DRAIN);
    let commits =
        pg.number("SELECT count(*) FROM gold.copied__history WHERE operation LIKE 'STREAMING%'");
    assert!(commits < 4, "{commits} commits");
    // Memory that a commit took and the allocator has kept would hide what a subscriber takes.
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number("SELECT count(*) FROM gold.copied"), rows as i64);
    let beginning = beginning(&pg);
    let before = server.memory_mib("VmRSS");
    let slow: Vec<Pg> = (0..6)
        .map(|_| {
            let slow = server.connect();
            slow.run(&format!(
                "DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE gold.copied AS OF '{beginning}'"
            ));
            assert_eq!(slow.run("FETCH 10 FROM c").len(), 10);
            slow
        })
        .collect();
    // They would be reading now, if anybody kept on.
    thread::sleep(Duration::from_secs(2));
    let sitting = server.memory_mib("VmRSS") - before;
    let mut most = sitting;
    let all = format!("SUBSCRIBE (SELECT row_number, page FROM gold.copied) AS OF '{beginning}'");
    let (sum, token) = read_all(&pg, &all, rows, || {
        most = most.max(server.memory_mib("VmRSS") - before);
    });
    let right = server
        .connect()
        .number("SELECT sum(row_number) FROM gold.copied");
    assert_eq!(sum, right);
    assert!(!token.is_empty() && token != beginning, "{token}");
    eprintln!(
        "{rows} rows in {commits} commits: {sitting:.0} MiB for six that sit, {most:.0} MiB with one that reads"
    );
    assert!(
        sitting < 150.0,
        "{sitting} MiB for six subscribers that sit"
    );
    assert!(most < 200.0, "{most} MiB with one that reads");
    for slow in slow {
        assert_eq!(slow.run("FETCH 1000 FROM c").len(), 1000);
    }
}

/// What two slow readers may add to the peak of the server's memory, in MiB: some MiB for each, as the documentation says, and what two
/// runs of one load differ by. The rows themselves, if they were kept for them, would be more than twice this.
const SLOW_READERS_MIB: f64 = 64.0;

/// Reads numbers of rows, the cell after the token, until there are so many.
fn read_numbers(open: &mut Open, numbers: &mut Vec<i64>, rows: usize) {
    block_on(async {
        while numbers.len() < rows {
            let some = tokio::time::timeout(DRAIN, open.rows.next()).await;
            let some = some.expect("rows in time").expect("more rows").unwrap();
            let some = some.iter().map(|row| row[1].as_ref().unwrap());
            numbers.extend(some.map(|number| number.parse::<i64>().unwrap()));
        }
    });
}

/// Both read without a cursor: it is the door that must stop when its client does.
#[test]
fn slow_readers_of_a_do_get_and_of_a_copy_cost_little_and_have_all_rows_in_the_end() {
    let rows = setting("SLUICE_TEST_SLOW_ROWS", 1_000_000);
    let server = Server::start();
    let pg = server.connect();
    let load = copied(rows, &(rows / 20).to_string(), "1 second");
    let loaded = || {
        server.wait("the copy", DRAIN, || {
            let had = pg.number("SELECT count(*) FROM gold.copied");
            (had == rows as i64).then_some(())
        });
        job::wait_committed(&server, &pg, "gold.copied", DRAIN);
    };
    // The same load once without them: what commits and merges take by themselves is in the peak already.
    pg.run(&load);
    loaded();
    pg.run("DROP TABLE gold.copied");
    pg.run("DROP STREAM pages");
    let before = server.memory_mib("VmHWM");

    pg.run(&load);
    let subscribe = "SUBSCRIBE (SELECT row_number, page FROM gold.copied)";
    let mut slow = [
        (
            "DoGet",
            over_flight(server.flight_port(), subscribe).unwrap(),
        ),
        ("COPY", by_copy(server.pg_port(), subscribe).unwrap()),
    ]
    .map(|(name, open)| (name, open, Vec::new()));
    for (_, open, numbers) in &mut slow {
        read_numbers(open, numbers, 100);
    }
    // They sit while the rest comes.
    let early = pg.number("SELECT count(*) FROM gold.copied");
    assert!(early < rows as i64 / 2, "{early} rows were there already");
    loaded();
    let sitting = server.memory_mib("VmHWM") - before;
    let commits =
        pg.number("SELECT count(*) FROM gold.copied__history WHERE operation LIKE 'STREAMING%'");
    assert!(commits > 4, "{commits} commits while they sat");

    let right = pg
        .run("SELECT count(*), min(row_number), max(row_number), sum(row_number) FROM gold.copied");
    let right = right[0].iter().map(|cell| cell.as_deref().unwrap());
    let right: Vec<i64> = right.map(|cell| cell.parse().unwrap()).collect();
    for (name, mut open, mut numbers) in slow {
        read_numbers(&mut open, &mut numbers, rows);
        numbers.sort_unstable();
        let read = numbers.len() as i64;
        let found = [
            read,
            numbers[0],
            numbers[numbers.len() - 1],
            numbers.iter().sum(),
        ];
        assert_eq!(found[..], right[..], "{name}: a gap, or rows twice");
        numbers.dedup();
        assert_eq!(numbers.len() as i64, read, "{name}: rows twice");
        // Nothing comes after the last.
        let more = block_on(async {
            let next = open.rows.next();
            tokio::time::timeout(Duration::from_secs(2), next).await
        });
        assert!(more.is_err(), "{name}: {more:?}");
    }
    let all = server.memory_mib("VmHWM") - before;
    eprintln!(
        "{rows} rows in {commits} commits: {sitting:.0} MiB more at the peak for two that sat, {all:.0} MiB when they had read all"
    );
    assert!(
        sitting < SLOW_READERS_MIB,
        "{sitting} MiB for two readers that sat"
    );
}

/// A condition that costs some microseconds a row, and holds for one row of sixteen.
fn heavy() -> String {
    let hashed = (0..40).fold("page".to_owned(), |of, _| format!("md5({of})"));
    format!("{hashed} LIKE 'a%'")
}

/// Seconds of processor time: of the threads of ad-hoc queries, and of all others.
fn shares(server: &Server) -> (f64, f64) {
    let ad_hoc = server.cpu_seconds_of("ad-hoc");
    (ad_hoc, server.cpu_seconds() - ad_hoc)
}

#[test]
fn a_heavy_subscription_runs_on_the_threads_of_ad_hoc_queries() {
    let rows = setting("SLUICE_TEST_HEAVY_ROWS", 200_000);
    let server = Server::start();
    let pg = server.connect();
    pg.run(&copied(rows, &(rows / 10).to_string(), "2 seconds"));
    let subscribe = format!(
        "SUBSCRIBE (SELECT row_number FROM gold.copied WHERE {})",
        heavy()
    );
    // While rows come, more of them than it may look at on the threads of the streams.
    let began = Instant::now();
    let live = server.connect();
    live.run(&format!(
        "DECLARE c CURSOR WITH HOLD FOR {subscribe} WITH (progress)"
    ));
    let (mut had, mut sum) = (0, 0);
    let mut fetch = || {
        for row in live.run("FETCH 10000 FROM c") {
            if row[1].as_deref() == Some("f") {
                had += 1;
                sum += row[2].as_ref().unwrap().parse::<i64>().unwrap();
            }
        }
        had
    };
    server.wait("the end of the stream", DRAIN, || {
        fetch();
        let state = pg.value("SELECT state FROM system.queries");
        (state == "finished").then_some(())
    });
    let (ad_hoc, others) = shares(&server);
    eprintln!(
        "{rows} rows in {:.1} s: {ad_hoc:.1} s of the processor by ad-hoc threads, {others:.1} s by others",
        began.elapsed().as_secs_f64()
    );
    assert!(ad_hoc > 0.3, "{ad_hoc} s by ad-hoc threads while rows came");
    job::wait_committed(&server, &pg, "gold.copied", DRAIN);
    let condition = heavy();
    let right = pg.run(&format!(
        "SELECT count(*), sum(row_number) FROM gold.copied WHERE {condition}"
    ));
    let right: Vec<i64> = right[0]
        .iter()
        .map(|cell| cell.as_ref().unwrap().parse().unwrap())
        .collect();
    server.wait("the last rows", DRAIN, || {
        (fetch() as i64 >= right[0]).then_some(())
    });
    drop(live);
    assert_eq!([had as i64, sum], right[..]);

    // The stream is at rest: what is used now is the subscription's.
    let all = right[0] as usize;
    for (name, subscribe) in [
        ("snapshot", subscribe.clone()),
        ("commits", format!("{subscribe} AS OF '{}'", beginning(&pg))),
    ] {
        let (ad_hoc, others) = shares(&server);
        let (sum, _) = read_all(&server.connect(), &subscribe, all, || {});
        assert_eq!(sum, right[1], "{name}");
        let (now_ad_hoc, now_others) = shares(&server);
        let (ad_hoc, others) = (now_ad_hoc - ad_hoc, now_others - others);
        eprintln!("{name}: {ad_hoc:.2} s by ad-hoc threads, {others:.2} s by others");
        assert!(
            ad_hoc > 0.3 && others < ad_hoc / 4.0,
            "{name}: {ad_hoc} s by ad-hoc threads, {others} s by others"
        );
    }
}

#[test]
fn subscribers_that_sit_take_no_turns_from_ad_hoc_queries() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(&copied(150_000, "max", "1 second"));
    server.wait("the copy", DRAIN, || {
        let state = pg.value("SELECT state FROM system.queries");
        (state == "finished").then_some(())
    });
    job::wait_committed(&server, &pg, "gold.copied", DRAIN);
    let beginning = beginning(&pg);
    // More than there are turns on a machine with four processors.
    let processors = thread::available_parallelism().unwrap().get();
    let many = setting("SLUICE_TEST_SITTING", 16 * processors + 8);
    let sitting: Vec<Pg> = (0..many)
        .map(|number| {
            let sitting = server.connect();
            let from = match number % 2 {
                0 => format!("AS OF '{beginning}'"),
                _ => String::new(),
            };
            sitting.run(&format!(
                "DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE gold.copied {from}"
            ));
            assert_eq!(sitting.run("FETCH 1 FROM c").len(), 1);
            sitting
        })
        .collect();
    // A join is no small statement.
    let join =
        "SELECT count(*) FROM gold.copied a JOIN gold.copied b ON a.row_number = b.row_number";
    let asked = pg.try_run_within(join, Duration::from_secs(60)).unwrap();
    assert_eq!(asked[0][0].as_deref(), Some("150000"));
    for sitting in sitting {
        assert_eq!(sitting.run("FETCH 100 FROM c").len(), 100);
    }
}
