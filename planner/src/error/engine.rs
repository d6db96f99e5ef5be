//! The engine's errors in our words.
//!
//! The engine wraps errors in contexts and says some of them only as text, so this file matches on texts of the pinned version; the
//! tests beside it run real queries, so that a new version that words them differently is noticed.

use std::collections::BTreeSet;

use arrow::error::ArrowError;
use datafusion::{
    common::{Column, SchemaError, utils::datafusion_strsim::levenshtein},
    error::DataFusionError,
};

use super::{PlanError, PlanErrorKind, words};

impl From<DataFusionError> for PlanError {
    fn from(error: DataFusionError) -> Self {
        in_words(translate(&error))
    }
}

impl From<ArrowError> for PlanError {
    fn from(error: ArrowError) -> Self {
        in_words(translate_arrow(&error))
    }
}

/// In PostgreSQL's words, where it has others than the engine.
fn in_words(error: PlanError) -> PlanError {
    match words::reworded(&error.message) {
        Some(said) => PlanError {
            message: said.message,
            detail: said.detail.or(error.detail),
            ..error
        },
        None => error,
    }
}

fn translate(error: &DataFusionError) -> PlanError {
    use PlanErrorKind as Kind;
    match error {
        DataFusionError::Context(_, inner) => translate(inner),
        DataFusionError::Diagnostic(_, inner) => translate(inner),
        DataFusionError::Shared(inner) => translate(inner),
        DataFusionError::Collection(errors) => errors.first().map_or_else(
            || PlanError::internal("the engine failed without saying why"),
            translate,
        ),
        DataFusionError::External(inner) => match inner.downcast_ref::<PlanError>() {
            Some(ours) => ours.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => translate(inner),
                None => of_data(&inner.to_string()),
            },
        },
        DataFusionError::ArrowError(inner, _) => translate_arrow(inner),
        DataFusionError::SchemaError(inner, _) => translate_schema(inner),
        DataFusionError::NotImplemented(text) => PlanError::unsupported(lower_first(text)),
        DataFusionError::Plan(text) => translate_plan(text),
        DataFusionError::SQL(inner, _) => PlanError::invalid(lower_first(&inner.to_string())),
        DataFusionError::Configuration(text) => PlanError::invalid(lower_first(text)),
        DataFusionError::Execution(text) => of_data(text),
        DataFusionError::ResourcesExhausted(text) => {
            PlanError::new(Kind::Resources, "the memory for ad-hoc queries is used up")
                .detail(text.clone())
                .hint("give them more with --query-memory, or ask for less: fewer rows, a LIMIT, approx_percentile instead of median")
        }
        DataFusionError::IoError(error) => scratch(error),
        other => {
            let text = other.strip_backtrace();
            match is_overflow(&text) {
                true => too_large(),
                false => PlanError::internal(lower_first(&text)),
            }
        }
    }
}

/// What went wrong with rows. A task of the engine's that panicked tells of it in words alone.
fn of_data(text: &str) -> PlanError {
    match is_overflow(text) {
        true => too_large(),
        false => PlanError::new(PlanErrorKind::Data, lower_first(text)),
    }
}

/// Whether it is said of an array that its offsets cannot tell where its values lie.
fn is_overflow(text: &str) -> bool {
    text.to_ascii_lowercase().contains("offset overflow")
}

fn too_large() -> PlanError {
    PlanError::new(
        PlanErrorKind::Data,
        "texts or lists of one column would take more than 2 GiB of bytes at once",
    )
    .detail("A text, and a list with all that is in it, is smaller than 2 GiB; so are those of one batch of rows together.")
    .hint("make less of a group: a LIMIT or a condition below string_agg or array_agg, or more groups")
}

/// The only files that the engine itself writes and reads are those that it puts aside; tables are read through their store.
fn scratch(error: &std::io::Error) -> PlanError {
    PlanError::new(
        PlanErrorKind::Scratch,
        format!(
            "the query needs more than its memory, and the scratch folder does not take it: {error}"
        ),
    )
    .hint("make room in the scratch folder, or give ad-hoc queries more memory with --query-memory")
}

fn translate_arrow(error: &ArrowError) -> PlanError {
    use PlanErrorKind as Kind;
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => translate(inner),
            None => of_data(&inner.to_string()),
        },
        ArrowError::DivideByZero => PlanError::new(Kind::Data, "division by zero"),
        ArrowError::ArithmeticOverflow(text)
        | ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text) => PlanError::new(Kind::Data, lower_first(text)),
        ArrowError::NotYetImplemented(text) => PlanError::unsupported(lower_first(text)),
        ArrowError::IoError(_, error) => scratch(error),
        ArrowError::OffsetOverflowError(_) => too_large(),
        other => PlanError::internal(lower_first(&other.to_string())),
    }
}

fn translate_schema(error: &SchemaError) -> PlanError {
    use PlanErrorKind as Kind;
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => undefined_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => PlanError::new(
            Kind::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        )
        .hint("write the relation's name or alias before it, such as a.x"),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => PlanError::new(
            Kind::DuplicateColumn,
            format!("column \"{name}\" specified more than once"),
        )
        .hint("give one of them another name with AS"),
    }
}

fn undefined_column(field: &Column, valid: &[Column]) -> PlanError {
    // PostgreSQL quotes no name of two parts.
    let name = match &field.relation {
        Some(relation) => format!("{}.{}", relation.table(), field.name),
        None => format!("\"{}\"", field.name),
    };
    if let Some(relation) = &field.relation
        && !valid.is_empty()
        && !valid.iter().any(|column| {
            let known = column.relation.as_ref();
            known.is_none_or(|known| known.table() == relation.table())
        })
    {
        return PlanError::new(
            PlanErrorKind::UndefinedTable,
            format!(
                "missing FROM-clause entry for table \"{}\"",
                relation.table()
            ),
        )
        .hint("name a relation of FROM by its alias, where it has one");
    }
    let names: BTreeSet<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let error = PlanError::new(
        PlanErrorKind::UndefinedColumn,
        format!("column {name} does not exist"),
    );
    // A name that differs in case alone is the commonest slip of all: unquoted identifiers are folded to lower case.
    if let Some(other_case) = names
        .iter()
        .find(|candidate| candidate.eq_ignore_ascii_case(&field.name))
    {
        return error.hint(format!(
            "there is a column \"{other_case}\": write it in double quotes"
        ));
    }
    match nearest(&field.name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None if names.is_empty() => error,
        None => {
            let shown: Vec<&str> = names.iter().copied().take(20).collect();
            error.detail(format!("columns that exist: {}", shown.join(", ")))
        }
    }
}

/// The nearest of `names`, when it is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|candidate| (levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

fn translate_plan(text: &str) -> PlanError {
    use PlanErrorKind as Kind;
    if let Some(name) = quoted_after(text, "table '").filter(|_| text.ends_with("not found")) {
        // The engine says catalog.schema.table; people wrote schema.table at most.
        let short = name.split_once('.').map_or(name, |(_, rest)| rest);
        let short = short.strip_prefix("public.").unwrap_or(short);
        return PlanError::new(
            Kind::UndefinedTable,
            format!("relation \"{short}\" does not exist"),
        );
    }
    if let Some(name) = quoted_after(text, "table function '") {
        return PlanError::new(
            Kind::UndefinedFunction,
            format!("table function {name} does not exist"),
        );
    }
    if let Some(name) = quoted_after(text, "Invalid function '") {
        let error = PlanError::new(
            Kind::UndefinedFunction,
            format!("function {name} does not exist"),
        );
        return match quoted_after(text, "Did you mean '") {
            Some(near) if levenshtein(near, name) <= 1 + name.len() / 3 => {
                error.hint(format!("did you mean {near}?"))
            }
            _ => error,
        };
    }
    if text.contains("must appear in the GROUP BY clause")
        && let Some(expr) = quoted_between(text, "column \"", "\"")
    {
        return must_be_grouped(expr);
    }
    let said = "user-defined coercion failed with: Error during planning: ";
    if let Some(said) = quoted_between(text, said, ". No function matches") {
        return PlanError::new(Kind::DatatypeMismatch, said).hint(OTHER_TYPES);
    }
    if text.contains("No function matches the given name and argument types")
        || text.contains("failed to match any signature")
        || text.contains("coerc")
        || text.contains("Coerc")
        || text.contains("type mismatch")
    {
        return no_such_types(text);
    }
    PlanError::invalid(lower_first(text))
}

const OTHER_TYPES: &str = "no form of it takes these types; convert the argument with CAST";

/// A function was given types that it does not take. The engine says why in a chain of contexts, and of some that it is a bug of its own.
fn no_such_types(text: &str) -> PlanError {
    let mismatch = |text: &str| PlanError::new(PlanErrorKind::DatatypeMismatch, lower_first(text));
    if let Some((_, why)) = text.split_once("coercion failed with: Error during planning: ") {
        let why = why
            .split_once(" No function matches")
            .map_or(why, |(why, _)| why);
        return mismatch(why.trim_end_matches('.')).hint(OTHER_TYPES);
    }
    // The types of a list's elements may have quotes of their own.
    let call = quoted_between(text, "argument types '", ")'");
    match call.and_then(|call| words::call(&format!("{call})"))) {
        Some(call) => mismatch(&format!("function {call} does not exist")).hint(OTHER_TYPES),
        None => mismatch(first_lines(text)).hint(OTHER_TYPES),
    }
}

/// PostgreSQL names the column by its table, without the schema.
fn must_be_grouped(expr: &str) -> PlanError {
    let expr = match expr.rsplitn(3, '.').collect::<Vec<_>>().as_slice() {
        [column, table, _] if !expr.contains(['(', ' ']) => format!("{table}.{column}"),
        _ => expr.to_owned(),
    };
    PlanError::invalid(format!(
        "column \"{expr}\" must appear in the GROUP BY clause or be used in an aggregate function"
    ))
}

fn quoted_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    quoted_between(text, before, "'")
}

fn quoted_between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

/// Without the list of candidate signatures, which nobody can read.
fn first_lines(text: &str) -> &str {
    text.split_once(" You might need")
        .map_or(text, |(head, _)| head)
}

/// PostgreSQL's messages begin in lower case; names of functions, types and acronyms keep theirs.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
