//! Run-time parameters: what SET, SHOW and RESET work on. Names are PostgreSQL's where it has one, and ours where it has none.

mod kind;
mod known;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use sluice_sql::ast;

pub(super) use self::known::reported;
pub(crate) use self::known::{LIST_COMPANIONS, parameters};
use self::{
    kind::bool_of,
    known::{default, find, may_change, take, unknown},
};
use super::{Isolation, Modes, search_path};
use crate::{
    error::{Error, Result, SqlState},
    table::Freshness,
};

/// A session's parameters.
#[derive(Debug)]
pub(super) struct Settings {
    user: String,
    values: Values,
    block: Option<Block>,
}

/// What is not as it is by default.
#[derive(Clone, Debug, Default, PartialEq)]
struct Values {
    known: BTreeMap<&'static str, String>,
    /// `a.b` parameters, which PostgreSQL lets anybody make up.
    custom: BTreeMap<String, String>,
    /// `session_user` and `current_user`.
    roles: Option<(String, String)>,
}

/// A transaction block, and what its end does to the parameters.
#[derive(Debug)]
struct Block {
    modes: Modes,
    /// What ROLLBACK goes back to.
    before: Values,
    /// What COMMIT leaves: all but what was set for the block alone.
    kept: Values,
    /// What there was at each savepoint, and what COMMIT would have left.
    savepoints: Vec<(Values, Values)>,
}

/// How long a value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Until the session ends, or the block that it is set in is rolled back.
    Session,
    /// Until the transaction block ends; outside of one for nothing.
    Local,
}

/// What a statement about parameters does.
#[derive(Debug)]
pub(super) enum Effect {
    Shown {
        name: String,
        value: String,
    },
    Changed {
        tag: String,
    },
    Nothing {
        tag: String,
    },
    /// SET LOCAL where there is no block.
    OfNoBlock,
}

/// For a statement that this file carries out: the columns it gives, if any. `None` for every other statement.
pub(super) fn shown_schema(statement: &ast::Statement) -> Option<Option<SchemaRef>> {
    match statement {
        ast::Statement::ShowVariable { variable } if is_all(&variable_name(variable)) => {
            Some(Some(all_schema()))
        }
        ast::Statement::ShowVariable { variable } => {
            let name = variable_name(variable);
            let known = find(&name).map_or(name, |known| known.to_owned());
            Some(Some(Arc::new(Schema::new(vec![Field::new(
                known,
                DataType::Utf8,
                true,
            )]))))
        }
        ast::Statement::Set(_)
        | ast::Statement::Reset(_)
        | ast::Statement::StartTransaction { .. }
        | ast::Statement::Commit { .. }
        | ast::Statement::Rollback { .. }
        | ast::Statement::Savepoint { .. }
        | ast::Statement::ReleaseSavepoint { .. }
        | ast::Statement::Discard { .. }
        | ast::Statement::Lock(_) => Some(None),
        _ => None,
    }
}

/// Whether SHOW asks for all of them.
pub(super) fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("all")
}

fn all_schema() -> SchemaRef {
    let column = |name| Field::new(name, DataType::Utf8, true);
    let columns = ["name", "setting", "description"].map(column);
    Arc::new(Schema::new(columns.to_vec()))
}

/// The parameter that a SHOW asks for, as it is called.
pub(super) fn shown_name(statement: &ast::Statement) -> Option<String> {
    match statement {
        ast::Statement::ShowVariable { variable } => {
            let name = variable_name(variable);
            Some(find(&name).map_or(name, str::to_owned))
        }
        _ => None,
    }
}

impl Settings {
    pub(super) fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            values: Values::default(),
            block: None,
        }
    }

    /// A transaction block begins, or is of other modes.
    pub(super) fn begin(&mut self, modes: Modes) {
        match &mut self.block {
            Some(block) => block.modes = modes,
            None => {
                self.block = Some(Block {
                    modes,
                    before: self.values.clone(),
                    kept: self.values.clone(),
                    savepoints: Vec::new(),
                });
            }
        }
    }

    /// The block is over; its modes, and whether parameters are others now.
    pub(super) fn end(&mut self, committed: bool) -> (Modes, bool) {
        let Some(block) = self.block.take() else {
            return (Modes::default(), false);
        };
        let left = match committed {
            true => block.kept,
            false => block.before,
        };
        let changed = left != self.values;
        self.values = left;
        (block.modes, changed)
    }

    /// A savepoint is set behind the first `before` of the block.
    pub(super) fn savepoint(&mut self, before: usize) {
        if let Some(block) = &mut self.block {
            block.savepoints.truncate(before);
            let now = (self.values.clone(), block.kept.clone());
            block.savepoints.push(now);
        }
    }

    /// Parameters are again what they were at the savepoint behind the first `before` of the block; whether that changes any.
    pub(super) fn roll_back_to(&mut self, before: usize) -> bool {
        let Some(block) = &mut self.block else {
            return false;
        };
        let Some((values, kept)) = block.savepoints.get(before).cloned() else {
            return false;
        };
        block.kept = kept;
        let changed = values != self.values;
        self.values = values;
        changed
    }

    /// The modes of the block, where there is one.
    pub(super) fn transaction(&self) -> Option<Modes> {
        self.block.as_ref().map(|block| block.modes)
    }

    /// What statements read: a block is for reading the same, and outside of one there is a statement alone.
    pub(super) fn isolation(&self) -> Isolation {
        let asked = self.transaction().and_then(|modes| modes.isolation);
        let otherwise = self.values.known.get("default_transaction_isolation");
        match (asked, otherwise) {
            (Some(isolation), _) => isolation,
            (None, Some(name)) => Isolation::named(name),
            (None, None) if self.block.is_some() => Isolation::RepeatableRead,
            (None, None) => Isolation::ReadCommitted,
        }
    }

    /// Whether statements may only read.
    pub(super) fn read_only(&self) -> bool {
        let asked = self.transaction().and_then(|modes| modes.read_only);
        asked.unwrap_or_else(|| {
            let otherwise = self.values.known.get("default_transaction_read_only");
            otherwise.is_some_and(|value| is_on(value))
        })
    }

    /// A parameter's value; names in any case.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        if name.eq_ignore_ascii_case("session_authorization") {
            return Some(self.user.clone());
        }
        match find(name) {
            Some("transaction_isolation") => Some(self.isolation().name().to_owned()),
            Some("transaction_read_only") => {
                let on = if self.read_only() { "on" } else { "off" };
                Some(on.to_owned())
            }
            Some(known) => self
                .values
                .known
                .get(known)
                .cloned()
                .or_else(|| default(known).map(str::to_owned)),
            None => self.values.custom.get(&name.to_lowercase()).cloned(),
        }
    }

    /// Every parameter, as SHOW ALL gives them; `about` knows those that follow from something else.
    pub(super) fn all(&self, about: impl Fn(&str) -> Option<String>) -> Result<RecordBatch> {
        let mut names: Vec<&str> = parameters().map(|(name, ..)| name).collect();
        names.sort_by_key(|name| name.to_lowercase());
        let values = names
            .iter()
            .map(|name| about(name).or_else(|| self.get(name)));
        let values: StringArray = values.collect();
        let descriptions: StringArray = names.iter().map(|_| None::<&str>).collect();
        let names = StringArray::from(names.clone());
        let columns: Vec<ArrayRef> =
            vec![Arc::new(names), Arc::new(values), Arc::new(descriptions)];
        RecordBatch::try_new(all_schema(), columns)
            .map_err(|error| Error::internal(error.to_string()))
    }

    /// `session_user` and `current_user`.
    pub(super) fn roles(&self) -> (String, String) {
        let as_logged_in = || (self.user.clone(), self.user.clone());
        self.values.roles.clone().unwrap_or_else(as_logged_in)
    }

    /// As SET ROLE and SET SESSION AUTHORIZATION.
    pub(super) fn set_roles(&mut self, roles: &(String, String), scope: Scope) {
        self.put(scope, |values| values.roles = Some(roles.clone()));
    }

    pub(super) fn freshness(&self) -> Freshness {
        match self.get("freshness").as_deref() {
            Some("committed") => Freshness::Committed,
            _ => Freshness::Latest,
        }
    }

    pub(super) fn time_zone(&self) -> String {
        self.get("TimeZone").unwrap_or_else(|| "UTC".to_owned())
    }

    pub(super) fn apply(&mut self, statement: &ast::Statement) -> Result<Effect> {
        match statement {
            ast::Statement::ShowVariable { variable } => {
                let name = variable_name(variable);
                let value = self.get(&name).ok_or_else(|| unknown(&name))?;
                let name = find(&name).map_or(name, str::to_owned);
                Ok(Effect::Shown { name, value })
            }
            ast::Statement::Set(set) => self.set(set),
            ast::Statement::Reset(reset) => {
                match &reset.reset {
                    ast::Reset::ALL => self.put(Scope::Session, |values| {
                        values.known.clear();
                        values.custom.clear();
                    }),
                    ast::Reset::ConfigurationParameter(name) => {
                        let name = name.to_string();
                        match find(&name) {
                            Some(known) => self.put(Scope::Session, |values| {
                                values.known.remove(known);
                            }),
                            // One that somebody made up, or did not.
                            None if name.contains('.') => self.put(Scope::Session, |values| {
                                values.custom.remove(&name.to_lowercase());
                            }),
                            None => return Err(unknown(&name)),
                        }
                    }
                }
                Ok(Effect::Changed {
                    tag: "RESET".into(),
                })
            }
            ast::Statement::Discard { .. } => {
                self.put(Scope::Session, |values| *values = Values::default());
                Ok(Effect::Changed {
                    tag: "DISCARD ALL".into(),
                })
            }
            ast::Statement::StartTransaction { .. } => Ok(Effect::Nothing {
                tag: "BEGIN".into(),
            }),
            ast::Statement::Commit { .. } => Ok(Effect::Nothing {
                tag: "COMMIT".into(),
            }),
            ast::Statement::Rollback { .. } => Ok(Effect::Nothing {
                tag: "ROLLBACK".into(),
            }),
            ast::Statement::Savepoint { .. } => Ok(Effect::Nothing {
                tag: "SAVEPOINT".into(),
            }),
            _ => Ok(Effect::Nothing {
                tag: "RELEASE".into(),
            }),
        }
    }

    fn set(&mut self, set: &ast::Set) -> Result<Effect> {
        match set {
            ast::Set::SingleAssignment {
                scope,
                variable,
                values,
                ..
            } => {
                let name = variable.to_string().replace('"', "");
                let value = match find(&name) {
                    Some("search_path") => path_text(values),
                    _ => {
                        let values: Vec<String> = values.iter().map(value_text).collect();
                        values.join(", ")
                    }
                };
                let scope = match scope {
                    Some(ast::ContextModifier::Local) => Scope::Local,
                    _ => Scope::Session,
                };
                self.assign(&name, &value, scope)
            }
            ast::Set::SetTimeZone { local, value } => {
                let scope = match local {
                    true => Scope::Local,
                    false => Scope::Session,
                };
                let value = match value_text(value) {
                    local if local.eq_ignore_ascii_case("local") => "DEFAULT".to_owned(),
                    zone => zone,
                };
                self.assign("TimeZone", &value, scope)
            }
            ast::Set::SetNames { charset_name, .. } => {
                self.assign("client_encoding", &charset_name.value, Scope::Session)
            }
            ast::Set::SetNamesDefault {} => {
                self.assign("client_encoding", "DEFAULT", Scope::Session)
            }
            _ => Ok(Effect::Nothing { tag: "SET".into() }),
        }
    }

    /// As SET, and as SET LOCAL.
    pub(super) fn assign(&mut self, name: &str, value: &str, scope: Scope) -> Result<Effect> {
        let tag = || "SET".to_owned();
        let Some(known) = find(name) else {
            if name.contains('.') {
                let name = name.to_lowercase();
                self.put(scope, |values| {
                    values.custom.insert(name.clone(), value.to_owned());
                });
                return Ok(Effect::Changed { tag: tag() });
            }
            return Err(unknown(name));
        };
        if !may_change(known) {
            return Err(Error::user(
                SqlState::CantChangeRuntimeParam,
                format!("parameter \"{known}\" cannot be changed"),
            ));
        }
        let taken = match value.eq_ignore_ascii_case("default") {
            true => None,
            false => Some(take(known, value)?),
        };
        let as_before = default(known).unwrap_or_default();
        let modes = modes_of(known, taken.as_deref().unwrap_or(as_before));
        if scope == Scope::Local && self.block.is_none() {
            return Ok(Effect::OfNoBlock);
        }
        match (modes, &mut self.block) {
            (Some(modes), Some(block)) => block.modes = block.modes.then(modes),
            // Outside of a block it would be over with the statement.
            (Some(_), None) => {}
            (None, _) => self.put(scope, |values| match &taken {
                Some(value) => drop(values.known.insert(known, value.clone())),
                None => drop(values.known.remove(known)),
            }),
        }
        Ok(Effect::Changed { tag: tag() })
    }

    fn put(&mut self, scope: Scope, change: impl Fn(&mut Values)) {
        match (&mut self.block, scope) {
            (Some(block), Scope::Session) => change(&mut block.kept),
            (Some(_), Scope::Local) | (None, Scope::Session) => {}
            (None, Scope::Local) => return,
        }
        change(&mut self.values);
    }
}

/// The transaction's modes that a parameter stands for.
fn modes_of(name: &str, value: &str) -> Option<Modes> {
    match name {
        "transaction_isolation" => Some(Modes {
            isolation: Some(Isolation::named(value)),
            read_only: None,
        }),
        "transaction_read_only" => Some(Modes {
            isolation: None,
            read_only: Some(is_on(value)),
        }),
        _ => None,
    }
}

fn is_on(value: &str) -> bool {
    bool_of(value) == Some(true)
}

fn variable_name(variable: &[ast::Ident]) -> String {
    let words: Vec<&str> = variable.iter().map(|ident| ident.value.as_str()).collect();
    words.join(
        if words.len() == 2 && !words.iter().any(|word| word.eq_ignore_ascii_case("time")) {
            "."
        } else {
            " "
        },
    )
}

fn value_text(value: &ast::Expr) -> String {
    match value {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        ast::Expr::Identifier(ident) => ident.value.clone(),
        // A time zone by its distance.
        ast::Expr::Interval(interval) => value_text(&interval.value),
        other => other.to_string(),
    }
}

/// A search path as it is shown: a list of names, each quoted where it must be.
fn path_text(values: &[ast::Expr]) -> String {
    let schemas = values.iter().map(|value| match value {
        ast::Expr::Identifier(ident) if ident.quote_style.is_none() => ident.value.to_lowercase(),
        other => search_path::quoted(&value_text(other)),
    });
    let schemas: Vec<String> = schemas.collect();
    schemas.join(", ")
}
