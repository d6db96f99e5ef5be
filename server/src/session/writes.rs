//! What statements that write rows need of a session.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use sluice_sql::ast;
use tokio_util::sync::CancellationToken;

use super::{Planned, Prepared, Session};
use crate::{
    dialect,
    error::{Error, Result, SqlState},
    execute::{
        self,
        dml::{self, Dml, WritePlan},
    },
};

impl Prepared {
    /// Whether it adds rows to a table and does nothing else.
    pub(crate) fn inserts(&self) -> bool {
        matches!(&self.plan, Some(Planned::Write(Dml::Insert(..))))
    }
}

impl Session {
    /// Plans a statement that writes rows or changes what exists, and gives its parameters' types; `None` for any other.
    pub(super) async fn prepare_write(
        &self,
        statement: &ast::Statement,
        hints: &[Option<DataType>],
    ) -> Result<Option<(Planned, Vec<Option<DataType>>)>> {
        if execute::defines(statement) {
            let plan = Planned::Define(Arc::new(statement.clone()));
            return Ok(Some((plan, Vec::new())));
        }
        if let Some(planned) = self.prepare_temp_write(statement, hints).await? {
            return Ok(Some(planned));
        }
        let planned = dml::prepare(self, statement, hints).await?;
        Ok(planned.map(|(dml, parameters)| (Planned::Write(dml), parameters)))
    }

    /// What a statement that writes rows would do; `None` for any other.
    pub(crate) async fn write_plan(&self, statement: &ast::Statement) -> Result<Option<WritePlan>> {
        if let ast::Statement::Truncate(_) = statement {
            return Ok(None);
        }
        match self.prepare_temp_write(statement, &[]).await? {
            Some((Planned::Temp(write), _)) => Ok(Some(write.told())),
            _ => dml::told(self, statement).await,
        }
    }

    /// A query as the engine is given it.
    pub(crate) fn as_planned(&self, statement: ast::Statement) -> ast::Statement {
        dialect::rewrite(statement)
    }

    /// Runs a statement that [`Prepared::inserts`] for many values, as one, until the token is cancelled; its completion tag.
    pub(crate) async fn execute_all(
        &self,
        prepared: &Prepared,
        rows: Vec<Vec<ScalarValue>>,
        token: &CancellationToken,
    ) -> Result<String> {
        let Some(Planned::Write(dml)) = &prepared.plan else {
            return Err(Error::internal("only what inserts runs for many values"));
        };
        self.check_there()?;
        self.admit(prepared)?;
        self.look_again(prepared).await?;
        let done = Box::pin(dml::run_all(self, dml, rows, token)).await;
        let done = done.map_err(|error| error.placed(&prepared.parsed));
        self.engine
            .metrics()
            .statement_ended(self.door, done.as_ref().err());
        done
    }

    /// A statement that a door carried out by itself has ended.
    pub(crate) fn copied(&self, well: bool) {
        let error = Error::user(SqlState::DataException, "COPY failed");
        let error = (!well).then_some(&error);
        self.engine.metrics().statement_ended(self.door, error);
    }
}

/// `X is not supported`.
pub(super) fn not_offered(text: &str) -> Error {
    let word = text
        .split_whitespace()
        .next()
        .unwrap_or("this")
        .to_uppercase();
    let error = Error::user(
        SqlState::FeatureNotSupported,
        format!("{word} is not supported"),
    );
    match word.as_str() {
        "LISTEN" | "NOTIFY" | "UNLISTEN" => error.with_hint(NO_NOTIFICATIONS),
        _ => error,
    }
}

/// What to do in the place of LISTEN and NOTIFY.
pub(crate) const NO_NOTIFICATIONS: &str =
    "Nothing sends notifications here; SUBSCRIBE name gives the rows of a table as they come.";
