//! Expressions into columns: which type may be assigned to which, as PostgreSQL has it, and the conversions that does.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    functions::math::expr_fn::round,
    logical_expr::{
        Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection, Values,
        expr::{Cast, Placeholder},
    },
    scalar::ScalarValue,
};

use crate::{
    error::{Error, Result, SqlState},
    execute::engine_error,
    write::{column_error, declared_as},
};

#[cfg(test)]
mod tests;

/// The plan with its columns from `skip` on in the types of `fields`, one each and in their order, under their names.
pub(crate) fn into_columns(
    plan: LogicalPlan,
    skip: usize,
    fields: &[FieldRef],
) -> Result<LogicalPlan> {
    let plan = with_typed_parameters(plan, skip, fields)?;
    let given = plan.schema().fields().len().saturating_sub(skip);
    check_width(given, fields.len())?;
    // Of a column of a UNION the engine says the type of the first arm until it has the whole plan.
    let any_union = plan
        .exists(|node| Ok(matches!(node, LogicalPlan::Union(_))))
        .map_err(engine_error)?;
    // What each is made of: a literal; anything that the engine may still give another type, which it does when it has the whole plan.
    let made_of: Vec<(bool, bool)> = match top(&plan) {
        Some(exprs) => exprs
            .iter()
            .map(|expr| (is_literal(expr), any_union || !is_column(expr)))
            .collect(),
        None => Vec::new(),
    };
    let schema = Arc::clone(plan.schema());
    let mut exprs = Vec::with_capacity(skip + fields.len());
    for (place, (qualifier, field)) in schema.iter().enumerate() {
        let expr = Expr::Column(Column::from((qualifier, field)));
        let Some(wanted) = place.checked_sub(skip).and_then(|place| fields.get(place)) else {
            exprs.push(expr);
            continue;
        };
        let (literal, computed) = made_of.get(place).copied().unwrap_or((false, true));
        let expr = match computed && field.data_type() == wanted.data_type() {
            true => Expr::Cast(Cast::new(Box::new(expr), wanted.data_type().clone())),
            false => assigned(expr, field.data_type(), literal, wanted, &schema)?,
        };
        exprs.push(expr.alias(wanted.name()));
    }
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(engine_error)
}

/// `INSERT has more expressions than target columns`, and the other way round.
pub(super) fn check_width(given: usize, wanted: usize) -> Result<()> {
    let more = |what: &str, than: &str| {
        Error::user(
            SqlState::SyntaxError,
            format!("INSERT has more {what} than {than}"),
        )
    };
    match given.cmp(&wanted) {
        std::cmp::Ordering::Greater => Err(more("expressions", "target columns")),
        std::cmp::Ordering::Less => Err(more("target columns", "expressions")),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// All columns of the table out of a plan that gives those at `places`; the others are null.
pub(super) fn spread(
    plan: LogicalPlan,
    places: &[usize],
    table: &SchemaRef,
) -> Result<LogicalPlan> {
    let given = Arc::clone(plan.schema());
    let exprs = table.fields().iter().enumerate().map(|(place, field)| {
        let at = places.iter().position(|known| *known == place);
        let expr = match at {
            Some(at) => Expr::Column(Column::from(given.qualified_field(at))),
            None => Expr::Literal(
                ScalarValue::try_from(field.data_type()).map_err(engine_error)?,
                None,
            ),
        };
        Ok(expr.alias(field.name()))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(engine_error)
}

/// An expression as a column's value.
fn assigned(
    expr: Expr,
    given: &DataType,
    literal: bool,
    wanted: &Field,
    schema: &DFSchema,
) -> Result<Expr> {
    let to = wanted.data_type();
    if given == to {
        return Ok(expr);
    }
    let refused = || column_error(wanted.name(), to, given);
    if !assignable(given, to, literal) {
        return Err(refused());
    }
    let expr = match rounds(given, to) {
        true => round(vec![expr]),
        false => expr,
    };
    expr.cast_to(to, schema).map_err(|_| refused())
}

/// PostgreSQL rounds where the engine cuts off.
fn rounds(from: &DataType, to: &DataType) -> bool {
    (from.is_floating() || from.is_decimal()) && to.is_integer()
}

/// Whether a value of one type may be assigned to a column of another. A literal in quotes has any type that it can be read as.
pub(crate) fn assignable(from: &DataType, to: &DataType, literal: bool) -> bool {
    use DataType as D;
    let text = |data_type: &D| matches!(data_type, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    let bytes = |data_type: &D| {
        matches!(
            data_type,
            D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_)
        )
    };
    let day = |data_type: &D| matches!(data_type, D::Date32 | D::Date64 | D::Timestamp(..));
    match (from, to) {
        (D::Null, _) => true,
        (D::Dictionary(_, value), to) => assignable(value, to, literal),
        (from, to) if text(from) => text(to) || literal,
        // Everything has a text.
        (from, to) if text(to) => !bytes(from),
        (from, to) if from.is_numeric() => to.is_numeric(),
        (from, to) if day(from) => day(to),
        (from, to) if bytes(from) => bytes(to),
        (
            D::List(from) | D::LargeList(from) | D::FixedSizeList(from, _),
            D::List(to) | D::LargeList(to),
        ) => assignable(from.data_type(), to.data_type(), literal),
        (D::Struct(from), D::Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| assignable(from.data_type(), to.data_type(), literal))
        }
        (D::Map(..), D::Map(..)) => true,
        (from, to) => from == to,
    }
}

/// The expressions that a plan gives, where it is a projection at heart.
fn top(plan: &LogicalPlan) -> Option<&[Expr]> {
    match plan {
        LogicalPlan::Projection(projection) => Some(&projection.expr),
        LogicalPlan::Limit(limit) => top(&limit.input),
        LogicalPlan::Sort(sort) => top(&sort.input),
        _ => None,
    }
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_column(&alias.expr),
        Expr::Column(_) => true,
        _ => false,
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        // A parameter's cast is the column's own.
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Placeholder(_)),
        Expr::Alias(alias) => is_literal(&alias.expr),
        // Branches of literals: each of them may be of any type.
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().map(|(_, then)| then);
            let mut branches = branches.chain(&case.else_expr);
            branches.all(|branch| is_literal(branch))
        }
        // The text of a list is one of texts by now.
        Expr::ScalarFunction(call) if call.name() == "make_array" => {
            call.args.iter().all(is_literal)
        }
        Expr::Literal(..) | Expr::Placeholder(_) => true,
        _ => false,
    }
}

/// A parameter that is a column's value has the column's type, unless something else tells; and so has a time in quotes.
fn with_typed_parameters(
    plan: LogicalPlan,
    skip: usize,
    fields: &[FieldRef],
) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = plan else {
        return Ok(plan);
    };
    let Projection { expr, input, .. } = projection;
    let exprs = expr.into_iter().enumerate().map(|(place, expr)| {
        let wanted = place.checked_sub(skip).and_then(|place| fields.get(place));
        match wanted {
            Some(wanted) => parameter(expr, wanted),
            None => expr,
        }
    });
    Projection::try_new(exprs.collect(), input)
        .map(LogicalPlan::Projection)
        .map_err(engine_error)
}

fn parameter(expr: Expr, wanted: &FieldRef) -> Expr {
    match expr {
        Expr::Alias(mut alias) => {
            alias.expr = Box::new(parameter(*alias.expr, wanted));
            Expr::Alias(alias)
        }
        Expr::Case(mut case) => {
            for (_, then) in &mut case.when_then_expr {
                **then = parameter(then.as_ref().clone(), wanted);
            }
            if let Some(other) = &mut case.else_expr {
                **other = parameter(other.as_ref().clone(), wanted);
            }
            Expr::Case(case)
        }
        // The cast says which type it has where the client does not, and brings the client's type to the column's where it does.
        Expr::Placeholder(Placeholder { id, field: None }) => {
            // It is told as what the column is declared as.
            let field = declared_as(wanted).map(|_| Arc::clone(wanted));
            let placeholder = Expr::Placeholder(Placeholder { id, field });
            Expr::Cast(Cast::new(Box::new(placeholder), wanted.data_type().clone()))
        }
        // Where the literal itself is cast, it is read as PostgreSQL reads a time.
        Expr::Literal(ScalarValue::Utf8(Some(_)), _) if wanted.data_type().is_temporal() => {
            Expr::Cast(Cast::new(Box::new(expr), wanted.data_type().clone()))
        }
        other => other,
    }
}

/// Looks at the cells of a VALUES list, which the engine has cast to the columns' types already: refuses what may not be assigned, and
/// rounds what is to be rounded.
pub(super) fn checked_values(plan: LogicalPlan, fields: &[FieldRef]) -> Result<LogicalPlan> {
    let nothing = DFSchema::empty();
    let mut refused = None;
    let plan = plan
        .transform_down(|plan| match plan {
            LogicalPlan::Values(Values { schema, mut values }) if refused.is_none() => {
                let several = values.len() > 1;
                for row in &mut values {
                    for (cell, field) in row.iter_mut().zip(fields) {
                        match cell_of(cell.clone(), field, &nothing) {
                            Ok(checked) if several => *cell = unmarked(checked, &nothing),
                            Ok(checked) => *cell = checked,
                            Err(error) => refused = Some(error),
                        }
                    }
                }
                // That a column takes no NULL is said by what writes, which knows its name and the row.
                let schema = Arc::new(nullable(&schema)?);
                Ok(Transformed::yes(LogicalPlan::Values(Values {
                    schema,
                    values,
                })))
            }
            other => Ok(Transformed::no(other)),
        })
        .map_err(engine_error)?;
    if let Some(error) = refused {
        return Err(error);
    }
    let known = plan
        .data
        .transform_up(|plan| plan.recompute_schema().map(Transformed::yes));
    Ok(known.map_err(engine_error)?.data)
}

/// A cell without the mark of a type that its text carries: when the values of parameters are known, the engine wants the cells of all rows to
/// be alike. A parameter keeps its mark until then, by which it is told.
fn unmarked(cell: Expr, nothing: &DFSchema) -> Expr {
    let is_parameter = match &cell {
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Placeholder(_)),
        other => matches!(other, Expr::Placeholder(_)),
    };
    match cell.to_field(nothing) {
        Ok((_, given)) if !is_parameter && !given.metadata().is_empty() => {
            // A cast to a field that has a name gives what is known of that field, and nothing else.
            let bare = Field::new("value", given.data_type().clone(), true);
            Expr::Cast(Cast::new_from_field(Box::new(cell), Arc::new(bare)))
        }
        _ => cell,
    }
}

/// The schema of rows that may have NULL anywhere.
fn nullable(schema: &DFSchema) -> datafusion::error::Result<DFSchema> {
    let fields = schema.iter().map(|(qualifier, field)| {
        let field = field.as_ref().clone().with_nullable(true);
        (qualifier.cloned(), Arc::new(field))
    });
    DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())
}

fn cell_of(cell: Expr, field: &FieldRef, nothing: &DFSchema) -> Result<Expr> {
    let mut cast = match cell {
        Expr::Cast(cast) => cast,
        Expr::Placeholder(placeholder) => {
            let cell = Box::new(Expr::Placeholder(placeholder));
            return Ok(Expr::Cast(Cast::new(cell, field.data_type().clone())));
        }
        other => return Ok(other),
    };
    let given = cast.expr.get_type(nothing).map_err(engine_error)?;
    if !assignable(&given, field.data_type(), is_literal(&cast.expr)) {
        return Err(column_error(field.name(), field.data_type(), &given));
    }
    if rounds(&given, field.data_type()) {
        cast.expr = Box::new(round(vec![*cast.expr]));
    }
    Ok(Expr::Cast(cast))
}
