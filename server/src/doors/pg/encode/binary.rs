//! Values in binary: what PostgreSQL's `*_send` functions write. Dates and times count from 2000-01-01.

use arrow::array::Array;
use bytes::{BufMut, BytesMut};
use uuid::Uuid;

use super::{
    Length,
    number::Decimal,
    text::bounds,
    values::{Values, days_of},
};
use crate::doors::pg::failure::Failure;

/// Days from 1970 to 2000.
const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970 to 2000.
const EPOCH: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

impl Values {
    /// Writes the value of a row, which must not be NULL.
    pub(in crate::doors::pg) fn binary(
        &self,
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        match self {
            Self::Null => {}
            Self::Bool(a) => out.put_u8(u8::from(a.value(row))),
            Self::Int2(a) => out.put_i16(a.value(row)),
            Self::Int4(a) | Self::Oid(a, _) => out.put_i32(a.value(row)),
            Self::Int8(a) => out.put_i64(a.value(row)),
            Self::Float4(a) => out.put_f32(a.value(row)),
            Self::Float8(a) => out.put_f64(a.value(row)),
            Self::Numeric(a, scale) => Decimal::new(&a.value(row).to_string(), *scale).binary(out),
            Self::LongNumeric(a, scale) => {
                Decimal::new(&a.value(row).to_string(), *scale).binary(out)
            }
            Self::Text(a) => out.put_slice(a.value(row).as_bytes()),
            Self::Jsonb(a) => {
                out.put_u8(1);
                out.put_slice(a.value(row).as_bytes());
            }
            Self::Uuid(a) => match Uuid::try_parse(a.value(row)) {
                Ok(id) => out.put_slice(id.as_bytes()),
                Err(_) => {
                    return Err(Failure::error(
                        "22P02",
                        format!("invalid input syntax for type uuid: \"{}\"", a.value(row)),
                    ));
                }
            },
            Self::Char(a) => out.put_u8(a.value(row).bytes().next().unwrap_or_default()),
            Self::LargeText(a) => out.put_slice(a.value(row).as_bytes()),
            Self::TextView(a) => out.put_slice(a.value(row).as_bytes()),
            Self::Bytea(a) => out.put_slice(a.value(row)),
            Self::Date(a) => out.put_i32(a.value(row).saturating_sub(EPOCH_DAYS)),
            Self::Time(a) => out.put_i64(a.value(row)),
            Self::Timestamp(a) | Self::TimestampTz(a) => {
                out.put_i64(a.value(row).saturating_sub(EPOCH))
            }
            Self::Interval(a) => {
                let v = a.value(row);
                out.put_i64(v.nanoseconds / 1000);
                out.put_i32(v.days);
                out.put_i32(v.months);
            }
            Self::Duration(a) => {
                let (days, micros) = days_of(a.value(row));
                out.put_i64(micros);
                out.put_i32(days);
                out.put_i32(0);
            }
            Self::Record(_, parts) => {
                out.put_i32(parts.len() as i32);
                for (pg, values) in parts {
                    out.put_u32(pg.oid());
                    if values.is_null(row) {
                        out.put_i32(-1);
                        continue;
                    }
                    let length = Length::open(out);
                    values.binary(row, out)?;
                    length.close(out);
                }
            }
            Self::List(a, element, values) | Self::Vector(a, element, values) => {
                let first = i32::from(matches!(self, Self::List(..)));
                let (start, end) = bounds(a.value_offsets(), row);
                let mut shape = Shape::default();
                shape.measure(0, start, end, values)?;
                let empty = shape.dimensions.contains(&0);
                out.put_i32(if empty {
                    0
                } else {
                    shape.dimensions.len() as i32
                });
                out.put_i32(i32::from(shape.has_null));
                out.put_u32(element.oid());
                if !empty {
                    for length in &shape.dimensions {
                        out.put_i32(*length as i32);
                        out.put_i32(first);
                    }
                    elements(start, end, values, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Elements in order, the last dimension first.
fn elements(start: usize, end: usize, values: &Values, out: &mut BytesMut) -> Result<(), Failure> {
    for i in start..end {
        if let Values::List(inner, _, values) = values {
            let (start, end) = bounds(inner.value_offsets(), i);
            elements(start, end, values, out)?;
        } else if values.is_null(i) {
            out.put_i32(-1);
        } else {
            let length = Length::open(out);
            values.binary(i, out)?;
            length.close(out);
        }
    }
    Ok(())
}

/// A PostgreSQL array is rectangular; a list of lists need not be.
#[derive(Default)]
struct Shape {
    dimensions: Vec<usize>,
    has_null: bool,
}

impl Shape {
    fn measure(
        &mut self,
        depth: usize,
        start: usize,
        end: usize,
        values: &Values,
    ) -> Result<(), Failure> {
        let length = end.saturating_sub(start);
        match self.dimensions.get(depth) {
            None => self.dimensions.push(length),
            Some(known) if *known == length => {}
            Some(_) => return Err(ragged()),
        }
        for i in start..end {
            match values {
                Values::List(inner, _, _) if inner.is_null(i) => return Err(ragged()),
                Values::List(inner, _, values) => {
                    let (start, end) = bounds(inner.value_offsets(), i);
                    self.measure(depth + 1, start, end, values)?;
                }
                flat => self.has_null |= flat.is_null(i),
            }
        }
        Ok(())
    }
}

fn ragged() -> Failure {
    Failure::error(
        "2202E",
        "a list of lists of different lengths has no binary form",
    )
    .with_hint("Ask for the text format, or for one list at a time with unnest().")
}
