//! Columns of a VALUES list: a text in quotes, a NULL or a parameter is of the type that the cell of another row says.
//!
//! The engine wants all rows to be alike, in the type that a text carries (`uuid`, `jsonb`) too.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    ArrayElemTypeDef, CastKind, DataType, Expr, Query, SetExpr, Statement, Value, Values, VisitMut,
    VisitorMut,
};

use super::name_of;

/// Casts such cells of the statement's lists; those of an INSERT are of the types of its columns, and not for this.
pub(in crate::dialect) fn of_one_type(statement: &mut Statement) {
    let _ = statement.visit(&mut Lists);
}

struct Lists;

impl VisitorMut for Lists {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        in_body(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn in_body(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) if values.rows.len() > 1 => in_columns(values),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left);
            in_body(right);
        }
        // A query in brackets is visited by itself.
        _ => {}
    }
}

fn in_columns(values: &mut Values) {
    let width = values.rows.first().map_or(0, |row| row.content.len());
    for place in 0..width {
        let mut cells = values.rows.iter().filter_map(|row| row.content.get(place));
        let Some(data_type) = cells.find_map(told) else {
            continue;
        };
        for row in &mut values.rows {
            if let Some(cell) = row.content.get_mut(place)
                && is_open(cell)
            {
                *cell = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(cell.clone()),
                    data_type: data_type.clone(),
                    array: false,
                    format: None,
                };
            }
        }
    }
}

/// The type that an expression says it has, where a text carries it.
fn told(expr: &Expr) -> Option<DataType> {
    let carried = |data_type: &DataType| is_carried(data_type).then(|| data_type.clone());
    match expr {
        Expr::Nested(inner) => told(inner),
        Expr::Cast { data_type, .. } => carried(data_type),
        Expr::TypedString(typed) => carried(&typed.data_type),
        Expr::Function(function) => match name_of(&function.name)?.as_str() {
            "gen_random_uuid" => Some(DataType::Uuid),
            "to_json" | "row_to_json" | "array_to_json" | "json_build_object"
            | "json_build_array" => Some(DataType::JSON),
            "to_jsonb" | "jsonb_build_object" | "jsonb_build_array" | "jsonb_set"
            | "jsonb_insert" => Some(DataType::JSONB),
            _ => None,
        },
        _ => None,
    }
}

fn is_carried(data_type: &DataType) -> bool {
    match data_type {
        DataType::Uuid | DataType::JSON | DataType::JSONB => true,
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => is_carried(element),
        _ => false,
    }
}

/// Whether it may be of any type yet.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_open(inner),
        Expr::Value(value) => matches!(
            value.value,
            Value::SingleQuotedString(_)
                | Value::EscapedStringLiteral(_)
                | Value::Null
                | Value::Placeholder(_)
        ),
        _ => false,
    }
}
