//! Roles and who is a member of which.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Verifier;
use crate::error::{Error, Result, SqlState};

/// The role that is there from the start and may do everything.
pub const OWNER: &str = "sluice";
/// Its number, as PostgreSQL's first role has it.
pub const OWNER_OID: i32 = 10;
/// Numbers of roles that people make begin here.
const FIRST_OID: i32 = 16_384;

/// Roles that are there from the start and stand for a right, with PostgreSQL's names and numbers.
const PREDEFINED: [(&str, i32); 4] = [
    ("pg_monitor", 3373),
    ("pg_read_server_files", 4569),
    ("pg_read_all_data", 6181),
    ("pg_write_all_data", 6182),
];

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its number in `pg_catalog`.
    pub oid: i32,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether it has the privileges of the roles it is a member of without SET ROLE.
    pub inherit: bool,
    /// Whether one may log in as it.
    pub login: bool,
    /// What a password is checked against; without one no password lets anybody in.
    pub verifier: Option<Verifier>,
    /// When the password ends: as it was written, and in microseconds.
    pub valid_until: Option<(String, i64)>,
    /// Sessions it may have at a time.
    pub connection_limit: Option<u32>,
    /// What COMMENT ON says of it.
    pub comment: Option<String>,
    /// Roles it is a member of, and whether it may make others members of them.
    pub member_of: BTreeMap<String, bool>,
}

impl Role {
    /// A role that may nothing, as CREATE ROLE makes it.
    pub fn new(name: &str, oid: i32) -> Self {
        Self {
            name: name.to_owned(),
            oid,
            superuser: false,
            create_role: false,
            inherit: true,
            login: false,
            verifier: None,
            valid_until: None,
            connection_limit: None,
            comment: None,
            member_of: BTreeMap::new(),
        }
    }

    /// Whether it is one of those that are there from the start and have no file.
    pub fn is_predefined(&self) -> bool {
        PREDEFINED.iter().any(|(name, _)| *name == self.name)
    }
}

/// All roles, at one moment.
#[derive(Clone, Debug)]
pub struct Roles {
    by_name: BTreeMap<String, Arc<Role>>,
    /// The highest number that a role has had since the start: sessions know a role that was dropped and made anew by its other number.
    last_oid: i32,
}

impl Default for Roles {
    fn default() -> Self {
        let owner = Role {
            superuser: true,
            create_role: true,
            login: true,
            ..Role::new(OWNER, OWNER_OID)
        };
        let predefined = PREDEFINED.map(|(name, oid)| Role::new(name, oid));
        let all = predefined.into_iter().chain([owner]);
        Self {
            by_name: all
                .map(|role| (role.name.clone(), Arc::new(role)))
                .collect(),
            last_oid: FIRST_OID - 1,
        }
    }
}

impl Roles {
    /// A role.
    pub fn get(&self, name: &str) -> Option<&Arc<Role>> {
        self.by_name.get(name)
    }

    /// A role, or PostgreSQL's error.
    pub fn require(&self, name: &str) -> Result<&Arc<Role>> {
        self.get(name).ok_or_else(|| undefined(name))
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.by_name.values()
    }

    /// Adds or replaces one.
    pub fn put(&mut self, role: Role) {
        self.last_oid = self.last_oid.max(role.oid);
        self.by_name.insert(role.name.clone(), Arc::new(role));
    }

    /// Takes one away, and its memberships.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// The number of the next role, which none has had since the start.
    pub fn next_oid(&self) -> i32 {
        self.last_oid + 1
    }

    /// Whether it may do everything. A role that is gone may nothing.
    pub fn is_superuser(&self, name: &str) -> bool {
        self.get(name).is_some_and(|role| role.superuser)
    }

    /// Whether `role` has the privileges of `other`: it is the same, or inherits from it.
    pub fn has_privileges_of(&self, role: &str, other: &str) -> bool {
        self.reaches(role, other, true)
    }

    /// Whether `role` may become `other` by SET ROLE.
    pub fn is_member(&self, role: &str, other: &str) -> bool {
        self.reaches(role, other, false)
    }

    /// Whether `role` may make others members of `other`.
    pub fn may_admin(&self, role: &str, other: &str) -> bool {
        self.is_superuser(role)
            || self.all().any(|between| {
                between.member_of.get(other) == Some(&true)
                    && self.has_privileges_of(role, &between.name)
            })
    }

    fn reaches(&self, role: &str, other: &str, inherited: bool) -> bool {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![role];
        while let Some(name) = waiting.pop() {
            if name == other {
                return self.get(name).is_some();
            }
            if let Some(found) = self.get(name)
                && (found.inherit || !inherited)
                && seen.insert(name)
            {
                waiting.extend(found.member_of.keys().map(String::as_str));
            }
        }
        false
    }
}

/// `role "x" does not exist`.
pub(crate) fn undefined(name: &str) -> Error {
    Error::user(
        SqlState::UndefinedObject,
        format!("role \"{name}\" does not exist"),
    )
}
