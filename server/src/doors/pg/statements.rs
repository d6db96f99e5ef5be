//! The prepared statements of a connection, by name: those of the protocol's messages and those of PREPARE are the same.

use std::{collections::HashMap, sync::Arc};

use super::{failure::Failure, portal::Statement};
use crate::session::{OpenStatement, Opened};

/// More prepared statements than any driver keeps; fewer than would hurt.
const MOST: usize = 10_000;

/// All of them.
#[derive(Debug)]
pub(super) struct Statements {
    known: HashMap<String, Arc<Statement>>,
    opened: Arc<Opened>,
}

impl Statements {
    pub(super) fn new(opened: Arc<Opened>) -> Self {
        Self {
            known: HashMap::new(),
            opened,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Statement>> {
        self.known.get(name)
    }

    /// Refuses a name that is taken, and one statement too many; the one without a name is replaced.
    pub(super) fn admit(&mut self, name: &str) -> Result<(), Failure> {
        if name.is_empty() {
            self.known.remove(name);
        } else if self.known.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Failure::error("42P05", message));
        } else if self.known.len() >= MOST {
            let message = "this connection has too many prepared statements";
            return Err(Failure::error("54000", message)
                .with_hint("DEALLOCATE those that are no longer needed."));
        }
        Ok(())
    }

    /// Keeps a statement, which `text` was prepared as at this time.
    pub(super) fn put(
        &mut self,
        name: &str,
        statement: Statement,
        text: &str,
        (now_us, from_sql): (i64, bool),
    ) {
        if !name.is_empty() {
            let types = statement.types.iter().map(postgres_types::Type::oid);
            let told = OpenStatement {
                text: text.to_owned(),
                prepared_us: now_us,
                types: types.collect(),
                from_sql,
            };
            self.opened.prepared(name, told);
        }
        self.known.insert(name.to_owned(), Arc::new(statement));
    }

    /// Lets a statement go; whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let found = self.known.remove(name).is_some();
        if found && !name.is_empty() {
            self.opened.deallocated(name);
        }
        found
    }

    /// Lets all go.
    pub(super) fn clear(&mut self) {
        for (name, _) in self.known.drain() {
            self.opened.deallocated(&name);
        }
    }
}
