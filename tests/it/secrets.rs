//! A secret and passwords, planted, are found in no artefact: not in the root's files, logs, the catalog, metrics, errors, plans.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use arrow_flight::sql::client::FlightSqlServiceClient;
use sluice_tests::{
    parts::{kafka::Broker, producer::Producer, psql},
    pg::{Pg, block_on},
    ports,
    server::Server,
};
use tonic::transport::Endpoint;

use crate::support::SOON;

const OWNERS: &str = "canary-owner-7f1d";
const ANNS: &str = "canary-ann-93ab";
const WRONG: &str = "canary-wrong-55e0";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn holds(path: &Path, canary: &str) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes
        .windows(canary.len())
        .any(|part| part == canary.as_bytes())
}

/// What the Flight SQL door tells the owner with this password: why he is not let in, or why each of these statements is refused.
fn over_flight(server: &Server, password: &str, statements: &[String]) -> Vec<String> {
    block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", server.flight_port()));
        let channel = endpoint.unwrap().connect().await.unwrap();
        let mut client = FlightSqlServiceClient::new(channel);
        if let Err(refused) = client.handshake("sluice", password).await {
            return vec![format!("{refused}\n{refused:?}")];
        }
        let mut told = Vec::new();
        for statement in statements {
            let refused = client.execute_update(statement.clone(), None).await;
            let refused = refused.expect_err(statement);
            told.push(format!("{refused}\n{refused:?}"));
        }
        told
    })
}

#[test]
fn planted_secrets_are_found_nowhere() {
    let broker = Broker::start_secured(ports::free()).unwrap_or_else(|e| panic!("no broker: {e}"));
    let sasl = broker.sasl();
    let [bootstrap, user, secret] = sasl.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{sasl}");
    };
    broker.create_topic("events", 1);
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.set_env("SLUICE_PASSWORD", OWNERS);
    server.set_env("SLUICE_LOG", "debug");
    server.up();
    let pg = Pg::connect_with(server.pg_port(), "sluice", OWNERS).unwrap();
    let mut heard: Vec<String> = Vec::new();
    let stream = |value: &str| {
        format!(
            "CREATE STREAM events (id BIGINT) WITH (connector = 'kafka', bootstrap_servers = '{bootstrap}', topic = 'events', format = 'json',
             \"kafka.security.protocol\" = 'SASL_PLAINTEXT', \"kafka.sasl.mechanism\" = 'PLAIN', \"kafka.sasl.username\" = '{user}', \"kafka.sasl.password\" = {value})"
        )
    };
    // Written out it is refused, and the refusal does not repeat it.
    let refusal = pg.refused(
        &stream(&format!("'{secret}'")),
        "22023",
        &[
            "option \"kafka.sasl.password\" holds a secret and cannot be written out",
            "CREATE SECRET",
        ],
    );
    heard.push(refusal.to_string());
    heard.push(
        pg.refused(
            &stream("SECRET broker"),
            "42704",
            &["secret \"broker\" does not exist"],
        )
        .to_string(),
    );
    pg.run(&format!("CREATE SECRET broker AS '{secret}'"));
    heard.push(
        pg.refused(
            &format!("CREATE SECRET broker AS '{secret}'"),
            "42710",
            &["already exists"],
        )
        .to_string(),
    );
    pg.run(&format!("CREATE SECRET bad AS '{WRONG}'"));
    heard.push(format!(
        "{}",
        pg.try_run(&stream("SECRET bad")).unwrap_err()
    ));
    pg.run(&stream("SECRET broker"));
    pg.run(
        "CREATE TABLE gold.n WITH (commit_interval = '200 milliseconds') AS SELECT id FROM events",
    );
    for listing in ["SHOW SECRETS", "SELECT * FROM system.secrets"] {
        heard.push(format!("{:?}", pg.run(listing)));
    }
    assert_eq!(
        pg.value("SELECT options FROM system.secrets WHERE name = 'broker'"),
        "kafka.sasl.password"
    );
    pg.run(&format!("CREATE ROLE ann LOGIN PASSWORD '{ANNS}'"));
    pg.run("CREATE ROLE bob LOGIN PASSWORD 'other'");
    pg.run(&format!("ALTER ROLE bob PASSWORD '{ANNS}'"));
    heard.push(format!(
        "{}",
        Pg::connect_with(server.pg_port(), "ann", WRONG)
            .err()
            .unwrap()
    ));
    heard.push(format!(
        "{}",
        pg.try_run(&format!("CREATE ROLE ann PASSWORD '{ANNS}'"))
            .unwrap_err()
    ));
    heard.push(format!(
        "{}",
        pg.try_run(&format!("CREATE ROLE c PASSWORD '{ANNS}' '{ANNS}'"))
            .unwrap_err()
    ));
    heard.push(format!(
        "{}",
        pg.try_run(&format!("ALTER ROLE nobody PASSWORD '{ANNS}'"))
            .unwrap_err()
    ));
    heard.push(
        pg.refused(
            "DROP SECRET broker",
            "2BP01",
            &["Stream events depends on secret broker"],
        )
        .to_string(),
    );
    // The value is really used: rows come through the listener that asks for it.
    let mut producer = Producer::new(&broker, "events", 1);
    for payload in ["{\"id\": 1}", "{\"id\": 2}", "no json"] {
        producer.send_raw(0, Some(payload.as_bytes()));
    }
    producer.flush();
    server.wait("the rows", SOON, || {
        (pg.value("SELECT count(*) FROM gold.n") == "2").then_some(())
    });
    server.wait("a commit", SOON, || {
        (pg.value("SELECT coalesce(max(last_commit_version), 0) FROM system.queries") != "0")
            .then_some(())
    });

    // What anybody can ask, as the owner, who may see everything.
    for question in [
        "SHOW CREATE STREAM events",
        "SHOW STREAMS",
        "DESCRIBE EXTENDED events",
        "EXPLAIN SELECT * FROM events",
        "EXPLAIN VERBOSE SELECT * FROM gold.n",
        "EXPLAIN ANALYZE SELECT * FROM events",
        "EXPLAIN QUERY gold.n",
        "EXPLAIN ANALYZE QUERY gold.n",
        "SELECT * FROM system.events",
        "SELECT * FROM system.streams",
        "SELECT * FROM system.queries",
        "SELECT * FROM system.splits",
        "SELECT * FROM system.maintenance",
        "SELECT * FROM gold.n__history",
        "SELECT * FROM gold.n__checkpoints",
        "SELECT * FROM gold.n__files",
        "SELECT * FROM events__dead_letter",
        "SELECT * FROM pg_roles",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_user",
        "SELECT * FROM pg_settings",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM pg_class",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns",
    ] {
        heard.push(format!("{question}: {:?}", pg.run(question)));
    }
    assert!(
        heard.iter().any(|text| text.contains("SECRET broker")),
        "{heard:?}"
    );
    heard.push(server.get("/metrics").unwrap().1);
    // The other door: what it refuses, before and after it knows who asks.
    heard.push(over_flight(&server, WRONG, &[]).remove(0));
    let refused = [
        stream(&format!("'{secret}'")),
        stream("SECRET bad"),
        format!("CREATE SECRET broker AS '{secret}'"),
        format!("CREATE SECRET broker AS '{secret}"),
        format!("CREATE ROLE ann PASSWORD '{ANNS}'"),
        format!("CREATE ROLE c PASSWORD '{ANNS}' '{ANNS}'"),
        format!("ALTER ROLE nobody PASSWORD '{ANNS}'"),
        "DROP SECRET broker".to_owned(),
    ];
    let told = over_flight(&server, OWNERS, &refused);
    assert_eq!(told.len(), refused.len(), "{told:?}");
    heard.extend(told);
    let psql = psql::command(server.pg_port())
        .args(["-c", "\\du+", "-c", "\\d+ gold.n"])
        .env("PGPASSWORD", OWNERS)
        .output()
        .unwrap();
    heard.push(format!("{psql:?}"));
    assert!(server.terminate().success());
    heard.push(server.log_text());
    for canary in [secret, OWNERS, ANNS, WRONG] {
        for text in &heard {
            assert!(!text.contains(canary), "{canary} in: {text}");
        }
        for path in files(server.root()) {
            let kept = path
                .parent()
                .is_some_and(|folder| folder.ends_with("secrets"));
            assert!(
                kept || !holds(&path, canary),
                "{canary} in {}",
                path.display()
            );
        }
    }
    // Where it is kept nobody else may look.
    for name in [
        "secrets/broker.json",
        "secrets/.mock",
        "catalog/roles/ann.sql",
    ] {
        let mode = fs::metadata(server.root().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(holds(&server.root().join("secrets/broker.json"), secret));
    let role = fs::read_to_string(server.root().join("catalog/roles/ann.sql")).unwrap();
    assert!(role.contains("PASSWORD 'SCRAM-SHA-256$4096:"), "{role}");

    // And it goes on with it.
    server.up();
    let pg = Pg::connect_with(server.pg_port(), "sluice", OWNERS).unwrap();
    producer.send_raw(0, Some(b"{\"id\": 3}"));
    producer.flush();
    server.wait("the row", SOON, || {
        (pg.value("SELECT count(*) FROM gold.n") == "3").then_some(())
    });
}

#[test]
fn a_secret_is_its_makers() {
    let server = Server::start();
    let owner = server.connect();
    owner.run("CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; GRANT CREATE ON SCHEMA silver TO ann, bob; GRANT CREATE ON DATABASE sluice TO ann");
    let connect = |user: &str| Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
    let (ann, bob) = (connect("ann"), connect("bob"));
    bob.refused(
        "CREATE SECRET mine AS 'x'",
        "42501",
        &["permission denied for database sluice"],
    );
    ann.run("CREATE SECRET mine AS 'x'");
    let stream = "CREATE STREAM silver.s (a INT) WITH (connector = 'kafka', bootstrap_servers = '127.0.0.1:1', topic = 't', format = 'json', connect_timeout = '100 milliseconds', \"kafka.sasl.password\" = SECRET mine)";
    bob.refused(stream, "42501", &["permission denied for secret mine"]);
    bob.refused(
        "ALTER SECRET mine AS 'y'",
        "42501",
        &["must be owner of secret mine"],
    );
    bob.refused(
        "DROP SECRET mine",
        "42501",
        &["must be owner of secret mine"],
    );
    owner.refused("DROP ROLE ann", "2BP01", &["owner of secret mine"]);
    ann.run("GRANT USAGE ON SECRET mine TO bob");
    let refusal = bob.try_run(stream).unwrap_err();
    assert_ne!(refusal.state, "42501", "{refusal}");
    ann.run("REVOKE USAGE ON SECRET mine FROM bob");
    bob.refused(stream, "42501", &["permission denied for secret mine"]);
    ann.refused(
        "GRANT SELECT ON SECRET mine TO bob",
        "0LP01",
        &["invalid privilege type SELECT for secret"],
    );
    ann.run("ALTER SECRET mine AS 'y'; DROP SECRET mine; DROP SECRET IF EXISTS mine");
    ann.refused(
        "DROP SECRET mine",
        "42704",
        &["secret \"mine\" does not exist"],
    );
}

#[test]
fn who_may_name_a_secret_sees_that_it_is_there() {
    let server = Server::start();
    let owner = server.connect();
    owner.run(
        "CREATE SECRET first AS 'x'; CREATE SECRET second AS 'y';
         CREATE ROLE ann LOGIN; CREATE ROLE eve LOGIN; CREATE ROLE joe LOGIN IN ROLE pg_monitor;
         GRANT USAGE ON SECRET first TO ann",
    );
    for (user, sees) in [
        ("sluice", &["first", "second"][..]),
        ("ann", &["first"]),
        ("eve", &[]),
        ("joe", &["first", "second"]),
    ] {
        let pg = Pg::connect_as(server.pg_port(), user, "sluice").unwrap();
        for listing in ["SHOW SECRETS", "SELECT name FROM system.secrets ORDER BY 1"] {
            let rows = pg.run(listing);
            let names: Vec<&str> = rows.iter().filter_map(|row| row[0].as_deref()).collect();
            assert_eq!(names, sees, "{user}: {listing}");
        }
    }
}
