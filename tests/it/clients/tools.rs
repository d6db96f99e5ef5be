//! Tools that bring their own idea of a database: pgbench, pgcli, dbt, Airflow, Superset.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use sluice_tests::{
    parts::{clients, postgres},
    server::Server,
};

use super::{known, path};
use crate::support::{Exercised, exercised, python_version, said};

/// A run of pgbench by four clients: whether all went well, and what it said.
fn bench(server: &Server, protocol: &str, script: &[&str], each: usize) -> (bool, String) {
    let clients = 4;
    let mut command = Command::new(postgres::install().unwrap().join("pgbench"));
    command
        .args(["-h", "127.0.0.1", "-U", "sluice", "-p"])
        .arg(server.pg_port().to_string())
        .args(["-n", "-j", "2", "--random-seed=42", "-M", protocol])
        .args(["-c", &clients.to_string(), "-t", &each.to_string()])
        .args(script)
        .arg("sluice")
        .current_dir(path("pgbench"));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let all = clients * each;
    let well = output.status.success()
        && said.contains(&format!("actually processed: {all}/{all}"))
        && said.contains("failed transactions: 0 ");
    (well, format!("{command:?}\n{said}"))
}

#[test]
#[ignore = "needs pgbench: make test-clients"]
fn pgbench() {
    let server = Server::start();
    let accounts = fs::read_to_string(path("pgbench/accounts.sql")).unwrap();
    server.connect().run(&accounts);
    let benched = |protocol: &str, script: &[&str], each: usize| {
        let (well, said) = bench(&server, protocol, script, each);
        assert!(well, "{said}");
        said
    };
    for (protocol, each) in [("simple", 50), ("extended", 50), ("prepared", 500)] {
        benched(protocol, &["-f", "point_query.sql"], each);
        let said = benched(protocol, &["-S"], each);
        assert!(said.contains("<builtin: select only>"), "{said}");
        let rate = said.lines().find(|line| line.starts_with("tps"));
        eprintln!("-S -M {protocol}: {}", rate.unwrap_or_default());
        if protocol != "simple" {
            benched(protocol, &["-f", "pipeline.sql"], 25);
        }
    }
    // A new connection for each.
    benched("simple", &["-C", "-f", "point_query.sql"], 25);
    // The script tells another row from the right one.
    let pg = server.connect();
    pg.run("UPDATE pgbench_accounts SET abalance = abalance + 1");
    let (well, said) = bench(&server, "prepared", &["-f", "point_query.sql"], 1);
    assert!(!well && said.contains("division by zero"), "{said}");
    let version = Command::new(postgres::install().unwrap().join("pgbench"))
        .arg("--version")
        .output();
    let version = String::from_utf8(version.unwrap().stdout).unwrap();
    exercised(&Exercised {
        test: "pgbench",
        client: "pgbench",
        version: version.split(' ').nth(2).unwrap(),
        what: "[scripts](pgbench/): point queries that check their row, its own `-S`, pipelines; `-M` simple, extended and prepared, and `-C`",
        but: "its tables are made by [accounts.sql](pgbench/accounts.sql), not by `-i`",
    });
}

#[test]
#[ignore = "needs pgcli: make test-clients"]
fn pgcli() {
    let server = known();
    let python = clients::data().unwrap();
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(python.with_file_name("pgcli"));
        command
            .args(["-h", "127.0.0.1", "-U", "sluice", "-d", "sluice", "-p"])
            .arg(server.pg_port().to_string())
            .args(arguments)
            .env("XDG_CONFIG_HOME", home.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["--ping"]).contains("PONG"));
    assert!(run(&["--list"]).contains("| sluice | sluice |"));
    let shown = run(&[
        "-c",
        "SELECT sum(event_count) AS events FROM gold.real_time_metrics",
        "-c",
        r"\dt gold.*",
        "-c",
        r"\d gold.orders",
    ]);
    for expected in ["60000", "real_time_metrics", "numeric(10,2)"] {
        assert!(shown.contains(expected), "{shown}");
    }
    exercised(&Exercised {
        test: "pgcli",
        client: "pgcli",
        version: &python_version(&python, "pgcli"),
        what: "ping, the list of databases, a query, `\\dt`, `\\d`",
        but: "",
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
#[ignore = "needs dbt: make test-clients"]
fn dbt() {
    let server = known();
    let python = clients::dbt().unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(&path("dbt"), folder.path());
    let run = |arguments: &[&str]| {
        said(
            Command::new(python.with_file_name("dbt"))
                .args(["--no-use-colors"])
                .args(arguments)
                .args(["--profiles-dir", "."])
                .current_dir(folder.path())
                .env("SLUICE_PORT", server.pg_port().to_string())
                .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false"),
        )
    };
    assert!(run(&["debug"]).contains("All checks passed!"));
    run(&["seed"]);
    run(&["run"]);
    // again, over what is there; from scratch; and what the tests of the project say
    for arguments in [
        ["run"].as_slice(),
        &["run", "--full-refresh"],
        &["test"],
        &["build"],
    ] {
        let last = run(arguments);
        assert!(
            last.contains("ERROR=0 SKIP=0") && !last.contains("PASS=0"),
            "{last}"
        );
    }
    let pg = server.connect();
    assert_eq!(
        pg.number("SELECT sum(events) FROM marts.events_by_minute"),
        60_000
    );
    assert_eq!(
        pg.number("SELECT events FROM marts.kinds_of_events WHERE event_type = 'page_view'"),
        13_122
    );
    assert_eq!(
        pg.number("SELECT sum(events) FROM marts.busy_minutes"),
        60_000
    );
    // Nothing is left of how they were made.
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_dbt\\_%'";
    assert_eq!(pg.number(left), 0);
    run(&["docs", "generate"]);
    let catalog = fs::read_to_string(folder.path().join("target/catalog.json")).unwrap();
    let catalog: Value = serde_json::from_str(&catalog).unwrap();
    let table = &catalog["sources"]["source.sluice_example.gold.real_time_metrics"];
    assert_eq!(table["metadata"]["comment"], "events a minute");
    assert_eq!(table["columns"]["event_count"]["type"], "bigint");
    assert_eq!(catalog["nodes"].as_object().unwrap().len(), 6);
    exercised(&Exercised {
        test: "dbt",
        client: "dbt-postgres",
        version: &format!(
            "{}, dbt-core {}",
            python_version(&python, "dbt-postgres"),
            python_version(&python, "dbt-core")
        ),
        what: "[project](dbt/): debug, seed, run (view, table, incremental; again; from scratch), test, build, docs generate",
        but: "with the macro of [macros/sluice.sql](dbt/macros/sluice.sql): what views read is not renamed",
    });
}

fn airflow_command(python: &Path, program: &str, home: &Path, server: &Server) -> Command {
    let mut command = Command::new(python.with_file_name(program));
    let connection = format!("postgres://sluice@127.0.0.1:{}/sluice", server.pg_port());
    command
        .env("AIRFLOW_HOME", home)
        .env("AIRFLOW_CONN_SLUICE", connection)
        .env("AIRFLOW__CORE__DAGS_FOLDER", path("airflow"))
        .env("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        .env("AIRFLOW__USAGE_DATA_COLLECTION__ENABLED", "False")
        .current_dir(home);
    command
}

#[test]
#[ignore = "needs Airflow (330 MB): make test-clients"]
fn airflow() {
    let server = known();
    let python = clients::airflow().unwrap();
    let home = tempfile::tempdir().unwrap();
    said(airflow_command(&python, "airflow", home.path(), &server).args(["db", "migrate"]));
    let script = sluice_tests::folder().join("python/run_dag.py");
    let answer = said(
        airflow_command(&python, "python", home.path(), &server)
            .arg(script)
            .arg(path("airflow/sluice_gold.py")),
    );
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["state"], "success", "{answer}");
    let expected = json!([["page_view", 13122], ["click", 7424], ["search", 6333]]);
    assert_eq!(answer["returned"], expected, "{answer}");
    let pg = server.connect();
    assert_eq!(
        pg.number("SELECT events FROM summary WHERE event_type = 'all'"),
        60_000
    );
    exercised(&Exercised {
        test: "airflow",
        client: "Airflow",
        version: answer["version"].as_str().unwrap(),
        what: "[DAG](airflow/sluice_gold.py) by `dag.test()`: SqlSensor, SQLExecuteQueryOperator, SQLCheckOperator, PostgresHook",
        but: "",
    });
}

/// Superset on a database of its own, with what `clients/superset` has.
fn superset(python: &Path, home: &Path, port: u16) -> Value {
    let config = format!(
        "SECRET_KEY = 'of a test'\nSQLALCHEMY_DATABASE_URI = 'sqlite:///{}/superset.db'\nWTF_CSRF_ENABLED = False\nTALISMAN_ENABLED = False\n",
        home.display()
    );
    fs::write(home.join("superset_config.py"), config).unwrap();
    let assets = home.join("assets");
    copy(&path("superset/assets"), &assets);
    let database = assets.join("databases/Sluice.yaml");
    let text = fs::read_to_string(&database).unwrap();
    let ours = format!("127.0.0.1:{port}");
    fs::write(&database, text.replace("127.0.0.1:5455", &ours)).unwrap();
    let command = |program: &str| {
        let mut command = Command::new(python.with_file_name(program));
        command
            .env("SUPERSET_CONFIG_PATH", home.join("superset_config.py"))
            .env("FLASK_APP", "superset")
            .current_dir(home);
        command
    };
    let admin = "fab create-admin --username admin --firstname a --lastname b --email a@b.c --password admin";
    for words in [
        "db upgrade",
        admin,
        "init",
        "import-directory assets --overwrite",
    ] {
        said(command("superset").args(words.split(' ')));
    }
    let script = sluice_tests::folder().join("python/superset_charts.py");
    let answer = said(command("python").arg(script).arg(port.to_string()));
    serde_json::from_str(&answer).unwrap()
}

#[test]
#[ignore = "needs Superset (811 MB): make test-clients"]
fn superset_charts() {
    let server = known();
    let python = clients::superset().unwrap();
    let home = tempfile::tempdir().unwrap();
    let answer = superset(&python, home.path(), server.pg_port());
    for (grain, windows) in [
        ("PT1S", 61),
        ("PT1M", 61),
        ("PT5M", 13),
        ("PT15M", 5),
        ("PT1H", 2),
        ("P1D", 2),
        ("P1W", 1),
        ("P1M", 2),
        ("P3M", 2),
        ("P1Y", 2),
    ] {
        assert_eq!(answer["grains"][grain], json!([windows, 60_000]), "{grain}");
    }
    assert_eq!(answer["filtered"], 20_546);
    // the day begins after the first minute of the events
    assert_eq!(answer["ranged"], 59_983);
    let orders = json!([["ada", 12.5], ["bob", 7.25], ["ada", 100.0]]);
    assert_eq!(answer["qualified"], orders);
    assert_eq!(answer["bare"], orders);
    assert_eq!(answer["values"].as_array().unwrap().len(), 10);
    assert_eq!(answer["tables"], json!(["orders", "real_time_metrics"]));
    assert_eq!(answer["types"]["placed_at"], "TIMESTAMP WITH TIME ZONE");
    assert_eq!(answer["columns"].as_array().unwrap().len(), 8);
    let schemas = answer["schemas"].as_array().unwrap();
    assert!(schemas.contains(&json!("gold")), "{schemas:?}");
    exercised(&Exercised {
        test: "superset_charts",
        client: "Superset",
        version: answer["version"].as_str().unwrap(),
        what: "[assets](superset/assets/) imported; by REST: a chart at ten time grains, filters, a range of time, values of a column, a database added and tested, schemas, tables, a dataset, SQL Lab",
        but: "",
    });
}
