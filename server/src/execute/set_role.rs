//! `SET ROLE`, `SET SESSION AUTHORIZATION` and their RESET: whose rights the session has from now on.

use sluice_sql::SetRole;

use super::Outcome;
use crate::{
    catalog::fold,
    error::{Error, Result, SqlState},
    session::Session,
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
    match set {
        SetRole::Role(Some(name)) => {
            let name = fold(name);
            known(&name)?;
            let user = actor.session_user();
            if !roles.is_superuser(&user) && !roles.is_member(&user, &name) {
                return Err(Error::user(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied to set role \"{name}\""),
                ));
            }
            actor.set_role(&name);
        }
        SetRole::Role(None) | SetRole::ResetRole => actor.set_role(&actor.session_user()),
        SetRole::Session(Some(name)) => {
            let name = fold(name);
            known(&name)?;
            if !roles.is_superuser(actor.login()) && name != actor.login() {
                return Err(Error::user(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied to set session authorization \"{name}\""),
                ));
            }
            actor.set_session_user(&name);
        }
        SetRole::Session(None) | SetRole::ResetSession => {
            let login = actor.login().to_owned();
            actor.set_session_user(&login);
        }
    }
    let reset = matches!(set, SetRole::ResetRole | SetRole::ResetSession);
    Ok(Outcome::Done(if reset { "RESET" } else { "SET" }.into()))
}
