//! A table's rows epoch by epoch, as the query that feeds it gave them, out of the log.
//!
//! A commit has the rows of all epochs since the one before it. Its data files say in a tag of their `add` action how many rows they have
//! of which, in the order in which they lie in the file; to engines that do not know the tag it is nothing. Files that took the place of
//! others (merges) have no such tag, and need none: what they replaced is in the log for as long as the table's history is.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array},
    compute::{cast, take},
    datatypes::{DataType, SchemaRef},
};
use deltalake::kernel::Add;
use serde::Deserialize;

use super::{
    DataFile,
    compact::decode,
    log::{Log, Transaction},
    spec::stored_schema,
    write::blocking,
};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// The tag. Its value is a JSON array of `[epoch, rows]`.
const TAG: &str = "sluice.epochs";

/// Which rows of a file are of which epoch, from the first row on.
#[derive(Debug, Default)]
pub(super) struct Epochs(Vec<(i64, usize)>);

impl Epochs {
    /// The next rows of the file.
    pub(super) fn add(&mut self, epoch: Option<i64>, rows: usize) {
        match (epoch, self.0.last_mut()) {
            (Some(epoch), Some((last, count))) if *last == epoch => *count += rows,
            (Some(epoch), _) => self.0.push((epoch, rows)),
            (None, _) => {}
        }
    }

    pub(super) fn to_tags(&self) -> Option<HashMap<String, Option<String>>> {
        let text = serde_json::to_string(&self.0).ok();
        let some = (!self.0.is_empty()).then_some(text).flatten();
        some.map(|text| HashMap::from([(TAG.to_owned(), Some(text))]))
    }

    /// None where the file does not say, or says it of other rows than it has.
    fn of(add: &Add, rows: usize) -> Option<Self> {
        let text = add.tags.as_ref()?.get(TAG)?.as_deref()?;
        let epochs: Vec<(i64, usize)> = serde_json::from_str(text).ok()?;
        let sum = epochs.iter().map(|(_, count)| count).sum::<usize>();
        (sum == rows).then_some(Self(epochs))
    }
}

/// A commit of the query that feeds a table.
#[derive(Debug)]
pub struct Added {
    /// Its last epoch.
    pub epoch: i64,
    files: Vec<DataFile>,
    root: Root,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    txn: Option<Transaction>,
    add: Option<DataFile>,
}

/// The commits of the query `app_id` after its epoch `after`, up to the table's version `version`, oldest first; `None` where the log does
/// not go back so far any more.
pub async fn added_since(
    root: &Root,
    path: &str,
    app_id: &str,
    after: i64,
    version: i64,
) -> Result<Option<Vec<Added>>> {
    let log = Log::new(root, path)?;
    let mut commits = Vec::new();
    for version in (0..=version).rev() {
        let Some(bytes) = log.bytes(version).await? else {
            return Ok(None);
        };
        let (mut epoch, mut files) = (None, Vec::new());
        for line in bytes.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line =
                serde_json::from_slice(line).map_err(|error| ConnectorError::Corrupt {
                    message: format!(
                        "version {version} of {path} is not a Delta log entry: {error}"
                    ),
                })?;
            let ours = line.txn.filter(|txn| txn.app_id == app_id);
            epoch = epoch.or(ours.map(|txn| txn.version));
            files.extend(line.add);
        }
        match epoch {
            Some(epoch) if epoch <= after => break,
            Some(epoch) => commits.push(Added {
                epoch,
                files,
                root: root.clone(),
                path: path.to_owned(),
            }),
            // A merge, or somebody else.
            None => {}
        }
    }
    commits.reverse();
    Ok(Some(commits))
}

impl Added {
    /// Its rows after an epoch, by epoch, in the table's columns; `None` where a file is not there any more.
    pub async fn rows(
        &self,
        schema: &SchemaRef,
        after: i64,
    ) -> Result<Option<Vec<(i64, RecordBatch)>>> {
        let mut rows = Vec::new();
        for DataFile { add } in &self.files {
            let Some(bytes) = self
                .root
                .read(&format!("{}/{}", self.path, add.path))
                .await?
            else {
                return Ok(None);
            };
            let inside = schema.fields().iter();
            let inside = inside.filter(|field| !add.partition_values.contains_key(field.name()));
            let inside = arrow::datatypes::Schema::new(inside.cloned().collect::<Vec<_>>());
            let inside = stored_schema(&Arc::new(inside));
            let name = add.path.clone();
            let decoded = blocking(&self.path, move || decode(bytes, &inside, &name)).await?;
            let count = decoded.iter().map(RecordBatch::num_rows).sum();
            let epochs = Epochs::of(add, count).unwrap_or(Epochs(vec![(self.epoch, count)]));
            let mut epochs = epochs.0.into_iter();
            let (mut epoch, mut left) = (self.epoch, 0);
            for batch in decoded {
                let batch = with_partition(&batch, schema, add)?;
                let mut start = 0;
                while start < batch.num_rows() {
                    if left == 0 {
                        (epoch, left) = epochs.next().unwrap_or((self.epoch, usize::MAX));
                        continue;
                    }
                    let length = left.min(batch.num_rows() - start);
                    if epoch > after {
                        rows.push((epoch, batch.slice(start, length)));
                    }
                    start += length;
                    left -= length;
                }
            }
        }
        rows.sort_by_key(|(epoch, _)| *epoch);
        Ok(Some(rows))
    }
}

/// The columns of the table, those of its partition among them.
fn with_partition(batch: &RecordBatch, schema: &SchemaRef, add: &Add) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef> {
        if let Some(column) = batch.column_by_name(field.name()) {
            return Ok(Arc::clone(column));
        }
        let (name, rows) = (field.name(), batch.num_rows());
        match add.partition_values.get(name).cloned().flatten() {
            None => Ok(new_null_array(field.data_type(), rows)),
            Some(text) => {
                let value = of_text(&text, field.data_type())?;
                Ok(take(&value, &UInt32Array::from(vec![0; rows]), None)?)
            }
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// A partition's value as the log has it.
fn of_text(text: &str, data_type: &DataType) -> Result<ArrayRef> {
    let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let value = cast(&text, data_type)?;
    if value.null_count() > 0 {
        return Err(ConnectorError::Corrupt {
            message: format!("a partition value in the log is no {data_type}: {text:?}"),
        });
    }
    Ok(value)
}
