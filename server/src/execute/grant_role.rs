//! `GRANT role TO role` and `REVOKE role FROM role`.

use sluice_sql::{GrantRole, Grantee};

use super::Outcome;
use crate::{
    access::{OWNER, Role},
    catalog::fold,
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, grant: &GrantRole) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    for of in &grant.roles {
        let of = fold(of);
        check_admin(session, &of)?;
        for member in &grant.members {
            let member = match member {
                Grantee::Role(name) => fold(name),
                Grantee::Current => session.role(),
                Grantee::Public => {
                    return Err(Error::user(
                        SqlState::InvalidGrantOperation,
                        "a role cannot be given to everybody",
                    ));
                }
            };
            if grant.revoke {
                take(session, &of, &member, grant.admin).await?;
            } else {
                give(session, &of, &member, grant.admin).await?;
            }
        }
    }
    Ok(Outcome::Done(
        if grant.revoke {
            "REVOKE ROLE"
        } else {
            "GRANT ROLE"
        }
        .into(),
    ))
}

/// Whether the session may make others members of a role.
pub(super) fn check_admin(session: &Session, of: &str) -> Result<()> {
    let catalog = session.engine().catalog();
    let (roles, role) = (catalog.roles(), session.role());
    let found = roles.require(of)?;
    if roles.is_superuser(&role) {
        return Ok(());
    }
    if found.superuser {
        return Err(Error::user(
            SqlState::InsufficientPrivilege,
            "must be superuser to alter superusers",
        ));
    }
    let creator = roles.get(&role).is_some_and(|role| role.create_role);
    // Roles that stand for a right of the server's are given by those who have it.
    if roles.may_admin(&role, of) || (creator && !found.is_predefined()) {
        return Ok(());
    }
    Err(Error::user(
        SqlState::InsufficientPrivilege,
        format!("must have admin option on role \"{of}\""),
    ))
}

/// Makes `member` a member of `of`.
pub(super) async fn give(session: &Session, of: &str, member: &str, admin: bool) -> Result<()> {
    let engine = session.engine();
    let catalog = engine.catalog();
    let found = catalog.roles().require(member)?;
    catalog.roles().require(of)?;
    // A role that reaches itself would have no end.
    if of == member || catalog.roles().is_member(of, member) {
        return Err(Error::user(
            SqlState::InvalidGrantOperation,
            format!("role \"{of}\" is a member of role \"{member}\""),
        ));
    }
    let mut role = Role::clone(found);
    let entry = role.member_of.entry(of.to_owned()).or_default();
    *entry = *entry || admin;
    put(session, role).await
}

async fn take(session: &Session, of: &str, member: &str, admin: bool) -> Result<()> {
    let engine = session.engine();
    let catalog = engine.catalog();
    let mut role = Role::clone(catalog.roles().require(member)?);
    if !role.member_of.contains_key(of) {
        session.notice(Error::user(
            SqlState::UndefinedObject,
            format!("role \"{member}\" is not a member of role \"{of}\""),
        ));
        return Ok(());
    }
    match role.member_of.get_mut(of) {
        Some(entry) if admin => *entry = false,
        _ => drop(role.member_of.remove(of)),
    }
    put(session, role).await
}

/// Writes a role and has it hold from now on.
pub(super) async fn put(session: &Session, role: Role) -> Result<()> {
    let engine = session.engine();
    if role.name == OWNER && !(role.superuser && role.login) {
        return Err(Error::user(
            SqlState::ObjectInUse,
            format!("role \"{OWNER}\" stays a superuser who may log in"),
        )
        .with_hint("Somebody must be able to get in; give it a password that nobody knows."));
    }
    if engine.durable_root().is_some() {
        engine.files().put_role(&role).await?;
    }
    engine.change_catalog(|catalog| catalog.roles_mut().put(role));
    Ok(())
}
