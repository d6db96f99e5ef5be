//! Types and values of a statement's parameters, so that its columns can be described before the values are known.
//!
//! Hard here: the engine wants the arguments of a table function (`generate_series(1, $1)`) as constants when it plans. So a statement
//! with a parameter there is described with some value in its place and planned anew when the value is known; the value goes into the syntax
//! tree as a literal, never into the text.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use arrow::datatypes::{DataType, Field};
use datafusion::{
    common::{
        DFSchema,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Values,
        binary::type_union_resolution,
        expr::{Placeholder, ScalarFunction},
        utils::merge_schema,
    },
    scalar::ScalarValue,
};
use sluice_sql::ast::{
    self, BinaryOperator, CastKind, TableFactor, Value, Visit, VisitMut, VisitorMut,
};

use crate::{
    dialect::LIST_TEST,
    doors::pg::{OID_ALIAS, TYPE},
};

/// Types by number, from 1.
pub(super) type Types = BTreeMap<usize, Option<DataType>>;

/// The plan with every `$n` given a type: what the client said (`hints`), else what the plan itself tells, else text, as PostgreSQL has
/// it; and what was said or told, by position. `elsewhere` has the types of parameters that the plan does not show.
///
/// A client's numeric gives way to a floating-point type that the plan asks for: numbers are sent as numerics by drivers that have no
/// better type for them, and the engine would compare in decimals, which have no NaN.
pub(super) fn typed(
    plan: LogicalPlan,
    hints: &[Option<DataType>],
    elsewhere: &Types,
) -> Result<(LogicalPlan, Vec<Option<DataType>>)> {
    let mut inferred = inferred(&plan)?;
    for (number, known) in elsewhere {
        let entry = inferred.entry(*number).or_default();
        if entry.is_none() {
            entry.clone_from(known);
        }
    }
    let Some((highest, _)) = inferred.last_key_value() else {
        return Ok((plan, Vec::new()));
    };
    let types: Vec<Option<DataType>> = (1..=*highest)
        .map(|number| {
            let known = inferred.get(&number).cloned().flatten();
            let hint = hints.get(number - 1).cloned().flatten();
            match (hint, known) {
                (Some(hint), Some(known)) if hint.is_decimal() && known.is_floating() => {
                    Some(known)
                }
                (Some(hint), _) => Some(hint),
                (None, known) => known.filter(|known| *known != DataType::Null),
            }
        })
        .collect();
    let typed = plan.transform_up_with_subqueries(|node| {
        let below = merge_schema(&node.inputs());
        let node = node.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::ScalarFunction(call) if call.name() == LIST_TEST => {
                    let call = Expr::ScalarFunction(list_marked(call, &below));
                    Ok(Transformed::yes(call))
                }
                Expr::Placeholder(Placeholder { id, field }) => {
                    let known = number(&id).and_then(|number| types.get(number - 1));
                    let data_type = known.cloned().flatten().unwrap_or(DataType::Utf8);
                    let mark = field.as_deref().and_then(mark).map(str::to_owned);
                    let mark = mark.map(|mark| (TYPE.to_owned(), mark));
                    let field = Field::new(id.clone(), data_type, true);
                    let field = Some(field.with_metadata(mark.into_iter().collect()).into());
                    Ok(Transformed::yes(Expr::Placeholder(Placeholder {
                        id,
                        field,
                    })))
                }
                other => Ok(Transformed::no(other)),
            })
        })?;
        node.map_data(|plan| match plan {
            LogicalPlan::Values(values) if is_open(&values) => {
                LogicalPlanBuilder::values(values.values)?.build()
            }
            plan => plan.recompute_schema(),
        })
    })?;
    Ok((typed.data, types))
}

/// Whether a column of VALUES was of no type while its parameters had none.
fn is_open(values: &Values) -> bool {
    let columns = values.schema.fields().iter().enumerate();
    let mut untyped = columns.filter(|(_, field)| field.data_type().is_null());
    untyped.any(|(at, _)| {
        let mut cells = values.values.iter().filter_map(|row| row.get(at));
        cells.any(|cell| matches!(cell, Expr::Placeholder(_)))
    })
}

/// `x = ANY ($1)`, the list marked as one of what the text of `x` carries.
fn list_marked(mut call: ScalarFunction, below: &DFSchema) -> ScalarFunction {
    if let [value, Expr::Placeholder(placeholder)] = call.args.as_mut_slice()
        && let Ok((_, field)) = value.to_field(below)
        && let Some(element) = mark(&field)
        && let Some(list) = placeholder.field.as_deref()
    {
        let mark = [(TYPE.to_owned(), format!("{element}[]"))];
        placeholder.field = Some(list.clone().with_metadata(mark.into()).into());
    }
    call
}

/// Parameters of a typed plan that are texts which carry another type of PostgreSQL's, by number: those beside a column that is declared so.
pub(crate) fn carried(plan: &LogicalPlan) -> BTreeMap<usize, String> {
    let mut carried = BTreeMap::new();
    let walked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder { id, field }) = expr
                    && let Some(number) = number(id)
                    && let Some(mark) = field.as_deref().and_then(mark)
                {
                    carried.insert(number, mark.to_owned());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    // Nothing in it fails.
    drop(walked);
    carried
}

/// The type that a field's text carries, where a driver has another form for its values.
fn mark(field: &Field) -> Option<&str> {
    let mark = field.metadata().get(TYPE)?.as_str();
    let element = mark.strip_suffix("[]").unwrap_or(mark);
    ["uuid", "json", "jsonb"].contains(&element).then_some(mark)
}

/// As [`typed`], for a plan that shows all its parameters.
pub(crate) fn typed_plan(
    plan: LogicalPlan,
    hints: &[Option<DataType>],
) -> crate::error::Result<(LogicalPlan, Vec<Option<DataType>>)> {
    typed(plan, hints, &Types::new()).map_err(crate::execute::engine_error)
}

/// The types that the plan tells: the planner's own, those of casts (`$1::bigint`), and those of what a parameter stands beside (branches of a
/// CASE, arguments of COALESCE, arms of a UNION). A parameter used twice may be known at one place.
fn inferred(plan: &LogicalPlan) -> Result<Types> {
    let mut types = Types::new();
    plan.apply_with_subqueries(|node| {
        let below = merge_schema(&node.inputs());
        if let LogicalPlan::Union(union) = node {
            in_arms(&union.inputs, &mut types);
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                for arms in beside(expr) {
                    of_one_type(&arms, &below, &mut types);
                }
                let list;
                let (placeholder, told) = match expr {
                    // `x = ANY ($1)`: the parameter is a list of such.
                    Expr::ScalarFunction(call) if call.name() == LIST_TEST => {
                        let [value, Expr::Placeholder(placeholder)] = call.args.as_slice() else {
                            return Ok(TreeNodeRecursion::Continue);
                        };
                        let (_, field) = value.to_field(&below)?;
                        // Of OIDs, as drivers know them: unsigned.
                        let item = match field.metadata().contains_key(OID_ALIAS) {
                            true => DataType::UInt32,
                            false => field.data_type().clone(),
                        };
                        let item = Field::new_list_field(item, true);
                        list = Field::new("", DataType::List(item.into()), true).into();
                        (placeholder, Some(&list))
                    }
                    // A number, or two integers.
                    Expr::ScalarFunction(call) if call.name().contains("_advisory_") => {
                        for argument in &call.args {
                            if let Expr::Placeholder(placeholder) = argument
                                && let Some(number) = number(&placeholder.id)
                            {
                                let known = types.entry(number).or_default();
                                if known.is_none() {
                                    *known = Some(match call.args.len() {
                                        2 => DataType::Int32,
                                        _ => DataType::Int64,
                                    });
                                }
                            }
                        }
                        return Ok(TreeNodeRecursion::Continue);
                    }
                    Expr::Placeholder(placeholder) => (placeholder, placeholder.field.as_ref()),
                    Expr::Cast(cast) => match cast.expr.as_ref() {
                        Expr::Placeholder(placeholder) => (placeholder, Some(&cast.field)),
                        _ => return Ok(TreeNodeRecursion::Continue),
                    },
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                if let Some(number) = number(&placeholder.id) {
                    let known = types.entry(number).or_default();
                    if known.is_none() {
                        *known = told.map(|field| field.data_type().clone());
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}

/// What of an expression is of one type.
fn beside(expr: &Expr) -> Vec<Vec<&Expr>> {
    match expr {
        Expr::Case(case) => {
            let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            let mut all = vec![thens.chain(case.else_expr.as_deref()).collect()];
            if let Some(base) = &case.expr {
                let whens = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
                all.extend(whens.map(|when| vec![base.as_ref(), when]));
            }
            all
        }
        Expr::ScalarFunction(call) => match call.name() {
            "coalesce" | "nullif" | "greatest" | "least" | "make_array" => {
                vec![call.args.iter().collect()]
            }
            _ => Vec::new(),
        },
        // The engine knows the other way round: a parameter in the list, or as a bound.
        Expr::InList(list) if open(&list.expr).is_some() => {
            let list = std::iter::once(list.expr.as_ref()).chain(&list.list);
            vec![list.collect()]
        }
        Expr::Between(between) if open(&between.expr).is_some() => {
            let (low, high) = (between.low.as_ref(), between.high.as_ref());
            vec![vec![between.expr.as_ref(), low, high]]
        }
        _ => Vec::new(),
    }
}

/// The number of a parameter that has no type yet.
fn open(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => open(&alias.expr),
        Expr::Placeholder(Placeholder { id, field: None }) => number(id),
        _ => None,
    }
}

/// Gives parameters among the arms the type that the others have together.
fn of_one_type(arms: &[&Expr], below: &DFSchema, types: &mut Types) {
    let parameters: Vec<usize> = arms.iter().filter_map(|arm| open(arm)).collect();
    if parameters.is_empty() {
        return;
    }
    let others = arms.iter().filter(|arm| open(arm).is_none());
    let others = others.filter_map(|arm| arm.get_type(below).ok());
    tell(&parameters, others.collect(), types);
}

/// The same of the columns of a UNION.
fn in_arms(inputs: &[Arc<LogicalPlan>], types: &mut Types) {
    let width = inputs
        .first()
        .map_or(0, |input| input.schema().fields().len());
    for place in 0..width {
        let (mut parameters, mut others) = (Vec::new(), Vec::new());
        for input in inputs {
            let parameter = match input.as_ref() {
                LogicalPlan::Projection(projection) => projection.expr.get(place).and_then(open),
                _ => None,
            };
            match (parameter, input.schema().fields().get(place)) {
                (Some(number), _) => parameters.push(number),
                (None, Some(field)) => others.push(field.data_type().clone()),
                (None, None) => {}
            }
        }
        if !parameters.is_empty() {
            tell(&parameters, others, types);
        }
    }
}

fn tell(parameters: &[usize], mut others: Vec<DataType>, types: &mut Types) {
    others.retain(|data_type| !data_type.is_null());
    let Some(known) = type_union_resolution(&others) else {
        return;
    };
    for number in parameters {
        let entry = types.entry(*number).or_default();
        if entry.is_none() {
            *entry = Some(known.clone());
        }
    }
}

/// The statement with the parameters that the client named as intervals cast to that where they are added or taken away; `None` where there
/// are none. Of such a parameter the engine would have it that it is of the type of what stands beside it, and add two moments.
pub(super) fn spanned(
    statement: &ast::Statement,
    hints: &[Option<DataType>],
) -> Option<ast::Statement> {
    let named = |number: usize| {
        let hint = number.checked_sub(1).and_then(|at| hints.get(at));
        matches!(hint, Some(Some(DataType::Interval(_))))
    };
    if !(1..=hints.len()).any(named) {
        return None;
    }
    let mut statement = statement.clone();
    cast_to_spans(&mut statement, &|number, _| named(number)).then_some(statement)
}

/// The same for parameters that nobody named and that are added: a moment takes nothing else. Whether there are any.
pub(super) fn open_spans(statement: &mut ast::Statement, hints: &[Option<DataType>]) -> bool {
    cast_to_spans(statement, &|number, op| {
        let hint = number.checked_sub(1).and_then(|at| hints.get(at));
        *op == BinaryOperator::Plus && !matches!(hint, Some(Some(_)))
    })
}

/// Which parameters are intervals, by their numbers and what is done with them.
type AreSpans<'a> = dyn Fn(usize, &BinaryOperator) -> bool + 'a;

fn cast_to_spans(statement: &mut ast::Statement, are: &AreSpans<'_>) -> bool {
    let mut spans = Spans { are, any: false };
    let _ = statement.visit(&mut spans);
    spans.any
}

struct Spans<'a, 'b> {
    are: &'a AreSpans<'b>,
    any: bool,
}

impl VisitorMut for Spans<'_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        let ast::Expr::BinaryOp { left, op, right } = expr else {
            return ControlFlow::Continue(());
        };
        if !matches!(op, BinaryOperator::Plus | BinaryOperator::Minus) {
            return ControlFlow::Continue(());
        }
        let op = &*op;
        for side in [left, right] {
            let is_span = match &**side {
                ast::Expr::Value(value) => match &value.value {
                    Value::Placeholder(id) => number(id).is_some_and(|n| (self.are)(n, op)),
                    _ => false,
                },
                _ => false,
            };
            if is_span {
                self.any = true;
                **side = ast::Expr::Cast {
                    kind: CastKind::Cast,
                    expr: side.clone(),
                    data_type: ast::DataType::Interval {
                        fields: None,
                        precision: None,
                    },
                    array: false,
                    format: None,
                };
            }
        }
        ControlFlow::Continue(())
    }
}

/// The highest number of a parameter in a statement.
pub(super) fn highest(statement: &ast::Statement) -> usize {
    let mut highest = Highest(0);
    let _ = statement.visit(&mut highest);
    highest.0
}

struct Highest(usize);

impl ast::Visitor for Highest {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ast::ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(id) = &value.value {
            self.0 = self.0.max(number(id).unwrap_or(0));
        }
        ControlFlow::Continue(())
    }
}

/// The number of `$n`.
fn number(id: &str) -> Option<usize> {
    id.strip_prefix('$')?.parse().ok().filter(|n| *n > 0)
}

/// Puts some value of its type for every parameter among the arguments of a table function; gives the types, none when there are no such
/// parameters.
pub(super) fn blank_in_table_functions(
    statement: &mut ast::Statement,
    hints: &[Option<DataType>],
) -> Types {
    let mut types = Types::new();
    let mut note = |number: usize, cast: Option<&ast::DataType>| {
        let hint = hints.get(number - 1).cloned().flatten();
        let cast = cast.and_then(|cast| sluice_planner::arrow_type(cast).ok());
        // What table functions take is whole numbers, unless somebody says otherwise.
        let data_type = hint.or(cast).unwrap_or(DataType::Int64);
        let value = match &data_type {
            DataType::Timestamp(..) | DataType::Date32 => "1970-01-01".to_owned(),
            DataType::Interval(_) => "1 day".to_owned(),
            _ => "1".to_owned(),
        };
        types.entry(number).or_insert(Some(data_type.clone()));
        Some(match data_type.is_numeric() {
            true => Value::Number(value, false),
            false => Value::SingleQuotedString(value),
        })
    };
    let _ = statement.visit(&mut InTableFunctions(&mut note));
    types
}

/// Puts the values for them.
pub(super) fn fill_in_table_functions(statement: &mut ast::Statement, values: &[ScalarValue]) {
    let mut value = |number: usize, _: Option<&ast::DataType>| {
        let value = values.get(number - 1)?;
        Some(match value {
            value if value.is_null() => Value::Null,
            value if value.data_type().is_numeric() => Value::Number(value.to_string(), false),
            value => Value::SingleQuotedString(value.to_string()),
        })
    };
    let _ = statement.visit(&mut InTableFunctions(&mut value));
}

/// What stands for parameter `number`, given the type it is cast to.
type Replacement<'a> = dyn FnMut(usize, Option<&ast::DataType>) -> Option<Value> + 'a;

/// Finds the arguments of table functions.
struct InTableFunctions<'a, 'b>(&'a mut Replacement<'b>);

impl VisitorMut for InTableFunctions<'_, '_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let mut replace = Replace(self.0);
        match factor {
            TableFactor::Table {
                args: Some(args), ..
            } => args.visit(&mut replace),
            TableFactor::Function { args, .. } => args.visit(&mut replace),
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Replace<'a, 'b>(&'a mut Replacement<'b>);

impl VisitorMut for Replace<'_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        let (place, cast) = match expr {
            ast::Expr::Cast {
                expr, data_type, ..
            } => (expr.as_mut(), Some(&*data_type)),
            other => (other, None),
        };
        if let ast::Expr::Value(value) = place
            && let Value::Placeholder(id) = &value.value
            && let Some(replacement) = number(id).and_then(|number| (self.0)(number, cast))
        {
            value.value = replacement;
        }
        ControlFlow::Continue(())
    }
}
