//! `payload -> 'a'` and `payload ->> 'a'` on JSON text, as PostgreSQL has them: the first gives JSON, the second text. A step is a member's
//! name or an element's number, from the end where it is negative. NULL where there is nothing, and where the text is no JSON: a bad row
//! must not end a query.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    datatypes::{DataType, Int64Type},
};
use datafusion::{
    common::{DFSchema, Result, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

#[cfg(test)]
mod tests;

/// The functions behind the operators, by name.
pub(super) fn functions() -> [ScalarUDF; 2] {
    [false, true].map(|as_text| {
        ScalarUDF::from(Step {
            as_text,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
}

/// Plans the two operators.
#[derive(Debug)]
pub(super) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let [json, text] = functions();
        let function = match expr.op {
            BinaryOperator::Arrow => json,
            BinaryOperator::LongArrow => text,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let call = ScalarFunction::new_udf(Arc::new(function), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
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
