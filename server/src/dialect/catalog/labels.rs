//! What PostgreSQL calls a column nobody named: `count`, `date_trunc`, `?column?`.
//!
//! The engine would call it by its text (`count(Int64(1))`) and refuses two of one name, where PostgreSQL has any number of `?column?`. So
//! such columns go through the engine under the name plus a mark that makes it unique, and the session cuts the mark off.

mod below;

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{FieldRef, Schema, SchemaRef},
};
use datafusion::{
    common::SchemaError, error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::StreamExt;
use sluice_sql::ast::{
    ArrayElemTypeDef, DataType, Expr, Function, Ident, Query, SelectItem, SetExpr, Statement,
    TrimWhereField, Value,
};

pub(super) use self::below::name_below;
use crate::catalog::fold;

/// Begins the mark. No name a person types has it.
const MARK: char = '\u{1}';

/// The name as the client sees it.
pub(crate) fn shown(name: &str) -> &str {
    let name = name.split(MARK).next().unwrap_or(name);
    // By this upstream tells a column beside `*` from the same one in it.
    name.strip_prefix("__alias_").unwrap_or(name)
}

/// The text of a plan with the marks cut off.
pub(crate) fn without_marks(text: &str) -> String {
    let mut pieces = text.split(MARK);
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown.push_str(piece.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    shown
}

/// The name that the engine looked for in vain because several columns have it, each with a mark.
pub(crate) fn ambiguous(error: &DataFusionError) -> Option<&str> {
    let DataFusionError::SchemaError(inner, _) = error.find_root() else {
        return None;
    };
    let SchemaError::FieldNotFound {
        field,
        valid_fields,
    } = inner.as_ref()
    else {
        return None;
    };
    let meant = valid_fields.iter().filter(|valid| {
        let beside = field.relation.is_none() || field.relation == valid.relation;
        beside && shown(&valid.name) == field.name
    });
    (meant.count() > 1).then_some(field.name.as_str())
}

/// A result's columns under the names that clients see.
pub fn shown_schema(schema: &SchemaRef) -> SchemaRef {
    let as_seen = |field: &FieldRef| shown(field.name()).len() == field.name().len();
    if schema.fields().iter().all(as_seen) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().map(|field| match as_seen(field) {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_name(shown(field.name()))),
    });
    let fields: Vec<FieldRef> = fields.collect();
    let metadata = schema.metadata().clone();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Rows under the names that clients see.
pub fn shown_rows(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let shown = shown_schema(&schema);
    if Arc::ptr_eq(&schema, &shown) {
        return rows;
    }
    let rows = rows.map(|batch| -> datafusion::error::Result<RecordBatch> {
        let batch = batch?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let (schema, columns) = (shown_schema(&batch.schema()), batch.columns().to_vec());
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    });
    Box::pin(RecordBatchStreamAdapter::new(shown, rows))
}

/// A name for the `i`th column that no other column has.
pub(super) fn unique(name: &str, i: usize) -> String {
    format!("{name}{MARK}{i}")
}

/// Names the unnamed columns of a query's result, and those that have the name of one before them.
pub(super) fn keep(mut statement: Statement) -> Statement {
    if let Statement::Query(query) = &mut statement {
        name_columns(query);
    }
    statement
}

/// Cuts the marks off again, where each column has to have a name of its own anyway; the name that two of them have is the error. The first
/// arm of a set operation has the names.
pub(super) fn settle(body: &mut SetExpr) -> Result<(), String> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, .. } => return settle(left),
        SetExpr::Query(query) => return settle(query.body.as_mut()),
        _ => return Ok(()),
    };
    let mut names = BTreeSet::new();
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            alias.value = shown(&alias.value).to_owned();
            let name = fold(alias);
            if !names.insert(name.clone()) {
                return Err(name);
            }
        }
    }
    Ok(())
}

/// Names that columns have. To the engine two of different relations are different, beside one of no relation they are not.
#[derive(Default)]
struct Seen {
    qualified: BTreeSet<Vec<String>>,
    /// What these end in.
    ends: BTreeSet<String>,
    bare: BTreeSet<String>,
}

impl Seen {
    /// Notes a name; whether the engine takes another column of it.
    fn is_new(&mut self, names: &[Ident]) -> bool {
        let names: Vec<String> = names.iter().map(fold).collect();
        let Some(last) = names.last().cloned() else {
            return true;
        };
        if self.bare.contains(&last) {
            return false;
        }
        if names.len() == 1 {
            return !self.ends.contains(&last) && self.bare.insert(last);
        }
        self.ends.insert(last);
        self.qualified.insert(names)
    }
}

fn marked(name: &str, i: usize) -> Ident {
    Ident::with_quote('"', unique(name, i))
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
        SetExpr::Query(query) => {
            name_columns(query);
            return;
        }
        _ => return,
    };
    // What DISTINCT and GROUP BY compare are the expressions; a new name changes nothing for them.
    let mut seen = Seen::default();
    for (i, item) in select.projection.iter_mut().enumerate() {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) => expr,
            SelectItem::ExprWithAlias { alias, .. } => {
                if !seen.is_new(std::slice::from_ref(alias)) {
                    *alias = marked(&fold(alias), i);
                }
                continue;
            }
            _ => continue,
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
            Expr::Identifier(name) if seen.is_new(std::slice::from_ref(name)) => continue,
            Expr::CompoundIdentifier(names) if seen.is_new(names) => continue,
            _ => {}
        }
        let name = match expr {
            Expr::Identifier(name) => fold(name),
            Expr::CompoundIdentifier(names) => names.last().map(fold).unwrap_or_default(),
            _ => label(expr),
        };
        let alias = marked(&name, i);
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

fn named(expr: &Expr) -> Option<String> {
    found(expr).map(|found| found.name)
}

/// A name, and whether it is one for want of a better one, that of a type say: a cast outside has a better one.
struct Found {
    name: String,
    poor: bool,
}

/// What an expression ends in; looks at each part of it once.
fn found(expr: &Expr) -> Option<Found> {
    let good = |name: String| Some(Found { name, poor: false });
    let poor = |name: String| Some(Found { name, poor: true });
    match expr {
        Expr::Identifier(ident) => good(fold(ident)),
        Expr::CompoundIdentifier(idents) => good(fold(idents.last()?)),
        Expr::Function(function) => good(of_function(function)?),
        Expr::Cast {
            expr, data_type, ..
        } => match found(expr) {
            Some(inside) if !inside.poor => Some(inside),
            _ => poor(of_type(data_type)),
        },
        Expr::Nested(expr) | Expr::Collate { expr, .. } => found(expr),
        Expr::CompoundFieldAccess { root, .. } => good(named(root)?),
        Expr::AtTimeZone { .. } => good("timezone".into()),
        Expr::Case { else_result, .. } => {
            let inside = else_result.as_deref().and_then(named);
            poor(inside.unwrap_or_else(|| "case".into()))
        }
        Expr::Extract { .. } => good("extract".into()),
        Expr::Substring {
            shorthand: true, ..
        } => good("substr".into()),
        Expr::Substring { .. } => good("substring".into()),
        Expr::Trim { trim_where, .. } => good(
            match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            }
            .into(),
        ),
        Expr::Position { .. } => good("position".into()),
        Expr::Ceil { .. } => good("ceil".into()),
        Expr::Floor { .. } => good("floor".into()),
        Expr::Overlay { .. } => good("overlay".into()),
        Expr::Exists { .. } => good("exists".into()),
        Expr::Array(_) => good("array".into()),
        Expr::Interval(_) => poor("interval".into()),
        Expr::TypedString(typed) => poor(of_type(&typed.data_type)),
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => poor("bool".into()),
            _ => None,
        },
        Expr::Subquery(query) => good(of_query(query)?),
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
        [SelectItem::ExprWithAlias { alias, .. }] => Some(fold(alias)),
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

#[cfg(test)]
mod tests;
