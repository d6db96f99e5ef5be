//! `WITH (sketches = true)`: beside its results a table keeps the sketches that they were told from.
//!
//! The query's last aggregation makes sketches in place of the answers, and the answers are estimates of them: nothing is aggregated
//! twice, percentiles of the same values share one sketch, and the answers are what they would have been without, to the bit. From there
//! the sketches are carried up as columns of their own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use arrow::datatypes::DataType;
use datafusion::{
    common::Column,
    logical_expr::{
        Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, Projection, SubqueryAlias,
        expr::AggregateFunction,
    },
};

use crate::{
    error::{PlanError, PlanErrorKind, Result},
    functions::{ApproxPercentile, sketches as functions},
};

#[cfg(test)]
mod tests;

/// What a column's sketch is called: the column's name and this.
const SUFFIX: &str = "__sketch";
/// What it is called on its way.
const ON_ITS_WAY: &str = "__sluice_sketch_";

/// The plan with a sketch, as a last column, for every column that is told from one.
pub fn keep_sketches(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let kept = carry(plan)?.ok_or_else(nothing_to_keep)?;
    let columns = plan.schema().columns();
    let mut exprs: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
    let mut named = BTreeSet::new();
    for column in &columns {
        let of: Vec<usize> = kept.told_from(column).into_iter().collect();
        let sketch = match of.as_slice() {
            [] => continue,
            [sketch] => *sketch,
            _ => return Err(several(&column.name)),
        };
        if !named.insert(sketch) {
            continue;
        }
        let name = format!("{}{SUFFIX}", column.name);
        if columns.iter().any(|column| column.name == name) {
            return Err(PlanError::new(
                PlanErrorKind::DuplicateColumn,
                format!(
                    "column \"{name}\" is selected, and is what the sketch of \"{}\" is called",
                    column.name
                ),
            )
            .hint("give the column another name with AS"));
        }
        let carried = kept
            .sketches
            .get(sketch)
            .ok_or_else(|| PlanError::internal("a sketch was lost in the plan"))?;
        exprs.push(Expr::Column(carried.clone()).alias(name));
    }
    if named.is_empty() {
        return Err(nothing_to_keep());
    }
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(kept.plan),
    )?))
}

fn nothing_to_keep() -> PlanError {
    PlanError::invalid("sketches = true, and no column of the query has a sketch")
        .detail("sketches are of approx_percentile and approx_distinct, as columns of the query's last aggregation")
        .hint("select one, approx_percentile(value, 0.95) AS p95, or leave the option out")
}

fn several(column: &str) -> PlanError {
    PlanError::invalid(format!(
        "column \"{column}\" is computed from several sketches, and can keep none of them"
    ))
    .hint("select each aggregate as a column of its own in a subquery, and compute when reading the table")
}

/// A plan with sketches.
struct Kept {
    plan: LogicalPlan,
    /// What each sketch is called in the plan's output.
    sketches: Vec<Column>,
    /// Which sketches a column of the output is told from.
    told_from: HashMap<Column, BTreeSet<usize>>,
}

impl Kept {
    fn told_from(&self, column: &Column) -> BTreeSet<usize> {
        self.told_from.get(column).cloned().unwrap_or_default()
    }

    /// The sketches that an expression over the output is told from.
    fn told_by(&self, expr: &Expr) -> BTreeSet<usize> {
        let columns = expr.column_refs();
        columns
            .into_iter()
            .flat_map(|column| self.told_from(column))
            .collect()
    }
}

/// The plan with sketches from its last aggregation up; `None` where there is none to make.
fn carry(plan: &LogicalPlan) -> Result<Option<Kept>> {
    let below = match plan {
        LogicalPlan::Aggregate(aggregate) => return sketched(aggregate),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_) => match plan.inputs().as_slice() {
            [input] => carry(input)?,
            _ => None,
        },
        _ => None,
    };
    let Some(below) = below else {
        return Ok(None);
    };
    Ok(Some(match plan {
        LogicalPlan::Projection(projection) => {
            let told = projection
                .schema
                .columns()
                .into_iter()
                .zip(&projection.expr)
                .map(|(column, expr)| (column, below.told_by(expr)))
                .collect();
            let mut exprs = projection.expr.clone();
            exprs.extend(below.sketches.iter().cloned().map(Expr::Column));
            let plan = Projection::try_new(exprs, Arc::new(below.plan))?;
            Kept {
                plan: LogicalPlan::Projection(plan),
                sketches: below.sketches,
                told_from: told,
            }
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let renamed = |column: Column| Column::new(Some(alias.alias.clone()), column.name);
            let plan = SubqueryAlias::try_new(Arc::new(below.plan), alias.alias.clone())?;
            Kept {
                plan: LogicalPlan::SubqueryAlias(plan),
                sketches: below.sketches.into_iter().map(renamed).collect(),
                told_from: below
                    .told_from
                    .into_iter()
                    .map(|(column, told)| (renamed(column), told))
                    .collect(),
            }
        }
        // What OVER makes of several results is told from no one sketch.
        other => Kept {
            plan: other.with_new_exprs(other.expressions(), vec![below.plan])?,
            sketches: below.sketches,
            told_from: below.told_from,
        },
    }))
}

/// What an aggregate becomes.
struct Sketched {
    /// The aggregate that makes the sketch.
    sketch: Expr,
    /// The answer, from the sketch; `None` where only the aggregate itself tells it.
    answer: Option<Box<dyn Fn(Expr) -> Expr>>,
}

/// The aggregation with sketches, under a projection that gives what it gave, and the sketches.
fn sketched(aggregate: &Aggregate) -> Result<Option<Kept>> {
    let mut aggregates: Vec<Expr> = Vec::new();
    let mut sketches: Vec<Expr> = Vec::new();
    let mut told_from = HashMap::new();
    let columns = aggregate.schema.columns();
    let groups = columns.len().saturating_sub(aggregate.aggr_expr.len());
    let (groups, results) = columns.split_at_checked(groups).unwrap_or_default();
    let mut exprs: Vec<Expr> = groups.iter().cloned().map(Expr::Column).collect();
    for (expr, column) in aggregate.aggr_expr.iter().zip(results) {
        let Some(sketched) = sketch_of(expr, &aggregate.input)? else {
            aggregates.push(expr.clone());
            exprs.push(Expr::Column(column.clone()));
            continue;
        };
        let at = match sketches.iter().position(|known| *known == sketched.sketch) {
            Some(at) => at,
            None => {
                sketches.push(sketched.sketch);
                sketches.len() - 1
            }
        };
        told_from.insert(column.clone(), BTreeSet::from([at]));
        exprs.push(match sketched.answer {
            Some(answer) => {
                let answer = answer(Expr::Column(on_its_way(at)));
                answer.alias_qualified(column.relation.clone(), &column.name)
            }
            None => {
                aggregates.push(expr.clone());
                Expr::Column(column.clone())
            }
        });
    }
    if sketches.is_empty() {
        return Ok(None);
    }
    let carried: Vec<Column> = (0..sketches.len()).map(on_its_way).collect();
    for (sketch, column) in sketches.into_iter().zip(&carried) {
        aggregates.push(sketch.alias(&column.name));
        exprs.push(Expr::Column(column.clone()));
    }
    let (input, groups) = (Arc::clone(&aggregate.input), aggregate.group_expr.clone());
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(input, groups, aggregates)?);
    Ok(Some(Kept {
        plan: LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?),
        sketches: carried,
        told_from,
    }))
}

fn on_its_way(sketch: usize) -> Column {
    Column::new_unqualified(format!("{ON_ITS_WAY}{sketch}"))
}

/// The sketch that an aggregate's answer can be told from.
fn sketch_of(expr: &Expr, input: &LogicalPlan) -> Result<Option<Sketched>> {
    let Expr::AggregateFunction(call) = expr.clone().unalias() else {
        return Ok(None);
    };
    let params = &call.params;
    if params.distinct || !params.order_by.is_empty() || params.null_treatment.is_some() {
        return Ok(None);
    }
    let estimate_percentile = |asked: &Expr| -> Option<Box<dyn Fn(Expr) -> Expr>> {
        let asked = asked.clone();
        Some(Box::new(move |sketch| {
            functions::percentile_estimate().call(vec![sketch, asked.clone()])
        }))
    };
    let with = |function: AggregateUDF, args: Vec<Expr>| {
        let mut sketch: AggregateFunction = call.clone();
        sketch.func = Arc::new(function);
        sketch.params.args = args;
        Expr::AggregateFunction(sketch)
    };
    let is_ours = call.func.inner().is::<ApproxPercentile>();
    Ok(match (call.func.name(), params.args.as_slice()) {
        (_, [value, asked, accuracy @ ..]) if is_ours => {
            let mut args = vec![value.clone()];
            args.extend(accuracy.iter().cloned());
            Some(Sketched {
                sketch: with(functions::percentile_sketch(), args),
                answer: estimate_percentile(asked),
            })
        }
        ("approx_percentile_merge", [sketch, asked]) => Some(Sketched {
            sketch: with(functions::sketch_merge(), vec![sketch.clone()]),
            answer: estimate_percentile(asked),
        }),
        ("approx_distinct_merge", [sketch]) => Some(Sketched {
            sketch: with(functions::sketch_merge(), vec![sketch.clone()]),
            // Of no sketches it is 0, and not NULL.
            answer: None,
        }),
        ("approx_distinct", [value]) => Some(Sketched {
            sketch: with(functions::distinct_sketch(), vec![value.clone()]),
            answer: match value.get_type(input.schema().as_ref())? {
                // The engine counts these exactly.
                DataType::Boolean
                | DataType::Int8
                | DataType::Int16
                | DataType::UInt8
                | DataType::UInt16 => None,
                _ => Some(Box::new(|sketch| {
                    functions::distinct_estimate().call(vec![sketch])
                })),
            },
        }),
        _ => None,
    })
}
