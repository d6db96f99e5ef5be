//! Who may call which function. Everybody may call all of them, so only those are kept of which something else was said.

use std::collections::BTreeMap;

use sluice_sql::{GrantOn, Privilege, Statement};

use super::{Acl, Rights, Target, apply_grants, grant_lines};
use crate::catalog::{fold, function_name};

/// Functions whose privileges differ from those that all have at first, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions(BTreeMap<String, Acl>);

impl Functions {
    /// Whether everybody may call everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What others than its owner may do with a function of which something was said.
    pub fn get(&self, name: &str) -> Option<&Acl> {
        self.0.get(name)
    }

    /// What others than its owner may do with a function.
    pub fn acl(&self, name: &str) -> Acl {
        self.get(name).cloned().unwrap_or_else(everybody)
    }

    /// Sets what others may do with a function.
    pub(crate) fn put(&mut self, name: &str, acl: Acl) {
        match acl == everybody() {
            true => self.0.remove(name),
            false => self.0.insert(name.to_owned(), acl),
        };
    }

    /// Each function of which something was said.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Acl)> {
        self.0.iter().map(|(name, acl)| (name.as_str(), acl))
    }

    /// As statements: what all have at first is taken, and what is there is given.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, acl) in self.iter() {
            let on = Target::Function(name).sql();
            text += &format!("REVOKE ALL ON {on} FROM PUBLIC;\n");
            text += &grant_lines(acl, &on);
        }
        text
    }

    /// Reads what [`Functions::text`] wrote.
    pub(crate) fn of(statements: &[Statement]) -> Self {
        let mut functions = Self::default();
        for statement in statements {
            let Statement::Grant(grant) = statement else {
                continue;
            };
            let GrantOn::Functions(names) = &grant.on else {
                continue;
            };
            for name in names.iter().filter_map(function_name) {
                let acl = functions.0.entry(fold(name)).or_default();
                if !grant.revoke {
                    let all = Target::Function("").all();
                    apply_grants(acl, std::iter::once(statement), all);
                }
            }
        }
        functions
    }
}

/// What a function has of which nothing was said.
fn everybody() -> Acl {
    let mut acl = Acl::default();
    acl.give(None, Rights::of(&[Privilege::Execute]), false);
    acl
}
