//! Rows as a subscriber gets them: with the token, and what tells of progress, before the columns of its query.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    common::Result, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::{StreamExt, TryStreamExt};

use super::token::Token;
use crate::table::Mark;

/// Column with the token.
const TOKEN: &str = "_token";
/// Column that tells a row of the table from one that only says how far it has come.
const PROGRESS: &str = "_progress";

/// The columns of a subscription to rows of this schema.
pub(super) fn schema_of(rows: &Schema, progress: bool) -> SchemaRef {
    let mut fields = vec![Arc::new(Field::new(TOKEN, DataType::Utf8, true))];
    if progress {
        fields.push(Arc::new(Field::new(PROGRESS, DataType::Boolean, false)));
    }
    let columns = rows.fields().iter();
    // A row that tells of progress has none of them.
    fields.extend(columns.map(|field| match progress {
        true => Arc::new(field.as_ref().clone().with_nullable(true)),
        false => Arc::clone(field),
    }));
    Arc::new(Schema::new(fields))
}

/// What stands before the rows of a subscription.
#[derive(Clone, Debug)]
pub(super) struct Dress {
    schema: SchemaRef,
    progress: bool,
    app_id: Arc<str>,
}

impl Dress {
    /// For rows of this schema, of a table that this query feeds.
    pub(super) fn new(schema: SchemaRef, progress: bool, app_id: &str) -> Self {
        Self {
            schema,
            progress,
            app_id: app_id.into(),
        }
    }

    /// All columns.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows, the last of which carries the token of the mark.
    pub(super) fn rows(&self, rows: &RecordBatch, mark: Option<Mark>) -> Result<RecordBatch> {
        let count = rows.num_rows();
        let mut tokens: Vec<Option<String>> = vec![None; count];
        if let (Some(mark), Some(last)) = (mark, tokens.last_mut()) {
            *last = Some(Token::of(mark, &self.app_id));
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(tokens))];
        if self.progress {
            columns.push(Arc::new(BooleanArray::from(vec![false; count])));
        }
        columns.extend(rows.columns().iter().cloned());
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }

    /// All of these rows, as they come: each batch waits for the next, for the very last row carries the token.
    pub(super) fn all(
        &self,
        rows: SendableRecordBatchStream,
        mark: Mark,
    ) -> SendableRecordBatchStream {
        let rows = rows.try_filter(|batch| std::future::ready(batch.num_rows() > 0));
        let state = (self.clone(), rows.boxed().fuse(), None::<RecordBatch>);
        let rows =
            futures::stream::try_unfold(state, move |(dress, mut rows, mut held)| async move {
                while let Some(batch) = rows.try_next().await? {
                    if let Some(before) = held.replace(batch) {
                        let before = dress.rows(&before, None)?;
                        return Ok(Some((before, (dress, rows, held))));
                    }
                }
                let Some(last) = held.take() else {
                    return Ok(None);
                };
                let last = dress.rows(&last, Some(mark))?;
                Ok(Some((last, (dress, rows, held))))
            });
        Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows))
    }

    /// The row that says how far it has come, where that was asked for.
    pub(super) fn progress(&self, mark: Mark) -> Option<RecordBatch> {
        if !self.progress {
            return None;
        }
        let token = Token::of(mark, &self.app_id);
        let columns = self.schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                TOKEN => Arc::new(StringArray::from(vec![token.as_str()])),
                PROGRESS => Arc::new(BooleanArray::from(vec![true])),
                _ => new_null_array(field.data_type(), 1),
            }
        });
        // The columns are those of the schema, one row each.
        RecordBatch::try_new(self.schema(), columns.collect()).ok()
    }
}
