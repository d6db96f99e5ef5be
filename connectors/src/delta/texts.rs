//! Texts that are read as views, and made texts by a loop of our own.
//!
//! Parquet's reader copies every text out of its page's dictionary, by a call for each; a view of it costs a few instructions. Statements
//! and clients have texts all the same (docs/decisions/018-lookups-by-generic-plans.md).
//!
//! Conditions of texts that come with a scan are of the columns' own types, so such a scan reads texts at once.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Array, AsArray, StringArray, StringViewArray},
    buffer::{Buffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result, Statistics, internal_datafusion_err},
    config::ConfigOptions,
    logical_expr::{
        ColumnarValue, Expr, ScalarUDF, TableProviderFilterPushDown, TableType, Volatility,
        create_udf,
    },
    physical_expr::{PhysicalExpr, ScalarFunctionExpr},
    physical_plan::{
        ExecutionPlan,
        expressions::{CastExpr, Column},
        projection::ProjectionExec,
    },
};

#[cfg(test)]
mod tests;

/// A table's rows, by two scans of the same files.
#[derive(Debug)]
pub(super) struct TextScan {
    /// Reads texts.
    pub(super) texts: Arc<dyn TableProvider>,
    /// Reads views of them.
    pub(super) views: Arc<dyn TableProvider>,
}

#[async_trait]
impl TableProvider for TextScan {
    fn schema(&self) -> SchemaRef {
        self.texts.schema()
    }

    fn table_type(&self) -> TableType {
        self.texts.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.texts.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.texts.statistics()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = self.schema();
        let schema = match projection {
            Some(columns) => all.project(columns)?,
            None => all.as_ref().clone(),
        };
        let read = self.views.schema();
        let is_same = |name: &str| {
            let (one, other) = (all.field_with_name(name), read.field_with_name(name));
            one.is_ok_and(|one| other.is_ok_and(|other| one.data_type() == other.data_type()))
        };
        let conditions = filters.iter().flat_map(Expr::column_refs);
        let mut conditions = conditions.map(|column| is_same(column.name()));
        let mut columns = schema.fields().iter().map(|field| is_same(field.name()));
        if columns.all(|same| same) || !conditions.all(|same| same) {
            return self.texts.scan(session, projection, filters, limit).await;
        }
        let views = self.views.scan(session, projection, filters, limit).await?;
        of_views(views, &schema)
    }
}

/// A plan of the same rows in these columns, which differ from the plan's in being no views.
fn of_views(views: Arc<dyn ExecutionPlan>, schema: &Schema) -> Result<Arc<dyn ExecutionPlan>> {
    static TEXT_OF: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let (view, text) = (DataType::Utf8View, DataType::Utf8);
        let function = create_udf(
            "text_of",
            vec![view],
            text,
            Volatility::Immutable,
            Arc::new(text_of),
        );
        Arc::new(function)
    });
    let read = views.schema();
    let columns = schema.fields().iter().zip(read.fields()).enumerate();
    let columns = columns.map(|(at, (field, read))| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(read.name(), at));
        let column: Arc<dyn PhysicalExpr> = match (read.data_type(), field.data_type()) {
            (read, wanted) if read == wanted => column,
            (DataType::Utf8View, DataType::Utf8) => Arc::new(ScalarFunctionExpr::new(
                TEXT_OF.name(),
                Arc::clone(&TEXT_OF),
                vec![column],
                Arc::clone(field),
                Arc::new(ConfigOptions::default()),
            )),
            (_, wanted) => Arc::new(CastExpr::new(column, wanted.clone(), None)),
        };
        (column, field.name().clone())
    });
    let columns: Vec<(Arc<dyn PhysicalExpr>, String)> = columns.collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, views)?))
}

/// The function `view of a text → text`.
fn text_of(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let views = ColumnarValue::values_to_arrays(args)?;
    let views = views.first().and_then(|views| views.as_string_view_opt());
    let views = views.ok_or_else(|| internal_datafusion_err!("text_of is a function of a view"))?;
    Ok(ColumnarValue::Array(Arc::new(texts_of(views)?)))
}

/// A view of a text up to this long holds the text itself.
const INLINE: usize = 12;

fn texts_of(views: &StringViewArray) -> Result<StringArray> {
    let nulls = views.nulls().filter(|nulls| nulls.null_count() > 0);
    // What a view of NULL says need not be so.
    let length = |row: usize, view: u128| match nulls {
        Some(nulls) if nulls.is_null(row) => 0,
        _ => view as u32 as usize,
    };
    let words = views.views();
    let mut offsets = Vec::with_capacity(words.len() + 1);
    let mut end = 0;
    offsets.push(0);
    for (row, view) in words.iter().enumerate() {
        end += length(row, *view);
        offsets.push(end as i32);
    }
    i32::try_from(end).map_err(|_| too_long())?;
    // Room for all of a view behind the last text: a copy of a length that is known is two instructions. What is too much of it is where
    // the next text comes.
    let mut bytes = vec![0; end + INLINE];
    let mut start = 0;
    for (row, view) in words.iter().enumerate() {
        let length = length(row, *view);
        let [_, _, _, _, inline @ ..] = view.to_le_bytes();
        if length > INLINE {
            let place = bytes.get_mut(start..start + length).ok_or_else(too_long)?;
            place.copy_from_slice(views.value(row).as_bytes());
        } else {
            let place = bytes.get_mut(start..start + INLINE).ok_or_else(too_long)?;
            place.copy_from_slice(&inline);
        }
        start += length;
    }
    bytes.truncate(end);
    let (offsets, bytes) = (ScalarBuffer::from(offsets), Buffer::from_vec(bytes));
    // SAFETY: the offsets begin with 0, go up, none is above the number of bytes, and between two of them is a text of the views, whole.
    Ok(unsafe {
        StringArray::new_unchecked(
            OffsetBuffer::new_unchecked(offsets),
            bytes,
            views.nulls().cloned(),
        )
    })
}

fn too_long() -> DataFusionError {
    datafusion::common::resources_datafusion_err!("the texts of a batch are above 2 GiB")
}
