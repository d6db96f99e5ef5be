//! `t VERSION AS OF n` and `t TIMESTAMP AS OF time`: a relation of its own name.
//!
//! The engine looks every relation up by its name, before it plans and without saying which version is meant. So before a statement is
//! planned, `t VERSION AS OF 3` becomes `"t@version=3" AS t`, which the catalog takes apart again ([`AsOf::of_relation`]). A time is worked
//! out once, here: all of a statement sees one version. No relation can be created under such a name.

use std::{ops::ControlFlow, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    common::{DFSchema, ScalarValue},
    execution::SessionState,
    logical_expr::{Expr, ExprSchemable, simplify::SimplifyContext},
    optimizer::simplify_expressions::ExprSimplifier,
};
use sluice_sql::ast::{
    self, Ident, ObjectNamePart, Statement, TableAlias, TableFactor, TableVersion, Value, VisitMut,
    VisitorMut,
};

use super::parse_expr;
use crate::error::{PlanError, PlanErrorKind, Result};

#[cfg(test)]
mod tests;

const VERSION: &str = "@version=";
const TIMESTAMP: &str = "@timestamp=";

/// Which version of a table is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The one of this number.
    Version(i64),
    /// The newest at this time, in microseconds since the Unix epoch.
    Time(i64),
}

impl AsOf {
    /// The table and its version, when that is what a relation's name says.
    pub fn of_relation(name: &str) -> Option<(&str, Self)> {
        if let Some((table, version)) = name.rsplit_once(VERSION) {
            return Some((table, Self::Version(version.parse().ok()?)));
        }
        let (table, time) = name.rsplit_once(TIMESTAMP)?;
        let time = DateTime::parse_from_rfc3339(time).ok()?;
        Some((table, Self::Time(time.timestamp_micros())))
    }

    fn relation(self, table: &str) -> Option<String> {
        Some(match self {
            Self::Version(version) => format!("{table}{VERSION}{version}"),
            Self::Time(us) => {
                let time = DateTime::<Utc>::from_timestamp_micros(us)?;
                let time = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                format!("{table}{TIMESTAMP}{time}")
            }
        })
    }
}

/// Gives every table with a version the name of that version.
pub(super) fn name_versions(state: &SessionState, statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Namer { state }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Namer<'a> {
    state: &'a SessionState,
}

impl VisitorMut for Namer<'_> {
    type Break = Box<PlanError>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match self.rename(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Namer<'_> {
    fn rename(&self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table {
            name,
            alias,
            version,
            ..
        } = factor
        else {
            return Ok(());
        };
        let Some(version) = version.take() else {
            return Ok(());
        };
        let Some(ObjectNamePart::Identifier(table)) = name.0.last_mut() else {
            return Ok(());
        };
        let as_of = self.as_of(version, table)?;
        let folded = match table.quote_style {
            None => table.value.to_lowercase(),
            Some(_) => table.value.clone(),
        };
        let relation = as_of.relation(&folded).ok_or_else(|| out_of_range(table))?;
        let mut named = Ident::with_quote('"', relation);
        named.span = table.span;
        let written = std::mem::replace(table, named);
        alias.get_or_insert(TableAlias {
            explicit: true,
            name: written,
            columns: Vec::new(),
            at: None,
        });
        Ok(())
    }

    fn as_of(&self, version: TableVersion, table: &Ident) -> Result<AsOf> {
        match version {
            TableVersion::VersionAsOf(ast::Expr::Value(value)) => match &value.value {
                Value::Number(number, _) => number
                    .to_string()
                    .parse()
                    .map(AsOf::Version)
                    .map_err(|_| out_of_range(table)),
                other => Err(PlanError::invalid(format!(
                    "{other} is no version of a table"
                ))),
            },
            TableVersion::TimestampAsOf(time) | TableVersion::ForSystemTimeAsOf(time) => {
                self.time(&time).map(AsOf::Time)
            }
            other => Err(PlanError::unsupported(format!("{other} is not supported"))),
        }
    }

    /// The time that an expression without columns gives, in the session's time zone where it says none.
    fn time(&self, time: &ast::Expr) -> Result<i64> {
        let text = time.to_string();
        let wrong = |why: String| {
            PlanError::new(
                PlanErrorKind::DatatypeMismatch,
                format!("TIMESTAMP AS OF {text} is no time"),
            )
            .detail(why)
            .hint("write TIMESTAMP AS OF '2026-11-27 10:00:00', or now() - INTERVAL '1 hour'")
        };
        let empty = Arc::new(DFSchema::empty());
        let expr = parse_expr(self.state, &with_seconds(time), &empty)?;
        let zone = self.state.config_options().execution.time_zone.clone();
        let zone = zone.unwrap_or_else(|| "UTC".to_owned());
        let to = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
        if !matches!(
            expr.get_type(&empty)?,
            DataType::Utf8
                | DataType::Utf8View
                | DataType::LargeUtf8
                | DataType::Date32
                | DataType::Timestamp(..)
        ) {
            return Err(wrong("it is neither a time nor a text".into()));
        }
        let expr = expr.cast_to(&to, &empty)?;
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&empty))
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_current_time()
            .build();
        let simplified = ExprSimplifier::new(context)
            .simplify(expr)
            .map_err(|error| wrong(PlanError::from(error).message))?;
        match simplified {
            Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), _), _) => Ok(us),
            Expr::Literal(..) => Err(wrong("it is null".into())),
            _ => Err(wrong(
                "it cannot be worked out before the statement runs".into(),
            )),
        }
    }
}

/// `2026-11-27 10:00` with its seconds, which the engine does not do without.
fn with_seconds(time: &ast::Expr) -> ast::Expr {
    let mut time = time.clone();
    if let ast::Expr::Value(value) = &mut time
        && let Value::SingleQuotedString(text) = &mut value.value
        && text.len() == "2026-11-27 10:00".len()
        && text.as_bytes().get(13) == Some(&b':')
    {
        text.push_str(":00");
    }
    time
}

fn out_of_range(table: &Ident) -> PlanError {
    PlanError::invalid(format!("table {table} has no such version"))
}
