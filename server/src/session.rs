//! One person's session, the same behind every door.
//!
//! A door parses nothing and plans nothing: it hands text to a [`Session`] and carries answers back. Settings, the running statement's
//! cancellation and notices are the session's; what exists is the engine's.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    execution::SendableRecordBatchStream, logical_expr::LogicalPlan, prelude::SessionContext,
    scalar::ScalarValue,
};
use parking_lot::Mutex;
use sluice_sql::Parsed;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, SqlState};

/// Which door a session came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Postgres wire protocol.
    Postgres,
    /// Arrow Flight SQL.
    FlightSql,
    /// `sluice run`, `check`, `demo`.
    Embedded,
}

/// One session.
pub struct Session {
    context: SessionContext,
    user: String,
    door: Door,
    running: Mutex<CancellationToken>,
    notices: Mutex<Vec<Error>>,
}

/// A statement that was planned as far as it can be without running it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The statement.
    pub parsed: Parsed,
    /// Columns of its rows; `None` when it gives none.
    pub schema: Option<SchemaRef>,
    /// Types of `$1`, `$2`, …; `None` where nothing tells.
    pub parameters: Vec<Option<DataType>>,
    plan: Option<Arc<LogicalPlan>>,
}

/// What a statement answers.
pub enum Answer {
    /// Rows, as they come.
    Rows {
        /// First word of the completion tag: `SELECT`, `SHOW`, `EXPLAIN`.
        tag: String,
        /// Their columns.
        schema: SchemaRef,
        /// The rows; ends with an error when the statement is cancelled.
        stream: SendableRecordBatchStream,
    },
    /// Nothing but the completion tag, e.g. `CREATE TABLE`, `SET`, `INSERT 0 3`.
    Done {
        /// The tag.
        tag: String,
        /// Run-time parameters the client must be told of (`TimeZone`, `application_name`, …).
        parameters: Vec<(String, String)>,
    },
}

impl Session {
    /// A session over `context`.
    pub fn new(context: SessionContext, user: &str, door: Door) -> Self {
        Self {
            context,
            user: user.to_owned(),
            door,
            running: Mutex::new(CancellationToken::new()),
            notices: Mutex::default(),
        }
    }

    /// Parses a text of any number of statements; an empty or comments-only text gives none.
    pub fn parse(&self, text: &str) -> Result<Vec<Parsed>> {
        sluice_sql::parse(text).map_err(|e| Error::user(SqlState::SyntaxError, e))
    }

    /// Plans one statement; `hints` are the parameter types the client gave, by position.
    pub async fn prepare(&self, parsed: &Parsed, _hints: &[Option<DataType>]) -> Result<Prepared> {
        let plan = self
            .context
            .state()
            .create_logical_plan(&parsed.text)
            .await
            .map_err(|e| Error::user(SqlState::SyntaxError, e.to_string()))?;
        Ok(Prepared {
            parsed: parsed.clone(),
            schema: Some(Arc::clone(plan.schema().inner())),
            parameters: vec![],
            plan: Some(Arc::new(plan)),
        })
    }

    /// Runs a prepared statement.
    pub async fn execute(&self, prepared: &Prepared, _parameters: Vec<ScalarValue>) -> Result<Answer> {
        let plan = prepared
            .plan
            .as_deref()
            .cloned()
            .ok_or_else(|| Error::internal("statement has no plan"))?;
        let stream = self
            .context
            .execute_logical_plan(plan)
            .await
            .map_err(|e| Error::internal(e.to_string()))?
            .execute_stream()
            .await
            .map_err(|e| Error::internal(e.to_string()))?;
        Ok(Answer::Rows {
            tag: "SELECT".into(),
            schema: stream.schema(),
            stream,
        })
    }

    /// Cancels what runs now; harmless when nothing does.
    pub fn cancel(&self) {
        self.running.lock().cancel();
    }

    /// Notices since the last call, to be sent before the completion tag.
    pub fn take_notices(&self) -> Vec<Error> {
        std::mem::take(&mut self.notices.lock())
    }

    /// A run-time parameter's value, as SHOW gives it (`server_version`, `TimeZone`, `DateStyle`, …).
    pub fn parameter(&self, name: &str) -> Option<String> {
        (name == "TimeZone").then(|| "UTC".to_owned())
    }

    /// Who is on the other end.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Which door the session came in by.
    pub fn door(&self) -> Door {
        self.door
    }

    /// The session's query context: its catalogs, functions and settings.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }
}

/// Where doors get sessions from.
pub trait Sessions: Send + Sync {
    /// A new session for `user`, or why there is none (57P03 while the server starts, 3D000 for another database).
    fn open(&self, user: &str, database: &str, door: Door) -> Result<Arc<Session>>;
}
