//! `GRANT` and `REVOKE` of privileges on objects.

use std::sync::Arc;

use sluice_sql::{Grant, GrantOn, Grantee, Privilege, ast::ObjectName};

use super::Outcome;
use crate::{
    access::{Acl, Rights, Target},
    catalog::{Catalog, QualifiedName, SchemaAccess, fold, function_name, schema_name},
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, grant: &Grant) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let grantees = grantees(session, &catalog, &grant.grantees)?;
    match &grant.on {
        GrantOn::Relations(names) => {
            for name in names {
                on_relation(session, grant, &grantees, &QualifiedName::from_sql(name)?).await?;
            }
        }
        GrantOn::AllIn(schemas) => {
            for schema in schemas {
                let schema = known_schema(&catalog, schema_name(schema)?)?;
                for object in catalog.objects(&schema) {
                    on_relation(session, grant, &grantees, object.name()).await?;
                }
            }
        }
        GrantOn::Schemas(names) => {
            for name in names {
                let name = known_schema(&catalog, schema_name(name)?)?;
                let catalog = engine.catalog();
                let mut access = catalog.schema_access(&name);
                let on = Target::Schema(&name);
                change(session, &catalog, grant, &grantees, on, &mut access.acl)?;
                put_schema(session, &name, access).await?;
            }
        }
        GrantOn::Database(name) => {
            if fold(name) != "sluice" {
                return Err(Error::user(
                    SqlState::InvalidCatalogName,
                    format!("database \"{}\" does not exist", fold(name)),
                ));
            }
            let mut acl = catalog.database_acl().clone();
            change(
                session,
                &catalog,
                grant,
                &grantees,
                Target::Database,
                &mut acl,
            )?;
            engine.files().put_database_acl(&acl).await?;
            engine.change_catalog(|catalog| catalog.put_database_acl(acl));
        }
        GrantOn::Secrets(names) => {
            for name in names {
                on_secret(session, grant, &grantees, &fold(name)).await?;
            }
        }
        GrantOn::Functions(names) => {
            let mut functions = Vec::new();
            for name in names {
                functions.extend(known_function(session, name)?);
            }
            on_functions(session, grant, &grantees, &functions).await?;
        }
        GrantOn::AllFunctionsIn(schemas) => {
            let mut functions = Vec::new();
            for schema in schemas {
                match schema_name(schema)?.as_str() {
                    "pg_catalog" => functions.extend(session.function_names()),
                    other => _ = known_schema(&catalog, other.to_owned())?,
                }
            }
            on_functions(session, grant, &grantees, &functions).await?;
        }
    }
    Ok(Outcome::Done(
        if grant.revoke { "REVOKE" } else { "GRANT" }.into(),
    ))
}

/// Who is meant, every role known; `None` is everybody.
fn grantees(
    session: &Session,
    catalog: &Catalog,
    grantees: &[Grantee],
) -> Result<Vec<Option<String>>> {
    grantees
        .iter()
        .map(|grantee| match grantee {
            Grantee::Public => Ok(None),
            Grantee::Current => Ok(Some(session.role())),
            Grantee::Role(name) => {
                let name = fold(name);
                catalog.roles().require(&name)?;
                Ok(Some(name))
            }
        })
        .collect()
}

fn known_schema(catalog: &Catalog, name: String) -> Result<String> {
    if catalog.has_schema(&name) {
        return Ok(name);
    }
    Err(Error::user(
        SqlState::InvalidSchemaName,
        format!("schema \"{name}\" does not exist"),
    ))
}

async fn put_schema(session: &Session, name: &str, access: SchemaAccess) -> Result<()> {
    let engine = session.engine();
    engine.files().put_schema(name, &access).await?;
    engine.change_catalog(|catalog| catalog.put_schema(name, access));
    Ok(())
}

async fn on_relation(
    session: &Session,
    grant: &Grant,
    grantees: &[Option<String>],
    name: &QualifiedName,
) -> Result<()> {
    let engine = session.engine();
    let catalog = engine.catalog();
    let object = catalog.require(name)?;
    let mut meta = object.meta().clone();
    let on = Target::Relation(object);
    change(session, &catalog, grant, grantees, on, &mut meta.acl)?;
    let object = Arc::new(object.with_meta(meta));
    engine.files().put(&object).await?;
    engine.change_catalog(|catalog| catalog.put(object));
    Ok(())
}

/// Every name that the function of this name has.
fn known_function(session: &Session, name: &ObjectName) -> Result<Vec<String>> {
    let ident = function_name(name);
    let names = ident.and_then(|ident| session.names_of_function(&fold(ident)));
    names.ok_or_else(|| {
        Error::user(
            SqlState::UndefinedFunction,
            format!("could not find a function named \"{name}\""),
        )
    })
}

/// All of them, or none where one is refused.
async fn on_functions(
    session: &Session,
    grant: &Grant,
    grantees: &[Option<String>],
    names: &[String],
) -> Result<()> {
    let engine = session.engine();
    let catalog = engine.catalog();
    let mut functions = catalog.functions().clone();
    for name in names {
        let mut acl = functions.acl(name);
        let on = Target::Function(name);
        change(session, &catalog, grant, grantees, on, &mut acl)?;
        functions.put(name, acl);
    }
    engine.files().put_functions(&functions).await?;
    engine.change_catalog(|catalog| catalog.put_functions(functions));
    Ok(())
}

/// Changes a list as the statement says, within what the session's role may give.
fn change(
    session: &Session,
    catalog: &Catalog,
    grant: &Grant,
    grantees: &[Option<String>],
    on: Target<'_>,
    acl: &mut Acl,
) -> Result<()> {
    let wanted = match &grant.privileges {
        None => on.all(),
        Some(privileges) => {
            let kind = on.called();
            let kind = kind.split(' ').next().unwrap_or_default();
            let other = privileges
                .iter()
                .find(|privilege| !on.all().has(**privilege));
            if let Some(other) = other {
                return Err(Error::user(
                    SqlState::InvalidGrantOperation,
                    format!("invalid privilege type {other} for {kind}"),
                ));
            }
            Rights::of(privileges)
        }
    };
    let role = session.role();
    let rights = catalog.grantable(&role, on).both(wanted);
    if rights.is_none() {
        let error = Error::user(
            SqlState::InsufficientPrivilege,
            format!("permission denied for {}", on.called()),
        );
        return Err(error.with_hint(
            "Its owner, a superuser, or who got the privilege WITH GRANT OPTION may give it.",
        ));
    }
    if grant.option && !grant.revoke && grantees.contains(&None) {
        return Err(Error::user(
            SqlState::InvalidGrantOperation,
            "grant options can only be granted to roles",
        ));
    }
    for grantee in grantees {
        let grantee = grantee.as_deref();
        match grant.revoke {
            false => acl.give(grantee, rights, grant.option),
            true => acl.take(grantee, rights, grant.option),
        }
    }
    Ok(())
}

async fn on_secret(
    session: &Session,
    grant: &Grant,
    grantees: &[Option<String>],
    name: &str,
) -> Result<()> {
    let usage = |privilege: &Privilege| *privilege == Privilege::Usage;
    if let Some(other) = grant.privileges.iter().flatten().find(|p| !usage(p)) {
        return Err(Error::user(
            SqlState::InvalidGrantOperation,
            format!("invalid privilege type {other} for secret"),
        ));
    }
    let engine = session.engine();
    let mut secret = (*engine.secrets().require(name)?).clone();
    super::secret::require_owner(session, name, &secret)?;
    for grantee in grantees {
        let Some(grantee) = grantee else {
            return Err(Error::user(
                SqlState::InvalidGrantOperation,
                "a secret is not for everybody",
            )
            .with_hint("Name the roles that may use it."));
        };
        secret.usage.retain(|known| known != grantee);
        if !grant.revoke {
            secret.usage.push(grantee.clone());
        }
    }
    engine
        .secrets()
        .put(engine.durable_root(), name, secret)
        .await
}
