//! The rows of a commit in the order of their epochs, a batch at a time.
//!
//! Its files are of partitions, and an epoch may have rows in each: they are read side by side, each as far as the epoch goes.

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array},
    compute::{cast, take},
    datatypes::{DataType, Schema, SchemaRef},
};
use deltalake::kernel::Add;

use super::{Added, Epochs, stretches::Stretches};
use crate::{
    delta::{DataFile, spec::stored_schema},
    error::{ConnectorError, Result},
    store::Root,
};

/// What reading on has come to.
#[derive(Debug)]
pub enum NextRows {
    /// Rows of an epoch, in the table's columns. Epochs never go back; one may come in several batches.
    Of(i64, RecordBatch),
    /// A file, or the commit's entry in the log, is not there any more.
    Gone,
    /// That was all.
    End,
}

/// The rows of a commit that is being read.
pub struct EpochRows {
    root: Root,
    schema: SchemaRef,
    files: Vec<File>,
    /// What is still to be read, in its order; `None` where it is not to be had.
    parts: Option<VecDeque<Part>>,
}

/// A data file, open from its first part to its last.
struct File {
    path: String,
    add: Add,
    /// Its columns: those of the table without those of its partition.
    inside: SchemaRef,
    open: Option<Stretches>,
    parts: usize,
}

/// Rows of one epoch in one file.
struct Part {
    epoch: i64,
    file: usize,
    start: usize,
    rows: usize,
}

impl std::fmt::Debug for EpochRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpochRows({} files)", self.files.len())
    }
}

impl Added {
    /// Begins to read its rows of epochs after one, in these columns of the table.
    pub async fn rows(&self, schema: &SchemaRef, after: i64) -> Result<EpochRows> {
        let mut rows = EpochRows {
            root: self.log.root.clone(),
            schema: Arc::clone(schema),
            files: Vec::new(),
            parts: Some(VecDeque::new()),
        };
        let mut parts = Vec::new();
        match self.files().await? {
            None => rows.parts = None,
            Some(files) => {
                for file in files {
                    if !rows.add(file, self, after, &mut parts).await? {
                        rows.parts = None;
                        return Ok(rows);
                    }
                }
                parts.sort_by_key(|part| part.epoch);
                rows.parts = Some(parts.into());
            }
        }
        Ok(rows)
    }
}

impl EpochRows {
    /// Adds a file of the commit; whether it is there, as far as it was looked at.
    async fn add(
        &mut self,
        file: DataFile,
        commit: &Added,
        after: i64,
        parts: &mut Vec<Part>,
    ) -> Result<bool> {
        let said = usize::try_from(file.rows()).unwrap_or_default();
        let mut file = File::new(file.add, &commit.log.path, &self.schema);
        let count = match said {
            // Nobody has counted them.
            0 => match file.opened(&self.root).await? {
                Some(open) => open.rows(),
                None => return Ok(false),
            },
            said => said,
        };
        file.open = None;
        let whole = || Epochs(vec![(commit.epoch, count)]);
        let epochs = Epochs::of(&file.add, count).unwrap_or_else(whole);
        let mut start = 0;
        for (epoch, rows) in epochs.0 {
            if epoch > after && rows > 0 {
                file.parts += 1;
                parts.push(Part {
                    epoch,
                    file: self.files.len(),
                    start,
                    rows,
                });
            }
            start += rows;
        }
        self.files.push(file);
        Ok(true)
    }

    /// Bytes that it holds in memory, about.
    pub fn bytes(&self) -> usize {
        let open = self.files.iter().filter_map(|file| file.open.as_ref());
        open.map(Stretches::bytes).sum()
    }

    /// Reads on.
    pub async fn next(&mut self) -> Result<NextRows> {
        let Some(parts) = &mut self.parts else {
            return Ok(NextRows::Gone);
        };
        let Some(part) = parts.front_mut() else {
            return Ok(NextRows::End);
        };
        let Some(file) = self.files.get_mut(part.file) else {
            return Ok(NextRows::Gone);
        };
        let Some(open) = file.opened(&self.root).await? else {
            return Ok(NextRows::Gone);
        };
        let Some(batch) = open.read(part.start, part.rows).await? else {
            return Ok(NextRows::Gone);
        };
        let epoch = part.epoch;
        part.start += batch.num_rows();
        part.rows -= batch.num_rows();
        if part.rows == 0 {
            parts.pop_front();
            file.parts -= 1;
            if file.parts == 0 {
                file.open = None;
            }
        }
        let batch = with_partition(&batch, &self.schema, &file.add)?;
        Ok(NextRows::Of(epoch, batch))
    }
}

impl File {
    fn new(add: Add, folder: &str, schema: &SchemaRef) -> Self {
        let inside = schema.fields().iter();
        let inside = inside.filter(|field| !add.partition_values.contains_key(field.name()));
        let inside = Schema::new(inside.cloned().collect::<Vec<_>>());
        Self {
            path: format!("{folder}/{}", add.path),
            add,
            inside: stored_schema(&Arc::new(inside)),
            open: None,
            parts: 0,
        }
    }

    /// The file, opened; `None` where it is not there any more.
    async fn opened(&mut self, root: &Root) -> Result<Option<&mut Stretches>> {
        if self.open.is_none() {
            let inside = Arc::clone(&self.inside);
            self.open = Stretches::open(root, &self.path, self.add.size, inside).await?;
        }
        Ok(self.open.as_mut())
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
