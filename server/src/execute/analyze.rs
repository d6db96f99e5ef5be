//! `ANALYZE` and `VACUUM ANALYZE`: the statistics of a table are in its files, so ANALYZE looks at names and says so; VACUUM does what it
//! does by itself.
//!
//! As in PostgreSQL a relation that is no table, or another's, is passed over with a warning, and one that is not there is an error.

use sluice_sql::{
    Analyze, AnalyzeKind, Privilege, Vacuum,
    ast::{Ident, ObjectNamePart},
};

use super::{Outcome, vacuum};
use crate::{
    access::Target,
    catalog::{Object, QualifiedName, TEMP_SCHEMA, fold},
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, analyze: &Analyze) -> Result<Outcome> {
    let verb = match analyze.kind {
        AnalyzeKind::Analyze => "analyze",
        AnalyzeKind::VacuumAnalyze => "vacuum",
    };
    let mut tables = Vec::new();
    for (written, columns) in &analyze.relations {
        let name = match written.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => session.relation_named(&fold(ident))?,
            _ => QualifiedName::from_sql(written)?,
        };
        if has_rows_of_its_own(session, &name, columns, verb).await? {
            tables.push(name.to_sql());
        }
    }
    if analyze.kind == AnalyzeKind::VacuumAnalyze {
        for name in tables {
            let of_table = Vacuum {
                name,
                retain: None,
                dry_run: false,
            };
            vacuum::run(session, &of_table).await?;
        }
        return Ok(Outcome::Done("VACUUM".into()));
    }
    session.notice(
        Error::user(SqlState::FeatureNotSupported, "ANALYZE has nothing to do")
            .with_detail("The files of a table carry their statistics, written with their rows."),
    );
    Ok(Outcome::Done("ANALYZE".into()))
}

/// Whether it is a table of the catalog that the session may do this to; with a warning where it is passed over.
async fn has_rows_of_its_own(
    session: &Session,
    name: &QualifiedName,
    columns: &[Ident],
    verb: &str,
) -> Result<bool> {
    let catalog = session.engine().catalog();
    let object = match name.schema.as_str() {
        TEMP_SCHEMA => None,
        _ => catalog.get(name),
    };
    let Some(object) = object else {
        // What is not there is said by whoever looks for it.
        let schema = session.relation_schema(name).await?;
        for column in columns.iter().map(fold) {
            if schema.index_of(&column).is_err() {
                return Err(undefined(&column, name));
            }
        }
        return Ok(false);
    };
    if !matches!(object.as_ref(), Object::Table(_)) {
        skipped(session, name, verb);
        return Ok(false);
    }
    if !session.owns(Target::Relation(object)) {
        session.notice(Error::user(
            SqlState::Warning,
            format!(
                "skipping \"{}\" --- only table or database owner can {verb} it",
                name.name
            ),
        ));
        return Ok(false);
    }
    if !columns.is_empty() {
        session.require(Privilege::Select, Target::Relation(object))?;
        let schema = session.relation_schema(name).await?;
        let mut columns = columns.iter().map(fold);
        if let Some(missing) = columns.find(|column| schema.index_of(column).is_err()) {
            return Err(undefined(&missing, name));
        }
    }
    Ok(true)
}

fn skipped(session: &Session, name: &QualifiedName, verb: &str) {
    session.notice(Error::user(
        SqlState::Warning,
        format!(
            "skipping \"{}\" --- cannot {verb} non-tables or special system tables",
            name.name
        ),
    ));
}

fn undefined(column: &str, name: &QualifiedName) -> Error {
    Error::user(
        SqlState::UndefinedColumn,
        format!(
            "column \"{column}\" of relation \"{}\" does not exist",
            name.name
        ),
    )
}
