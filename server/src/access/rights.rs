//! Privileges of one object: who has which, and who may give them on.

use std::collections::BTreeMap;

use sluice_sql::Privilege;

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);

    /// Of these.
    pub fn of(privileges: &[Privilege]) -> Self {
        Self(
            privileges
                .iter()
                .fold(0, |set, privilege| set | bit(*privilege)),
        )
    }

    /// Whether this one is among them.
    pub fn has(self, privilege: Privilege) -> bool {
        self.0 & bit(privilege) != 0
    }

    /// Whether there are none.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// These and those.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    pub fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each of them, in PostgreSQL's order.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL
            .into_iter()
            .filter(move |privilege| self.has(*privilege))
    }
}

fn bit(privilege: Privilege) -> u16 {
    1 << (privilege as u16)
}

/// The letter of a privilege in PostgreSQL's access lists.
fn letter(privilege: Privilege) -> char {
    match privilege {
        Privilege::Insert => 'a',
        Privilege::Select => 'r',
        Privilege::Update => 'w',
        Privilege::Delete => 'd',
        Privilege::Truncate => 'D',
        Privilege::References => 'x',
        Privilege::Trigger => 't',
        Privilege::Execute => 'X',
        Privilege::Usage => 'U',
        Privilege::Create => 'C',
        Privilege::Temporary => 'T',
        Privilege::Connect => 'c',
    }
}

/// What one grantee has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The privileges.
    pub rights: Rights,
    /// Those of them it may give on.
    pub grantable: Rights,
}

/// Who has which privileges; `None` is everybody (PUBLIC). The owner, who has them all, is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(BTreeMap<Option<String>, Given>);

impl Acl {
    /// Gives privileges, with the right to give them on where `option` says so.
    pub fn give(&mut self, to: Option<&str>, rights: Rights, option: bool) {
        let given = self.0.entry(to.map(str::to_owned)).or_default();
        given.rights = given.rights.with(rights);
        if option {
            given.grantable = given.grantable.with(rights);
        }
    }

    /// Takes privileges, or with `option` only the right to give them on.
    pub fn take(&mut self, from: Option<&str>, rights: Rights, option: bool) {
        let key = from.map(str::to_owned);
        if let Some(given) = self.0.get_mut(&key) {
            given.grantable = given.grantable.without(rights);
            if !option {
                given.rights = given.rights.without(rights);
            }
            if given.rights.is_none() {
                self.0.remove(&key);
            }
        }
    }

    /// What somebody has who is one of these roles, and everybody.
    pub fn of(&self, roles: &dyn Fn(&str) -> bool) -> Given {
        let mut all = Given::default();
        for (grantee, given) in &self.0 {
            if grantee.as_deref().is_none_or(roles) {
                all.rights = all.rights.with(given.rights);
                all.grantable = all.grantable.with(given.grantable);
            }
        }
        all
    }

    /// Whether a role is in it.
    pub fn names(&self, role: &str) -> bool {
        self.0.contains_key(&Some(role.to_owned()))
    }

    /// Each grantee and what it has.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, Given)> {
        self.0
            .iter()
            .map(|(grantee, given)| (grantee.as_deref(), *given))
    }

    /// Whether nothing was given to anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As PostgreSQL prints it: `alice=r*w/owner`. The owner's own comes first.
    pub fn items(&self, owner: &str, all: Rights) -> Vec<String> {
        let item = |grantee: &str, given: Given| {
            let letters: String = given
                .rights
                .iter()
                .map(|privilege| {
                    let star = if given.grantable.has(privilege) {
                        "*"
                    } else {
                        ""
                    };
                    format!("{}{star}", letter(privilege))
                })
                .collect();
            format!("{}={letters}/{}", quoted(grantee), quoted(owner))
        };
        let own = Given {
            rights: all,
            grantable: Rights::NONE,
        };
        let others = self
            .iter()
            .map(|(grantee, given)| item(grantee.unwrap_or_default(), given));
        std::iter::once(item(owner, own)).chain(others).collect()
    }
}

/// A role's name in an access list.
fn quoted(name: &str) -> String {
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
