//! `sluice_mode(x)` and `sluice_mode_last(x)`: the value that comes most often, which `mode() WITHIN GROUP (ORDER BY x)` stands for; of several
//! the first in order, or the last.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{DataType, Field, FieldRef, Int64Type},
    row::{RowConverter, SortField},
};
use datafusion::{
    common::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
    scalar::ScalarValue,
};

use crate::{error::Error, table::external};

/// The functions.
pub(super) fn functions() -> [AggregateUDF; 2] {
    [Tie::First, Tie::Last].map(|tie| {
        AggregateUDF::from(Mode {
            tie,
            signature: Signature::any(1, Volatility::Immutable),
        })
    })
}

/// Which of several it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tie {
    First,
    Last,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Mode {
    tie: Tie,
    signature: Signature,
}

impl AggregateUDFImpl for Mode {
    fn name(&self) -> &str {
        match self.tie {
            Tie::First => "sluice_mode",
            Tie::Last => "sluice_mode_last",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_field.data_type().clone();
        Ok(Box::new(Counts::new(self.tie, data_type)?))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let list = |name: &str, item: DataType| {
            let item = Field::new_list_field(item, true);
            Field::new(name, DataType::List(item.into()), true).into()
        };
        Ok(vec![
            list("values", args.return_field.data_type().clone()),
            list("counts", DataType::Int64),
        ])
    }
}

/// How often each value came.
#[derive(Debug)]
struct Counts {
    tie: Tie,
    data_type: DataType,
    converter: RowConverter,
    /// By the value as bytes that are in its order.
    counts: BTreeMap<Box<[u8]>, i64>,
    /// What the values take.
    bytes: usize,
}

impl Counts {
    fn new(tie: Tie, data_type: DataType) -> Result<Self> {
        let field = SortField::new(data_type.clone());
        Ok(Self {
            tie,
            data_type,
            converter: RowConverter::new(vec![field])?,
            counts: BTreeMap::new(),
            bytes: 0,
        })
    }

    /// Counts values, each once where nothing is said.
    fn add(&mut self, values: &ArrayRef, times: Option<&[i64]>) -> Result<()> {
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(values))?;
        for at in (0..values.len()).filter(|at| values.is_valid(*at)) {
            let times = times.map_or(Some(1), |times| times.get(at).copied());
            let times = times.unwrap_or_default();
            let row = rows.row(at);
            let value: &[u8] = row.as_ref();
            match self.counts.get_mut(value) {
                Some(count) => *count = count.saturating_add(times),
                None => {
                    self.bytes += value.len() + size_of::<(Box<[u8]>, i64)>();
                    self.counts.insert(value.into(), times);
                }
            }
        }
        Ok(())
    }

    /// The value of these bytes.
    fn value(&self, bytes: &[u8]) -> Result<ScalarValue> {
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows([parser.parse(bytes)])?;
        match columns.first() {
            Some(column) => ScalarValue::try_from_array(column, 0),
            None => ScalarValue::try_from(&self.data_type),
        }
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values.first() {
            Some(values) => self.add(values, None),
            None => Ok(()),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut best: Option<(&[u8], i64)> = None;
        for (value, count) in &self.counts {
            let better = best.is_none_or(|(_, most)| match self.tie {
                Tie::First => *count > most,
                Tie::Last => *count >= most,
            });
            if better {
                best = Some((value.as_ref(), *count));
            }
        }
        match best {
            Some((value, _)) => self.value(value),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.converter.size() + self.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.counts.keys().map(|value| self.value(value));
        let values = values.collect::<Result<Vec<_>>>()?;
        let counts = self.counts.values();
        let counts: Vec<_> = counts
            .map(|count| ScalarValue::Int64(Some(*count)))
            .collect();
        let values = ScalarValue::new_list_nullable(&values, &self.data_type);
        let counts = ScalarValue::new_list_nullable(&counts, &DataType::Int64);
        Ok(vec![ScalarValue::List(values), ScalarValue::List(counts)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts] = states else {
            return Err(external(Error::internal("a state of two columns")));
        };
        let (values, counts) = (values.as_list::<i32>(), counts.as_list::<i32>());
        for row in 0..values.len() {
            if values.is_null(row) || counts.is_null(row) {
                continue;
            }
            let counts = counts.value(row);
            let counts = counts.as_primitive::<Int64Type>().values();
            self.add(&values.value(row), Some(counts.as_ref()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
