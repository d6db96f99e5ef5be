//! A blocking client over the Postgres wire: plain tests, one runtime behind them, and a bound on every statement.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use futures::StreamExt;
use tokio::{runtime::Runtime, time::timeout};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage, error::DbError};

/// How long one statement may take.
pub const STATEMENT_LIMIT: Duration = Duration::from_secs(120);

/// The runtime that carries every client of this process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// Runs a future to its end on the shared runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// What the server said no with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Refusal {
    /// SQLSTATE; empty when the connection broke instead.
    pub state: String,
    /// Primary message.
    pub message: String,
    /// DETAIL, or empty.
    pub detail: String,
    /// HINT, or empty.
    pub hint: String,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
}

impl Refusal {
    fn of(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(error) => Self::from(error),
            None => Self {
                message: error.to_string(),
                ..Self::default()
            },
        }
    }
}

impl From<&DbError> for Refusal {
    fn from(error: &DbError) -> Self {
        Self {
            state: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().unwrap_or_default().to_owned(),
            hint: error.hint().unwrap_or_default().to_owned(),
            position: match error.position() {
                Some(tokio_postgres::error::ErrorPosition::Original(at)) => Some(*at),
                _ => None,
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.state, self.message)?;
        if !self.detail.is_empty() {
            write!(f, "\nDETAIL:  {}", self.detail)?;
        }
        if !self.hint.is_empty() {
            write!(f, "\nHINT:  {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Rows as text, as the simple protocol gives them.
pub type Rows = Vec<Vec<Option<String>>>;

/// One connection.
pub struct Pg {
    client: Client,
    notices: Arc<Mutex<Vec<Refusal>>>,
}

impl Pg {
    /// Connects as user `sluice` to database `sluice`.
    pub fn connect(port: u16) -> Result<Self, Refusal> {
        Self::connect_as(port, "sluice", "sluice")
    }

    /// Connects as somebody else, to something else.
    pub fn connect_as(port: u16, user: &str, database: &str) -> Result<Self, Refusal> {
        Self::connect_by(&format!("port={port} user={user} dbname={database}"))
    }

    /// Connects to database `sluice` with a password.
    pub fn connect_with(port: u16, user: &str, password: &str) -> Result<Self, Refusal> {
        Self::connect_by(&format!(
            "port={port} user={user} dbname=sluice password='{password}'"
        ))
    }

    fn connect_by(parameters: &str) -> Result<Self, Refusal> {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notices);
        let config = format!("host=127.0.0.1 connect_timeout=10 {parameters}");
        let client = block_on(async move {
            let (client, mut connection) = tokio_postgres::connect(&config, NoTls)
                .await
                .map_err(|e| Refusal::of(&e))?;
            tokio::spawn(async move {
                let mut messages =
                    futures::stream::poll_fn(move |context| connection.poll_message(context));
                while let Some(Ok(message)) = messages.next().await {
                    if let AsyncMessage::Notice(notice) = message {
                        heard.lock().expect("notices").push(Refusal::from(&notice));
                    }
                }
            });
            Ok::<_, Refusal>(client)
        })?;
        Ok(Self { client, notices })
    }

    /// The client itself, for the extended protocol (with [`block_on`]).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The client itself and nothing else, for what changes it (a transaction).
    pub fn into_client(self) -> Client {
        self.client
    }

    /// Runs a text of any number of statements by the simple protocol; the rows of the last one that gave rows.
    pub fn try_run(&self, sql: &str) -> Result<Rows, Refusal> {
        self.try_run_within(sql, STATEMENT_LIMIT)
    }

    /// As [`Pg::try_run`], with a bound of one's own.
    pub fn try_run_within(&self, sql: &str, limit: Duration) -> Result<Rows, Refusal> {
        let answer = block_on(async { timeout(limit, self.client.simple_query(sql)).await });
        let messages = answer
            .unwrap_or_else(|_| panic!("no answer within {} s to: {}", limit.as_secs(), short(sql)))
            .map_err(|e| Refusal::of(&e))?;
        let mut rows = Rows::new();
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows.clear(),
                SimpleQueryMessage::Row(row) => {
                    rows.push(
                        (0..row.len())
                            .map(|i| row.get(i).map(str::to_owned))
                            .collect(),
                    );
                }
                _ => {}
            }
        }
        Ok(rows)
    }

    /// Runs a text that must succeed.
    pub fn run(&self, sql: &str) -> Rows {
        self.try_run(sql)
            .unwrap_or_else(|e| panic!("{}\nwas refused with {e}", short(sql)))
    }

    /// The one value of a query of one row and one column; `""` for null.
    pub fn value(&self, sql: &str) -> String {
        let rows = self.run(sql);
        assert!(
            rows.len() == 1 && rows[0].len() == 1,
            "one value expected from {sql}, got {rows:?}"
        );
        rows[0][0].clone().unwrap_or_default()
    }

    /// The one number of a query.
    pub fn number(&self, sql: &str) -> i64 {
        let value = self.value(sql);
        value
            .parse()
            .unwrap_or_else(|_| panic!("a number expected from {sql}, got {value:?}"))
    }

    /// Runs a text that must be refused with this SQLSTATE; every one of `says` must be in message, detail or hint.
    pub fn refused(&self, sql: &str, state: &str, says: &[&str]) -> Refusal {
        match self.try_run(sql) {
            Ok(rows) => panic!(
                "{}\nshould have been refused with {state}, gave {rows:?}",
                short(sql)
            ),
            Err(refusal) => {
                check_refusal(&refusal, state, says, &short(sql));
                refusal
            }
        }
    }

    /// Notices heard since the last call.
    pub fn take_notices(&self) -> Vec<Refusal> {
        std::mem::take(&mut *self.notices.lock().expect("notices"))
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

/// A refusal has this SQLSTATE, says each of `says`, and reads like PostgreSQL: lower case, no full stop.
pub fn check_refusal(refusal: &Refusal, state: &str, says: &[&str], what: &str) {
    assert_eq!(refusal.state, state, "{what}\nwas refused with {refusal}");
    let text = refusal.to_string();
    for said in says {
        assert!(
            text.contains(said),
            "{what}\nshould say {said:?}, but says {refusal}"
        );
    }
    // a name keeps its capital: Kafka, TUMBLE
    let first = refusal.message.split(' ').next().unwrap_or_default();
    let name = first == "Kafka" || first.chars().skip(1).any(char::is_uppercase);
    assert!(
        name || first.chars().next().is_some_and(|c| !c.is_uppercase()),
        "{what}\nmessage does not start in lower case: {refusal}"
    );
    assert!(
        !refusal.message.ends_with('.') && !refusal.message.contains('\n'),
        "{what}\nmessage ends with a full stop or has several lines: {refusal}"
    );
}

fn short(sql: &str) -> String {
    if sql.len() <= 600 {
        return sql.to_owned();
    }
    let head: String = sql.chars().take(200).collect();
    format!("{head}… ({} bytes)", sql.len())
}
