//! ON COMMIT: what becomes of the session's tables when a transaction ends, however it ends.
//!
//! A table that is emptied then was empty when the transaction began, and one that is dropped was not there before: so what ROLLBACK leaves
//! of them is what COMMIT does.

use std::sync::Arc;

use sluice_sql::OnCommit;

use super::Session;

impl Session {
    /// A transaction is over: a block, or whatever ran outside of one.
    pub(crate) fn transaction_over(&self) {
        self.unlock_transaction();
        let tables: Vec<_> = {
            let tables = self.temp.tables.read();
            let ends = tables
                .iter()
                .filter(|(_, table)| table.on_commit != OnCommit::PreserveRows);
            ends.map(|(name, table)| (name.clone(), Arc::clone(table)))
                .collect()
        };
        for (name, table) in tables {
            match table.on_commit {
                OnCommit::PreserveRows => {}
                OnCommit::DeleteRows => table.empty(),
                OnCommit::Drop => self.remove_temp(&name),
            }
        }
    }
}
