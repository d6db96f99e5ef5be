//! `PREPARE`, `EXECUTE`, `DEALLOCATE`: prepared statements by SQL.
//!
//! Values of EXECUTE are expressions, which the session works out as it does any query's; what comes of them stays a value and is never pasted
//! into a statement's text.

mod types;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use postgres_types::Type;
use sluice_sql::{Parsed, ast};
use tokio::io::{AsyncRead, AsyncWrite};

use self::types::{assignable, literal, named};
use super::{
    cancel::Running,
    columns::{columns, to_arrow},
    command::Command,
    connection::Connection,
    failure::{Failure, Trouble},
    parameters::{decode, fit, hint},
    portal::{Kind, Progress, Statement},
    simple::Piece,
};
use crate::{dialect::format_type, session::Answer};

impl Statement {
    /// What the client named for its parameters stands; what was left open is as planned.
    pub(super) fn name_types(&mut self, named: Vec<Option<Type>>) {
        for (i, named) in named.into_iter().enumerate() {
            let named = named.filter(|pg| *pg != Type::UNKNOWN);
            match (self.types.get_mut(i), named) {
                (Some(known), Some(named)) => *known = named,
                (None, named) => self.types.push(named.unwrap_or(Type::TEXT)),
                (Some(_), None) => {}
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// PREPARE.
    pub(super) async fn prepare(
        &mut self,
        command: &Command,
        running: &Running,
    ) -> Result<String, Trouble> {
        let Command::Prepare {
            name,
            types,
            query,
            offset,
            text,
        } = command
        else {
            return Ok(String::new());
        };
        self.statements.admit(name)?;
        let types = types.iter().map(|(text, at)| {
            let unknown = || {
                let message = format!("type \"{}\" does not exist", text.to_lowercase());
                let mut failure = Failure::error("42704", message);
                failure.position = Some(at + 1);
                failure
            };
            match text.eq_ignore_ascii_case("unknown") {
                true => Ok(None),
                false => named(text).map(Some).ok_or_else(unknown),
            }
        });
        let types = types.collect::<Result<Vec<_>, Failure>>()?;
        let parsed = self.session.parse(query);
        let parsed = parsed.map_err(|error| Failure::from(error).after(*offset))?;
        let Ok([mut parsed]) = <[_; 1]>::try_from(parsed) else {
            let mut failure = Failure::error("42601", "syntax error at end of input");
            failure.position = Some(text.chars().count() + 1);
            return Err(failure.into());
        };
        parsed.offset += offset;
        if !is_prepared(&parsed) {
            let word = parsed.text.split_whitespace().next().unwrap_or_default();
            let message = format!("syntax error at or near \"{word}\"");
            let mut failure = Failure::error("42601", message)
                .with_hint("PREPARE takes SELECT, VALUES, INSERT, UPDATE, DELETE and MERGE.");
            failure.position = Some(offset + 1);
            return Err(failure.into());
        }
        let piece = Piece {
            command: None,
            parsed: Some(parsed),
        };
        let hints: Vec<Option<DataType>> = types
            .iter()
            .map(|named| named.as_ref().and_then(hint))
            .collect();
        let mut statement = self.plan(piece, &hints, running).await?;
        statement.name_types(types);
        let now = self.session.engine().clock().now_us();
        self.statements.put(name, statement, text, (now, true));
        Ok("PREPARE".into())
    }

    /// EXECUTE, up to its rows or its completion tag.
    pub(super) async fn execute_named(
        &mut self,
        name: &str,
        values: &[(String, usize)],
        formats: &[i16],
        running: &Running,
    ) -> Result<Progress, Trouble> {
        let statement = self.prepared(name)?;
        let Kind::Engine(prepared) = &statement.kind else {
            let message = format!("prepared statement \"{name}\" cannot be run by EXECUTE");
            return Err(Failure::error("0A000", message)
                .with_hint("Run it by the protocol's own messages, or write it out.")
                .into());
        };
        let values = self.values(name, &statement, values, running).await?;
        self.open(prepared, values, formats, running).await
    }

    /// EXPLAIN of an EXECUTE: of the statement with its values written into it.
    pub(super) async fn explain_execute(
        &mut self,
        (explain, name): (&str, &str),
        values: &[(String, usize)],
        formats: &[i16],
        running: &Running,
    ) -> Result<Progress, Trouble> {
        let statement = self.prepared(name)?;
        let (Kind::Engine(prepared), true) = (&statement.kind, statement.columns.is_some()) else {
            return Err(Failure::error("0A000", "this statement has no plan to explain").into());
        };
        let texts = values.iter().map(|(text, _)| text.as_str());
        let written = types::written(&prepared.parsed.statement, &statement.types, texts);
        // Whatever is wrong with the values is found before they are written anywhere.
        self.values(name, &statement, values, running).await?;
        let parsed = self.session.parse(&format!("{explain} {written}"))?;
        let Ok([parsed]) = <[_; 1]>::try_from(parsed) else {
            return Err(Failure::error("42601", "EXPLAIN takes one statement").into());
        };
        let session = Arc::clone(&self.session);
        let planning = session.prepare_apart(&parsed, &[]);
        let prepared = running.wait(&mut self.wire, planning).await?;
        // Positions would be of a text that nobody sent.
        let prepared = prepared.map_err(|error| Failure {
            position: None,
            ..Failure::from(error)
        })?;
        self.open(&prepared, Vec::new(), formats, running).await
    }

    /// The prepared statement of this name.
    pub(super) fn prepared(&self, name: &str) -> Result<Arc<Statement>, Failure> {
        self.statements.get(name).cloned().ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Failure::error("26000", message)
        })
    }

    /// What the expressions come to, each in its parameter's type.
    async fn values(
        &mut self,
        name: &str,
        statement: &Statement,
        texts: &[(String, usize)],
        running: &Running,
    ) -> Result<Vec<ScalarValue>, Trouble> {
        if texts.len() != statement.types.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(Failure::error("42601", message)
                .with_detail(format!(
                    "Expected {} parameters but got {}.",
                    statement.types.len(),
                    texts.len()
                ))
                .into());
        }
        let mut values = Vec::with_capacity(texts.len());
        for (i, (text, offset)) in texts.iter().enumerate() {
            let Some(pg) = statement.types.get(i) else {
                break;
            };
            let placed = |mut failure: Failure| {
                failure.position = Some(offset + 1);
                failure
            };
            let value = match literal(text, pg) {
                Some(literal) => {
                    decode(i + 1, pg, 0, literal.as_deref().map(str::as_bytes)).map_err(placed)?
                }
                None => match self.worked_out(text, pg, running).await {
                    Ok(Ok(value)) => value,
                    Ok(Err(of)) => {
                        let (number, of, to) = (i + 1, of.oid(), pg.oid());
                        let (of, to) = (
                            format_type(of.cast_signed(), None),
                            format_type(to.cast_signed(), None),
                        );
                        let message = format!(
                            "parameter ${number} of type {of} cannot be coerced to the expected type {to}"
                        );
                        return Err(placed(
                            Failure::error("42804", message)
                                .with_hint("You will need to rewrite or cast the expression."),
                        )
                        .into());
                    }
                    Err(Trouble::Told(failure)) => return Err(placed(*failure).into()),
                    Err(lost) => return Err(lost),
                },
            };
            let wanted = statement.wanted.get(i).and_then(Option::as_ref);
            values.push(fit(value, wanted)?);
        }
        Ok(values)
    }

    /// What an expression comes to, in this type; its own type where it cannot be assigned to it.
    async fn worked_out(
        &mut self,
        text: &str,
        pg: &Type,
        running: &Running,
    ) -> Result<Result<ScalarValue, Type>, Trouble> {
        let to = format_type(pg.oid().cast_signed(), None);
        let query = format!("SELECT ({text}\n), CAST(({text}\n) AS {to})");
        let parsed = self.session.parse(&format!("SELECT ({text}\n)"));
        let one = |all: Vec<Parsed>| <[_; 1]>::try_from(all).ok().map(|[one]| one);
        // An expression and nothing else: what is no expression alone would be something else in the other.
        let alone = parsed.map(one)?.filter(is_expression);
        let parsed = one(self.session.parse(&query)?).filter(|_| alone.is_some());
        let Some(parsed) = parsed else {
            return Err(Failure::error("42601", "EXECUTE takes expressions").into());
        };
        let session = Arc::clone(&self.session);
        let work = async {
            let own = alone.as_ref().unwrap_or(&parsed);
            let own = session.prepare(own, &[]).await?;
            let of = own.schema.as_deref().map(columns).unwrap_or_default();
            let null = own.schema.as_deref().is_some_and(|schema| {
                schema
                    .fields()
                    .first()
                    .is_some_and(|field| field.data_type().is_null())
            });
            let of = of.into_iter().next().map_or(Type::TEXT, |column| column.pg);
            if !null && !assignable(&of, pg) {
                return Ok(Err(of));
            }
            let prepared = session.prepare(&parsed, &[]).await?;
            let answer = session.execute(&prepared, Vec::new()).await?;
            let Answer::Rows { mut stream, .. } = answer else {
                return Err(Trouble::from(Failure::error(
                    "42601",
                    "EXECUTE takes expressions",
                )));
            };
            let mut found = None;
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                if let (Some(column), true) = (batch.columns().get(1), batch.num_rows() > 0) {
                    found = Some(ScalarValue::try_from_array(column, 0)?);
                }
            }
            let data_type = to_arrow(pg).unwrap_or(DataType::Utf8);
            let value = match found {
                Some(value) => value.cast_to(&data_type)?,
                None => ScalarValue::try_from(&data_type)?,
            };
            Ok::<_, Trouble>(Ok(value))
        };
        running.wait(&mut self.wire, work).await?
    }
}

/// Whether PREPARE takes a statement.
fn is_prepared(parsed: &Parsed) -> bool {
    let sluice_sql::Statement::Sql(statement) = &parsed.statement else {
        return false;
    };
    matches!(
        statement.as_ref(),
        ast::Statement::Query(_)
            | ast::Statement::Insert(_)
            | ast::Statement::Update(_)
            | ast::Statement::Delete(_)
            | ast::Statement::Merge(_)
    )
}

/// Whether a query is `SELECT (expression)` and no more.
fn is_expression(parsed: &Parsed) -> bool {
    let sluice_sql::Statement::Sql(statement) = &parsed.statement else {
        return false;
    };
    let ast::Statement::Query(query) = statement.as_ref() else {
        return false;
    };
    let ast::SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let one = matches!(
        select.projection.as_slice(),
        [ast::SelectItem::UnnamedExpr(_)]
    );
    one && select.from.is_empty() && select.selection.is_none() && query.order_by.is_none()
}
