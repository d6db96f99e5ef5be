//! Maps: objects whose member names are values.
//!
//! A member's name is read as the key type reads a string, so `{"7": …}` fills a MAP<BIGINT, …>. Of two equal keys the last counts, as
//! everywhere in JSON; the earlier one lies in the middle of columns that only grow, so it is remembered and left out at the end.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, MapArray, StructArray},
    buffer::NullBuffer,
    compute::filter,
    datatypes::{DataType, FieldRef, Fields},
    error::ArrowError,
};

use super::{
    JsonOptions,
    column::{Column, Values, offsets_of},
    cursor::Cursor,
    problem::Problem,
    value::read_value,
};
use crate::{
    error::{ConnectorError, Result},
    format::plain_field,
};

/// Entries of one map that are compared pair by pair; more of them are hashed.
const FEW: usize = 16;

/// A column of maps under construction.
#[derive(Debug)]
pub(super) struct Map {
    offsets: Vec<i32>,
    keys: Column,
    values: Column,
    /// Entries whose key came again later in the same map.
    repeated: Vec<usize>,
    entries: FieldRef,
}

/// A key, to be compared with others of its column.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Bytes(&'a [u8]),
    Number(i128),
}

impl Map {
    pub(super) fn new(entries: &FieldRef, options: &JsonOptions) -> Result<Self> {
        let (key, value) = match entries.data_type() {
            DataType::Struct(pair) => match pair.as_ref() {
                [key, value] => (key, value),
                _ => return Err(no_pairs(entries)),
            },
            _ => return Err(no_pairs(entries)),
        };
        let map = Self {
            offsets: vec![0],
            keys: Column::new(key, options)?,
            values: Column::new(value, options)?,
            repeated: Vec::new(),
            entries: plain_field(entries),
        };
        match map.keys.values {
            Values::Text(_)
            | Values::Uuid(_)
            | Values::I8(_)
            | Values::I16(_)
            | Values::I32(_)
            | Values::I64(_)
            | Values::Decimal { .. }
            | Values::Date(_)
            | Values::Timestamp(_) => Ok(map),
            _ => Err(ConnectorError::Option {
                message: format!(
                    "a MAP with keys of type {} cannot be read from JSON",
                    key.data_type()
                ),
                hint: Some("keys are TEXT, UUID, an integer, NUMERIC, DATE or a timestamp".into()),
            }),
        }
    }

    /// Reads the object that begins here; `false` when the column is full.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        options: &JsonOptions,
    ) -> Result<bool, Problem> {
        let first = self.keys.len();
        cursor.require(b'{', "an object")?;
        cursor.skip_space();
        if cursor.peek() == Some(b'}') {
            cursor.require(b'}', "'}'")?;
        } else {
            self.members(cursor, options)?;
        }
        self.find_repeated(first);
        match i32::try_from(self.keys.len()) {
            Ok(end) => {
                self.offsets.push(end);
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    fn members(&mut self, cursor: &mut Cursor<'_>, options: &JsonOptions) -> Result<(), Problem> {
        loop {
            cursor.skip_space();
            if cursor.peek() != Some(b'"') {
                return Err(cursor.unexpected("a key in quotes"));
            }
            read_value(&mut self.keys, cursor, options)?;
            cursor.skip_space();
            cursor.require(b':', "':' after a key")?;
            cursor.skip_space();
            read_value(&mut self.values, cursor, options)?;
            cursor.skip_space();
            match cursor.peek() {
                Some(b',') => cursor.require(b',', "','")?,
                Some(b'}') => return cursor.require(b'}', "'}'"),
                _ => return Err(cursor.unexpected("',' or '}'")),
            }
        }
    }

    fn find_repeated(&mut self, first: usize) {
        let end = self.keys.len();
        let mut found = Vec::new();
        if end - first <= FEW {
            found.extend((first..end).filter(|entry| {
                let key = self.key(*entry);
                (entry + 1..end).any(|later| self.key(later) == key)
            }));
        } else {
            let mut last = HashMap::with_capacity(end - first);
            found.extend((first..end).filter_map(|entry| last.insert(self.key(entry), entry)));
        }
        self.repeated.extend(found);
    }

    fn key(&self, entry: usize) -> Key<'_> {
        let number = |value: Option<i128>| Key::Number(value.unwrap_or_default());
        match &self.keys.values {
            Values::Text(texts) | Values::Uuid(texts) => Key::Bytes(texts.value(entry)),
            Values::I8(values) => number(values.get(entry).copied().map(i128::from)),
            Values::I16(values) => number(values.get(entry).copied().map(i128::from)),
            Values::I32(values) | Values::Date(values) => {
                number(values.get(entry).copied().map(i128::from))
            }
            Values::I64(values) => number(values.get(entry).copied().map(i128::from)),
            Values::Timestamp(times) => number(times.values.get(entry).copied().map(i128::from)),
            Values::Decimal { values, .. } => number(values.get(entry).copied()),
            // `new` takes no other keys.
            _ => number(i128::try_from(entry).ok()),
        }
    }

    pub(super) fn append_null(&mut self) {
        let end = self.offsets.last().copied().unwrap_or_default();
        self.offsets.push(end);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().copied().unwrap_or_default();
        let end = usize::try_from(end).unwrap_or_default();
        self.keys.truncate(end);
        self.values.truncate(end);
        self.repeated.retain(|entry| *entry < end);
    }

    /// The column; empty afterwards.
    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let mut offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let (mut keys, mut values) = (self.keys.finish()?, self.values.finish()?);
        let mut repeated = std::mem::take(&mut self.repeated);
        if !repeated.is_empty() {
            repeated.sort_unstable();
            let kept: BooleanArray = (0..keys.len())
                .map(|entry| Some(repeated.binary_search(&entry).is_err()))
                .collect();
            keys = filter(&keys, &kept)?;
            values = filter(&values, &kept)?;
            for offset in &mut offsets {
                let before = repeated.partition_point(|entry| (*entry as i64) < i64::from(*offset));
                *offset -= i32::try_from(before).unwrap_or_default();
            }
        }
        let fields = match self.entries.data_type() {
            DataType::Struct(fields) => fields.clone(),
            _ => Fields::empty(),
        };
        let entries = StructArray::try_new(fields, vec![keys, values], None)?;
        let offsets = offsets_of(offsets)?;
        Ok(Arc::new(MapArray::try_new(
            Arc::clone(&self.entries),
            offsets,
            entries,
            nulls,
            false,
        )?))
    }
}

fn no_pairs(entries: &FieldRef) -> ConnectorError {
    ConnectorError::Option {
        message: format!("a MAP of {} has no keys and values", entries.data_type()),
        hint: None,
    }
}
