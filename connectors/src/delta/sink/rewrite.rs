//! Files in the place of others that hold the same rows.
//!
//! Unlike an append it depends on what else was committed: the files must still be live. Everything since they were read is looked at, up to
//! the version that it takes.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        DataFile,
        commit::{Attempt, Verdict, judge},
        entry::{lines, rewrite_info},
    },
    DeltaSink,
};
use crate::error::{ConnectorError, Result};

impl DeltaSink {
    /// Puts `files` in the place of `removed`, which hold the same rows; `None` when one of these is not live any more.
    ///
    /// The table must have been opened at the version whose files were read.
    pub(in crate::delta) async fn rewrite(
        &mut self,
        removed: &[Value],
        files: &[DataFile],
        parameters: Value,
        metrics: Value,
    ) -> Result<Option<i64>> {
        let id = Uuid::new_v4().to_string();
        let info = rewrite_info(&id, parameters, metrics);
        self.replace_files(&id, info, removed, files).await
    }

    /// One entry that removes files and adds others, with `info` as its `commitInfo`; `None` when one of those is not live any more, or
    /// the table was defined anew.
    pub(super) async fn replace_files(
        &mut self,
        id: &str,
        info: Value,
        removed: &[Value],
        files: &[DataFile],
    ) -> Result<Option<i64>> {
        self.check_head().await?;
        let mut actions = vec![info];
        actions.extend(removed.iter().cloned());
        actions.extend(files.iter().map(|file| json!({ "add": file })));
        let paths: Vec<String> = actions
            .iter()
            .filter_map(|action| {
                let file = action.get("add").or_else(|| action.get("remove"))?;
                file.get("path")?.as_str().map(str::to_owned)
            })
            .collect();
        let attempt = Attempt {
            id,
            txn: None,
            paths: &paths,
        };
        // Whatever came since the files were read is looked at before the first put: it is likely to be much.
        while let Some(entry) = self.log.read(self.version + 1).await? {
            if let Verdict::Conflict(_) = judge(&entry, &attempt) {
                return Ok(None);
            }
            self.absorb(self.version + 1, &entry);
        }
        match self.put(&lines(&actions), &attempt).await {
            Ok(committed) => Ok(Some(committed.version)),
            Err(ConnectorError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
