//! What may be written to: a table that no query feeds. Everything else is refused here, with the reason.

use std::{fmt, sync::Arc};

use sluice_sql::{Privilege, ast};

use crate::{
    access::Target as On,
    catalog::{
        COMPANION_SUFFIXES, Object, QualifiedName, RESERVED_SCHEMAS, TEMP_SCHEMA, TableObject,
    },
    engine::Engine,
    error::{Error, Result, SqlState},
    session::Session,
    table::TableState,
};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Insert,
    CopyFrom,
    Update,
    Delete,
    Merge,
    Truncate,
    Alter,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "INSERT",
            Self::CopyFrom => "COPY FROM",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Merge => "MERGE",
            Self::Truncate => "TRUNCATE",
            Self::Alter => "ALTER TABLE",
        })
    }
}

impl Action {
    /// What a role needs for it; nothing but to own the table, where there is none.
    fn privileges(self) -> &'static [Privilege] {
        use Privilege::{Delete, Insert, Select, Truncate, Update};
        match self {
            Self::Insert | Self::CopyFrom => &[Insert],
            // Which rows is told by their values.
            Self::Update => &[Update, Select],
            Self::Delete => &[Delete, Select],
            Self::Merge => &[Insert, Update, Delete, Select],
            Self::Truncate => &[Truncate],
            Self::Alter => &[],
        }
    }

    /// As PostgreSQL's refusals begin.
    fn cannot(self, what: &str) -> String {
        match self {
            Self::Insert => format!("cannot insert into {what}"),
            Self::CopyFrom => format!("cannot copy to {what}"),
            Self::Update => format!("cannot update {what}"),
            Self::Delete => format!("cannot delete from {what}"),
            Self::Merge => format!("cannot merge into {what}"),
            Self::Truncate => format!("cannot truncate {what}"),
            Self::Alter => format!("cannot alter {what}"),
        }
    }
}

/// A table that may be written to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) engine: Arc<Engine>,
    pub(crate) name: QualifiedName,
    pub(crate) object: TableObject,
    pub(crate) table: Arc<TableState>,
}

impl Target {
    /// The table of this name, for this action; a table that a query feeds is refused but for DELETE, whose way is another one: see
    /// [`Target::is_fed`].
    pub(crate) fn of(session: &Session, name: &ast::ObjectName, action: Action) -> Result<Self> {
        Self::named(session, QualifiedName::from_sql(name)?, action)
    }

    /// As [`Target::of`].
    pub(crate) fn named(session: &Session, name: QualifiedName, action: Action) -> Result<Self> {
        let engine = session.engine();
        let catalog = engine.catalog();
        let wrong = |what: &str| Error::user(SqlState::WrongObjectType, action.cannot(what));
        if RESERVED_SCHEMAS.contains(&name.schema.as_str()) {
            return Err(wrong(&format!("relation \"{name}\""))
                .with_hint("What is in that schema is told by the server; nobody writes to it."));
        }
        if name.schema == TEMP_SCHEMA {
            return Err(wrong(&format!("temporary table \"{}\"", name.name)).with_hint(
                "Temporary tables take SELECT, INSERT, UPDATE, DELETE, MERGE, TRUNCATE of one of them, COPY, and DROP.",
            ));
        }
        let object = match catalog.get(&name).map(Arc::as_ref) {
            Some(Object::Table(table)) => table.clone(),
            Some(Object::View(_)) => {
                return Err(wrong(&format!("view \"{name}\""))
                    .with_hint("Write to the table that it reads."));
            }
            Some(Object::Stream(_)) => {
                return Err(wrong(&format!("stream \"{name}\""))
                    .with_hint("Rows of a stream come from its source; write them there."));
            }
            None => {
                let base = COMPANION_SUFFIXES.iter().find_map(|suffix| {
                    let base = QualifiedName::new(&name.schema, name.name.strip_suffix(suffix)?);
                    catalog.get(&base).is_some().then_some(base)
                });
                return Err(match base {
                    Some(base) => wrong(&format!("relation \"{name}\"")).with_hint(format!(
                        "It is a companion of \"{base}\" and kept by the server."
                    )),
                    None => catalog.undefined(&name),
                });
            }
        };
        let on = On::Relation(catalog.require(&name)?);
        match action.privileges() {
            [] => session.require_owner(on)?,
            privileges => {
                for privilege in privileges {
                    session.require(*privilege, on)?;
                }
            }
        }
        if object.continuous && action != Action::Delete {
            return Err(fed(&name, action));
        }
        let running = engine.table(&name).ok_or_else(|| {
            Error::outside(
                SqlState::ObjectNotInPrerequisiteState,
                format!("table \"{name}\" could not be opened"),
            )
            .with_hint("SELECT * FROM system.events says why.")
        })?;
        Ok(Self {
            engine: Arc::clone(engine),
            name,
            object,
            table: running.tables.table,
        })
    }

    /// Whether a query feeds the table.
    pub(crate) fn is_fed(&self) -> bool {
        self.object.continuous
    }
}

/// `cannot update table "gold.t", which a query feeds`.
fn fed(name: &QualifiedName, action: Action) -> Error {
    let what = action.cannot(&format!("table \"{name}\", which a query feeds"));
    let error = Error::user(SqlState::ObjectNotInPrerequisiteState, what).with_detail(
        "Each of its rows is what the query makes of its streams, exactly once; rows written or changed by hand would be neither kept nor accounted for.",
    );
    match action {
        Action::Truncate => error.with_hint("DELETE removes rows, and DROP TABLE the table."),
        Action::Alter => error.with_hint("Create it anew, or another table beside it."),
        _ => error.with_hint(
            "Write to a table of its own (CREATE TABLE t (…)) and read both with UNION ALL in a view; DELETE removes rows.",
        ),
    }
}
