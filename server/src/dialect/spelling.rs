//! PostgreSQL's ways of saying what the engine says otherwise: functions of sets in a select list, ordinality, SIMILAR TO, ANY and ALL over
//! a list.
//!
//! long because it is one visitor, and what it knows is small and much
//!
//! All of it is rewriting of the syntax tree. Names of columns were given before (`labels`), so that nothing here shows in a result.

mod arrays;
mod called;
mod joins;
mod lateral;
mod literals;
mod overlaps;
mod ranked;
mod regex;
mod subqueries;
mod ties;
mod values;

use std::ops::ControlFlow;

use sluice_sql::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, Ident, LimitClause,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TableAlias,
    TableAliasColumnDef, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

pub(super) use arrays::rewrite as rewrite_arrays;
pub(super) use joins::refused as refused_join;
pub(crate) use literals::{list_of, malformed_list};
pub(super) use values::of_one_type;

use super::catalog::{ANY, AT_TIME_ZONE, RECORD};

/// Rewrites a statement; questions `about_the_catalog` alone have rules of their own for subqueries.
pub(super) fn rewrite(mut statement: Statement, about_the_catalog: bool) -> Statement {
    ties::rewrite(&mut statement);
    if !about_the_catalog {
        lateral::rewrite(&mut statement);
        ranked::rewrite(&mut statement);
        subqueries::rewrite(&mut statement);
        joins::rewrite(&mut statement);
    }
    let _ = statement.visit(&mut Spelling);
    if let Statement::Query(query) = &mut statement {
        integers(&mut query.body);
    }
    statement
}

/// Whole numbers that are columns of the result, as they are written, are of type `integer` in PostgreSQL; inside of expressions they stay
/// what they are in the engine, where a sum of two such does not leave its type. A row that is a column of the result is a record.
fn integers(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                {
                    integer(expr);
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            integers(left);
            integers(right);
        }
        SetExpr::Query(query) => integers(&mut query.body),
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                row.iter_mut().for_each(integer);
            }
        }
        _ => {}
    }
}

fn integer(expr: &mut Expr) {
    literals::own_scale(expr);
    match expr {
        Expr::Function(function)
            if function.over.is_none() && name_of(&function.name).as_deref() == Some("row") =>
        {
            if let Some(record) = expression(&format!("{RECORD}({function})")) {
                *expr = record;
            }
        }
        Expr::Value(value) => {
            if let Value::Number(number, _) = &value.value
                && number.parse::<i32>().is_ok()
                && let Some(cast) = expression(&format!("CAST({number} AS INT)"))
            {
                *expr = cast;
            }
        }
        Expr::Case {
            conditions,
            else_result,
            ..
        } => {
            let whole = |expr: &Expr| match expr {
                Expr::Value(value) => match &value.value {
                    Value::Number(number, _) => number.parse::<i32>().is_ok(),
                    other => *other == Value::Null,
                },
                _ => false,
            };
            if conditions.iter().all(|when| whole(&when.result))
                && else_result.as_deref().is_none_or(whole)
            {
                for when in conditions {
                    integer(&mut when.result);
                }
                if let Some(other) = else_result {
                    integer(other);
                }
            }
        }
        _ => {}
    }
}

/// Functions whose result PostgreSQL counts in `integer`, the engine in something larger.
const INTEGERS: [&str; 5] = [
    "array_length",
    "array_ndims",
    "array_position",
    "cardinality",
    "regexp_count",
];

struct Spelling;

impl VisitorMut for Spelling {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        limits(query);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let other = match expr {
            Expr::Function(function) => of_function(function),
            Expr::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => similar(*negated, expr, pattern, escape_char.as_ref()),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: Some(escape),
            } => other_escape(
                expr,
                if *negated { "NOT LIKE" } else { "LIKE" },
                pattern,
                &escape.value,
            ),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: Some(escape),
            } => other_escape(
                expr,
                if *negated { "NOT ILIKE" } else { "ILIKE" },
                pattern,
                &escape.value,
            ),
            Expr::Like {
                negated,
                any: true,
                expr,
                pattern,
                escape_char: None,
            } => {
                let op = match negated {
                    true => BinaryOperator::PGNotLikeMatch,
                    false => BinaryOperator::PGLikeMatch,
                };
                like_any(expr, op, pattern)
            }
            Expr::ILike {
                negated,
                any: true,
                expr,
                pattern,
                escape_char: None,
            } => {
                let op = match negated {
                    true => BinaryOperator::PGNotILikeMatch,
                    false => BinaryOperator::PGILikeMatch,
                };
                like_any(expr, op, pattern)
            }
            Expr::Identifier(name) if name.quote_style.is_none() => {
                match name.value.to_lowercase().as_str() {
                    "user" | "current_role" => expression("current_user"),
                    "current_schema" => expression("current_schema()"),
                    "localtimestamp" => expression("CAST(now() AS TIMESTAMP(6))"),
                    "localtime" => expression("CAST(CAST(now() AS TIMESTAMP(6)) AS TIME)"),
                    _ => None,
                }
            }
            Expr::Cast {
                expr: inner,
                data_type,
                ..
            } => {
                if is_whole(data_type)
                    && let Expr::Value(value) = inner.as_ref()
                    && let Some(number) = called::rounded(&value.value)
                {
                    **inner = number;
                }
                literals::cast(inner, data_type)
            }
            Expr::Extract { field, expr, .. } => {
                called::fraction(&field.to_string(), &expr.to_string())
                    .and_then(|seconds| expression(&seconds))
            }
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => expression(&format!("{AT_TIME_ZONE}({time_zone}, {timestamp})")),
            Expr::Substring {
                expr: inner,
                substring_from: Some(from),
                substring_for: None,
                special: false,
                ..
            } if matches!(from.as_ref(), Expr::Value(value) if text_of(&value.value).is_some()) => {
                let from = regex::pattern(from).unwrap_or_else(|| from.as_ref().clone());
                expression(&format!("(regexp_match({inner}, {from}))[1]"))
            }
            Expr::Interval(interval) => literals::written_interval(interval),
            Expr::Value(value) => match &value.value {
                Value::UnicodeStringLiteral(written) => Some(text(written)),
                _ => None,
            },
            Expr::BinaryOp {
                left,
                op: BinaryOperator::PGStartsWith,
                right,
            } => expression(&format!("starts_with({left}, {right})")),
            Expr::BinaryOp { left, op, right } => match (left.as_ref(), &*op, right.as_ref()) {
                (Expr::Tuple(one), BinaryOperator::Overlaps, Expr::Tuple(other)) => {
                    overlaps::condition(one, other)
                }
                (left, op, right) => match (row_of(left), row_of(right)) {
                    (Some(one), Some(other)) => {
                        rows_compared(&one, op, &other).or_else(|| rows_in_order(&one, op, &other))
                    }
                    _ => regex::matched(left, op, right),
                },
            },
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: inner,
            } => match inner.as_ref() {
                Expr::Interval(interval) => literals::negated(interval),
                // `- - INTERVAL '1 day'`
                Expr::Nested(inner) => match inner.as_ref() {
                    Expr::Interval(interval) => literals::negated(interval),
                    _ => None,
                },
                Expr::BinaryOp { .. } => powers_of_negated(inner),
                _ => None,
            },
            Expr::UnaryOp {
                op: UnaryOperator::BitwiseNot,
                expr: inner,
            } => expression(&format!("(-({inner}) - 1)")),
            Expr::UnaryOp { op, expr: inner } => {
                let function = match op {
                    UnaryOperator::PGSquareRoot => "sqrt",
                    UnaryOperator::PGCubeRoot => "cbrt",
                    UnaryOperator::PGAbs => "abs",
                    _ => return ControlFlow::Continue(()),
                };
                expression(&format!("{function}({inner})"))
            }
            Expr::TypedString(typed) => literals::typed(typed),
            Expr::IsNull(row) => all_of_row(row, "IS NULL"),
            Expr::IsNotNull(row) => all_of_row(row, "IS NOT NULL"),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => elements(right)
                .map(|all| compared(left, compare_op, all, false))
                .or_else(|| given(left, compare_op, right, false)),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => elements(right)
                .map(|all| compared(left, compare_op, all, true))
                .or_else(|| given(left, compare_op, right, true)),
            _ => None,
        };
        if let Some(other) = other {
            *expr = other;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        called::step_of_series(factor);
        if let Some(other) = set_in_from(factor).or_else(|| numbered(factor)) {
            *factor = other;
        }
        name_column(factor);
        ControlFlow::Continue(())
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT, and a parameter there is a whole number.
fn limits(query: &mut Query) {
    if query.limit_clause.is_none()
        && let Some(fetch) = &query.fetch
        && !fetch.with_ties
        && !fetch.percent
    {
        let one = || Expr::Value(Value::Number("1".into(), false).into());
        let limit = Some(fetch.quantity.clone().unwrap_or_else(one));
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit,
            offset: None,
            limit_by: Vec::new(),
        });
        query.fetch = None;
    } else if let Some(LimitClause::LimitOffset { limit, .. }) = &mut query.limit_clause
        && limit.is_none()
        && let Some(fetch) = &query.fetch
        && !fetch.with_ties
        && !fetch.percent
        && fetch.quantity.is_some()
    {
        limit.clone_from(&fetch.quantity);
        query.fetch = None;
    }
    if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
        let counts = limit
            .iter_mut()
            .chain(offset.iter_mut().map(|offset| &mut offset.value));
        for count in counts {
            if let Expr::Value(value) = &*count
                && let Value::Placeholder(name) = &value.value
                && let Some(cast) = expression(&format!("CAST({name} AS BIGINT)"))
            {
                *count = cast;
            }
        }
    }
}

/// `x LIKE ANY (list)`.
fn like_any(expr: &Expr, op: BinaryOperator, list: &Expr) -> Option<Expr> {
    Some(compared(expr, &op, elements(list)?, false))
}

/// The engine knows no other escape than the backslash.
fn other_escape(expr: &Expr, like: &str, pattern: &Expr, escape: &Value) -> Option<Expr> {
    let escape = text_of(escape)?;
    if escape == "\\" {
        return None;
    }
    expression(&format!(
        "{expr} {like} sluice_like_escape({pattern}, {})",
        text(&escape)
    ))
}

/// Rows are equal where all that is in them is: of a NULL among it that is not known.
fn rows_compared(one: &[Expr], op: &BinaryOperator, other: &[Expr]) -> Option<Expr> {
    if one.len() != other.len() {
        return None;
    }
    let joined = match op {
        BinaryOperator::Eq => BinaryOperator::And,
        BinaryOperator::NotEq => BinaryOperator::Or,
        _ => return None,
    };
    let each = one.iter().zip(other).map(|(one, other)| {
        Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(one.clone()),
            op: op.clone(),
            right: Box::new(other.clone()),
        }))
    });
    let all = each.reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: joined.clone(),
        right: Box::new(right),
    })?;
    Some(Expr::Nested(Box::new(all)))
}

/// The values of a row that is written out: `(a, b)` or `ROW(a, b)`.
fn row_of(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Nested(inner) => row_of(inner),
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Function(function)
            if function.over.is_none() && name_of(&function.name).as_deref() == Some("row") =>
        {
            let sluice_sql::ast::FunctionArguments::List(list) = &function.args else {
                return None;
            };
            let values = list.args.iter().map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
                _ => None,
            });
            values.collect()
        }
        _ => None,
    }
}

/// Longer rows are left to the engine: each value is one level deeper.
const LONGEST_ROW: usize = 32;

/// `(a, b) < (c, d)` is `a < c OR (a = c AND b < d)`: the first values that differ decide, and of a NULL before them it is not known.
fn rows_in_order(one: &[Expr], op: &BinaryOperator, other: &[Expr]) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => return None,
    };
    // Each value is asked for twice, which one that is another each time cannot be.
    let mut values = one.iter().chain(other);
    let changes = values.any(|value| value.to_string().to_lowercase().contains("random"));
    if one.len() != other.len() || one.len() > LONGEST_ROW || changes {
        return None;
    }
    let joined = |left: Expr, op: BinaryOperator, right: Expr| {
        Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(left),
            op,
            right: Box::new(right),
        }))
    };
    let mut pairs = one.iter().cloned().zip(other.iter().cloned()).rev();
    let (left, right) = pairs.next()?;
    let last = joined(left, op.clone(), right);
    Some(pairs.fold(last, |rest, (left, right)| {
        let same = joined(left.clone(), BinaryOperator::Eq, right.clone());
        let then = joined(same, BinaryOperator::And, rest);
        let first = joined(left, strict.clone(), right);
        joined(first, BinaryOperator::Or, then)
    }))
}

/// `ROW(a, b) IS NULL` asks it of each value. `None` for what is no row that is written out.
fn all_of_row(row: &Expr, asked: &str) -> Option<Expr> {
    let values: Vec<String> = match row {
        Expr::Nested(inner) => return all_of_row(inner, asked),
        Expr::Tuple(values) => values.iter().map(ToString::to_string).collect(),
        Expr::Function(function)
            if function.over.is_none() && name_of(&function.name).as_deref() == Some("row") =>
        {
            match &function.args {
                sluice_sql::ast::FunctionArguments::List(list) => {
                    list.args.iter().map(ToString::to_string).collect()
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    let each = values.iter().map(|value| format!("(({value}) {asked})"));
    let all = each.collect::<Vec<_>>().join(" AND ");
    match all.is_empty() {
        true => expression("true"),
        false => expression(&format!("({all})")),
    }
}

/// `-2 ^ 2` is `(-2) ^ 2`: the sign binds closer than the power.
fn powers_of_negated(powers: &Expr) -> Option<Expr> {
    let Expr::BinaryOp {
        left,
        op: op @ BinaryOperator::PGExp,
        right,
    } = powers
    else {
        return None;
    };
    let left = powers_of_negated(left).unwrap_or_else(|| {
        Expr::Nested(Box::new(Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: left.clone(),
        }))
    });
    Some(Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: right.clone(),
    })
}

fn is_whole(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int(_)
            | DataType::Integer(_)
            | DataType::Int4(_)
            | DataType::BigInt(_)
            | DataType::Int8(_)
            | DataType::SmallInt(_)
            | DataType::Int2(_)
    )
}

fn of_function(function: &Function) -> Option<Expr> {
    let name = name_of(&function.name)?;
    if INTEGERS.contains(&name.as_str()) && function.over.is_none() {
        return expression(&format!("CAST({function} AS INT)"));
    }
    if name == "user" && matches!(function.args, sluice_sql::ast::FunctionArguments::None) {
        return expression("current_user");
    }
    let arguments = match &function.args {
        sluice_sql::ast::FunctionArguments::List(list) => list
            .args
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        _ => return None,
    };
    if let Some(other) = called::other(&name, function, &arguments) {
        return Some(other);
    }
    let same = match (name.as_str(), arguments.as_slice()) {
        ("clock_timestamp" | "statement_timestamp" | "transaction_timestamp", []) => "now()".into(),
        ("gen_random_uuid", []) => "sluice_uuid(uuid())".into(),
        ("age", [time]) => format!("age(CAST(current_date AS TIMESTAMP), {time})"),
        ("every", _) => {
            let mut every = function.clone();
            every.name = ObjectName::from(vec![Ident::new("bool_and")]);
            every.to_string()
        }
        _ => format!("unnest({})", set_of(&name, &arguments)?),
    };
    expression(&same)
}

/// The array that has the rows of a set-returning function.
fn set_of(name: &str, arguments: &[String]) -> Option<String> {
    let all = arguments.join(", ");
    match (name, arguments) {
        ("generate_series", [_, _] | [_, _, _]) => Some(format!("generate_series({all})")),
        ("generate_subscripts", [array, dimension, ..]) => Some(format!(
            "generate_series(1, CAST(array_length({array}, {dimension}) AS BIGINT))"
        )),
        ("regexp_matches", _) => Some(format!("sluice_regexp_matches({all})")),
        ("regexp_split_to_table", _) => Some(format!("regexp_split_to_array({all})")),
        ("string_to_table", _) => Some(format!("string_to_array({all})")),
        ("json_array_elements" | "jsonb_array_elements", _) => {
            Some(format!("sluice_json_elements({all})"))
        }
        ("json_array_elements_text" | "jsonb_array_elements_text", _) => {
            Some(format!("sluice_json_elements_text({all})"))
        }
        ("json_object_keys" | "jsonb_object_keys", _) => Some(format!("sluice_json_keys({all})")),
        _ => None,
    }
}

/// A function that splits a text, in FROM.
fn set_in_from(factor: &TableFactor) -> Option<TableFactor> {
    let (name, arguments, alias, ordinality) = match factor {
        TableFactor::Table {
            name,
            alias,
            args: Some(arguments),
            with_ordinality,
            ..
        } => (name, &arguments.args, alias, with_ordinality),
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            ..
        } => (name, args, alias, with_ordinality),
        _ => return None,
    };
    let name = name_of(name)?;
    let known =
        ["regexp_matches", "regexp_split_to_table", "string_to_table"].contains(&name.as_str());
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    if !known && !name.starts_with("json") {
        return one_in_from(&name, &arguments, alias.as_ref(), *ordinality);
    }
    if let Some(each) = Each::of(&name, &arguments) {
        return match ordinality {
            true => None,
            false => each.in_from(&name, alias.as_ref()),
        };
    }
    if !*ordinality && let Some(records) = records_in_from(&name, &arguments, alias.as_ref()) {
        return Some(records);
    }
    let unnest = TableFactor::UNNEST {
        alias: Some(alias.clone().unwrap_or_else(|| {
            let column = if name.contains("elements") {
                "value"
            } else {
                &name
            };
            alias_of(&name, &[column])
        })),
        array_exprs: vec![expression(&set_of(&name, &arguments)?)?],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: *ordinality,
    };
    Some(numbered(&unnest).unwrap_or(unnest))
}

/// `jsonb_to_recordset(x) AS t (a INT, b TEXT)` and its like: members of each object as columns of these types.
fn records_in_from(
    name: &str,
    arguments: &[String],
    alias: Option<&TableAlias>,
) -> Option<TableFactor> {
    let ([given], Some(alias)) = (arguments, alias) else {
        return None;
    };
    let objects = match name {
        "json_to_record" | "jsonb_to_record" => {
            format!("(SELECT {given} AS sluice_object) AS sluice_objects")
        }
        "json_to_recordset" | "jsonb_to_recordset" => format!(
            "UNNEST({}) AS sluice_objects (sluice_object)",
            set_of("json_array_elements", arguments)?
        ),
        _ => return None,
    };
    let members = alias.columns.iter().map(|column| {
        let key = match column.name.quote_style {
            Some(_) => column.name.value.clone(),
            None => column.name.value.to_lowercase(),
        };
        let operator = match column.data_type.as_ref()? {
            // What is in a list is no text of a list.
            DataType::Array(_) => return None,
            DataType::JSON | DataType::JSONB => "->",
            _ => "->>",
        };
        let (key, name, data_type) = (text(&key), &column.name, column.data_type.as_ref()?);
        Some(format!(
            "CAST((sluice_object {operator} {key}) AS {data_type}) AS {name}"
        ))
    });
    let members: Vec<String> = members.collect::<Option<_>>()?;
    if members.is_empty() {
        return None;
    }
    let query = format!("SELECT {} FROM {objects}", members.join(", "));
    let Statement::Query(subquery) = statement_of(&query)? else {
        return None;
    };
    Some(TableFactor::Derived {
        lateral: false,
        subquery,
        alias: Some(TableAlias {
            columns: Vec::new(),
            ..alias.clone()
        }),
        sample: None,
    })
}

/// `jsonb_each(x)` and its like: the lists of an object's names and values.
pub(super) struct Each {
    keys: String,
    values: String,
    /// What gives a value its type.
    typed: Option<&'static str>,
}

impl Each {
    pub(super) fn of(name: &str, arguments: &[String]) -> Option<Self> {
        let [object] = arguments else {
            return None;
        };
        let (values, typed) = match name {
            "json_each" => ("sluice_json_each_values", Some("sluice_json")),
            "jsonb_each" => ("sluice_json_each_values", Some("sluice_jsonb")),
            "json_each_text" | "jsonb_each_text" => ("sluice_json_each_texts", None),
            _ => return None,
        };
        Some(Self {
            keys: format!("sluice_json_each_keys({object}, '{name}')"),
            values: format!("{values}({object}, '{name}')"),
            typed,
        })
    }

    /// Each name with its value, as a relation.
    fn in_from(&self, name: &str, alias: Option<&TableAlias>) -> Option<TableFactor> {
        let (keys, values) = (&self.keys, &self.values);
        let value = self.typed("value");
        let query = format!(
            "SELECT \"key\", {value} AS \"value\" FROM UNNEST({keys}, {values}) AS sluice_each (\"key\", \"value\")"
        );
        let Statement::Query(subquery) = statement_of(&query)? else {
            return None;
        };
        let mut alias = alias.cloned().unwrap_or_else(|| alias_of(name, &[]));
        if let [only] = alias.columns.as_slice() {
            alias.columns = vec![only.clone(), TableAliasColumnDef::from_name("value")];
        }
        Some(TableFactor::Derived {
            lateral: false,
            subquery,
            alias: Some(alias),
            sample: None,
        })
    }

    /// A value by its type.
    fn typed(&self, value: &str) -> String {
        match self.typed {
            Some(function) => format!("{function}({value})"),
            None => value.to_owned(),
        }
    }
}

/// Functions in FROM that are tables, or become some elsewhere.
const TABLES: [&str; 14] = [
    "tumble",
    "hop",
    "session",
    "cumulate",
    "unnest",
    "generate_series",
    "generate_subscripts",
    "range",
    "pg_get_keywords",
    "pg_get_publication_tables",
    "pg_options_to_table",
    "aclexplode",
    "pg_show_all_settings",
    "pg_timezone_names",
];

/// A function of one value, in FROM: a row of it. Its column has the name that the function goes by.
fn one_in_from(
    name: &str,
    arguments: &[String],
    alias: Option<&TableAlias>,
    ordinality: bool,
) -> Option<TableFactor> {
    let made = arguments.iter().all(|argument| {
        // What names a row beside it is left, and refused.
        expression(argument).is_some_and(|argument| !names_something(&argument))
    });
    if ordinality || !made || TABLES.contains(&name) {
        return None;
    }
    let mut alias = match alias {
        Some(alias) => alias.clone(),
        None => alias_of(name, &[]),
    };
    if alias.columns.is_empty() {
        let column = TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        };
        alias.columns.push(column);
    }
    let call = format!("SELECT {name}({})", arguments.join(", "));
    let Statement::Query(subquery) = statement_of(&call)? else {
        return None;
    };
    Some(TableFactor::Derived {
        lateral: false,
        subquery,
        alias: Some(alias),
        sample: None,
    })
}

/// Whether a column stands in it.
fn names_something(expr: &Expr) -> bool {
    use sluice_sql::ast::{Visit, Visitor};
    struct Names;
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Names).is_break()
}

/// `… WITH ORDINALITY AS t (x, n)` as a subquery that numbers its rows.
fn numbered(factor: &TableFactor) -> Option<TableFactor> {
    let mut inner = factor.clone();
    let (alias, ordinality, name) = match &mut inner {
        TableFactor::UNNEST {
            alias,
            with_ordinality,
            ..
        } => (alias, with_ordinality, "unnest".to_owned()),
        TableFactor::Function {
            name,
            alias,
            with_ordinality,
            ..
        }
        | TableFactor::Table {
            name,
            alias,
            with_ordinality,
            args: Some(_),
            ..
        } => {
            let name = name_of(name)?;
            (alias, with_ordinality, name)
        }
        _ => return None,
    };
    if !*ordinality {
        return None;
    }
    *ordinality = false;
    let outer = alias
        .take()
        .unwrap_or_else(|| alias_of(&name, &[&name, "ordinality"]));
    *alias = Some(alias_of("numbered", &["value"]));
    let query = format!(
        "SELECT numbered.value, CAST(row_number() OVER () AS BIGINT) AS ordinality FROM {inner}"
    );
    let sluice_sql::Statement::Sql(statement) = sluice_sql::parse(&query).ok()?.pop()?.statement
    else {
        return None;
    };
    let Statement::Query(subquery) = *statement else {
        return None;
    };
    let columns = match outer.columns.as_slice() {
        [] => alias_of(&outer.name.value, &[&outer.name.value, "ordinality"]).columns,
        [one] => vec![one.clone(), TableAliasColumnDef::from_name("ordinality")],
        all => all.to_vec(),
    };
    Some(TableFactor::Derived {
        lateral: false,
        subquery,
        alias: Some(TableAlias { columns, ..outer }),
        sample: None,
    })
}

/// The one column of a function in FROM has the name that the function goes by there.
fn name_column(factor: &mut TableFactor) {
    let (name, alias) = match factor {
        TableFactor::UNNEST {
            alias, array_exprs, ..
        } if array_exprs.len() == 1 => ("unnest".to_owned(), alias),
        TableFactor::Table {
            name,
            alias,
            args: Some(_),
            ..
        }
        | TableFactor::Function { name, alias, .. } => match name_of(name) {
            Some(name) if name == "generate_series" => (name, alias),
            _ => return,
        },
        _ => return,
    };
    let alias = alias.get_or_insert_with(|| alias_of(&name, &[]));
    if alias.columns.is_empty() {
        let column = TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        };
        alias.columns.push(column);
    }
}

fn alias_of(name: &str, columns: &[&str]) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::new(name),
        columns: columns
            .iter()
            .map(|column| TableAliasColumnDef::from_name(*column))
            .collect(),
        at: None,
    }
}

/// SIMILAR TO as the regular expression that PostgreSQL makes of its pattern; of one that is no literal a function makes it.
fn similar(
    negated: bool,
    expr: &Expr,
    pattern: &Expr,
    escape: Option<&sluice_sql::ast::ValueWithSpan>,
) -> Option<Expr> {
    let written = match pattern {
        Expr::Value(value) => text_of(&value.value),
        _ => None,
    };
    let letter = match escape.map(|escape| &escape.value) {
        None => Some(Some('\\')),
        Some(escape) => text_of(escape).map(|escape| escape.chars().next()),
    };
    let right = match (written, letter) {
        (Some(written), Some(letter)) => text(&similar_to_regex(&written, letter)),
        _ => {
            let escape = escape.map_or_else(|| "'\\'".to_owned(), ToString::to_string);
            expression(&format!(
                "sluice_similar(CAST({pattern} AS TEXT), {escape})"
            ))?
        }
    };
    Some(Expr::BinaryOp {
        left: Box::new(expr.clone()),
        op: match negated {
            true => BinaryOperator::PGRegexNotMatch,
            false => BinaryOperator::PGRegexMatch,
        },
        right: Box::new(right),
    })
}

/// What `similar_to_escape` gives: the whole text has to match, `%` and `_` are any letters and any one, and what SQL does not make special
/// is not.
pub(super) fn similar_to_regex(pattern: &str, escape: Option<char>) -> String {
    let mut regex = String::from("^(?s:");
    let mut letters = pattern.chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            if let Some(literal) = letters.next() {
                regex.push('\\');
                regex.push(literal);
            }
            continue;
        }
        match letter {
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            _ if in_class => {
                if letter == '\\' {
                    regex.push('\\');
                }
                regex.push(letter);
            }
            '[' => {
                in_class = true;
                regex.push('[');
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                regex.push('\\');
                regex.push(letter);
            }
            _ => regex.push(letter),
        }
    }
    regex.push_str(")$");
    regex
}

/// `x = ANY ($1)` and `x <> ALL ($1)`.
fn given(left: &Expr, op: &BinaryOperator, list: &Expr, all: bool) -> Option<Expr> {
    let Expr::Value(value) = list else {
        return None;
    };
    let Value::Placeholder(name) = &value.value else {
        return None;
    };
    match (op, all) {
        (BinaryOperator::Eq, false) => expression(&format!("{ANY}({left}, {name})")),
        (BinaryOperator::NotEq, true) => expression(&format!("NOT {ANY}({left}, {name})")),
        _ => None,
    }
}

/// The elements of a list that is written out: `ARRAY[…]`, or `'{…}'` without quotes inside.
fn elements(list: &Expr) -> Option<Vec<Expr>> {
    match list {
        Expr::Array(array) => Some(array.elem.clone()),
        Expr::Nested(inner) => elements(inner),
        Expr::Cast {
            expr,
            data_type: sluice_sql::ast::DataType::Array(_),
            ..
        } => elements(expr),
        Expr::Value(value) => {
            let written = text_of(&value.value)?;
            let inside = written.trim().strip_prefix('{')?.strip_suffix('}')?;
            if inside.contains(['"', '\\', '{']) {
                return None;
            }
            let parts = inside
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Some(
                parts
                    .map(|part| match part.eq_ignore_ascii_case("null") {
                        true => Expr::Value(Value::Null.into()),
                        false => text(part),
                    })
                    .collect(),
            )
        }
        _ => None,
    }
}

/// `x op ANY (list)` and `x op ALL (list)`.
fn compared(left: &Expr, op: &BinaryOperator, list: Vec<Expr>, all: bool) -> Expr {
    match (op, all) {
        (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true) if !list.is_empty() => {
            return Expr::InList {
                expr: Box::new(left.clone()),
                list,
                negated: all,
            };
        }
        _ => {}
    }
    let (joined, nothing) = match all {
        true => (BinaryOperator::And, true),
        false => (BinaryOperator::Or, false),
    };
    let each = list.into_iter().map(|element| {
        let compared = Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: op.clone(),
            right: Box::new(element),
        };
        Expr::Nested(Box::new(compared))
    });
    let nothing = || Expr::Value(Value::Boolean(nothing).into());
    Expr::Nested(Box::new(
        balanced(each.collect(), &joined).unwrap_or_else(nothing),
    ))
}

/// The conditions joined two by two: a chain of thousands would be deeper than a thread's stack.
fn balanced(mut each: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    while each.len() > 1 {
        let mut rest = each.into_iter();
        each = Vec::with_capacity(rest.len().div_ceil(2));
        while let Some(left) = rest.next() {
            each.push(match rest.next() {
                None => left,
                Some(right) => Expr::Nested(Box::new(Expr::BinaryOp {
                    left: Box::new(left),
                    op: op.clone(),
                    right: Box::new(right),
                })),
            });
        }
    }
    each.pop()
}

fn name_of(name: &ObjectName) -> Option<String> {
    let last = name.0.last().and_then(ObjectNamePart::as_ident)?;
    Some(last.value.to_lowercase())
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
        _ => None,
    }
}

fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).into())
}

/// A statement of our own words.
fn statement_of(text: &str) -> Option<Statement> {
    match sluice_sql::parse(text).ok()?.pop()?.statement {
        sluice_sql::Statement::Sql(statement) => Some(*statement),
        _ => None,
    }
}

/// The body of a query of our own words.
fn body_of(text: &str) -> Option<Box<SetExpr>> {
    match statement_of(text)? {
        Statement::Query(query) => Some(query.body),
        _ => None,
    }
}

/// An expression of our own words.
pub(super) fn expression(text: &str) -> Option<Expr> {
    match *body_of(&format!("SELECT {text}"))? {
        SetExpr::Select(select) => {
            let Select { mut projection, .. } = *select;
            match projection.pop()? {
                SelectItem::UnnamedExpr(expr) => Some(expr),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
