//! What a door keeps open for a session by name: prepared statements and cursors, as `pg_prepared_statements` and `pg_cursors` tell of them.
//!
//! The door has the things themselves; here is what is told of them, under the same names at every moment.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// What is told of a prepared statement.
#[derive(Clone, Debug)]
pub(crate) struct OpenStatement {
    /// As the client sent it.
    pub(crate) text: String,
    /// Microseconds since 1970.
    pub(crate) prepared_us: i64,
    /// OIDs of its parameters' types.
    pub(crate) types: Vec<u32>,
    /// By PREPARE, and not by a message of the protocol.
    pub(crate) from_sql: bool,
}

/// What is told of a cursor.
#[derive(Clone, Debug)]
pub(crate) struct OpenCursor {
    /// As the client sent it.
    pub(crate) text: String,
    /// Microseconds since 1970.
    pub(crate) opened_us: i64,
    /// WITH HOLD.
    pub(crate) held: bool,
    /// BINARY.
    pub(crate) binary: bool,
    /// SCROLL.
    pub(crate) scrolls: bool,
}

/// All that is open.
#[derive(Debug, Default)]
pub struct Opened {
    statements: Mutex<BTreeMap<String, OpenStatement>>,
    cursors: Mutex<BTreeMap<String, OpenCursor>>,
}

impl Opened {
    /// The prepared statements, by name.
    pub(crate) fn statements(&self) -> BTreeMap<String, OpenStatement> {
        self.statements.lock().clone()
    }

    /// The cursors, by name.
    pub(crate) fn cursors(&self) -> BTreeMap<String, OpenCursor> {
        self.cursors.lock().clone()
    }

    /// A statement has been prepared.
    pub(crate) fn prepared(&self, name: &str, statement: OpenStatement) {
        self.statements.lock().insert(name.to_owned(), statement);
    }

    /// A statement is no longer there.
    pub(crate) fn deallocated(&self, name: &str) {
        self.statements.lock().remove(name);
    }

    /// A cursor is open.
    pub(crate) fn declared(&self, name: &str, cursor: OpenCursor) {
        self.cursors.lock().insert(name.to_owned(), cursor);
    }

    /// A cursor is no longer there.
    pub(crate) fn closed(&self, name: &str) {
        self.cursors.lock().remove(name);
    }
}
