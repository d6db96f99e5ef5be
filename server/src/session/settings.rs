//! Run-time parameters: what SET, SHOW and RESET work on. Names are PostgreSQL's where it has one, and ours where it has none.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sluice_sql::ast;

use super::{Isolation, Modes, search_path};
use crate::{
    error::{Error, Result, SqlState},
    table::Freshness,
};

/// Parameters with their defaults: (name, default, whether SET may change it, whether the client is told of changes).
const KNOWN: [(&str, &str, bool, bool); 31] = [
    ("application_name", "", true, true),
    ("bytea_output", "hex", true, false),
    ("client_encoding", "UTF8", true, true),
    ("client_min_messages", "notice", true, false),
    ("DateStyle", "ISO, MDY", true, true),
    (
        "default_transaction_isolation",
        "read committed",
        true,
        false,
    ),
    ("default_transaction_read_only", "off", true, true),
    ("extra_float_digits", "1", true, false),
    ("freshness", "latest", true, false),
    ("idle_in_transaction_session_timeout", "0", true, false),
    ("idle_session_timeout", "0", true, false),
    ("in_hot_standby", "off", false, true),
    ("integer_datetimes", "on", false, true),
    ("IntervalStyle", "postgres", true, true),
    ("is_superuser", "on", false, true),
    ("jit", "off", true, false),
    ("lc_collate", "C.UTF-8", false, false),
    ("lock_timeout", "0", true, false),
    ("max_identifier_length", "63", false, false),
    ("row_security", "on", true, false),
    ("search_path", "\"$user\", public", true, false),
    ("server_encoding", "UTF8", false, true),
    ("server_version", "15.18 (Sluice 0.1.0)", false, true),
    ("server_version_num", "150018", false, false),
    ("session_authorization", "", false, true),
    ("standard_conforming_strings", "on", true, true),
    ("statement_timeout", "0", true, false),
    ("synchronous_commit", "on", true, false),
    ("TimeZone", "UTC", true, true),
    ("transaction_isolation", "read committed", true, false),
    ("transaction_read_only", "off", true, false),
];

/// What may be said of isolation, PostgreSQL's four; what they mean here are two.
const LEVELS: [&str; 4] = [
    "read uncommitted",
    "read committed",
    "repeatable read",
    "serializable",
];

/// A session's parameters.
#[derive(Debug)]
pub(super) struct Settings {
    user: String,
    changed: BTreeMap<&'static str, String>,
    /// `a.b` parameters, which PostgreSQL lets anybody make up.
    custom: BTreeMap<String, String>,
    /// What parameters were that are set until the transaction block ends.
    local: BTreeMap<&'static str, Option<String>>,
    /// How the transaction block was begun, where there is one.
    transaction: Option<Modes>,
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
        parameters: Vec<(String, String)>,
    },
    Nothing {
        tag: String,
    },
}

/// For a statement that this file carries out: the columns it gives, if any. `None` for every other statement.
pub(super) fn shown_schema(statement: &ast::Statement) -> Option<Option<SchemaRef>> {
    match statement {
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
        | ast::Statement::Discard { .. } => Some(None),
        _ => None,
    }
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
            changed: BTreeMap::new(),
            custom: BTreeMap::new(),
            local: BTreeMap::new(),
            transaction: None,
        }
    }

    /// A transaction block begins, or is of other modes.
    pub(super) fn begin(&mut self, modes: Modes) {
        self.transaction = Some(modes);
    }

    /// The block is over; its modes.
    pub(super) fn end(&mut self) -> Option<Modes> {
        for (name, before) in std::mem::take(&mut self.local) {
            match before {
                Some(value) => self.changed.insert(name, value),
                None => self.changed.remove(name),
            };
        }
        self.transaction.take()
    }

    /// The modes of the block, where there is one.
    pub(super) fn transaction(&self) -> Option<Modes> {
        self.transaction
    }

    /// What statements read: a block is for reading the same, and outside of one there is a statement alone.
    pub(super) fn isolation(&self) -> Isolation {
        let asked = self.transaction.and_then(|modes| modes.isolation);
        let otherwise = self.changed.get("default_transaction_isolation");
        match (asked, otherwise) {
            (Some(isolation), _) => isolation,
            (None, Some(name)) => Isolation::named(name),
            (None, None) if self.transaction.is_some() => Isolation::RepeatableRead,
            (None, None) => Isolation::ReadCommitted,
        }
    }

    /// Whether statements may only read.
    pub(super) fn read_only(&self) -> bool {
        let asked = self.transaction.and_then(|modes| modes.read_only);
        asked.unwrap_or_else(|| {
            let otherwise = self.changed.get("default_transaction_read_only");
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
                .changed
                .get(known)
                .cloned()
                .or_else(|| default(known).map(str::to_owned)),
            None => self.custom.get(&name.to_lowercase()).cloned(),
        }
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
                    ast::Reset::ALL => {
                        self.changed.clear();
                        self.custom.clear();
                    }
                    ast::Reset::ConfigurationParameter(name) => {
                        let name = name.to_string();
                        let known = find(&name).ok_or_else(|| unknown(&name))?;
                        self.changed.remove(known);
                    }
                }
                Ok(Effect::Changed {
                    tag: "RESET".into(),
                    parameters: self.reported(),
                })
            }
            ast::Statement::Discard { .. } => {
                self.changed.clear();
                self.custom.clear();
                Ok(Effect::Changed {
                    tag: "DISCARD ALL".into(),
                    parameters: self.reported(),
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
                if find(&name) == Some("search_path") {
                    let path = path_text(values);
                    return match scope {
                        Some(ast::ContextModifier::Local) => {
                            self.assign_local("search_path", &path)
                        }
                        _ => self.assign("search_path", &path),
                    };
                }
                let value: Vec<String> = values.iter().map(value_text).collect();
                self.assign(&name, &value.join(", "))
            }
            ast::Set::SetTimeZone { value, .. } => self.assign("TimeZone", &value_text(value)),
            ast::Set::SetNames { charset_name, .. } => {
                self.assign("client_encoding", &charset_name.value)
            }
            ast::Set::SetNamesDefault {} => self.assign("client_encoding", "DEFAULT"),
            _ => Ok(Effect::Nothing { tag: "SET".into() }),
        }
    }

    /// As SET LOCAL: for as long as the transaction block lasts, and outside of one for nothing.
    pub(super) fn assign_local(&mut self, name: &'static str, value: &str) -> Result<Effect> {
        if self.transaction.is_none() {
            check(name, value)?;
            return Ok(Effect::Nothing { tag: "SET".into() });
        }
        let before = self.changed.get(name).cloned();
        let done = self.assign(name, value)?;
        self.local.entry(name).or_insert(before);
        Ok(done)
    }

    pub(super) fn assign(&mut self, name: &str, value: &str) -> Result<Effect> {
        let done = |parameters| Effect::Changed {
            tag: "SET".into(),
            parameters,
        };
        let Some(known) = find(name) else {
            if name.contains('.') {
                self.custom.insert(name.to_lowercase(), value.to_owned());
                return Ok(done(Vec::new()));
            }
            return Err(unknown(name));
        };
        let may_change = KNOWN
            .iter()
            .any(|(found, _, may, _)| *found == known && *may);
        if !may_change {
            return Err(Error::user(
                SqlState::CantChangeRuntimeParam,
                format!("parameter \"{known}\" cannot be changed"),
            ));
        }
        if let Some(modes) = modes_of(known, value) {
            check(known, value)?;
            // Outside of a block it would be over with the statement.
            self.transaction = self.transaction.map(|before| before.then(modes));
        } else if value.eq_ignore_ascii_case("default") {
            self.changed.remove(known);
        } else {
            check(known, value)?;
            self.changed.insert(known, value.to_owned());
        }
        let told = KNOWN
            .iter()
            .any(|(found, _, _, told)| *found == known && *told);
        let value = self.get(known).unwrap_or_default();
        Ok(done(if told {
            vec![(known.to_owned(), value)]
        } else {
            Vec::new()
        }))
    }

    fn reported(&self) -> Vec<(String, String)> {
        KNOWN
            .iter()
            .filter(|(_, _, may, told)| *may && *told)
            .filter_map(|(name, ..)| Some(((*name).to_owned(), self.get(name)?)))
            .collect()
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
    ["on", "true", "yes", "1"]
        .iter()
        .any(|on| value.eq_ignore_ascii_case(on))
}

fn find(name: &str) -> Option<&'static str> {
    let name = match name.to_lowercase().as_str() {
        "timezone" | "time zone" | "time.zone" => "TimeZone".to_owned(),
        "transaction isolation level" | "transaction.isolation.level" => {
            "transaction_isolation".to_owned()
        }
        _ => name.to_owned(),
    };
    KNOWN
        .iter()
        .map(|(known, ..)| *known)
        .find(|known| known.eq_ignore_ascii_case(&name))
}

fn default(name: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, default, ..)| *default)
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

fn check(name: &str, value: &str) -> Result<()> {
    let refuse = |hint: &str| {
        Err(Error::user(
            SqlState::InvalidParameterValue,
            format!("invalid value for parameter \"{name}\": \"{value}\""),
        )
        .with_hint(hint))
    };
    match name {
        "search_path" if search_path::elements(value).is_none() => {
            refuse("Write names of schemas with commas between them.")
        }
        "freshness" if !["latest", "committed"].contains(&value) => {
            refuse("Use 'latest' or 'committed'.")
        }
        "TimeZone" if value.parse::<arrow::array::timezone::Tz>().is_err() => {
            refuse("Use a name such as 'Europe/Madrid' or an offset such as '+02:00'.")
        }
        "transaction_isolation" | "default_transaction_isolation"
            if !LEVELS.contains(&value.to_lowercase().as_str()) =>
        {
            refuse("Use 'read committed' or 'repeatable read'.")
        }
        "client_encoding"
            if !["utf8", "utf-8", "unicode"]
                .contains(&value.trim_matches('\'').to_lowercase().as_str()) =>
        {
            refuse("Text is UTF8 here.")
        }
        _ => Ok(()),
    }
}

fn unknown(name: &str) -> Error {
    let error = Error::user(
        SqlState::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    );
    let nearest = KNOWN
        .iter()
        .map(|(known, ..)| (strsim::damerau_levenshtein(known, name), *known))
        .min();
    match nearest {
        Some((distance, known)) if distance <= 3 => {
            error.with_hint(format!("Perhaps you meant \"{known}\"."))
        }
        _ => error,
    }
}
