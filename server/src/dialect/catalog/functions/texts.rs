//! `x::text` and `x = ANY (list)`, by columns: they stand in queries over whole tables.

use std::{collections::HashSet, fmt, hash::Hash, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
    scalar::ScalarValue,
};

use crate::{dialect::catalog::Facts, doors::pg};

/// The name under which the door's statements test a list.
pub(in crate::dialect) const ANY: &str = "sluice_any";

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    vec![
        text_of(facts, Truth::Word),
        text_of(facts, Truth::Letter),
        ScalarUDF::new_from_impl(Any {
            signature: Signature::any(2, Volatility::Immutable),
        }),
    ]
}

fn text_of(facts: &Arc<Facts>, truth: Truth) -> ScalarUDF {
    ScalarUDF::new_from_impl(Text {
        facts: Arc::clone(facts),
        truth,
        signature: Signature::any(1, facts.volatility()),
    })
}

/// How a boolean is written: a cast spells it out, a function that takes whatever there is shows what the door would send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Word,
    Letter,
}

/// A value as PostgreSQL writes it: what the door would send, but for a boolean.
struct Text {
    facts: Arc<Facts>,
    truth: Truth,
    signature: Signature,
}

impl ScalarUDFImpl for Text {
    fn name(&self) -> &str {
        match self.truth {
            Truth::Word => "sluice_text",
            Truth::Letter => "sluice_shown",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = matches!(args.args.as_slice(), [ColumnarValue::Scalar(_)]);
        let fields = args.arg_fields;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (Some(array), Some(field)) = (arrays.first(), fields.first()) else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
        };
        let texts: ArrayRef = match array.data_type() {
            DataType::Boolean if self.truth == Truth::Word => cast(array, &DataType::Utf8)?,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                cast(array, &DataType::Utf8)?
            }
            _ => Arc::new(pg::texts(
                array,
                field,
                (self.facts.setting)("TimeZone").as_deref(),
            )?),
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &texts, 0,
            )?));
        }
        Ok(ColumnarValue::Array(texts))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.truth == other.truth && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// Whether a value is an element of a list, or of the text of one (`{1,2}`): a driver that has no type for a parameter sends text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Any {
    signature: Signature,
}

impl ScalarUDFImpl for Any {
    fn name(&self) -> &str {
        ANY
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, list] = args.args.as_slice() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        };
        let rows = args.number_rows;
        let values = cast(&value.to_array(rows)?, &DataType::Utf8)?;
        let values = values.as_string::<i32>();
        let found: BooleanArray = match list {
            ColumnarValue::Scalar(list) => {
                let elements = Elements::of(list)?;
                values.iter().map(|value| elements.have(value)).collect()
            }
            ColumnarValue::Array(lists) => (0..values.len())
                .map(|row| {
                    let list = ScalarValue::try_from_array(lists, row)?;
                    let value = (!values.is_null(row)).then(|| values.value(row));
                    Ok(Elements::of(&list)?.have(value))
                })
                .collect::<Result<_>>()?,
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// The elements of one list, as texts.
struct Elements {
    /// `None`: the list itself is NULL.
    texts: Option<HashSet<String>>,
    has_null: bool,
}

impl Elements {
    fn of(list: &ScalarValue) -> Result<Self> {
        if list.is_null() {
            return Ok(Self {
                texts: None,
                has_null: true,
            });
        }
        let written: StringArray = match list {
            ScalarValue::List(list) => cast(list.values(), &DataType::Utf8)?.as_string().clone(),
            other => {
                let text = other.try_as_str().flatten().unwrap_or_default();
                split(text).into_iter().collect()
            }
        };
        Ok(Self {
            has_null: written.null_count() > 0,
            texts: Some(written.iter().flatten().map(str::to_owned).collect()),
        })
    }

    /// As SQL has it: not found beside a NULL is not known.
    fn have(&self, value: Option<&str>) -> Option<bool> {
        let (value, texts) = (value?, self.texts.as_ref()?);
        match texts.contains(value) {
            true => Some(true),
            false if self.has_null => None,
            false => Some(false),
        }
    }
}

/// The elements of `{a,"b c",NULL}`.
fn split(text: &str) -> Vec<Option<String>> {
    let inside = text.trim();
    let inside = inside
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let mut elements = Vec::new();
    let (mut element, mut quoted, mut was_quoted) = (String::new(), false, false);
    let mut letters = inside.unwrap_or_default().chars().peekable();
    if letters.peek().is_none() {
        return elements;
    }
    let mut end = |element: &mut String, was_quoted: &mut bool| {
        let text = std::mem::take(element);
        let null = !*was_quoted && text.trim().eq_ignore_ascii_case("null");
        let text = if *was_quoted {
            text
        } else {
            text.trim().to_owned()
        };
        elements.push((!null).then_some(text));
        *was_quoted = false;
    };
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            '\\' => element.extend(letters.next()),
            ',' if !quoted => end(&mut element, &mut was_quoted),
            letter => element.push(letter),
        }
    }
    end(&mut element, &mut was_quoted);
    elements
}

#[cfg(test)]
mod tests;
