//! What PostgreSQL calls a column nobody named: `count`, `date_trunc`, `?column?`.
//!
//! The engine would call it by its text (`count(Int64(1))`) and refuses two of one name, where PostgreSQL has any number of `?column?`. So
//! such columns go through the engine under the name plus a mark that makes it unique, and the door cuts the mark off.

use sluice_sql::ast::{
    ArrayElemTypeDef, DataType, Expr, Function, Ident, Query, SelectItem, SetExpr, Statement,
    TrimWhereField, Value,
};

/// Begins the mark. No name a person types has it.
const MARK: char = '\u{1}';

/// The name as the client sees it.
pub(in crate::doors::pg) fn shown(name: &str) -> &str {
    let name = name.split(MARK).next().unwrap_or(name);
    // By this upstream tells a column beside `*` from the same one in it.
    name.strip_prefix("__alias_").unwrap_or(name)
}

/// A name for the `i`th column that no other column has.
pub(super) fn unique(name: &str, i: usize) -> String {
    format!("{name}{MARK}{i}")
}

/// Names the unnamed columns of a query's result.
pub(super) fn keep(mut statement: Statement) -> Statement {
    if let Statement::Query(query) = &mut statement {
        name_columns(query);
    }
    statement
}

fn name_columns(query: &mut Query) {
    name_select(query.body.as_mut());
}

fn name_select(body: &mut SetExpr) {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, right, .. } => {
            name_select(left);
            name_select(right);
            return;
        }
        _ => return,
    };
    // What DISTINCT and GROUP BY compare are the expressions; a new name changes nothing for them.
    for (i, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        let special = |name: &Ident| {
            name.quote_style.is_none()
                && [
                    "user",
                    "current_role",
                    "current_schema",
                    "localtimestamp",
                    "localtime",
                    "xmin",
                    "xmax",
                ]
                .contains(&name.value.to_lowercase().as_str())
        };
        match expr {
            Expr::Identifier(name) if special(name) => {}
            // What takes its place has another name.
            Expr::CompoundIdentifier(names)
                if names.last().is_some_and(|name| {
                    name.quote_style.is_none()
                        && ["xmin", "xmax", "tableoid"]
                            .contains(&name.value.to_lowercase().as_str())
                }) => {}
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => continue,
            _ => {}
        }
        let alias = Ident::with_quote('"', unique(&label(expr), i));
        *item = SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias,
        };
    }
}

/// `FigureColname`: the name of the function, column or type an expression ends in.
pub(super) fn label(expr: &Expr) -> String {
    named(expr).unwrap_or_else(|| "?column?".into())
}

/// Whether the name is that of a type, for want of a better one: a cast outside has a better one.
fn is_of_type(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { expr, .. } => named(expr).is_none() || is_of_type(expr),
        Expr::TypedString(_) | Expr::Interval(_) | Expr::Case { .. } => true,
        Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
        Expr::Nested(expr) | Expr::Collate { expr, .. } => is_of_type(expr),
        _ => false,
    }
}

fn named(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.clone()),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| ident.value.clone()),
        Expr::Function(function) => of_function(function),
        Expr::Cast {
            expr, data_type, ..
        } if is_of_type(expr) => Some(of_type(data_type)),
        Expr::Cast {
            expr, data_type, ..
        } => named(expr).or_else(|| Some(of_type(data_type))),
        Expr::Nested(expr) | Expr::Collate { expr, .. } => named(expr),
        Expr::CompoundFieldAccess { root, .. } => named(root),
        Expr::AtTimeZone { .. } => Some("timezone".into()),
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(named)
            .or_else(|| Some("case".into())),
        Expr::Extract { .. } => Some("extract".into()),
        Expr::Substring { .. } => Some("substring".into()),
        Expr::Trim { trim_where, .. } => Some(
            match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            }
            .into(),
        ),
        Expr::Position { .. } => Some("position".into()),
        Expr::Ceil { .. } => Some("ceil".into()),
        Expr::Floor { .. } => Some("floor".into()),
        Expr::Overlay { .. } => Some("overlay".into()),
        Expr::Exists { .. } => Some("exists".into()),
        Expr::Array(_) => Some("array".into()),
        Expr::Interval(_) => Some("interval".into()),
        Expr::TypedString(typed) => Some(of_type(&typed.data_type)),
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => Some("bool".into()),
            _ => None,
        },
        Expr::Subquery(query) => of_query(query),
        _ => None,
    }
}

fn of_function(function: &Function) -> Option<String> {
    let name = function.name.0.last()?.as_ident()?;
    Some(match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    })
}

fn of_query(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr)] => named(expr),
        [SelectItem::ExprWithAlias { alias, .. }] => Some(alias.value.clone()),
        _ => None,
    }
}

/// PostgreSQL's own name of a type.
fn of_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4".into(),
        DataType::BigInt(_) | DataType::Int8(_) => "int8".into(),
        DataType::SmallInt(_) | DataType::Int2(_) => "int2".into(),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 => "float8".into(),
        DataType::Real | DataType::Float4 => "float4".into(),
        DataType::Numeric(_) | DataType::Decimal(_) => "numeric".into(),
        DataType::Boolean | DataType::Bool => "bool".into(),
        DataType::Varchar(_) | DataType::CharacterVarying(_) => "varchar".into(),
        DataType::Timestamp(_, zone) => {
            let text = zone.to_string().to_lowercase();
            if text.contains("without") || text.is_empty() {
                "timestamp".into()
            } else {
                "timestamptz".into()
            }
        }
        DataType::Interval { .. } => "interval".into(),
        DataType::Char(_) | DataType::Character(_) => "bpchar".into(),
        DataType::Time(_, zone) if zone.to_string().to_lowercase().starts_with("with ") => {
            "timetz".into()
        }
        DataType::Time(..) => "time".into(),
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => of_type(element),
        other => other
            .to_string()
            .to_lowercase()
            .split(['(', '.'])
            .next_back()
            .unwrap_or_default()
            .to_owned(),
    }
}
