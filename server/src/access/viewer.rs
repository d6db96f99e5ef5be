//! Whose rights a name is looked up with.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use sluice_sql::Privilege;

use super::{OWNER, Roles, Secret, Target};
use crate::{
    catalog::{Catalog, Object, QualifiedName},
    error::{Error, Result, SqlState},
};

/// A session's user, and the role whose rights it has at the moment.
#[derive(Debug)]
pub struct Actor {
    login: String,
    roles: RwLock<(String, String)>,
    /// The roles it has been, by the numbers that they had: one that was made anew under a name is another.
    numbers: RwLock<BTreeMap<String, i32>>,
}

impl Actor {
    /// Somebody who came in as `user`.
    pub fn new(user: &str, roles: &Roles) -> Arc<Self> {
        let number = roles.get(user).map(|role| (user.to_owned(), role.oid));
        Arc::new(Self {
            login: user.to_owned(),
            roles: RwLock::new((user.to_owned(), user.to_owned())),
            numbers: RwLock::new(number.into_iter().collect()),
        })
    }

    /// It is about to become this role, as it is now. Who logged in stays who that was.
    pub fn becomes(&self, name: &str, roles: &Roles) {
        if let Some(role) = roles.get(name).filter(|_| name != self.login) {
            self.numbers.write().insert(name.to_owned(), role.oid);
        }
    }

    /// Refuses where a role that it is has been dropped, whether or not there is another one of that name.
    pub fn check_there(&self, roles: &Roles) -> Result<()> {
        let numbers = self.numbers.read();
        let now = self.roles.read();
        let dropped = [&self.login, &now.0, &now.1].into_iter().find(|name| {
            let number = numbers.get(*name);
            number.is_some_and(|number| roles.get(name).is_none_or(|role| role.oid != *number))
        });
        match dropped {
            None => Ok(()),
            Some(name) => Err(Error::user(
                SqlState::InvalidAuthorization,
                format!("role \"{name}\" was dropped"),
            )
            .with_hint("Log in anew, as a role that is there.")),
        }
    }

    /// Who logged in.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// `session_user`.
    pub fn session_user(&self) -> String {
        self.roles.read().0.clone()
    }

    /// `current_user`: whose rights hold.
    pub fn current(&self) -> String {
        self.roles.read().1.clone()
    }

    /// `session_user` and `current_user` from now on.
    pub fn set(&self, roles: (String, String)) {
        *self.roles.write() = roles;
    }
}

/// Who looks a name up.
#[derive(Clone, Debug)]
pub enum Viewer {
    /// The server itself, which sees everything.
    Server,
    /// A session.
    Session(Arc<Actor>),
    /// The owner of a view.
    Owner(String),
}

impl Viewer {
    /// The role whose rights hold.
    pub fn role(&self) -> String {
        match self {
            Self::Server => OWNER.to_owned(),
            Self::Session(actor) => actor.current(),
            Self::Owner(role) => role.clone(),
        }
    }

    /// Whoever owns a view sees what it reads; the server sees everything as before.
    pub fn of_view(&self, owner: &str) -> Self {
        match self {
            Self::Server => Self::Server,
            _ => Self::Owner(owner.to_owned()),
        }
    }

    /// Whether a privilege is there.
    pub fn may(&self, catalog: &Catalog, privilege: Privilege, on: Target<'_>) -> bool {
        match self {
            Self::Server => true,
            _ => catalog.may(&self.role(), privilege, on),
        }
    }

    /// Whether an object is listed.
    pub fn lists(&self, catalog: &Catalog, object: &Object) -> bool {
        match self {
            Self::Server => true,
            _ => catalog.lists(&self.role(), object),
        }
    }

    /// As [`Viewer::may`], with PostgreSQL's error.
    pub fn check(&self, catalog: &Catalog, privilege: Privilege, on: Target<'_>) -> Result<()> {
        match self {
            Self::Server => return Ok(()),
            Self::Session(actor) => actor.check_there(catalog.roles())?,
            Self::Owner(_) => {}
        }
        catalog.check(&self.role(), privilege, on)
    }

    /// Whether it hears what the process tells of the relation of this name, as it prints (`x`, `gold.x`).
    pub fn hears_of(&self, catalog: &Catalog, name: &str) -> bool {
        if self.monitors(catalog) {
            return true;
        }
        let name = match name.split_once('.') {
            Some((schema, name)) => QualifiedName::new(schema, name),
            None => QualifiedName::new("public", name),
        };
        catalog
            .readable(&name)
            .is_some_and(|object| self.may(catalog, Privilege::Select, Target::Relation(object)))
    }

    /// Whether it hears that a secret is there.
    pub fn hears_of_secret(&self, catalog: &Catalog, secret: &Secret) -> bool {
        self.monitors(catalog) || secret.may_be_named_by(catalog.roles(), &self.role())
    }

    /// Whether it sees what the process knows of everybody.
    pub fn monitors(&self, catalog: &Catalog) -> bool {
        match self {
            Self::Server => true,
            _ => {
                let (roles, role) = (catalog.roles(), self.role());
                roles.is_superuser(&role) || roles.has_privileges_of(&role, "pg_monitor")
            }
        }
    }
}
