//! `CREATE SCHEMA`.

use sluice_sql::{CreateSchema, Privilege};

use super::Outcome;
use crate::{
    access::Target,
    catalog::{RESERVED_SCHEMAS, SchemaAccess, schema_name},
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, create: &CreateSchema) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let name = schema_name(&create.name)?;
    session.require(Privilege::Create, Target::Database)?;
    if RESERVED_SCHEMAS.contains(&name.as_str()) || engine.catalog().has_schema(&name) {
        let error = Error::user(
            SqlState::DuplicateSchema,
            format!("schema \"{name}\" already exists"),
        );
        if !create.if_not_exists {
            return Err(error);
        }
        session.notice(Error::user(
            SqlState::DuplicateSchema,
            format!("schema \"{name}\" already exists, skipping"),
        ));
        return Ok(Outcome::Done("CREATE SCHEMA".into()));
    }
    let usable = !name.is_empty()
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "_- $".contains(c));
    if !usable {
        return Err(Error::user(
            SqlState::InvalidName,
            format!("name \"{name}\" cannot be the name of a folder"),
        )
        .with_hint("Use up to 63 letters, digits, spaces, _ - or $."));
    }
    let access = SchemaAccess::made_by(&session.role());
    engine.files().put_schema(&name, &access).await?;
    engine.change_catalog(|catalog| catalog.put_schema(&name, access));
    Ok(Outcome::Done("CREATE SCHEMA".into()))
}
