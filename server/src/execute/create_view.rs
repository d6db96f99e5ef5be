//! `CREATE VIEW`: planned once to find mistakes, kept as text, planned anew where it is used.

use std::sync::Arc;

use arrow::datatypes::Schema;
use sluice_sql::CreateView;

use super::{
    Outcome, Taken, check_taken, drop::all_dependents, new_meta, replace_refused, view_plan,
};
use crate::{
    catalog::{CatalogFiles, Object, QualifiedName, TEMP_SCHEMA, ViewObject, relations},
    dialect,
    engine::Standing,
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, create: &CreateView) -> Result<Outcome> {
    dialect::check_no_parameter(&create.query)?;
    let name = QualifiedName::from_sql(&create.name)?;
    let reads_temp = || {
        let read = relations(&create.query);
        read.iter().any(|read| read.schema == TEMP_SCHEMA)
    };
    let becomes_temp = !create.temporary && reads_temp();
    if becomes_temp {
        session.notice(Error::user(
            SqlState::InvalidTableDefinition,
            format!("view \"{}\" will be a temporary view", name.name),
        ));
    }
    if create.temporary || becomes_temp || name.schema == TEMP_SCHEMA {
        return session.create_temp_view(create).await.map(Outcome::Done);
    }
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let done = || Outcome::Done("CREATE VIEW".into());
    let mut meta = new_meta(session);
    match check_taken(
        session,
        &name,
        "view",
        create.if_not_exists,
        create.or_replace,
    )? {
        Taken::Free => {}
        Taken::Skip => return Ok(done()),
        Taken::Replace => {
            let catalog = engine.catalog();
            let found = catalog.require(&name)?;
            if let Object::View(view) = found.as_ref()
                && view.statement.query == create.query
                && view.statement.columns == create.columns
            {
                return Ok(done());
            }
            // A running query keeps the plan it has; its state would not fit another one.
            let dependents = all_dependents(engine, &name);
            let runs = |object: &Arc<Object>| matches!(object.as_ref(), Object::Table(_));
            if dependents.iter().any(runs) {
                return Err(replace_refused(&name, "view"));
            }
            if let Object::View(view) = found.as_ref()
                && !dependents.is_empty()
            {
                check_columns(session, &view.statement, create).await?;
            }
            meta = found.meta().clone();
        }
    }
    let mut statement = create.clone();
    statement.or_replace = false;
    statement.if_not_exists = false;
    let object = Object::View(ViewObject {
        name,
        meta,
        statement,
    });
    CatalogFiles::check(&object)?;
    let plan = view_plan(&session.context(), create)
        .await
        .map_err(|error| session.nearest(error))?;
    engine.files().put(&object).await?;
    let name = object.name().clone();
    engine.change_catalog(|catalog| catalog.put(Arc::new(object)));
    let (catalog, columns) = (engine.catalog(), Arc::clone(plan.schema().inner()));
    let standing = Standing::of(&catalog, &name);
    engine
        .view_columns()
        .keep(&catalog, &name, standing, columns);
    Ok(done())
}

/// Views read this one, so it keeps the columns that it has, as PostgreSQL asks of every view; others may come after them.
async fn check_columns(session: &Session, old: &CreateView, new: &CreateView) -> Result<()> {
    let context = session.context();
    let Ok(old) = view_plan(&context, old).await else {
        return Ok(()); // it cannot be read any more as it is
    };
    let new = view_plan(&context, new).await?;
    check_view_columns(old.schema().as_arrow(), new.schema().as_arrow())
}

/// Refuses columns in the place of others that a view has.
pub(crate) fn check_view_columns(old: &Schema, new: &Schema) -> Result<()> {
    for (index, field) in old.fields().iter().enumerate() {
        let problem = match new.fields().get(index) {
            None => "cannot drop columns from view".to_owned(),
            Some(other) if other.name() != field.name() => format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                field.name(),
                other.name()
            ),
            Some(other) if other.data_type() != field.data_type() => {
                format!(
                    "cannot change data type of view column \"{}\"",
                    field.name()
                )
            }
            Some(_) => continue,
        };
        return Err(
            Error::user(SqlState::InvalidTableDefinition, problem).with_hint(
                "Other views read it: drop them first, or put new columns after those that are there.",
            ),
        );
    }
    Ok(())
}
