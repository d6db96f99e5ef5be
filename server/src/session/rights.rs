//! Whose rights a session has, and what is asked of them.

use std::sync::Arc;

use sluice_sql::{Privilege, Statement};

use super::{Planned, Prepared, Seen, Session, parameters, small::reads_altered};
use crate::{
    access::{Actor, Role, Target, Verifier, Viewer},
    catalog::Object,
    engine::Engine,
    error::Result,
    execute::{
        dml::{self, Dml},
        engine_error,
    },
    subscription,
};

/// What a door must know of a user before it lets anybody in as it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whether a role of that name is there.
    pub known: bool,
    /// Whether one may log in as it.
    pub login: bool,
    /// Whether it may use what is kept back.
    pub superuser: bool,
    /// What the password is checked against; one that nothing fits where there is none to check.
    pub verifier: Verifier,
    /// Whether any password may do, now.
    pub password_holds: bool,
}

impl Login {
    /// Of a role.
    pub(crate) fn of(role: &Role, secret: &[u8], now_us: i64) -> Self {
        let holds = role
            .valid_until
            .as_ref()
            .is_none_or(|(_, end)| now_us < *end);
        Self {
            known: true,
            login: role.login,
            superuser: role.superuser,
            password_holds: holds && role.verifier.is_some(),
            verifier: match &role.verifier {
                Some(verifier) => verifier.clone(),
                None => Verifier::mock(secret, &role.name),
            },
        }
    }

    /// Of whoever comes to a door that is being tested.
    #[cfg(test)]
    pub(crate) fn trusted(user: &str) -> Self {
        Self {
            known: true,
            login: true,
            superuser: user == crate::access::OWNER,
            ..Self::nobody(b"", user)
        }
    }

    /// Of a name that no role has.
    pub(crate) fn nobody(secret: &[u8], user: &str) -> Self {
        Self {
            known: false,
            login: false,
            superuser: false,
            verifier: Verifier::mock(secret, user),
            password_holds: false,
        }
    }
}

impl Session {
    /// Who is on the other end, and whose rights hold.
    pub(crate) fn actor(&self) -> &Arc<Actor> {
        &self.actor
    }

    /// `current_user`.
    pub fn role(&self) -> String {
        self.actor.current()
    }

    /// `session_user`.
    pub(crate) fn session_user(&self) -> String {
        self.actor.session_user()
    }

    /// Refuses where the role of the session has been dropped: a statement begins.
    pub(crate) fn check_there(&self) -> Result<()> {
        self.actor.check_there(self.engine.catalog().roles())
    }

    /// What relations are looked up under at this moment.
    pub(super) fn seen(&self) -> Seen {
        let path = self.settings.lock().get("search_path");
        let changes = (self.engine.catalog_changes(), self.temp.changes());
        (changes, self.role(), path.unwrap_or_default())
    }

    /// Refuses a statement that calls what may not be called any more, or whose plan has relations that may not be read any more: whether they
    /// may is asked where names are looked up.
    pub(super) async fn look_again(&self, prepared: &Prepared) -> Result<()> {
        let seen = self.seen();
        if *prepared.seen.lock() == seen {
            return Ok(());
        }
        self.may_call(prepared.statement())?;
        let text = &prepared.parsed.text;
        let looked = match (&prepared.plan, prepared.statement()) {
            (Some(Planned::Subscription(_)), Statement::Subscribe(subscribe)) => {
                let query = subscription::query_of(subscribe)?;
                self.plan(&self.to_plan(&query, text)?).await.map(drop)
            }
            (Some(Planned::Whole(_)), Statement::Sql(statement)) => {
                let spanned = parameters::spanned(statement, &prepared.parameters);
                let statement = spanned.as_ref().unwrap_or(statement);
                self.plan(&self.to_plan(statement, text)?).await.map(drop)
            }
            (Some(Planned::Write(_)), Statement::Sql(statement)) => {
                let types = &prepared.parameters;
                let spanned = parameters::spanned(statement, types);
                let statement = spanned.as_ref().unwrap_or(statement);
                dml::prepare(self, statement, types).await.map(drop)
            }
            _ => Ok(()),
        };
        if looked.is_ok() {
            *prepared.seen.lock() = seen;
        }
        looked
    }

    /// Whether a table that a statement reads, or puts rows into, has other columns than when it was planned.
    pub(super) fn is_outdated(&self, prepared: &Prepared) -> Result<bool> {
        match &prepared.plan {
            Some(Planned::Whole(plan)) => reads_altered(plan).map_err(engine_error),
            Some(Planned::Write(Dml::Insert(name, plan))) => {
                let altered = dml::is_of_other_columns(self, name, plan);
                Ok(altered || reads_altered(plan).map_err(engine_error)?)
            }
            _ => Ok(false),
        }
    }

    /// Refuses, with PostgreSQL's error, unless the session's role has a privilege.
    pub(crate) fn require(&self, privilege: Privilege, on: Target<'_>) -> Result<()> {
        self.engine.catalog().check(&self.role(), privilege, on)
    }

    /// Whether the session's role owns a thing.
    pub(crate) fn owns(&self, on: Target<'_>) -> bool {
        self.engine.catalog().owns(&self.role(), on)
    }

    /// Refuses, with PostgreSQL's error, unless the session's role owns a thing.
    pub(crate) fn require_owner(&self, on: Target<'_>) -> Result<()> {
        self.engine.catalog().check_owner(&self.role(), on)
    }

    /// Whether an object is listed for the session's role.
    pub(crate) fn sees(&self, object: &Object) -> bool {
        let catalog = self.engine.catalog();
        catalog.may(&self.role(), Privilege::Select, Target::Relation(object))
    }

    /// Whether what is told of the object of this name, as it prints, is told to the session's role.
    pub(crate) fn sees_named(&self, name: &str) -> bool {
        let viewer = Viewer::Session(Arc::clone(&self.actor));
        viewer.hears_of(&self.engine.catalog(), name)
    }
}

/// Parameters that follow from whose rights hold.
pub(super) fn about_roles(engine: &Engine, actor: &Actor, name: &str) -> Option<String> {
    match name.to_ascii_lowercase().as_str() {
        "is_superuser" => {
            let catalog = engine.catalog();
            let on = catalog.roles().is_superuser(&actor.current());
            Some(if on { "on" } else { "off" }.to_owned())
        }
        "session_authorization" => Some(actor.session_user()),
        "role" => match (actor.current(), actor.session_user()) {
            (role, user) if role == user => Some("none".to_owned()),
            (role, _) => Some(role),
        },
        _ => None,
    }
}
