//! `CREATE VIEW`: planned once to find mistakes, kept as text, planned anew where it is used.

use std::sync::Arc;

use sluice_sql::CreateView;

use super::{Outcome, Taken, check_taken, new_meta, replace_refused, view_plan};
use crate::{
    catalog::{Object, QualifiedName, ViewObject},
    error::Result,
    session::Session,
};

pub(super) async fn run(session: &Session, create: &CreateView) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let name = QualifiedName::from_sql(&create.name)?;
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
            if !catalog.dependents(&name).is_empty() {
                return Err(replace_refused(&name, "view"));
            }
            meta = found.meta().clone();
        }
    }
    view_plan(&session.continuous_context(), create).await?;
    let mut statement = create.clone();
    statement.or_replace = false;
    statement.if_not_exists = false;
    let object = Object::View(ViewObject {
        name,
        meta,
        statement,
    });
    engine.files().put(&object).await?;
    engine.change_catalog(|catalog| catalog.put(Arc::new(object)));
    Ok(done())
}
