//! `SET ROLE`, `SET SESSION AUTHORIZATION` and their RESET: whose rights the session has from now on.

use sluice_sql::SetRole;

use super::Outcome;
use crate::{
    catalog::fold,
    error::{Error, Result, SqlState},
    session::{Scope, Session},
};

pub(super) fn run(session: &Session, set: &SetRole) -> Result<Outcome> {
    let catalog = session.engine().catalog();
    let roles = catalog.roles();
    let actor = session.actor();
    let known = |name: &str| match roles.get(name) {
        Some(_) => Ok(()),
        None => Err(Error::user(
            SqlState::InvalidParameterValue,
            format!("role \"{name}\" does not exist"),
        )),
    };
    let chosen = match set {
        SetRole::Role {
            name: Some(name), ..
        } => {
            let name = fold(name);
            known(&name)?;
            let user = actor.session_user();
            if !roles.is_superuser(&user) && !roles.is_member(&user, &name) {
                return Err(Error::user(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied to set role \"{name}\""),
                ));
            }
            (user, name)
        }
        SetRole::Role { name: None, .. } | SetRole::ResetRole => {
            (actor.session_user(), actor.session_user())
        }
        SetRole::Session {
            name: Some(name), ..
        } => {
            let name = fold(name);
            known(&name)?;
            if !roles.is_superuser(actor.login()) && name != actor.login() {
                return Err(Error::user(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied to set session authorization \"{name}\""),
                ));
            }
            (name.clone(), name)
        }
        SetRole::Session { name: None, .. } | SetRole::ResetSession => {
            (actor.login().to_owned(), actor.login().to_owned())
        }
    };
    actor.becomes(&chosen.0, roles);
    actor.becomes(&chosen.1, roles);
    let local = matches!(
        set,
        SetRole::Role { local: true, .. } | SetRole::Session { local: true, .. }
    );
    session.set_roles(chosen, if local { Scope::Local } else { Scope::Session })?;
    let reset = matches!(set, SetRole::ResetRole | SetRole::ResetSession);
    Ok(Outcome::Done(if reset { "RESET" } else { "SET" }.into()))
}
