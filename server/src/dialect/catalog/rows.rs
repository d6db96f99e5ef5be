//! Rows of a relation of PostgreSQL's, written by column name; columns nobody gave a value have the one PostgreSQL has for "nothing".

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, new_empty_array},
    datatypes::DataType,
};
use datafusion::{error::Result, scalar::ScalarValue};

use super::shapes::Shape;

/// A value of a column, whose exact type the column knows.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(String),
    List(Vec<Value>),
    /// One in the engine's own form.
    Ready(ScalarValue),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// A row: what it says of some of the columns.
pub(super) type Row = HashMap<&'static str, Value>;

/// The rows as a batch of the relation's shape.
pub(super) fn batch(shape: &Shape, rows: &[Row]) -> Result<RecordBatch> {
    let schema = shape.arrow();
    let columns = shape.columns.iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| -> Result<ArrayRef> {
        if rows.is_empty() {
            return Ok(new_empty_array(field.data_type()));
        }
        let values = rows.iter().map(|row| match row.get(column.name) {
            Some(value) => scalar(value, field.data_type()),
            None if column.not_null => nothing(field.data_type()),
            None => ScalarValue::try_from(field.data_type()),
        });
        ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>()?)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
}

/// What a column that cannot be NULL holds when there is nothing to say.
fn nothing(data_type: &DataType) -> Result<ScalarValue> {
    let value = match data_type {
        DataType::Utf8 => Value::Text(String::new()),
        DataType::Boolean => Value::Bool(false),
        DataType::List(_) => Value::List(Vec::new()),
        _ => Value::Int(0),
    };
    scalar(&value, data_type)
}

/// The value in the column's type.
pub(super) fn scalar(value: &Value, data_type: &DataType) -> Result<ScalarValue> {
    Ok(match (value, data_type) {
        (Value::Ready(value), _) => value.clone(),
        (Value::Bool(truth), _) => ScalarValue::Boolean(Some(*truth)),
        (Value::Text(text), DataType::Utf8) => ScalarValue::Utf8(Some(text.clone())),
        (Value::Int(number), _) => ScalarValue::Int64(Some(*number)).cast_to(data_type)?,
        (Value::Real(number), _) => ScalarValue::Float64(Some(*number)).cast_to(data_type)?,
        (Value::List(values), DataType::List(item)) => {
            let values = values
                .iter()
                .map(|value| scalar(value, item.data_type()))
                .collect::<Result<Vec<_>>>()?;
            ScalarValue::List(ScalarValue::new_list(&values, item.data_type(), true))
        }
        _ => ScalarValue::try_from(data_type)?,
    })
}
