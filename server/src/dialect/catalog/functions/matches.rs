//! `regexp_matches` and `regexp_split_to_array`: what a pattern finds, and what lies between.
//!
//! Patterns are the engine's (`regex`), as in its own functions; flags are PostgreSQL's.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field},
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
        Volatility,
    },
    scalar::ScalarValue,
};
use regex::{Regex, RegexBuilder};

use super::called::{Called, text};
use crate::{
    error::{Error, SqlState},
    table::external,
};

#[cfg(test)]
mod tests;

pub(super) fn all() -> Vec<ScalarUDF> {
    let either = vec![TypeSignature::Any(2), TypeSignature::Any(3)];
    vec![
        ScalarUDF::new_from_impl(Matches {
            signature: Signature::one_of(either, Volatility::Immutable),
        }),
        Called::strict("regexp_split_to_array", "text[]", |arguments| {
            let (subject, pattern) = (text(arguments, 0), text(arguments, 1));
            let flags = text(arguments, 2).unwrap_or_default();
            let (regex, every) = compiled(
                "regexp_split_to_array",
                &pattern.unwrap_or_default(),
                &flags,
            )?;
            if every {
                return Err(no_global("regexp_split_to_array"));
            }
            Ok(split(&regex, &subject.unwrap_or_default()).into())
        }),
    ]
}

/// The pattern with its flags, and whether all matches are asked for.
fn compiled(function: &str, pattern: &str, flags: &str) -> Result<(Regex, bool)> {
    let (mut builder, mut every) = (RegexBuilder::new(pattern), false);
    // A dot takes line ends too, unless a flag says otherwise.
    builder.dot_matches_new_line(true);
    for flag in flags.chars() {
        match flag {
            'g' => every = true,
            'i' => _ = builder.case_insensitive(true),
            'c' => _ = builder.case_insensitive(false),
            'm' | 'n' => _ = builder.multi_line(true).dot_matches_new_line(false),
            's' => _ = builder.multi_line(false).dot_matches_new_line(true),
            'x' => _ = builder.ignore_whitespace(true),
            't' => _ = builder.ignore_whitespace(false),
            other => {
                return Err(external(
                    Error::user(
                        SqlState::InvalidParameterValue,
                        format!("invalid regular expression option: \"{other}\""),
                    )
                    .with_hint(format!("{function} takes g, i, c, m, n, s, x and t.")),
                ));
            }
        }
    }
    let regex = builder.build().map_err(|error| {
        let said = error.to_string();
        let why = said.lines().last().unwrap_or_default();
        let why = why.trim_start_matches("error: ");
        external(Error::user(
            SqlState::InvalidRegularExpression,
            format!("invalid regular expression: {why}"),
        ))
    })?;
    Ok((regex, every))
}

fn no_global(function: &str) -> DataFusionError {
    external(Error::user(
        SqlState::InvalidParameterValue,
        format!("{function}() does not support the \"global\" option"),
    ))
}

/// What lies between matches; an empty match at either end, or right behind another, is none.
fn split(regex: &Regex, subject: &str) -> Vec<String> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for found in regex.find_iter(subject) {
        if found.is_empty() && (found.start() == from || found.start() == subject.len()) {
            continue;
        }
        parts.extend(subject.get(from..found.start()).map(str::to_owned));
        from = found.end();
    }
    parts.extend(subject.get(from..).map(str::to_owned));
    parts
}

/// A list of matches, each the list of what its groups took, or of the whole where there are none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Matches {
    signature: Signature,
}

impl ScalarUDFImpl for Matches {
    fn name(&self) -> &'static str {
        "sluice_regexp_matches"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let texts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        Ok(DataType::List(Arc::new(Field::new_list_field(texts, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = arrays.iter().map(|array| cast(array, &DataType::Utf8));
        let texts = texts.collect::<std::result::Result<Vec<_>, _>>()?;
        let mut rows = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
        let mut last: Option<(String, String, Regex, bool)> = None;
        for row in 0..texts.first().map_or(0, |column| column.len()) {
            let value = |at: usize| {
                let column = texts.get(at)?.as_string_opt::<i32>()?;
                column.is_valid(row).then(|| column.value(row))
            };
            let flags = match texts.len() {
                2 => Some(""),
                _ => value(2),
            };
            let (Some(subject), Some(pattern), Some(flags)) = (value(0), value(1), flags) else {
                // No row comes of NULL.
                rows.append(true);
                continue;
            };
            let same = |(known, with, ..): &(String, String, Regex, bool)| {
                known == pattern && with == flags
            };
            if !last.as_ref().is_some_and(same) {
                let (regex, every) = compiled("regexp_matches", pattern, flags)?;
                last = Some((pattern.to_owned(), flags.to_owned(), regex, every));
            }
            if let Some((.., regex, every)) = &last {
                let most = if *every { usize::MAX } else { 1 };
                for found in regex.captures_iter(subject).take(most) {
                    let groups = rows.values();
                    let skipped = usize::from(found.len() > 1);
                    for group in found.iter().skip(skipped) {
                        groups
                            .values()
                            .append_option(group.map(|group| group.as_str()));
                    }
                    groups.append(true);
                }
            }
            rows.append(true);
        }
        let rows: ArrayRef = Arc::new(rows.finish());
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &rows, 0,
            )?)),
            false => Ok(ColumnarValue::Array(rows)),
        }
    }
}
