//! The broker goes away, comes back, or has another topic under the old name.

use std::time::Duration;

use sluice_tests::{
    job,
    load::Shape,
    parts::{kafka::Broker, producer::Producer},
    pg::check_refusal,
    server::Server,
};

use crate::support::{DRAIN, SOON, check_conservation, check_gold};

const GOLD: &str = "gold.real_time_metrics";

#[test]
fn a_broker_that_dies_and_comes_back_costs_time_and_no_rows() {
    let mut broker = Broker::start().unwrap();
    broker.create_topic("faults", 2);
    let shape = Shape::of(10_000, 61);
    let mut producer = Producer::new(&broker, "faults", 2);
    producer.send_all(&shape);
    producer.flush();
    let produced = producer.produced.clone();
    drop(producer);

    let mut server = Server::start();
    let pg = server.connect();
    pg.run(&job::script(&broker.bootstrap(), "faults"));
    server.wait("the first load to be read", SOON, || {
        (status(&server, "rows_in") == produced.total().to_string()).then_some(())
    });
    job::wait_committed(&server, &pg, GOLD, SOON);
    let before = job::read_gold(&pg, GOLD);

    broker.kill();
    server.wait(
        "system.queries to say that the broker is gone",
        SOON,
        || {
            let error = status(&server, "coalesce(last_error, '')");
            error.contains(&broker.bootstrap()).then_some(())
        },
    );
    assert_ne!(status(&server, "state"), "failed");
    // what was final is still readable; after a restart without a broker what is committed is, and the rest says why not yet
    assert_eq!(job::read_gold(&pg, GOLD), before);
    server.kill();
    server.launch();
    let gold = format!("SELECT {} FROM {GOLD}", job::COLUMNS);
    server.wait(
        "gold's committed rows to be readable without the broker",
        SOON,
        || {
            let pg = server.try_connect().ok()?;
            let rows = pg
                .try_run(&format!("SET freshness = 'committed'; {gold}"))
                .ok()?;
            (job::gold_of(&rows).ok()? == before).then_some(())
        },
    );
    let pg = server.connect();
    match pg.try_run(&gold) {
        Ok(rows) => assert_eq!(job::gold_of(&rows).unwrap(), before),
        Err(refusal) => check_refusal(&refusal, "57P03", &["committed"], &gold),
    }

    broker.up().unwrap();
    server.wait_ready();
    let pg = server.connect();
    let mut producer = Producer::new(&broker, "faults", 2);
    producer.produced = produced;
    let later = Shape {
        from_ms: shape.from_ms + shape.span_ms,
        ..Shape::of(10_000, 62)
    };
    producer.send_all(&later);
    producer.close_windows(later.closing_ms());
    job::wait_drained(&server, &pg, GOLD, &later, DRAIN);
    check_gold(&server, &pg, &producer, GOLD, later.closing_ms());
    check_conservation(&server, &pg, &producer, GOLD, "events");
    server.wait("the trouble to be over", SOON, || {
        (status(&server, "state") == "running").then_some(())
    });
}

#[test]
fn brokers_of_a_cluster_die_in_turn_and_partitions_move() {
    let mut brokers = Broker::start_cluster(3).unwrap();
    let bootstrap: Vec<String> = brokers.iter().map(Broker::bootstrap).collect();
    let bootstrap = bootstrap.join(",");
    brokers[0].create_replicated("moving", 6, 3, &[("min.insync.replicas", "1")]);
    let server = Server::start();
    let pg = server.connect();

    let mut produced = None;
    let mut from_ms = Shape::of(1, 65).from_ms;
    let mut last = None;
    for round in 0..3 {
        // What leads a third of the partitions goes away while rows are coming, and the one before comes back.
        let gone = round;
        let shape = Shape {
            from_ms,
            ..Shape::of(6_000, 65 + round as u64)
        };
        from_ms += shape.span_ms;
        let stays = &brokers[(gone + 1) % 3];
        let mut producer = Producer::new(stays, "moving", 6);
        if let Some(before) = produced.take() {
            producer.produced = before;
        }
        producer.send_all(&shape);
        producer.flush();
        produced = Some(producer.produced.clone());
        drop(producer);
        if round == 0 {
            // not before: a partition that is empty when a query starts holds nothing back
            pg.run(&job::script(&bootstrap, "moving"));
        }
        brokers[gone].kill();
        last = Some(shape);
        let total = produced.as_ref().unwrap().total().to_string();
        server.wait("the rows to be read from who leads now", SOON, || {
            (status(&server, "rows_in") == total).then_some(())
        });
        brokers[gone].up().unwrap();
    }
    let shape = last.unwrap();
    let mut producer = Producer::new(&brokers[1], "moving", 6);
    producer.produced = produced.unwrap();
    producer.close_windows(shape.closing_ms());
    job::wait_drained(&server, &pg, GOLD, &shape, DRAIN);
    check_gold(&server, &pg, &producer, GOLD, shape.closing_ms());
    check_conservation(&server, &pg, &producer, GOLD, "events");
    assert_eq!(status(&server, "state"), "running");
}

#[test]
fn a_topic_made_anew_under_the_old_name_stops_the_query_and_nothing_of_it_is_committed() {
    let broker = Broker::start().unwrap();
    broker.create_topic("anew", 1);
    let shape = Shape::of(3_000, 63).clean();
    let mut producer = Producer::new(&broker, "anew", 1);
    producer.send_all(&shape);
    producer.close_windows(shape.closing_ms());
    let mut server = Server::start();
    let pg = server.connect();
    pg.run(&job::script_with(
        &broker.bootstrap(),
        "anew",
        "commit_interval = '1 second'",
    ));
    job::wait_drained(&server, &pg, GOLD, &shape, SOON);
    job::wait_committed(&server, &pg, GOLD, SOON);
    let before = job::read_gold(&pg, GOLD);
    let committed = "SET freshness = 'committed'; SELECT count(*) FROM gold.real_time_metrics";

    // another topic of that name, with more in it than the old one had
    drop(producer);
    broker.delete_topic("anew");
    broker.create_topic("anew", 1);
    let other = Shape {
        from_ms: shape.closing_ms() + 120_000,
        ..Shape::of(9_000, 64).clean()
    };
    let mut producer = Producer::new(&broker, "anew", 1);
    producer.send_all(&other);
    producer.close_windows(other.closing_ms());

    server.wait("the query to stop", Duration::from_secs(180), || {
        (status(&server, "state") == "failed").then_some(())
    });
    let error = status(&server, "last_error");
    for said in ["topic", "deleted and made anew"] {
        assert!(error.contains(said), "{error}");
    }
    let pg = server.connect();
    assert_eq!(pg.value(committed), before.len().to_string());
    let events = pg.run("SELECT message FROM system.events WHERE severity = 'error'");
    assert!(!events.is_empty(), "system.events says nothing");
    // and so it stays after a restart
    server.kill_and_restart();
    let pg = server.connect();
    server.wait(
        "the query to be stopped again",
        Duration::from_secs(180),
        || (status(&server, "state") == "failed").then_some(()),
    );
    assert_eq!(pg.value(committed), before.len().to_string());
    assert_eq!(job::read_gold(&pg, GOLD), before);
}

fn status(server: &Server, column: &str) -> String {
    server.connect().value(&format!(
        "SELECT {column} FROM system.queries WHERE name = '{GOLD}'"
    ))
}
