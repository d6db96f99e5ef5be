//! `ALTER … OWNER TO`: somebody else has it from now on.

use std::sync::Arc;

use sluice_sql::{AlterOwner, ObjectKind, Privilege};

use super::Outcome;
use crate::{
    access::Target,
    catalog::{QualifiedName, SchemaAccess, fold, schema_name},
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, alter: &AlterOwner) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let owner = match &alter.owner {
        Some(name) => fold(name),
        None => session.role(),
    };
    catalog.roles().require(&owner)?;
    // Whoever gives a thing away must be able to become who gets it: nobody is made to own what he cannot own.
    let role = session.role();
    if !catalog.roles().is_superuser(&role) && !catalog.roles().is_member(&role, &owner) {
        return Err(Error::user(
            SqlState::InsufficientPrivilege,
            format!("must be member of role \"{owner}\""),
        ));
    }
    let word = alter.kind.to_string();
    if alter.kind == ObjectKind::Schema {
        let name = schema_name(&alter.name)?;
        if !catalog.has_schema(&name) {
            return Err(Error::user(
                SqlState::InvalidSchemaName,
                format!("schema \"{name}\" does not exist"),
            ));
        }
        session.require_owner(Target::Schema(&name))?;
        let access = SchemaAccess {
            owner,
            ..catalog.schema_access(&name)
        };
        engine.files().put_schema(&name, &access).await?;
        engine.change_catalog(|catalog| catalog.put_schema(&name, access));
        return Ok(Outcome::Done(format!("ALTER {word}")));
    }
    let name = QualifiedName::from_sql(&alter.name)?;
    let object = catalog.require(&name)?;
    if !object.kind().eq_ignore_ascii_case(&word) {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("\"{name}\" is not a {}", word.to_lowercase()),
        ));
    }
    session.require_owner(Target::Relation(object))?;
    if !catalog.roles().is_superuser(&role) {
        catalog.check(&owner, Privilege::Create, Target::Schema(&name.schema))?;
    }
    let mut meta = object.meta().clone();
    meta.owner = owner;
    let object = Arc::new(object.with_meta(meta));
    engine.files().put(&object).await?;
    engine.change_catalog(|catalog| catalog.put(object));
    Ok(Outcome::Done(format!("ALTER {word}")))
}
