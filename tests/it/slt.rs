//! Statements, their answers and their errors: every `tests/slt/*.slt`, each on a server of its own, over the simple protocol.
//!
//! In the files `$__BOOTSTRAP__` is the broker and `$__TOPIC__` a topic of one partition with a few good events.

use std::fs;

use async_trait::async_trait;
use sluice_tests::{
    load::Shape,
    parts::{kafka::Broker, producer::Producer},
    pg::{Refusal, block_on},
    server::Server,
};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A connection as the runner wants it. Not [`sluice_tests::pg::Pg`], which blocks.
struct Door(Client);

#[async_trait]
impl AsyncDB for Door {
    type Error = Refusal;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refusal> {
        let messages = self
            .0
            .simple_query(sql)
            .await
            .map_err(|e| match e.as_db_error() {
                Some(error) => Refusal::from(error),
                None => Refusal {
                    message: e.to_string(),
                    ..Refusal::default()
                },
            })?;
        let mut columns = None;
        let mut rows = Vec::new();
        let mut count = 0;
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(description) => {
                    columns = Some(description.len())
                }
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|i| shown(row.get(i))).collect())
                }
                SimpleQueryMessage::CommandComplete(n) => count = n,
                _ => {}
            }
        }
        Ok(match columns {
            Some(columns) => DBOutput::Rows {
                types: vec![DefaultColumnType::Any; columns],
                rows,
            },
            None => DBOutput::StatementComplete(count),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "sluice"
    }

    fn error_sql_state(error: &Refusal) -> Option<String> {
        Some(error.state.clone())
    }
}

fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".into(),
        Some("") => "(empty)".into(),
        Some(text) => text.to_owned(),
    }
}

fn run(name: &str) {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("slt", 1);
    let mut producer = Producer::new(broker, &topic, 1);
    producer.send_all(&Shape::of(50, 1).clean());
    producer.flush();
    let server = Server::start();
    let path = sluice_tests::folder().join("slt").join(name);
    let script = fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .replace("$__BOOTSTRAP__", &broker.bootstrap())
        .replace("$__TOPIC__", &topic);
    let port = server.pg_port();
    let mut runner = Runner::new(move || async move {
        let config = format!("host=127.0.0.1 port={port} user=sluice dbname=sluice");
        let (client, connection) =
            tokio_postgres::connect(&config, NoTls)
                .await
                .map_err(|e| Refusal {
                    message: e.to_string(),
                    ..Refusal::default()
                })?;
        tokio::spawn(connection);
        Ok(Door(client))
    });
    let ran = block_on(runner.run_script_with_name_async(&script, name));
    if let Err(e) = ran {
        panic!("{}", e.display(false));
    }
}

/// One test per file, and every file has its test.
macro_rules! files {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            run(concat!(stringify!($name), ".slt"));
        })*

        #[test]
        fn every_file_is_run() {
            let mut there: Vec<String> = fs::read_dir(sluice_tests::folder().join("slt"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            there.sort();
            let mut run = vec![$(concat!(stringify!($name), ".slt").to_owned()),*];
            run.sort();
            assert_eq!(there, run);
        }
    };
}

files!(
    comments,
    ddl,
    definitions,
    show,
    describe,
    dml,
    errors,
    explain,
    maintenance,
    postgres,
    rename,
    search_path,
    temporary,
    prepared,
    cursors,
    select,
    sketches,
    values,
    whole_rows,
    declared,
    windows,
    settings,
    sessions
);
