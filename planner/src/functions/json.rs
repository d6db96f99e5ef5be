//! `payload -> 'a'` and `payload ->> 'a'` on JSON text, as PostgreSQL has them: the first gives JSON, the second text. A step is a member's
//! name or an element's number, from the end where it is negative. NULL where there is nothing, and where the text is no JSON: a bad row
//! must not end a query. The other operators (`#>`, `@>`, `?`) and what JSON is asked by name are in `json/read.rs`.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    datatypes::{DataType, Field, FieldRef, Int64Type},
};
use datafusion::{
    common::{DFSchema, Result, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

mod order;
mod read;
#[cfg(test)]
mod tests;
mod value;

pub use value::{Json, JsonError, MAX_JSON_DEPTH, is_too_deep};

/// Field metadata that says which of PostgreSQL's types a text carries (`json`, `jsonb`). A door marks its columns so, and a table those that
/// are declared so; no stream has it.
pub const PG_TYPE: &str = sluice_connectors::delta::DECLARED_TYPE;

/// The functions behind the operators, by name, and those that are called by name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    steps().into_iter().chain(read::functions()).collect()
}

fn steps() -> [ScalarUDF; 2] {
    [false, true].map(|as_text| {
        ScalarUDF::from(Step {
            as_text,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
}

/// A part of JSON is of the type that the whole is of.
fn part_of(name: &str, whole: &FieldRef) -> FieldRef {
    let part = Field::new(name, DataType::Utf8, true);
    let mark = whole.metadata().get(PG_TYPE);
    match mark.filter(|mark| ["json", "jsonb"].contains(&mark.as_str())) {
        Some(mark) => part
            .with_metadata([(PG_TYPE.to_owned(), mark.clone())].into())
            .into(),
        None => part.into(),
    }
}

/// Plans the operators.
#[derive(Debug)]
pub(super) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let [json, text] = steps();
        let function = match expr.op {
            BinaryOperator::Arrow => json,
            BinaryOperator::LongArrow => text,
            BinaryOperator::HashArrow => read::Read::udf(read::Question::Path),
            BinaryOperator::HashLongArrow => read::Read::udf(read::Question::PathText),
            BinaryOperator::Question => read::Read::udf(read::Question::Key),
            BinaryOperator::QuestionPipe => read::Read::udf(read::Question::AnyKey),
            BinaryOperator::QuestionAnd => read::Read::udf(read::Question::AllKeys),
            // Lists have these two as well, and the engine's own.
            BinaryOperator::AtArrow | BinaryOperator::ArrowAt
                if is_text(&expr.left, schema) && is_text(&expr.right, schema) =>
            {
                let contains = read::Read::udf(read::Question::Contains);
                let sides = match expr.op {
                    BinaryOperator::AtArrow => vec![expr.left, expr.right],
                    _ => vec![expr.right, expr.left],
                };
                return Ok(PlannerResult::Planned(call(contains, sides)));
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(call(
            function,
            vec![expr.left, expr.right],
        )))
    }
}

fn call(function: ScalarUDF, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), arguments))
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    let data_type = expr.get_type(schema);
    data_type.is_ok_and(|data_type| data_type.is_string() || data_type.is_null())
}

/// One step into JSON.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Step {
    as_text: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Step {
    fn name(&self) -> &str {
        match self.as_text {
            true => "json_get_text",
            false => "json_get",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [json, step] = arg_types else {
            return plan_err!("{} takes JSON and a step into it", self.name());
        };
        if !json.is_string() && !json.is_null() {
            return plan_err!("-> and ->> take JSON text on their left, not {json}");
        }
        let step = match step {
            step if step.is_integer() => DataType::Int64,
            step if step.is_string() || step.is_null() => DataType::Utf8,
            other => {
                return plan_err!(
                    "-> and ->> take the name of a member or the number of an element on their right, not {other}"
                );
            }
        };
        Ok(vec![DataType::Utf8, step])
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(match args.arg_fields.first() {
            Some(json) if !self.as_text => part_of(self.name(), json),
            _ => Field::new(self.name(), DataType::Utf8, true).into(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [json, steps] = args.args.as_slice() else {
            return plan_err!("{} takes JSON and a step into it", self.name());
        };
        let json = json.to_array(args.number_rows)?;
        let steps = steps.to_array(args.number_rows)?;
        let texts = json.as_string::<i32>();
        let found: StringArray = (0..texts.len())
            .map(|row| {
                let wanted = wanted(&steps, row)?;
                let text = texts.is_valid(row).then(|| texts.value(row))?;
                let mut reader = serde_json::Deserializer::from_str(text);
                let found = wanted.deserialize(&mut reader).ok()??;
                reader.end().ok()?;
                match self.as_text {
                    true => as_text(found),
                    false => Some(found.get().to_owned()),
                }
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// What a step of a path leads to: a member's name, or the number of an element.
fn step(json: &str, step: &str) -> Option<String> {
    let is_array = json.trim_start().starts_with('[');
    let wanted = match step.parse() {
        Ok(number) if is_array => Wanted::Element(number),
        _ => Wanted::Member(step),
    };
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = wanted.deserialize(&mut reader).ok()??;
    Some(found.get().to_owned())
}

/// What `->>` makes of a value.
fn as_text(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        text => Some(text.to_owned()),
    }
}

fn wanted(steps: &ArrayRef, row: usize) -> Option<Wanted<'_>> {
    if steps.is_null(row) {
        return None;
    }
    Some(match steps.as_primitive_opt::<Int64Type>() {
        Some(numbers) => Wanted::Element(numbers.value(row)),
        None => Wanted::Member(steps.as_string_opt::<i32>()?.value(row)),
    })
}

/// Where a step goes.
#[derive(Clone, Copy)]
enum Wanted<'w> {
    Member(&'w str),
    Element(i64),
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        // Of two members of one name the last counts.
        while let Some(is_wanted) = map.next_key_seed(Name(self))? {
            let value: &RawValue = map.next_value()?;
            if is_wanted {
                found = Some(value);
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all: Vec<&RawValue> = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        let Self::Element(number) = self else {
            return Ok(None);
        };
        let back = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
        let index = match number < 0 {
            true => all.len().checked_sub(back),
            false => Some(back),
        };
        Ok(index.and_then(|index| all.get(index).copied()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a member's name is the wanted one.
struct Name<'w>(Wanted<'w>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<bool, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(name)?;
        Ok(matches!(self.0, Wanted::Member(wanted) if wanted == name))
    }
}
