//! `ALTER TABLE | VIEW … RENAME TO`: another name in the same schema, for a view or for a table that no query feeds.
//!
//! A table's Delta folder stays where it is, and the catalog notes where: stores cannot rename folders, and whoever reads it there goes on. The
//! new name's file is written before the old one's goes; of two files with one id the one that was renamed more often is the truth, so a crash
//! between the two loses nothing.

use std::sync::Arc;

use sluice_sql::{ObjectKind, Privilege, Rename};

use super::{
    Outcome,
    alter_table::redefine,
    drop::{all_dependents, depend_on},
};
use crate::{
    access::Target as On,
    catalog::{Object, QualifiedName, TableObject, fold},
    error::{Error, Result, SqlState},
    session::Session,
    write::{Action, Target},
};

pub(super) async fn run(session: &Session, rename: &Rename) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let done = || Outcome::Done(format!("ALTER {}", rename.kind));
    let name = QualifiedName::from_sql(&rename.name)?;
    let found = match catalog.require(&name) {
        Err(error) if rename.if_exists => {
            session.notice(Error {
                message: format!("{}, skipping", error.message),
                ..error
            });
            return Ok(done());
        }
        found => found?,
    };
    if rename.kind == ObjectKind::View && found.kind() != "view" {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("\"{name}\" is not a view"),
        )
        .with_hint(format!(
            "Write ALTER {} {name} RENAME TO {}.",
            found.kind().to_uppercase(),
            rename.to
        )));
    }
    session.require_owner(On::Relation(found))?;
    let to = QualifiedName::new(&name.schema, fold(&rename.to));
    let on_schema = On::Schema(&name.schema);
    match found.as_ref() {
        Object::Stream(_) => {
            return Err(Error::user(
                SqlState::FeatureNotSupported,
                format!("stream \"{name}\" cannot be renamed"),
            )
            .with_detail("Queries that read it have its name in their checkpoints.")
            .with_hint(format!(
                "CREATE VIEW {to} AS SELECT * FROM {name} gives it another name to read it by."
            )));
        }
        Object::View(_) => {
            session.require(Privilege::Create, on_schema)?;
            check(session, found, &to)?;
            let renamed = found.renamed(&to);
            engine.files().rename(found, &renamed).await?;
            engine.change_catalog(|catalog| {
                catalog.remove(&name);
                catalog.put(Arc::new(renamed));
            });
        }
        Object::Table(_) => {
            let target = Target::named(session, name.clone(), Action::Alter)?;
            session.require(Privilege::Create, on_schema)?;
            check(session, found, &to)?;
            table(session, &target, found, &to).await?;
        }
    }
    Ok(done())
}

/// Refuses a name that cannot be had, and a relation that others read by its name.
fn check(session: &Session, found: &Object, to: &QualifiedName) -> Result<()> {
    let engine = session.engine();
    let catalog = engine.catalog();
    catalog.check_new_name(to)?;
    if catalog.get(to).is_some() {
        return Err(Error::user(
            SqlState::DuplicateTable,
            format!("relation \"{to}\" already exists"),
        ));
    }
    let name = found.name();
    let dependents = all_dependents(engine, name);
    if dependents.is_empty() {
        return Ok(());
    }
    let what = format!("{} \"{name}\"", found.kind());
    Err(depend_on(&what, "rename", &dependents).with_hint(format!(
        "They have its name in their text. Drop them and make them again over the new name, or leave the name and CREATE VIEW {to} AS SELECT * FROM {name}."
    )))
}

async fn table(
    session: &Session,
    target: &Target,
    found: &Object,
    to: &QualifiedName,
) -> Result<()> {
    let engine = session.engine();
    // Whatever is on its way into the table comes before, or finds the name gone.
    let _turn = target.table.queue().lock().await;
    let renamed = found.renamed(to);
    let Object::Table(object) = &renamed else {
        return Err(Error::internal("a table became something else"));
    };
    let mut sink = target
        .table
        .sink()
        .await?
        .ok_or_else(|| gone(&target.object))?;
    let mut spec = sink.spec().clone();
    spec.name = Some(to.to_string());
    redefine(target, &mut sink, &spec, "ALTER TABLE").await?;
    engine.start_table(object).await?;
    if let Err(error) = engine.files().rename(found, &renamed).await {
        engine.take_table(to);
        return Err(error);
    }
    engine.change_catalog(|catalog| {
        catalog.remove(found.name());
        catalog.put(Arc::new(renamed));
    });
    engine.take_table(found.name());
    Ok(())
}

fn gone(object: &TableObject) -> Error {
    Error::outside(
        SqlState::UndefinedTable,
        format!("the Delta folder of table \"{}\" is gone", object.name),
    )
}
