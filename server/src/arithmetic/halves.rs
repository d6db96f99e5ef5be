//! `round(x)` of a `double precision`: a half goes to the even number, where the engine rounds it away from zero, as a `numeric` is.
//!
//! Hard here: fractions that are written out are `numeric` in PostgreSQL and doubles in the engine, so the type alone does not tell. What
//! counts is what a number is made of: a column or a cast of floating type makes it a double there, literals and averages of whole numbers do not.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray},
    datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type},
};
use datafusion::{
    common::{
        Column, DFSchema, Result,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        ColumnarValue, Distinct, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs,
        ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        WindowFunctionDefinition, expr::ScalarFunction,
    },
    scalar::ScalarValue,
};

use crate::{error::Error, table::external};

/// The function that rounds a half to the even number.
pub(crate) const ROUND_EVEN: &str = "sluice_round_even";

/// That function.
pub(crate) fn round_even() -> ScalarUDF {
    ScalarUDF::from(RoundEven {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

/// What lies below a plan that rounds; nothing for one that does not.
pub(super) fn below(plan: &LogicalPlan) -> Result<Vec<LogicalPlan>> {
    let mut rounds = false;
    plan.apply_expressions(|expr| {
        rounds |= expr.exists(|expr| Ok(rounded(expr).is_some()))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(match rounds {
        true => plan.inputs().into_iter().cloned().collect(),
        false => Vec::new(),
    })
}

/// What a call rounds to a whole number.
fn rounded(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if call.name() == "round" => match call.args.as_slice() {
            [number] => Some(number),
            _ => None,
        },
        _ => None,
    }
}

/// The call that rounds as PostgreSQL does; `None` where the engine's own does.
pub(super) fn of(expr: &Expr, schema: &DFSchema, below: &[LogicalPlan]) -> Option<Expr> {
    let number = rounded(expr)?;
    let floating = number
        .get_type(schema)
        .is_ok_and(|data_type| data_type.is_floating());
    if !floating || !(is_cast(number) || is_double(number, below)) {
        return None;
    }
    let call = ScalarFunction::new_udf(round_even().into(), vec![number.clone()]);
    Some(Expr::ScalarFunction(call))
}

/// Whether a number as a whole was cast: the engine casts operands and arguments alone by itself.
fn is_cast(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_cast(&alias.expr),
        Expr::Cast(cast) => cast.field.data_type().is_floating(),
        _ => false,
    }
}

/// Whether a number of floating type is a `double precision` in PostgreSQL.
fn is_double(expr: &Expr, below: &[LogicalPlan]) -> bool {
    let any = |exprs: &[Expr]| exprs.iter().any(|expr| is_double(expr, below));
    match expr {
        Expr::Literal(..) => false,
        Expr::Alias(alias) => is_double(&alias.expr, below),
        Expr::Negative(inner) => is_double(inner, below),
        Expr::Column(column) => is_double_column(column, below),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            // The engine casts what is no fraction yet; a fraction is cast by who wrote it.
            Expr::Literal(ScalarValue::Float64(_) | ScalarValue::Utf8(_), _) => true,
            inner => is_double(inner, below),
        },
        Expr::BinaryExpr(binary) => {
            is_double(&binary.left, below) || is_double(&binary.right, below)
        }
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().map(|(_, then)| then);
            let mut branches = branches.chain(&case.else_expr);
            branches.any(|branch| is_double(branch, below))
        }
        Expr::ScalarFunction(call) => match call.name() {
            // A numeric has these too, and what becomes of it is one.
            "abs" | "ceil" | "floor" | "round" | "trunc" | "signum" | "sqrt" | "cbrt" | "exp"
            | "ln" | "log" | "log10" | "log2" | "power" | "coalesce" | "nullif" | "greatest"
            | "least" | "in_domain" | "checked_add" | "checked_subtract" | "checked_multiply"
            | "checked_divide" => any(&call.args),
            // What EXTRACT gives is a numeric.
            "date_part" => false,
            _ => true,
        },
        Expr::AggregateFunction(call) => {
            is_double_aggregate(call.func.name(), || any(&call.params.args))
        }
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => {
                is_double_aggregate(function.name(), || any(&call.params.args))
            }
            WindowFunctionDefinition::WindowUDF(function) => match function.name() {
                "percent_rank" | "cume_dist" => true,
                _ => any(&call.params.args),
            },
        },
        Expr::ScalarSubquery(query) => is_double_at(&query.subquery, 0),
        _ => true,
    }
}

fn is_double_aggregate(name: &str, of_arguments: impl FnOnce() -> bool) -> bool {
    match name {
        "percentile_cont" | "corr" => true,
        name if name.starts_with("regr_") => true,
        _ => of_arguments(),
    }
}

fn is_double_column(column: &Column, below: &[LogicalPlan]) -> bool {
    let found = below.iter().find_map(|plan| {
        let place = plan.schema().maybe_index_of_column(column)?;
        Some((plan, place))
    });
    match found {
        Some((plan, place)) => is_double_at(plan, place),
        // A table's own.
        None => true,
    }
}

/// The same of what a plan gives at this place.
fn is_double_at(plan: &LogicalPlan, place: usize) -> bool {
    let floating = |plan: &LogicalPlan| {
        let field = plan.schema().fields().get(place);
        field.is_some_and(|field| field.data_type().is_floating())
    };
    if !floating(plan) {
        return false;
    }
    let below: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let made =
        |expr: Option<&Expr>| expr.is_none_or(|expr| is_cast(expr) || is_double(expr, &below));
    match plan {
        LogicalPlan::Projection(projection) => made(projection.expr.get(place)),
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr_len() {
            Ok(groups) if groups == aggregate.group_expr.len() && place < groups => {
                made(aggregate.group_expr.get(place))
            }
            Ok(groups) if place >= groups && groups == aggregate.group_expr.len() => {
                made(aggregate.aggr_expr.get(place - groups))
            }
            _ => true,
        },
        LogicalPlan::Window(window) => {
            let given = window.input.schema().fields().len();
            match place.checked_sub(given) {
                Some(place) => made(window.window_expr.get(place)),
                None => is_double_at(&window.input, place),
            }
        }
        LogicalPlan::Values(values) => {
            let mut cells = values.values.iter().filter_map(|row| row.get(place));
            cells.any(|cell| is_double(cell, &[]))
        }
        LogicalPlan::Union(union) => union.inputs.iter().any(|input| is_double_at(input, place)),
        LogicalPlan::Join(join) => {
            let (left, right) = (join.left.schema(), join.right.schema());
            let both = left.fields().len() + right.fields().len();
            // Of a join that gives the columns of one side alone nothing is told.
            if plan.schema().fields().len() != both {
                return true;
            }
            match place.checked_sub(left.fields().len()) {
                Some(place) => is_double_at(&join.right, place),
                None => is_double_at(&join.left, place),
            }
        }
        LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => match below.as_slice() {
            [input] => is_double_at(input, place),
            _ => true,
        },
        _ => true,
    }
}

/// Rounds to whole numbers, a half to the even one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RoundEven {
    signature: Signature,
}

impl ScalarUDFImpl for RoundEven {
    fn name(&self) -> &str {
        ROUND_EVEN
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match arg_types.first() {
            Some(DataType::Float32) => DataType::Float32,
            _ => DataType::Float64,
        })
    }

    // As the engine's own has it, in whose place it comes.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types = args.arg_fields.iter().map(|field| field.data_type());
        let data_type = self.return_type(&types.cloned().collect::<Vec<_>>())?;
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), data_type, nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let to = args.return_type().clone();
        let [given] = args.args.as_slice() else {
            return Err(external(Error::internal("round has one argument")));
        };
        Ok(match given.cast_to(&to, None)? {
            ColumnarValue::Array(array) => ColumnarValue::Array(evenly(&array)),
            ColumnarValue::Scalar(scalar) => {
                let array = evenly(&scalar.to_array()?);
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
        })
    }
}

fn evenly(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let numbers = array.as_primitive::<Float32Type>();
            Arc::new(numbers.unary::<_, Float32Type>(f32::round_ties_even))
        }
        _ => {
            let numbers = array.as_primitive::<Float64Type>();
            Arc::new(numbers.unary::<_, Float64Type>(f64::round_ties_even))
        }
    }
}
