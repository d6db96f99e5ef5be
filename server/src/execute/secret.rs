//! `CREATE SECRET`, `ALTER SECRET`, `DROP SECRET`, and who may name one.

use sluice_sql::{DropSecret, Hidden, Options, PutSecret};

use super::Outcome;
use crate::{
    access::{Secret, Target},
    catalog::{Object, fold},
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn put(session: &Session, put: &PutSecret) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let name = fold(&put.name);
    let Hidden(value) = &put.value;
    let done = |word: &str| Ok(Outcome::Done(format!("{word} SECRET")));
    let found = engine.secrets().get(&name);
    if put.alter {
        let secret = engine.secrets().require(&name)?;
        require_owner(session, &name, &secret)?;
        let secret = secret.with_value(value);
        let root = engine.durable_root();
        engine.secrets().put(root, &name, secret).await?;
        let users = users(session, &name);
        if !users.is_empty() {
            session.notice(Error::user(
                SqlState::ObjectInUse,
                format!("what uses secret \"{name}\" goes on with the value of before until the server is started again"),
            ).with_detail(users.join("\n")));
        }
        return done("ALTER");
    }
    session.require(sluice_sql::Privilege::Create, Target::Database)?;
    if found.is_some() {
        let state = SqlState::DuplicateObject;
        if put.if_not_exists {
            let message = format!("secret \"{name}\" already exists, skipping");
            session.notice(Error::user(state, message));
            return done("CREATE");
        }
        return Err(
            Error::user(state, format!("secret \"{name}\" already exists")).with_hint(format!(
                "ALTER SECRET {name} AS '…' gives it another value."
            )),
        );
    }
    let usable = !name.is_empty()
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "_-".contains(c));
    if !usable {
        return Err(Error::user(
            SqlState::InvalidName,
            format!("name \"{name}\" cannot be a secret's"),
        )
        .with_hint("Use up to 63 letters, digits, _ or -."));
    }
    let secret = Secret::new(&session.role(), value, engine.clock().now_us());
    let root = engine.durable_root();
    engine.secrets().put(root, &name, secret).await?;
    done("CREATE")
}

pub(super) async fn drop(session: &Session, drop: &DropSecret) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let name = fold(&drop.name);
    let done = || Ok(Outcome::Done("DROP SECRET".into()));
    let Some(secret) = engine.secrets().get(&name) else {
        if drop.if_exists {
            session.notice(Error::user(
                SqlState::UndefinedObject,
                format!("secret \"{name}\" does not exist, skipping"),
            ));
            return done();
        }
        return Err(Error::user(
            SqlState::UndefinedObject,
            format!("secret \"{name}\" does not exist"),
        ));
    };
    require_owner(session, &name, &secret)?;
    let users = users(session, &name);
    if !users.is_empty() {
        return Err(Error::user(
            SqlState::DependentObjectsStillExist,
            format!("cannot drop secret \"{name}\" because other objects depend on it"),
        )
        .with_detail(users.join("\n")));
    }
    engine
        .secrets()
        .remove(engine.durable_root(), &name)
        .await?;
    done()
}

/// Streams that name a secret.
fn users(session: &Session, name: &str) -> Vec<String> {
    let catalog = session.engine().catalog();
    let named = |object: &Object| match object {
        Object::Stream(stream) => stream
            .statement
            .options
            .1
            .iter()
            .any(|(_, secret)| secret == name),
        Object::View(_) | Object::Table(_) => false,
    };
    catalog
        .all()
        .filter(|object| named(object))
        .map(|object| format!("stream {} depends on secret {name}", object.name()))
        .collect()
}

/// Whoever made a secret changes it and says who may use it.
pub(super) fn require_owner(session: &Session, name: &str, secret: &Secret) -> Result<()> {
    let catalog = session.engine().catalog();
    let (roles, role) = (catalog.roles(), session.role());
    if roles.is_superuser(&role) || roles.has_privileges_of(&role, &secret.owner) {
        return Ok(());
    }
    Err(Error::user(
        SqlState::InsufficientPrivilege,
        format!("must be owner of secret {name}"),
    ))
}

/// What is asked of a statement's options: secrets that are there and may be used, no secret written out, no file of the server's unless
/// its reader may.
pub(super) fn check_options(session: &Session, options: &Options) -> Result<()> {
    let catalog = session.engine().catalog();
    let (roles, role) = (catalog.roles(), session.role());
    if let Some(key) = options.bare_secrets().next() {
        return Err(Error::user(
            SqlState::InvalidParameterValue,
            format!("option \"{key}\" holds a secret and cannot be written out"),
        )
        .with_detail("Statements are kept, listed and logged; the value would be in all of that.")
        .with_hint(format!(
            "Make a secret of it, CREATE SECRET name AS '…', and write \"{key}\" = SECRET name."
        )));
    }
    for (_, name) in &options.1 {
        let secret = session.engine().secrets().require(name)?;
        if !secret.may_be_named_by(roles, &role) {
            return Err(Error::user(
                SqlState::InsufficientPrivilege,
                format!("permission denied for secret {name}"),
            ));
        }
    }
    // A path may be the value of a secret as well.
    let mut keys = options.0.iter().chain(&options.1).map(|(key, _)| key);
    let reads = keys.find(|key| {
        let last = key.rsplit('.').next().unwrap_or_default();
        ["location", "keytab", "path", "file"].contains(&last)
    });
    if let Some(key) = reads
        && !roles.is_superuser(&role)
        && !roles.has_privileges_of(&role, "pg_read_server_files")
    {
        return Err(Error::user(
            SqlState::InsufficientPrivilege,
            format!("permission denied to read a file of the server (option \"{key}\")"),
        )
        .with_hint("Only superusers and members of pg_read_server_files may."));
    }
    Ok(())
}
