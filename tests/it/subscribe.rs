//! SUBSCRIBE: every row once, whatever is killed and however often one goes on from a token; over both doors.

mod behind;
mod resumed;

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    job,
    parts::{kafka::Broker, python},
    pg::{Pg, Rows, block_on},
    server::Server,
};

use crate::{
    support::{SOON, setting},
    under_load::{GOLD, PARTITIONS, Shown, Stop, finish, gold_log, load, produce, rows_everywhere},
};

/// Small, bounded and fast: 2,000 rows over half an hour of event time.
const SMALL: &str = "CREATE STREAM small (ts TIMESTAMPTZ, event_type TEXT, value DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '1 second')
 WITH (connector = 'generator', rows = '2000', seed = '5', splits = '2', event_interval = '1 s', rows_per_second = '1000', max_future_skew = 'off')";

const COUNTED: &str = "CREATE TABLE gold.counted WITH (commit_interval = '300 milliseconds') AS
 SELECT window_start, window_end, event_type, count(*) AS n FROM TUMBLE(small, ts, INTERVAL '10 seconds')
 GROUP BY window_start, window_end, event_type";

/// Somebody who keeps rows and token together, and begins again from there.
#[derive(Default)]
struct Subscriber {
    query: String,
    pg: Option<Pg>,
    token: Option<String>,
    kept: Rows,
    /// Since the last token.
    new: Rows,
    begun: usize,
}

impl Subscriber {
    fn to(query: &str) -> Self {
        Self {
            query: query.to_owned(),
            ..Self::default()
        }
    }

    fn leave(&mut self) {
        self.pg = None;
        self.new.clear();
    }

    /// Fetches once; whether there were rows of the table.
    fn step(&mut self, server: &Server) -> bool {
        if self.pg.is_none() {
            let Ok(pg) = server.try_connect() else {
                return false;
            };
            let as_of = self.token.as_ref();
            let as_of = as_of.map_or(String::new(), |token| format!(" AS OF '{token}'"));
            let declare = format!(
                "DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE ({}){as_of} WITH (progress)",
                self.query
            );
            if pg.try_run(&declare).is_err() {
                return false;
            }
            self.begun += 1;
            self.pg = Some(pg);
        }
        let fetched = self.pg.as_ref().map(|pg| pg.try_run("FETCH 200 FROM c"));
        match fetched {
            Some(Ok(rows)) => rows
                .into_iter()
                .fold(false, |any, row| self.take(row) | any),
            _ => {
                self.leave();
                false
            }
        }
    }

    fn take(&mut self, mut row: Vec<Option<String>>) -> bool {
        let columns = row.split_off(2);
        let is_row = row[1].as_deref() == Some("f");
        if is_row {
            self.new.push(columns);
        } else {
            assert!(columns.iter().all(Option::is_none), "{columns:?}");
        }
        if let Some(token) = row[0].take() {
            self.kept.append(&mut self.new);
            self.token = Some(token);
        }
        is_row
    }

    /// Until it has nothing new for a while.
    fn catch_up(&mut self, server: &Server) {
        let end = Instant::now() + SOON;
        let mut quiet = 0;
        while quiet < 2 {
            assert!(
                Instant::now() < end,
                "the subscription does not come to rest"
            );
            quiet = if self.step(server) { 0 } else { quiet + 1 };
        }
    }
}

#[test]
fn a_subscriber_has_every_row_once_over_kills() {
    let kills = setting("SLUICE_TEST_KILLS", 6);
    let broker = Broker::shared();
    let topic = broker.fresh_topic("subscribed", PARTITIONS as i32);
    let mut server = Server::start();
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(kills * 30, 91);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        let options = "commit_interval = '700 milliseconds'";
        server
            .connect()
            .run(&job::script_with(&broker.bootstrap(), &topic, options));
        let mut eager = Subscriber::to(&format!("SELECT {} FROM {GOLD}", job::COLUMNS));
        // One that is away most of the time: its rows are committed when it comes.
        let mut rare = Subscriber::to(&format!("SELECT {} FROM {GOLD}", job::COLUMNS));
        let mut shown = Shown::default();
        for kill in 1..=kills {
            let end = Instant::now() + Duration::from_millis(1_500 + 200 * kill as u64);
            while Instant::now() < end {
                eager.step(&server);
                if kill % 2 == 1 {
                    rare.step(&server);
                }
            }
            rare.leave();
            shown.look(&server, kill);
            server.kill_and_restart();
        }
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(
            &server,
            &mut producer,
            &shape,
            &mut shown,
            kills / 2,
            gold_log,
        );
        let expected = job::read_gold(&server.connect(), GOLD);
        for (name, mut subscriber) in [("eager", eager), ("rare", rare)] {
            subscriber.catch_up(&server);
            assert!(
                subscriber.begun > kills / 2,
                "{name} began {}",
                subscriber.begun
            );
            let got = job::gold_of(&subscriber.kept).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(
                got == expected,
                "{name}: {} rows, {} expected",
                got.len(),
                expected.len()
            );
            eprintln!(
                "{name}: {} rows in {} subscriptions",
                got.len(),
                subscriber.begun
            );
        }
    });
}

/// A cursor's rows, as the client that declared it gets them.
fn all_of(server: &Server, subscribe: &str) -> Subscriber {
    let mut subscriber = Subscriber::to(subscribe);
    subscriber.catch_up(server);
    subscriber
}

#[test]
fn what_comes_first_and_what_is_left_out() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(SMALL);
    pg.run(COUNTED);
    pg.run("CREATE VIEW clicks AS SELECT window_start AS at, n FROM gold.counted WHERE event_type = 'click'");
    // While rows come.
    let followed = all_of(
        &server,
        "SELECT window_start, event_type, n FROM gold.counted",
    );
    job::wait_committed(&server, &pg, "gold.counted", SOON);
    let sorted = |mut rows: Rows| {
        rows.sort();
        rows
    };
    let select = |sql: &str| sorted(pg.run(sql));
    let all = select("SELECT window_start, event_type, n FROM gold.counted");
    assert!(all.len() > 300, "{}", all.len());
    assert_eq!(sorted(followed.kept.clone()), all);
    // Afterwards it is all there at first.
    let later = all_of(
        &server,
        "SELECT window_start, event_type, n FROM gold.counted",
    );
    assert_eq!(sorted(later.kept), all);
    let clicks = all_of(&server, "SELECT * FROM clicks");
    assert_eq!(sorted(clicks.kept), select("SELECT * FROM clicks"));
    let late = all_of(&server, "SELECT event_type FROM gold.counted__late");
    assert_eq!(
        sorted(late.kept),
        select("SELECT event_type FROM gold.counted__late")
    );

    // Nothing of it where only new rows are wanted, or the token says that they were had.
    let token = followed.token.unwrap();
    for more in [
        "WITH (snapshot = false, progress)".to_owned(),
        format!("AS OF '{token}' WITH (progress)"),
    ] {
        let pg = server.connect();
        pg.run("BEGIN");
        pg.run(&format!(
            "DECLARE c CURSOR FOR SUBSCRIBE gold.counted {more}"
        ));
        let rows = pg.run("FETCH ALL FROM c");
        assert!(
            rows.iter().all(|row| row[1].as_deref() == Some("t")),
            "{more}: {rows:?}"
        );
    }
    // And all of it from the beginning, out of the log: by a token from before the first epoch.
    let (_, of_table) = token.split_once('-').unwrap();
    let mut again = Subscriber::to("SELECT window_start, event_type, n FROM gold.counted");
    again.token = Some(format!("0-{of_table}"));
    again.catch_up(&server);
    assert_eq!(sorted(again.kept), all);
    // With nothing but what is committed.
    let committed = server.connect();
    committed.run("SET freshness = 'committed'");
    committed.run("DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE gold.counted");
    let mut had = 0;
    server.wait("all that is committed", SOON, || {
        had += committed.run("FETCH ALL FROM c").len();
        (had >= all.len()).then_some(())
    });
    assert_eq!(had, all.len());

    // A statement is endless, until it is cancelled or the table is gone.
    let pg = server.connect();
    let cancelled = "SET statement_timeout = '700 ms'; SUBSCRIBE gold.counted";
    pg.refused(cancelled, "57014", &["statement timeout"]);
    let other = server.connect();
    other.run(
        "DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE gold.counted WITH (snapshot = false, progress)",
    );
    pg.run("RESET statement_timeout; DROP TABLE gold.counted CASCADE");
    let refused = (0..5).find_map(|_| other.try_run("FETCH 1 FROM c").err());
    let refused = refused.expect("the table is gone");
    assert!(refused.message.contains("was dropped"), "{refused}");
    pg.run(COUNTED);
    let of_another = format!("SUBSCRIBE gold.counted AS OF '{token}'");
    pg.refused(&of_another, "22023", &["of another table"]);
}

#[test]
fn what_cannot_be_subscribed_to_says_why() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(SMALL);
    pg.run(COUNTED);
    pg.run("CREATE TABLE gold.plain AS SELECT 1 AS a");
    for (sql, state, says) in [
        ("SUBSCRIBE nowhere", "42P01", "nowhere"),
        ("SUBSCRIBE gold.count", "42P01", "gold.counted"),
        (
            "SUBSCRIBE small",
            "42809",
            "CREATE TABLE t AS SELECT * FROM",
        ),
        ("SUBSCRIBE gold.plain", "55000", "no query feeds"),
        (
            "SUBSCRIBE gold.counted__live",
            "42809",
            "SUBSCRIBE follows a table",
        ),
        (
            "SUBSCRIBE system.queries",
            "42809",
            "SUBSCRIBE follows a table",
        ),
        (
            "SUBSCRIBE (SELECT count(*) FROM gold.counted)",
            "0A000",
            "filters and projects",
        ),
        (
            "SUBSCRIBE (SELECT * FROM gold.counted ORDER BY n)",
            "0A000",
            "filters and projects",
        ),
        (
            "SUBSCRIBE (SELECT * FROM gold.counted LIMIT 3)",
            "0A000",
            "filters and projects",
        ),
        (
            "SUBSCRIBE (SELECT * FROM gold.counted a, gold.counted b)",
            "0A000",
            "filters and projects",
        ),
        (
            "SUBSCRIBE (SELECT * FROM gold.counted WHERE n > (SELECT 1))",
            "0A000",
            "filters and projects",
        ),
        (
            "SUBSCRIBE (SELECT nothing FROM gold.counted)",
            "42703",
            "nothing",
        ),
        (
            "SUBSCRIBE gold.counted AS OF '1-0-0' WITH (snapshot)",
            "22023",
            "Leave out either",
        ),
        (
            "SUBSCRIBE gold.counted AS OF 'yesterday'",
            "22023",
            "_token",
        ),
        ("SUBSCRIBE gold.counted AS OF '7-12-zz'", "22023", "_token"),
        (
            "SUBSCRIBE gold.counted WITH (up_to = 5)",
            "42601",
            "snapshot and progress",
        ),
        ("SUBSCRIBE SELECT 1", "42601", "in brackets"),
    ] {
        pg.refused(sql, state, &[says]);
    }
}

#[test]
fn over_flight_it_is_an_endless_stream() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(SMALL);
    pg.run(COUNTED);
    let port = server.flight_port().to_string();
    let answer = python::run("flight_subscribe.py", &[&port, "gold.counted", "300"]);
    let rows = answer["rows"].as_array().unwrap();
    assert!(rows.len() >= 300);
    assert_eq!(answer["first_column"], "_token");
    assert!(
        answer["batches"].as_u64().unwrap() > 1,
        "rows came all at once"
    );
    job::wait_committed(&server, &pg, "gold.counted", SOON);
    let all = pg.number("SELECT count(*) FROM gold.counted");
    assert!(rows.len() as i64 <= all);
}

#[test]
fn a_subscription_ends_when_its_right_or_its_table_goes() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(SMALL);
    pg.run(COUNTED);
    pg.run("CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE VIEW gold.v AS SELECT * FROM gold.counted; GRANT SELECT ON gold.counted TO ann; GRANT SELECT ON gold.v TO bob");
    let follow = |user: &str, what: &str| {
        let client = Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
        client.run(&format!(
            "DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE {what} WITH (progress)"
        ));
        client.run("FETCH 1 FROM c");
        client
    };
    // As long as it may, it is told; then why it is not.
    let ended = |client: &Pg| {
        let end = Instant::now() + SOON;
        loop {
            match client.try_run("FETCH 100 FROM c") {
                Ok(_) => assert!(Instant::now() < end, "it goes on"),
                Err(refusal) => break refusal.state,
            }
        }
    };
    let (ann, bob, owner) = (
        follow("ann", "gold.counted"),
        follow("bob", "gold.v"),
        follow("sluice", "gold.counted"),
    );
    pg.run("CREATE TABLE something (a INT)");
    ann.run("FETCH 1 FROM c");
    pg.run("REVOKE SELECT ON gold.counted FROM ann");
    assert_eq!(ended(&ann), "42501");
    bob.run("FETCH 1 FROM c");
    pg.run("REVOKE SELECT ON gold.v FROM bob; DROP ROLE bob");
    assert_eq!(ended(&bob), "28000");
    owner.run("FETCH 1 FROM c");
    pg.run("DROP TABLE gold.counted CASCADE");
    assert_eq!(ended(&owner), "42P01");
}

#[test]
fn copy_gives_the_rows_of_a_subscription_as_they_come() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(SMALL);
    pg.run(COUNTED);
    let copied = block_on(async {
        use futures::StreamExt;
        let sql =
            "COPY (SUBSCRIBE (SELECT event_type, n FROM gold.counted)) TO STDOUT WITH (FORMAT csv)";
        let rows = pg.client().copy_out(sql).await.unwrap();
        let mut rows = std::pin::pin!(rows);
        let mut lines = Vec::new();
        while lines.len() < 100 {
            let line = tokio::time::timeout(SOON, rows.next()).await;
            let line = line.expect("a row in time").unwrap().unwrap();
            lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
        lines
    });
    assert!(
        copied.iter().all(|line| line.split(',').count() == 3),
        "{copied:?}"
    );
    assert!(copied.iter().any(|line| !line.starts_with(',')), "no token");
}
