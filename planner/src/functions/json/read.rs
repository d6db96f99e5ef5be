//! What JSON is asked beside its steps: `#>`, `#>>`, `@>`, `?`, `?|`, `?&`, `json_array_length`, `json_typeof`, `json_extract_path`.
//!
//! As the steps these answer NULL for what is no JSON, and for what the question does not fit (the length of an object).

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use super::{Json, part_of};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// `#>`
    Path,
    /// `#>>`
    PathText,
    /// `?`
    Key,
    /// `?|`
    AnyKey,
    /// `?&`
    AllKeys,
    /// `@>`
    Contains,
    /// `json_array_length`
    Length,
    /// `json_typeof`
    TypeName,
    /// `json_extract_path`
    Extract,
    /// `json_extract_path_text`
    ExtractText,
}

const ALL: [Question; 10] = [
    Question::Path,
    Question::PathText,
    Question::Key,
    Question::AnyKey,
    Question::AllKeys,
    Question::Contains,
    Question::Length,
    Question::TypeName,
    Question::Extract,
    Question::ExtractText,
];

pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    ALL.into_iter().map(Read::udf)
}

/// One question, as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Read {
    question: Question,
    aliases: Vec<String>,
    signature: Signature,
}

impl Read {
    pub(super) fn udf(question: Question) -> ScalarUDF {
        let alias = match question {
            Question::Length => "jsonb_array_length",
            Question::TypeName => "jsonb_typeof",
            Question::Extract => "jsonb_extract_path",
            Question::ExtractText => "jsonb_extract_path_text",
            _ => "",
        };
        let aliases = [alias].into_iter().filter(|alias| !alias.is_empty());
        ScalarUDF::from(Self {
            question,
            aliases: aliases.map(str::to_owned).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }

    /// How many arguments it takes; `None` is any number from two.
    fn takes(&self) -> Option<usize> {
        match self.question {
            Question::Length | Question::TypeName => Some(1),
            Question::Extract | Question::ExtractText => None,
            _ => Some(2),
        }
    }
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        match self.question {
            Question::Path => "json_get_path",
            Question::PathText => "json_get_path_text",
            Question::Key => "json_has_key",
            Question::AnyKey => "json_has_any_key",
            Question::AllKeys => "json_has_all_keys",
            Question::Contains => "json_contains",
            Question::Length => "json_array_length",
            Question::TypeName => "json_typeof",
            Question::Extract => "json_extract_path",
            Question::ExtractText => "json_extract_path_text",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let fits = match self.takes() {
            Some(count) => arg_types.len() == count,
            None => arg_types.len() > 1,
        };
        let json = arg_types.first();
        if !fits || !json.is_some_and(|json| json.is_string() || json.is_null()) {
            return plan_err!("{} takes JSON text and what is asked of it", self.name());
        }
        let of_names = DataType::List(Field::new_list_field(DataType::Utf8, true).into());
        Ok(arg_types
            .iter()
            .map(|given| match given {
                list if list.is_list() => of_names.clone(),
                _ => DataType::Utf8,
            })
            .collect())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.question {
            Question::Key | Question::AnyKey | Question::AllKeys | Question::Contains => {
                DataType::Boolean
            }
            Question::Length => DataType::Int32,
            _ => DataType::Utf8,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(match (self.question, args.arg_fields.first()) {
            (Question::Path | Question::Extract, Some(json)) => part_of(self.name(), json),
            _ => Field::new(self.name(), self.return_type(&[])?, true).into(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|argument| argument.to_array(rows))
            .collect::<Result<_>>()?;
        let Some((json, asked)) = columns.split_first() else {
            return plan_err!("{} takes JSON", self.name());
        };
        let json = cast(json, &DataType::Utf8)?;
        let texts = json.as_string::<i32>();
        let values = (0..rows).map(|row| {
            let text = texts.is_valid(row).then(|| texts.value(row))?;
            Json::parse(text).ok()
        });
        let answers: ArrayRef = match self.question {
            Question::Path | Question::PathText | Question::Extract | Question::ExtractText => {
                let as_text = matches!(self.question, Question::PathText | Question::ExtractText);
                let found: StringArray = (0..rows)
                    .map(|row| {
                        let text = texts.is_valid(row).then(|| texts.value(row))?;
                        let steps = steps(asked, row)?;
                        let found = follow(text, &steps)?;
                        if as_text { bare(found) } else { Some(found) }
                    })
                    .collect();
                Arc::new(found)
            }
            Question::Key | Question::AnyKey | Question::AllKeys => {
                let found: BooleanArray = values
                    .enumerate()
                    .map(|(row, value)| {
                        let (value, names) = (value?, steps(asked, row)?);
                        let has = |name: &String| has_key(&value, name);
                        Some(match self.question {
                            Question::AllKeys => names.iter().all(has),
                            _ => names.iter().any(has),
                        })
                    })
                    .collect();
                Arc::new(found)
            }
            Question::Contains => {
                let parts = asked.first().map(|parts| parts.as_string::<i32>());
                let found: BooleanArray = values
                    .enumerate()
                    .map(|(row, value)| {
                        let parts = parts.filter(|parts| parts.is_valid(row))?;
                        let part = Json::parse(parts.value(row)).ok()?;
                        Some(value?.contains(&part))
                    })
                    .collect();
                Arc::new(found)
            }
            Question::Length => {
                let lengths: Int32Array = values
                    .map(|value| match value? {
                        Json::Array(elements) => i32::try_from(elements.len()).ok(),
                        _ => None,
                    })
                    .collect();
                Arc::new(lengths)
            }
            Question::TypeName => {
                let names: StringArray = values.map(|value| Some(value?.type_name())).collect();
                Arc::new(names)
            }
        };
        Ok(ColumnarValue::Array(answers))
    }
}

/// The names that the arguments after the JSON give in a row: a list, the text of one (`{a,0}`), or one name each.
fn steps(asked: &[ArrayRef], row: usize) -> Option<Vec<String>> {
    if let [only] = asked
        && let Some(lists) = only.as_list_opt::<i32>()
    {
        let list = lists.is_valid(row).then(|| lists.value(row))?;
        let names = list.as_string_opt::<i32>()?;
        return names.iter().map(|name| name.map(str::to_owned)).collect();
    }
    let names: Vec<String> = asked
        .iter()
        .map(|column| {
            let names = column.as_string_opt::<i32>()?;
            names.is_valid(row).then(|| names.value(row).to_owned())
        })
        .collect::<Option<_>>()?;
    Some(names)
}

/// What a path leads to, as it was written.
fn follow(text: &str, steps: &[String]) -> Option<String> {
    let steps: Vec<String> = match steps {
        [path] if path.starts_with('{') && path.ends_with('}') => {
            let inside = path.get(1..path.len().checked_sub(1)?)?;
            let names = inside.split(',').map(|name| name.trim().trim_matches('"'));
            let names = names.map(str::to_owned).collect::<Vec<_>>();
            if inside.trim().is_empty() {
                Vec::new()
            } else {
                names
            }
        }
        steps => steps.to_vec(),
    };
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut found = text.trim().to_owned();
    for step in steps {
        found = super::step(&found, &step)?;
    }
    Some(found)
}

fn bare(json: String) -> Option<String> {
    match json.as_str() {
        "null" => None,
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        _ => Some(json),
    }
}

/// Whether an object has a member, or an array a text, of this name.
fn has_key(value: &Json, name: &str) -> bool {
    match value {
        Json::Object(members) => members.iter().any(|(known, _)| known == name),
        Json::Array(elements) => elements
            .iter()
            .any(|element| matches!(element, Json::Text(text) if text == name)),
        Json::Text(text) => text == name,
        _ => false,
    }
}
