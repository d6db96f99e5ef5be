//! Statements that change what is in a table: rows in files that take the place of others, or the table's definition.
//!
//! Such a commit depends on the files that were read. Where another writer has changed one of them since, or the table itself, nothing is
//! committed, and the statement has to be carried out once more on what the table is now.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    super::{
        DataFile, TableSpec,
        entry::{change_info, commit_info, lines},
    },
    DeltaSink, PASSES, Put, json, write,
};
use crate::error::{ConnectorError, Result};

/// What `DESCRIBE HISTORY` shows of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `DELETE`, `UPDATE`, `MERGE`, `TRUNCATE`, as Delta's other writers call them.
    pub operation: &'static str,
    /// Its parameters, texts all of them.
    pub parameters: Value,
    /// Its figures, texts all of them.
    pub metrics: Value,
}

impl DeltaSink {
    /// Takes the files of the paths `removed` out of the table and puts `files` in, as a change of data; `None` when one of those is not
    /// live any more or the table was defined anew: nothing was committed.
    ///
    /// The table must have been opened at the version whose files were read, and nothing committed by this sink since.
    ///
    /// # Errors
    /// As [`DeltaSink::commit`].
    pub async fn change(
        &mut self,
        removed: &HashSet<String>,
        files: &[DataFile],
        change: &Change,
    ) -> Result<Option<i64>> {
        if self
            .spec
            .properties
            .get("delta.appendOnly")
            .map(String::as_str)
            == Some("true")
        {
            return Err(ConnectorError::Conflict {
                message: "the table's property delta.appendOnly says that rows are only added"
                    .into(),
                hint: None,
            });
        }
        let removals: Vec<Value> = match &self.opened {
            None if removed.is_empty() => Vec::new(),
            None => return Ok(None),
            Some(state) => state
                .log_data()
                .iter()
                .filter(|file| removed.contains(file.path().as_ref()))
                .map(|file| json!({ "remove": file.remove_action(true) }))
                .collect(),
        };
        if removals.len() != removed.len() {
            return Ok(None);
        }
        let id = Uuid::new_v4().to_string();
        let info = change_info(
            &id,
            change.operation,
            &change.parameters,
            &change.metrics,
            self.version,
        );
        self.replace_files(&id, info, &removals, files).await
    }

    /// As [`DeltaSink::write_files`], of rows that are to come into the table with this definition.
    pub async fn write_files_as(
        &self,
        spec: &TableSpec,
        rows: &[RecordBatch],
        tag: &str,
    ) -> Result<Vec<DataFile>> {
        let rows = rows.iter().map(|batch| (None, batch));
        write::write_files(&self.log.root, &self.log.path, spec, rows, tag).await
    }

    /// Gives the table another definition and, in the same commit, these files in the place of all that it has; `None` when somebody else
    /// has committed since the table was opened: nothing was committed.
    ///
    /// # Errors
    /// As [`DeltaSink::redefine`].
    pub async fn redefine_with(
        &mut self,
        spec: &TableSpec,
        files: &[DataFile],
        change: &Change,
    ) -> Result<Option<i64>> {
        let spec = spec.checked()?;
        let Some(state) = &self.opened else {
            return Ok(None);
        };
        let id = Uuid::new_v4().to_string();
        let mut actions = vec![change_info(
            &id,
            change.operation,
            &change.parameters,
            &change.metrics,
            self.version,
        )];
        actions.extend(self.definition(&spec)?);
        let removed = state.log_data();
        actions.extend(
            removed
                .iter()
                .map(|file| json!({ "remove": file.remove_action(true) })),
        );
        actions.extend(files.iter().map(|file| json!({ "add": file })));
        self.check_head().await?;
        let next = self.version + 1;
        if !self.put_entry(next, &id, &actions).await? {
            return Ok(None);
        }
        self.spec = spec;
        self.advance(next, None);
        Ok(Some(next))
    }

    /// What gives the table, as it is now, another definition.
    fn definition(&self, spec: &TableSpec) -> Result<Vec<Value>> {
        let protocol = spec.protocol_action();
        let mut actions =
            Vec::from_iter((self.spec.protocol_action() != protocol).then_some(protocol));
        actions.push(spec.metadata_action(&self.id, self.created_ms)?);
        Ok(actions)
    }

    /// Puts the entry of this id; whether it is there, also where the store's answer was lost.
    async fn put_entry(&self, version: i64, id: &str, actions: &[Value]) -> Result<bool> {
        match self.log.put(version, lines(actions)).await {
            Put::Done => Ok(true),
            Put::Unsynced(error) => Err(error),
            Put::Exists => Ok(false),
            Put::Unknown(error) => match self.log.read(version).await? {
                Some(entry) => Ok(entry.commit_id() == Some(id)),
                None => Err(error),
            },
        }
    }

    /// Gives the table another definition; its files stay. What is in them must be readable with it: columns may be added that may be
    /// null, texts may change.
    ///
    /// # Errors
    /// `Option` for a spec that cannot be, `Conflict` where somebody else has defined the table anew.
    pub async fn redefine(
        &mut self,
        spec: &TableSpec,
        operation: &str,
        parameters: Value,
    ) -> Result<i64> {
        let spec = spec.checked()?;
        let id = Uuid::new_v4().to_string();
        for _ in 0..PASSES {
            let state = self.log.load_present(None).await?;
            let mut now = Self::of(self.log.clone(), state)?;
            if now.spec == spec && now.spec != self.spec {
                // Ours, whose answer was lost, or the same by somebody else.
                *self = now;
                return Ok(self.version);
            }
            if now.spec != self.spec {
                return Err(self.changed(now.version, "changed the table's definition"));
            }
            let mut actions = vec![commit_info(
                &id,
                operation,
                parameters.clone(),
                None,
                &Map::new(),
            )];
            actions.extend(now.definition(&spec)?);
            let next = now.version + 1;
            if now.put_entry(next, &id, &actions).await? {
                now.spec = spec;
                now.advance(next, None);
                *self = now;
                return Ok(next);
            }
        }
        Err(ConnectorError::Storage {
            message: format!(
                "others commit to {} faster than its definition can be changed",
                self.log.path
            ),
            retry: true,
        })
    }
}
