//! `CREATE ROLE`, `ALTER ROLE`, `DROP ROLE`. Of a password the verifier is kept.

use sluice_sql::{AlterRole, CreateRole, DropRole, Hidden, RoleOptions};

use super::{Outcome, grant_role};
use crate::{
    access::{OWNER, Role, Verifier, role_name_usable, roles_time},
    catalog::fold,
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn create(session: &Session, create: &CreateRole) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let roles = catalog.roles();
    let name = fold(&create.name);
    let actor = session.role();
    let superuser = roles.is_superuser(&actor);
    if !superuser && !roles.get(&actor).is_some_and(|role| role.create_role) {
        return Err(refused("permission denied to create role"));
    }
    if create.options.superuser == Some(true) && !superuser {
        return Err(refused("must be superuser to create superusers"));
    }
    role_name_usable(&name)?;
    if roles.get(&name).is_some() {
        return Err(Error::user(
            SqlState::DuplicateObject,
            format!("role \"{name}\" already exists"),
        ));
    }
    let mut role = Role::new(&name, roles.next_oid());
    role.login = create.user;
    apply(session, &mut role, &create.options)?;
    for of in &create.options.in_roles {
        grant_role::check_admin(session, &fold(of))?;
    }
    for member in create.options.members.iter().chain(&create.options.admins) {
        roles.require(&fold(member))?;
    }
    grant_role::put(session, role).await?;
    for of in &create.options.in_roles {
        grant_role::give(session, &fold(of), &name, false).await?;
    }
    let members = create.options.members.iter().map(|member| (member, false));
    let admins = create.options.admins.iter().map(|member| (member, true));
    for (member, admin) in members.chain(admins) {
        grant_role::give(session, &name, &fold(member), admin).await?;
    }
    Ok(Outcome::Done("CREATE ROLE".into()))
}

pub(super) async fn alter(session: &Session, alter: &AlterRole) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let roles = catalog.roles();
    let actor = session.role();
    let name = alter.name.as_ref().map_or_else(|| actor.clone(), fold);
    let mut role = Role::clone(roles.require(&name)?);
    if role.is_predefined() {
        role_name_usable(&name)?;
    }
    let options = &alter.options;
    let one_of =
        !options.in_roles.is_empty() || !options.members.is_empty() || !options.admins.is_empty();
    if one_of {
        return Err(Error::user(
            SqlState::SyntaxError,
            "ALTER ROLE does not change who is a member of what",
        )
        .with_hint("Write GRANT role TO role, or REVOKE role FROM role."));
    }
    if !roles.is_superuser(&actor) {
        if role.superuser || options.superuser.is_some() {
            return Err(refused(
                "must be superuser to alter superuser roles or change superuser attribute",
            ));
        }
        let creator = roles.get(&actor).is_some_and(|role| role.create_role);
        // One's own password is one's own business.
        let password_alone = RoleOptions {
            password: None,
            ..options.clone()
        } == RoleOptions::default();
        let own_password = actor == name && password_alone;
        if !creator && !own_password {
            return Err(refused("permission denied to alter role"));
        }
    }
    apply(session, &mut role, options)?;
    grant_role::put(session, role).await?;
    Ok(Outcome::Done("ALTER ROLE".into()))
}

pub(super) async fn drop(session: &Session, drop: &DropRole) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    for name in &drop.names {
        let name = fold(name);
        let catalog = engine.catalog();
        let roles = catalog.roles();
        let actor = session.role();
        let superuser = roles.is_superuser(&actor);
        if !superuser && !roles.get(&actor).is_some_and(|role| role.create_role) {
            return Err(refused("permission denied to drop role"));
        }
        let Some(role) = roles.get(&name) else {
            let error = Error::user(
                SqlState::UndefinedObject,
                format!("role \"{name}\" does not exist"),
            );
            if !drop.if_exists {
                return Err(error);
            }
            session.notice(Error::user(
                SqlState::UndefinedObject,
                format!("role \"{name}\" does not exist, skipping"),
            ));
            continue;
        };
        if name == actor {
            return Err(Error::user(
                SqlState::ObjectInUse,
                "current user cannot be dropped",
            ));
        }
        if name == session.session_user() {
            return Err(Error::user(
                SqlState::ObjectInUse,
                "session user cannot be dropped",
            ));
        }
        if role.superuser && !superuser {
            return Err(refused("must be superuser to drop superusers"));
        }
        let mut needed = match name == OWNER || role.is_predefined() {
            true => vec!["the server needs it".to_owned()],
            false => catalog.mentions(&name),
        };
        for (secret, kept) in engine.secrets().names() {
            if kept.owner == name {
                needed.push(format!("owner of secret {secret}"));
            } else if kept.usage.contains(&name) {
                needed.push(format!("privileges for secret {secret}"));
            }
        }
        if !needed.is_empty() {
            return Err(Error::user(
                SqlState::DependentObjectsStillExist,
                format!("role \"{name}\" cannot be dropped because some objects depend on it"),
            )
            .with_detail(needed.join("\n"))
            .with_hint(
                "ALTER … OWNER TO gives what it owns to another role, REVOKE takes its privileges.",
            ));
        }
        let members: Vec<Role> = roles
            .all()
            .filter(|member| member.member_of.contains_key(&name))
            .map(|member| Role::clone(member))
            .collect();
        for mut member in members {
            member.member_of.remove(&name);
            grant_role::put(session, member).await?;
        }
        if engine.durable_root().is_some() {
            engine.files().drop_role(&name).await?;
        }
        engine.change_catalog(|catalog| catalog.roles_mut().remove(&name));
    }
    Ok(Outcome::Done("DROP ROLE".into()))
}

/// Sets what the statement says.
fn apply(session: &Session, role: &mut Role, options: &RoleOptions) -> Result<()> {
    let set = |flag: &mut bool, said: Option<bool>| *flag = said.unwrap_or(*flag);
    set(&mut role.superuser, options.superuser);
    set(&mut role.create_role, options.create_role);
    set(&mut role.inherit, options.inherit);
    set(&mut role.login, options.login);
    match &options.password {
        None => {}
        Some(None) => role.verifier = None,
        Some(Some(Hidden(text))) => role.verifier = verifier(session, text)?,
    }
    if let Some(until) = &options.valid_until {
        let time = roles_time(until).ok_or_else(|| {
            Error::user(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type timestamp with time zone: \"{until}\""),
            )
            .with_hint("Write such as '2027-01-31 12:00:00' (UTC), or 'infinity'.")
        })?;
        role.valid_until = (time.1 != i64::MAX).then_some(time);
    }
    if let Some(limit) = options.connection_limit {
        role.connection_limit = match limit {
            -1 => None,
            limit => Some(u32::try_from(limit).map_err(|_| {
                Error::user(
                    SqlState::InvalidParameterValue,
                    format!("invalid connection limit: {limit}"),
                )
                .with_hint("Write a number of sessions, or -1 for no limit.")
            })?),
        };
    }
    Ok(())
}

/// What is kept of a password; a verifier is taken as it is.
fn verifier(session: &Session, text: &str) -> Result<Option<Verifier>> {
    if text.is_empty() {
        session.notice(Error::user(
            SqlState::InvalidParameterValue,
            "empty string is not a valid password, clearing password",
        ));
        return Ok(None);
    }
    if let Some(verifier) = Verifier::parse(text) {
        return Ok(Some(verifier));
    }
    let md5 = text.strip_prefix("md5").is_some_and(|hash| {
        hash.len() == 32 && hash.chars().all(|digit| digit.is_ascii_hexdigit())
    });
    if md5 || text.starts_with("SCRAM-SHA-256$") {
        return Err(Error::user(
            SqlState::InvalidParameterValue,
            "the password looks like a hash and is not a SCRAM-SHA-256 verifier",
        )
        .with_hint("Write the password itself, or SCRAM-SHA-256$iterations:salt$stored key:server key as PostgreSQL has it."));
    }
    Ok(Some(Verifier::make(text)))
}

fn refused(message: &str) -> Error {
    Error::user(SqlState::InsufficientPrivilege, message)
}
