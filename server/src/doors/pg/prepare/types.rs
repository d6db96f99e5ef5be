//! Types of parameters as PREPARE names them, and values as EXECUTE writes them.

use std::ops::ControlFlow;

use postgres_types::{Kind, Type};
use sluice_sql::{
    Statement,
    ast::{Expr, Value, ValueWithSpan, VisitMut, VisitorMut},
};

use crate::dialect::{array_oid, format_type, type_oid};

/// The type of this name: `int`, `numeric(10, 2)`, `text[]`, `timestamp(3) with time zone`.
pub(super) fn named(text: &str) -> Option<Type> {
    let mut name = text.trim();
    let mut array = false;
    while let Some(rest) = name.strip_suffix(']') {
        name = rest.rsplit_once('[')?.0.trim_end();
        array = true;
    }
    let without_modifier = match name.split_once('(') {
        Some((before, rest)) => {
            let (_, after) = rest.split_once(')')?;
            format!("{before} {after}")
        }
        None => name.to_owned(),
    };
    let words: Vec<&str> = without_modifier.split_whitespace().collect();
    let mut oid = type_oid(&words.join(" "))?;
    if array {
        oid = array_oid(oid)?;
    }
    Type::from_oid(oid.cast_unsigned())
}

/// What kind of values a type is of: within one, values are assigned to each other.
#[derive(PartialEq, Eq)]
enum Family {
    Text,
    Number,
    Time,
    Json,
    Other,
}

fn family(pg: &Type) -> Family {
    match *pg {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR => Family::Text,
        Type::INT2
        | Type::INT4
        | Type::INT8
        | Type::FLOAT4
        | Type::FLOAT8
        | Type::NUMERIC
        | Type::OID => Family::Number,
        Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => Family::Time,
        Type::JSON | Type::JSONB => Family::Json,
        _ => Family::Other,
    }
}

/// Whether a value of one type can be assigned to a parameter of another.
pub(super) fn assignable(from: &Type, to: &Type) -> bool {
    if from == to || family(to) == Family::Text {
        return true;
    }
    match (from.kind(), to.kind()) {
        (Kind::Array(from), Kind::Array(to)) => assignable(from, to),
        (Kind::Array(_), _) | (_, Kind::Array(_)) => false,
        _ => {
            let from = family(from);
            from != Family::Other && from == family(to)
        }
    }
}

/// The text of a literal that the type reads by itself; within, `None` for NULL.
pub(super) fn literal(text: &str, pg: &Type) -> Option<Option<String>> {
    if text.eq_ignore_ascii_case("null") {
        return Some(None);
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let inner = rest.strip_suffix('\'')?;
        let unescaped = inner.replace("''", "");
        // A quote that is left stands alone: it ends the literal, and something else follows.
        let whole = !unescaped.contains('\'');
        return whole.then(|| Some(inner.replace("''", "'")));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let reads = matches!(family(pg), Family::Number | Family::Text);
    (number && reads).then(|| Some(text.to_owned()))
}

/// A statement with expressions in the places of its parameters, each cast to the parameter's type.
pub(super) fn written<'a>(
    statement: &Statement,
    types: &[Type],
    texts: impl Iterator<Item = &'a str>,
) -> String {
    let values = types.iter().zip(texts).map(|(pg, text)| {
        let to = format_type(pg.oid().cast_signed(), None);
        let query = format!("SELECT CAST(({text}\n) AS {to})");
        let parsed = sluice_sql::parse(&query).ok()?.pop()?;
        let Statement::Sql(statement) = parsed.statement else {
            return None;
        };
        let sluice_sql::ast::Statement::Query(query) = *statement else {
            return None;
        };
        match query.body.as_select()?.projection.first()? {
            sluice_sql::ast::SelectItem::UnnamedExpr(expr) => Some(expr.clone()),
            _ => None,
        }
    });
    let mut values = Written(values.collect());
    let mut statement = statement.clone();
    if let Statement::Sql(statement) = &mut statement {
        let _ = statement.visit(&mut values);
    }
    statement.to_string()
}

struct Written(Vec<Option<Expr>>);

impl VisitorMut for Written {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(id),
            ..
        }) = expr
        {
            let number = id.strip_prefix('$').and_then(|number| number.parse().ok());
            let value = number.and_then(|number: usize| self.0.get(number.checked_sub(1)?));
            if let Some(Some(value)) = value {
                *expr = value.clone();
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    //! Names of types, and literals.

    use postgres_types::Type;

    use super::{assignable, literal, named};

    #[test]
    fn types_have_their_names() {
        for (name, pg) in [
            ("int", Type::INT4),
            ("BIGINT", Type::INT8),
            ("numeric(10, 2)", Type::NUMERIC),
            ("text[]", Type::TEXT_ARRAY),
            ("int[][3]", Type::INT4_ARRAY),
            ("double  precision", Type::FLOAT8),
            ("timestamp(3) with time zone", Type::TIMESTAMPTZ),
            ("timestamptz", Type::TIMESTAMPTZ),
            ("character varying(10)", Type::VARCHAR),
            ("jsonb", Type::JSONB),
            ("uuid", Type::UUID),
        ] {
            assert_eq!(named(name), Some(pg), "{name}");
        }
        for name in ["nope", "int, (1", "]", "int["] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn literals_are_read_by_their_type() {
        let text = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(literal("'it''s'", &Type::DATE), text("it's"));
        assert_eq!(literal("-5", &Type::INT4), text("-5"));
        assert_eq!(literal("NULL", &Type::INT4), Some(None));
        for other in [
            "1.5",
            "'a' || 'b'",
            "5 + 1",
            "now()",
            "'a'::text",
            "-",
            "E'a'",
        ] {
            assert_eq!(literal(other, &Type::INT4), None, "{other}");
        }
        assert_eq!(literal("5", &Type::DATE), None);
    }

    #[test]
    fn types_are_assigned_within_their_family() {
        for (from, to, may) in [
            (Type::INT8, Type::INT4, true),
            (Type::INT8, Type::TEXT, true),
            (Type::TEXT, Type::INT4, false),
            (Type::TIMESTAMPTZ, Type::INT4, false),
            (Type::DATE, Type::TIMESTAMP, true),
            (Type::BOOL, Type::INT4, false),
            (Type::INT8_ARRAY, Type::INT4_ARRAY, true),
            (Type::INT8, Type::INT4_ARRAY, false),
            (Type::UUID, Type::BOOL, false),
        ] {
            assert_eq!(assignable(&from, &to), may, "{from} to {to}");
        }
    }
}
