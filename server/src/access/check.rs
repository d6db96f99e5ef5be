//! What a role may do, decided from the catalog alone.

use sluice_sql::Privilege;

use super::{Acl, Rights};
use crate::{
    catalog::{Catalog, Object},
    error::{Error, Result, SqlState},
};

/// Views over views that are followed.
const NESTED: usize = 64;

/// What a privilege is asked on.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A table, stream or view.
    Relation(&'a Object),
    /// A schema.
    Schema(&'a str),
    /// The database.
    Database,
    /// A function, by its name.
    Function(&'a str),
}

/// What one session does to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Its statement stops.
    Cancel,
    /// It ends.
    Terminate,
}

impl Target<'_> {
    /// Every privilege there is on it.
    pub fn all(self) -> Rights {
        Rights::of(match self {
            Self::Relation(_) => &[
                Privilege::Insert,
                Privilege::Select,
                Privilege::Update,
                Privilege::Delete,
                Privilege::Truncate,
                Privilege::References,
                Privilege::Trigger,
            ],
            Self::Schema(_) => &[Privilege::Usage, Privilege::Create],
            Self::Database => &[Privilege::Create, Privilege::Temporary, Privilege::Connect],
            Self::Function(_) => &[Privilege::Execute],
        })
    }

    /// `table x`, as errors name it.
    pub fn called(self) -> String {
        match self {
            Self::Relation(object) => format!("{} {}", object.kind(), object.name().name),
            Self::Schema(name) => format!("schema {name}"),
            Self::Database => "database sluice".to_owned(),
            Self::Function(name) => format!("function {name}"),
        }
    }
}

impl Catalog {
    /// Whether `role` has `privilege`, by itself, as an owner, by membership or as everybody. On a relation that needs USAGE of its schema too.
    pub fn may(&self, role: &str, privilege: Privilege, on: Target<'_>) -> bool {
        if self.roles().is_superuser(role) {
            return true;
        }
        if let Target::Relation(object) = on
            && !self.may(
                role,
                Privilege::Usage,
                Target::Schema(&object.name().schema),
            )
        {
            return false;
        }
        self.owns(role, on)
            || self
                .acl(on)
                .of(&|of| self.roles().has_privileges_of(role, of))
                .rights
                .has(privilege)
            || self.predefined(role, privilege, on)
    }

    /// As [`Catalog::may`], with PostgreSQL's error.
    pub fn check(&self, role: &str, privilege: Privilege, on: Target<'_>) -> Result<()> {
        if self.may(role, privilege, on) {
            return Ok(());
        }
        if let Target::Relation(object) = on {
            let schema = Target::Schema(&object.name().schema);
            if !self.may(role, Privilege::Usage, schema) {
                return Err(denied(schema));
            }
        }
        Err(denied(on))
    }

    /// Whether `role` may change what it is: its owner, a member of it, a superuser.
    pub fn owns(&self, role: &str, on: Target<'_>) -> bool {
        self.roles().is_superuser(role) || self.roles().has_privileges_of(role, self.owner(on))
    }

    /// As [`Catalog::owns`], with PostgreSQL's error.
    pub fn check_owner(&self, role: &str, on: Target<'_>) -> Result<()> {
        if self.owns(role, on) {
            return Ok(());
        }
        Err(Error::user(
            SqlState::InsufficientPrivilege,
            format!("must be owner of {}", on.called()),
        ))
    }

    /// What `role` may give on to others.
    pub fn grantable(&self, role: &str, on: Target<'_>) -> Rights {
        if self.owns(role, on) {
            return on.all();
        }
        self.acl(on)
            .of(&|of| self.roles().has_privileges_of(role, of))
            .grantable
    }

    /// Who owns it.
    pub fn owner<'a>(&'a self, on: Target<'a>) -> &'a str {
        match on {
            Target::Relation(object) => &object.meta().owner,
            Target::Schema(name) => self.schema_owner(name),
            Target::Database | Target::Function(_) => super::OWNER,
        }
    }

    /// What others have on it.
    pub fn acl<'a>(&'a self, on: Target<'a>) -> std::borrow::Cow<'a, Acl> {
        match on {
            Target::Relation(object) => std::borrow::Cow::Borrowed(&object.meta().acl),
            Target::Schema(name) => std::borrow::Cow::Owned(self.schema_acl(name)),
            Target::Database => std::borrow::Cow::Borrowed(self.database_acl()),
            Target::Function(name) => std::borrow::Cow::Owned(self.functions().acl(name)),
        }
    }

    fn predefined(&self, role: &str, privilege: Privilege, on: Target<'_>) -> bool {
        let is = |name| self.roles().has_privileges_of(role, name);
        match (on, privilege) {
            (Target::Relation(_), Privilege::Select) => is("pg_read_all_data"),
            (Target::Relation(_), Privilege::Insert | Privilege::Update | Privilege::Delete) => {
                is("pg_write_all_data")
            }
            (Target::Schema(_), Privilege::Usage) => {
                is("pg_read_all_data") || is("pg_write_all_data")
            }
            _ => false,
        }
    }

    /// Refuses, with PostgreSQL's error, unless `role` may stop what a session of `other` does, or end the session.
    pub fn check_signal(&self, role: &str, other: &str, signal: Signal) -> Result<()> {
        let roles = self.roles();
        let message = match signal {
            _ if roles.is_superuser(role) => return Ok(()),
            Signal::Cancel if roles.is_superuser(other) => {
                "must be a superuser to cancel superuser query"
            }
            Signal::Terminate if roles.is_superuser(other) => {
                "must be a superuser to terminate superuser process"
            }
            _ if roles.has_privileges_of(role, other) => return Ok(()),
            Signal::Cancel => "must be a member of the role whose query is being canceled",
            Signal::Terminate => "must be a member of the role whose process is being terminated",
        };
        Err(Error::user(SqlState::InsufficientPrivilege, message))
    }

    /// Whether an object is listed for `role`: it may be read, and a view's owner may read what is below it. A listing opens what it lists,
    /// and one view that cannot be opened must not take the others with it.
    pub fn lists(&self, role: &str, object: &Object) -> bool {
        self.may(role, Privilege::Select, Target::Relation(object)) && self.opens(object, NESTED)
    }

    fn opens(&self, object: &Object, depth: usize) -> bool {
        let Object::View(view) = object else {
            return true;
        };
        if depth == 0 {
            return true;
        }
        object.reads().iter().all(|name| {
            self.readable(name).is_none_or(|read| {
                self.may(&view.meta.owner, Privilege::Select, Target::Relation(read))
                    && self.opens(read, depth - 1)
            })
        })
    }

    /// Objects that know of a role, as DROP ROLE tells of them.
    pub fn mentions(&self, role: &str) -> Vec<String> {
        let relations = self.all().map(|object| Target::Relation(object));
        let schemas = self.schemas().map(Target::Schema);
        let functions = self.functions().iter();
        let functions = functions.map(|(name, _)| Target::Function(name));
        relations
            .chain(schemas)
            .chain([Target::Database])
            .chain(functions)
            .filter_map(|on| {
                if self.owner(on) == role {
                    Some(format!("owner of {}", on.called()))
                } else if self.acl(on).names(role) {
                    Some(format!("privileges for {}", on.called()))
                } else {
                    None
                }
            })
            .collect()
    }
}

/// `permission denied for table x`.
fn denied(on: Target<'_>) -> Error {
    Error::user(
        SqlState::InsufficientPrivilege,
        format!("permission denied for {}", on.called()),
    )
}
