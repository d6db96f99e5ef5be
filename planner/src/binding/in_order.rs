//! Conditions in the order they are written in, where that decides: of `x <> 0 AND y / x > 2` the second must not fail for rows that the
//! first sorts out.
//!
//! The engine looks at both for all rows of a batch, which is fast and nearly always right. Only where that fails are conditions looked at
//! one after another, each for the rows that those before it have not decided, and what fails then is the statement's own fault. Where
//! one of them does something (`usename = 'ann' AND pg_cancel_backend(pid)`) they are from the start.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::kernels::boolean::{and_kleene, or_kleene},
    datatypes::{DataType, FieldRef, Schema},
};
use datafusion::{
    common::{
        cast::as_boolean_array,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    config::ConfigOptions,
    error::Result,
    logical_expr::{ColumnarValue, Operator},
    physical_expr::{
        PhysicalExpr,
        expressions::{
            BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
        },
    },
    physical_expr_common::physical_expr::is_volatile,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        filter::{FilterExec, FilterExecBuilder},
        projection::{ProjectionExec, ProjectionExpr},
    },
};

/// Puts conditions that may fail in order.
#[derive(Debug)]
pub(crate) struct ConditionsInOrder;

impl PhysicalOptimizerRule for ConditionsInOrder {
    fn name(&self) -> &str {
        "ConditionsInOrder"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let done = plan.transform_up(|plan| {
            if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                let predicate = ordered_filter(filter.predicate())?;
                if !predicate.transformed {
                    return Ok(Transformed::no(plan));
                }
                let filter = FilterExecBuilder::from(filter).with_predicate(predicate.data);
                return Ok(Transformed::yes(Arc::new(filter.build()?)));
            }
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                let mut changed = false;
                let mut exprs = Vec::with_capacity(projection.expr().len());
                for shown in projection.expr() {
                    let expr = ordered(Arc::clone(&shown.expr))?;
                    changed |= expr.transformed;
                    exprs.push(ProjectionExpr::new(expr.data, shown.alias.clone()));
                }
                if changed {
                    let input = Arc::clone(projection.input());
                    let projection = ProjectionExec::try_new(exprs, input)?;
                    return Ok(Transformed::yes(Arc::new(projection)));
                }
            }
            Ok(Transformed::no(plan))
        });
        Ok(done?.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Conditions joined by AND, or by OR.
#[derive(Debug)]
struct InOrder {
    operator: Operator,
    decided: Decided,
    /// As the engine looks at them.
    together: Arc<dyn PhysicalExpr>,
    /// One by one, each in order itself.
    conditions: Vec<Arc<dyn PhysicalExpr>>,
}

/// When the conditions behind have nothing to say of a row any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    /// When what was found is the value of all.
    ByValue,
    /// When the row is left away: a NULL does so as well as a false.
    ByFilter,
}

/// A filter's conditions in order; those that do something last, for the engine puts a filter of a subquery's rows before the subquery's
/// own.
fn ordered_filter(predicate: &Arc<dyn PhysicalExpr>) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    match InOrder::of(predicate)? {
        Some(mut chain) if chain.operator == Operator::And => {
            chain.decided = Decided::ByFilter;
            chain.conditions.sort_by_key(is_volatile);
            Ok(Transformed::yes(Arc::new(chain)))
        }
        _ => ordered(Arc::clone(predicate)),
    }
}

/// The expression with chains of AND and OR in order, where one of their conditions may fail.
fn ordered(expr: Arc<dyn PhysicalExpr>) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    expr.transform_down(|expr| match InOrder::of(&expr)? {
        Some(chain) => Ok(Transformed::new(
            Arc::new(chain),
            true,
            TreeNodeRecursion::Jump,
        )),
        None => Ok(Transformed::no(expr)),
    })
}

impl InOrder {
    fn of(expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Self>> {
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else {
            return Ok(None);
        };
        let operator = *binary.op();
        if !matches!(operator, Operator::And | Operator::Or) {
            return Ok(None);
        }
        let mut conditions = Vec::new();
        flatten(expr, operator, &mut conditions);
        let order_matters =
            conditions.iter().skip(1).any(may_fail) || conditions.iter().any(is_volatile);
        if !order_matters {
            return Ok(None);
        }
        let conditions = conditions
            .into_iter()
            .map(|condition| ordered(condition).map(|condition| condition.data));
        Ok(Some(Self {
            operator,
            decided: Decided::ByValue,
            together: Arc::clone(expr),
            conditions: conditions.collect::<Result<_>>()?,
        }))
    }

    fn one_by_one(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut found: Option<BooleanArray> = None;
        for condition in &self.conditions {
            let next = match &found {
                None => condition.evaluate(batch)?,
                Some(found) => condition.evaluate_selection(batch, &self.undecided(found))?,
            };
            let next = next.into_array(rows)?;
            let next = as_boolean_array(&next)?;
            found = Some(match (found, self.operator) {
                (None, _) => next.clone(),
                (Some(found), Operator::And) => and_kleene(&found, next)?,
                (Some(found), _) => or_kleene(&found, next)?,
            });
        }
        match found {
            Some(found) => Ok(ColumnarValue::Array(Arc::new(found))),
            None => self.together.evaluate(batch),
        }
    }

    /// The rows for which the conditions behind say something.
    fn undecided(&self, found: &BooleanArray) -> BooleanArray {
        let decides = self.operator == Operator::Or;
        let undecided = |value: Option<bool>| match self.decided {
            Decided::ByValue => value != Some(decides),
            Decided::ByFilter => value == Some(true),
        };
        found.iter().map(|value| Some(undecided(value))).collect()
    }
}

fn flatten(
    expr: &Arc<dyn PhysicalExpr>,
    operator: Operator,
    conditions: &mut Vec<Arc<dyn PhysicalExpr>>,
) {
    match expr.downcast_ref::<BinaryExpr>() {
        Some(binary) if *binary.op() == operator => {
            flatten(binary.left(), operator, conditions);
            flatten(binary.right(), operator, conditions);
        }
        _ => conditions.push(Arc::clone(expr)),
    }
}

/// Whether it may fail for some row: comparisons of columns do not.
fn may_fail(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let found = expr.exists(|expr| {
        let binary = expr.downcast_ref::<BinaryExpr>();
        let safe = match binary.map(BinaryExpr::op) {
            Some(Operator::And | Operator::Or) => true,
            Some(operator) => operator.supports_propagation(),
            None => {
                expr.is::<Column>()
                    || expr.is::<Literal>()
                    || expr.is::<NotExpr>()
                    || expr.is::<IsNullExpr>()
                    || expr.is::<IsNotNullExpr>()
                    || expr.is::<InListExpr>()
                    || expr.is::<LikeExpr>()
            }
        };
        Ok(!safe)
    });
    found.unwrap_or(true)
}

impl PhysicalExpr for InOrder {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.together.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.together.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if is_volatile(&self.together) {
            return self.one_by_one(batch);
        }
        self.together
            .evaluate(batch)
            .or_else(|_| self.one_by_one(batch))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.together]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match (children.into_iter().next(), self.decided) {
            (Some(together), Decided::ByValue) => Ok(ordered(together)?.data),
            (Some(together), Decided::ByFilter) => Ok(ordered_filter(&together)?.data),
            (None, _) => Ok(self),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.together.fmt_sql(f)
    }
}

impl fmt::Display for InOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.together.fmt(f)
    }
}

/// All of it follows from the conditions together.
impl PartialEq for InOrder {
    fn eq(&self, other: &Self) -> bool {
        self.together.eq(&other.together)
    }
}

impl Eq for InOrder {}

impl Hash for InOrder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.together.hash(state);
    }
}
