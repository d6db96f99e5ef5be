//! What a row holds: a pure function of the seed, the split and the offset.
//!
//! Every field draws from a number mixed from these and from the field's own salt, so a column is the same whichever others are asked
//! for with it. Text and numbers are spread as they are in life: few kinds make most of the events, values have a long tail.

use std::{f64::consts::TAU, ops::Range, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
        StringBuilder, TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Schema, SchemaRef},
};
use bytes::Bytes;

use super::options::{Settings, nearest};
use crate::{
    error::{ConnectorError, Result},
    source::{BadRow, SplitBatch, SplitId},
};

const EVENT_TYPES: [&str; 10] = [
    "page_view",
    "click",
    "search",
    "add_to_cart",
    "login",
    "purchase",
    "share",
    "logout",
    "signup",
    "error",
];

const SEGMENTS: [&str; 20] = [
    "free",
    "trial",
    "basic",
    "plus",
    "pro",
    "team",
    "business",
    "enterprise",
    "education",
    "nonprofit",
    "partner",
    "reseller",
    "internal",
    "beta",
    "dormant",
    "returning",
    "referred",
    "mobile",
    "api",
    "vip",
];

const COUNTRIES: [&str; 12] = [
    "US", "IN", "BR", "DE", "GB", "FR", "JP", "MX", "CA", "ES", "AU", "NL",
];

const DEVICES: [&str; 4] = ["phone", "desktop", "tablet", "tv"];

/// What can be generated, by column name.
const KNOWN: [(&str, Field); 14] = [
    ("timestamp", Field::Time),
    ("ts", Field::Time),
    ("event_time", Field::Time),
    ("event_type", Field::EventType),
    ("user_segment", Field::Segment),
    ("value", Field::Value),
    ("user_id", Field::User),
    ("session_id", Field::Session),
    ("row_number", Field::RowNumber),
    ("country", Field::Country),
    ("device", Field::Device),
    ("_topic", Field::Topic),
    ("_partition", Field::Partition),
    ("_offset", Field::Offset),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Time,
    EventType,
    Segment,
    Value,
    User,
    Session,
    RowNumber,
    Country,
    Device,
    Topic,
    Partition,
    Offset,
    MessageTime,
}

/// Salts of the draws that are no columns.
const SALT_MALFORMED: u64 = 101;
const SALT_CUT: u64 = 102;
const SALT_LATE: u64 = 103;
const SALT_NULL_TIME: u64 = 104;
const SALT_LATE_BY: u64 = 105;

impl Field {
    fn type_name(self) -> &'static str {
        match self {
            Self::Time | Self::MessageTime => "TIMESTAMPTZ",
            Self::Value => "DOUBLE",
            Self::User | Self::RowNumber | Self::Offset => "BIGINT",
            Self::Partition => "INT",
            _ => "TEXT",
        }
    }

    fn fits(self, data_type: &DataType) -> bool {
        match self {
            Self::Time | Self::MessageTime => {
                matches!(data_type, DataType::Timestamp(_, Some(_)))
            }
            Self::Value => matches!(data_type, DataType::Float64 | DataType::Float32),
            Self::User => matches!(data_type, DataType::Int64 | DataType::Int32),
            Self::RowNumber | Self::Offset => matches!(data_type, DataType::Int64),
            Self::Partition => matches!(data_type, DataType::Int32 | DataType::Int64),
            _ => matches!(
                data_type,
                DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
            ),
        }
    }
}

/// The fields behind columns, by name; the first column that cannot be generated is an error.
pub(super) fn plan_columns(schema: &Schema, columns: &[String]) -> Result<Vec<usize>> {
    columns
        .iter()
        .map(|name| {
            let index = schema.index_of(name).map_err(|_| ConnectorError::Option {
                message: format!("the stream has no column \"{name}\""),
                hint: None,
            })?;
            field_of(name, schema.field(index).data_type())?;
            Ok(index)
        })
        .collect()
}

fn field_of(name: &str, data_type: &DataType) -> Result<Field> {
    let field = if name == "_timestamp" {
        Field::MessageTime
    } else {
        KNOWN
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, field)| *field)
            .ok_or_else(|| {
                let names: Vec<&str> = KNOWN
                    .iter()
                    .map(|(known, _)| *known)
                    .filter(|known| !known.starts_with('_'))
                    .collect();
                ConnectorError::Option {
                    message: format!("the generator cannot make a column \"{name}\""),
                    hint: Some(format!(
                        "Did you mean \"{}\"? It makes: {}.",
                        nearest(name, names.iter().copied()),
                        names.join(", ")
                    )),
                }
            })?
    };
    if field.fits(data_type) {
        Ok(field)
    } else {
        Err(ConnectorError::Option {
            message: format!("the generator cannot make column \"{name}\" as {data_type}"),
            hint: Some(format!("Declare it as {}.", field.type_name())),
        })
    }
}

/// Fills batches of certain columns.
#[derive(Debug)]
pub(super) struct Filler {
    schema: SchemaRef,
    fields: Vec<Field>,
    settings: Settings,
}

impl Filler {
    pub(super) fn new(schema: &Schema, columns: &[String], settings: &Settings) -> Result<Self> {
        let indices = plan_columns(schema, columns)?;
        let schema = Arc::new(schema.project(&indices)?);
        let fields = schema
            .fields()
            .iter()
            .map(|field| field_of(field.name(), field.data_type()))
            .collect::<Result<_>>()?;
        Ok(Self {
            schema,
            fields,
            settings: settings.clone(),
        })
    }

    /// The messages of a range of a split; `payload` fills what the payload of a bad one is cut from.
    pub(super) fn batch(
        &self,
        split: &SplitId,
        range: Range<i64>,
        payload: &Self,
    ) -> Result<SplitBatch> {
        let partition = split.partition;
        let mut offsets = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        let mut bad = Vec::new();
        let mut bad_bytes = 0;
        for offset in range.clone() {
            if self.chance(partition, offset, SALT_MALFORMED) < self.settings.malformed_fraction {
                let row = payload.malformed(partition, offset)?;
                bad_bytes += row.payload.as_ref().map_or(0, Bytes::len);
                bad.push(row);
            } else {
                offsets.push(offset);
            }
        }
        let rows = self.rows(split, &offsets)?;
        let timestamps_ms = offsets
            .iter()
            .map(|offset| self.message_us(partition, *offset).div_euclid(1_000))
            .collect();
        let good_bytes: usize = rows
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
            .sum();
        Ok(SplitBatch {
            split: split.clone(),
            range,
            rows,
            offsets: offsets.into(),
            timestamps_ms,
            bad,
            payload_bytes: (good_bytes + bad_bytes) as u64,
            leader_epoch: None,
            worked_out: None,
        })
    }

    fn rows(&self, split: &SplitId, offsets: &[i64]) -> Result<RecordBatch> {
        let columns = self
            .fields
            .iter()
            .zip(self.schema.fields())
            .map(|(field, declared)| {
                let column = self.column(*field, split, offsets);
                if column.data_type() == declared.data_type() {
                    Ok(column)
                } else {
                    Ok(cast(&column, declared.data_type())?)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(offsets.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }

    fn column(&self, field: Field, split: &SplitId, offsets: &[i64]) -> ArrayRef {
        let partition = split.partition;
        let salt = field as u64;
        let draws = || {
            offsets
                .iter()
                .map(|offset| self.draw(partition, *offset, salt))
        };
        match field {
            Field::Time => Arc::new(
                offsets
                    .iter()
                    .map(|offset| self.event_us(partition, *offset))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            Field::MessageTime => Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    offsets
                        .iter()
                        .map(|offset| self.message_us(partition, *offset)),
                )
                .with_timezone("UTC"),
            ),
            Field::EventType => texts(draws().map(|draw| pick(&EVENT_TYPES, draw)), offsets.len()),
            Field::Segment => texts(draws().map(|draw| pick(&SEGMENTS, draw)), offsets.len()),
            Field::Country => texts(draws().map(|draw| pick(&COUNTRIES, draw)), offsets.len()),
            Field::Device => texts(draws().map(|draw| pick(&DEVICES, draw)), offsets.len()),
            Field::Value => Arc::new(Float64Array::from_iter_values(draws().map(lognormal))),
            Field::User => Arc::new(Int64Array::from_iter_values(draws().map(user))),
            Field::Session => {
                let mut builder = StringBuilder::with_capacity(offsets.len(), offsets.len() * 16);
                for offset in offsets {
                    builder.append_value(self.session(partition, *offset));
                }
                Arc::new(builder.finish())
            }
            Field::RowNumber => Arc::new(Int64Array::from_iter_values(
                offsets
                    .iter()
                    .map(|offset| self.settings.row_number(partition, *offset)),
            )),
            Field::Offset => Arc::new(Int64Array::from_iter_values(offsets.iter().copied())),
            Field::Partition => Arc::new(Int32Array::from_iter_values(
                offsets.iter().map(|_| partition),
            )),
            Field::Topic => texts(offsets.iter().map(|_| split.topic.as_str()), offsets.len()),
        }
    }

    /// A user's session of about ten minutes of event time.
    fn session(&self, partition: i32, offset: i64) -> String {
        let user = user(self.draw(partition, offset, Field::User as u64));
        let part = self.message_us(partition, offset).div_euclid(600_000_000);
        format!(
            "{:016x}",
            mix(user.cast_unsigned() ^ mix(part.cast_unsigned() ^ self.settings.seed))
        )
    }

    fn message_us(&self, partition: i32, offset: i64) -> i64 {
        self.settings
            .time_us(self.settings.row_number(partition, offset))
    }

    /// The event time: somewhat before the message's, far before it for a late row, none for some.
    fn event_us(&self, partition: i32, offset: i64) -> Option<i64> {
        let settings = &self.settings;
        if self.chance(partition, offset, SALT_NULL_TIME) < settings.null_time_fraction {
            return None;
        }
        let jitter = self.chance(partition, offset, Field::Time as u64);
        let mut before = (jitter * settings.out_of_order_us as f64) as i64;
        if self.chance(partition, offset, SALT_LATE) < settings.late_fraction {
            let more = self.chance(partition, offset, SALT_LATE_BY);
            before += settings.late_by_us + (more * settings.late_by_us as f64) as i64;
        }
        Some(self.message_us(partition, offset) - before)
    }

    /// A message that does not decode: the row's JSON, cut off.
    fn malformed(&self, partition: i32, offset: i64) -> Result<BadRow> {
        let split = SplitId {
            stream: 0,
            topic: self.settings.shape.into(),
            partition,
        };
        let row = self.rows(&split, &[offset])?;
        let mut json = Vec::new();
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut json);
        writer.write(&row)?;
        writer.finish()?;
        drop(writer);
        // Whatever is left of an object without its last brace is not JSON.
        let whole = json.iter().rposition(|byte| *byte == b'}').unwrap_or(1);
        let cut = 1 + (self.draw(partition, offset, SALT_CUT) % whole.max(1) as u64) as usize;
        json.truncate(cut);
        Ok(BadRow {
            offset,
            timestamp_ms: self.message_us(partition, offset).div_euclid(1_000),
            key: None,
            error: format!(
                "malformed JSON: unexpected end of input at byte {}",
                json.len()
            ),
            payload: Some(json.into()),
        })
    }

    fn draw(&self, partition: i32, offset: i64, salt: u64) -> u64 {
        let split = u64::from(partition.cast_unsigned()) << 32 | salt;
        mix(mix(self.settings.seed ^ mix(split)) ^ offset.cast_unsigned())
    }

    /// A number from 0 up to and without 1.
    fn chance(&self, partition: i32, offset: i64, salt: u64) -> f64 {
        unit(self.draw(partition, offset, salt))
    }
}

/// The mixing step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

/// One of the names, the first ones more often.
fn pick(names: &[&'static str], draw: u64) -> &'static str {
    let at = unit(draw);
    let index = (at * at.sqrt() * names.len() as f64) as usize;
    names.get(index).copied().unwrap_or_default()
}

/// One of 100,000 users, some far busier than others.
fn user(draw: u64) -> i64 {
    let at = unit(draw);
    (at * at * 100_000.0) as i64 + 1
}

/// Log-normal with median 20 and sigma 1, to the cent.
fn lognormal(draw: u64) -> f64 {
    // Box and Muller; both numbers come out of one draw.
    let radius = (-2.0 * (1.0 - unit(draw)).ln()).sqrt();
    let normal = radius * (TAU * unit(mix(draw))).cos();
    (20.0 * normal.exp() * 100.0).round() / 100.0
}

fn texts<'a>(values: impl Iterator<Item = &'a str>, rows: usize) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 8);
    for value in values {
        builder.append_value(value);
    }
    Arc::new(builder.finish())
}
