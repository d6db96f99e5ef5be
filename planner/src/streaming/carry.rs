//! Carries hidden columns through a plan: each row's origin, the window it is in, and what its session is partitioned by.
//!
//! A late row is found high up in a plan and kept as it came from the stream; a pane's rows are filed by their window wherever the query
//! left that out. So the plan is rebuilt from the cut upwards with the hidden columns appended to every projection on the way.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field};
use datafusion::{
    common::{Column, DFSchema, TableReference, tree_node::TreeNode},
    functions_aggregate::expr_fn::min,
    logical_expr::{
        Aggregate, Expr, ExprSchemable, Extension, Filter, LogicalPlan, LogicalPlanBuilder,
        Projection, SubqueryAlias, Window,
    },
};

use super::within::over_results;

use crate::{
    error::{PlanError, Result},
    logical::{LeafNode, WatermarkNode, WindowNode, lower_to_panes, partition_column, window_type},
    operators::{ROW_COLUMN, WINDOW_COLUMN},
};

/// A plan with hidden columns.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) plan: LogicalPlan,
    /// Each hidden column: its name, and what it is called in the plan's output.
    hidden: Vec<(String, Column)>,
}

impl Carried {
    /// Where a hidden column stands in the plan's output.
    pub(crate) fn index_of(&self, name: &str) -> Result<usize> {
        let column = self.column(name)?;
        let index = self.plan.schema().maybe_index_of_column(column);
        index.ok_or_else(|| lost(name))
    }

    /// The same without the columns that neither are hidden nor are read by these expressions.
    pub(crate) fn reading<'a>(&self, exprs: impl Iterator<Item = &'a Expr>) -> Result<Self> {
        let schema = self.plan.schema();
        let read = exprs.flat_map(Expr::column_refs);
        let hidden = self.hidden.iter().map(|(_, column)| column);
        let place = |column: &Column| schema.maybe_index_of_column(column);
        let mut kept: BTreeSet<usize> = read.filter_map(place).collect();
        kept.extend(hidden.filter_map(place));
        let kept = kept
            .into_iter()
            .map(|index| Expr::Column(Column::from(schema.qualified_field(index))));
        let plan = Projection::try_new(kept.collect(), Arc::new(self.plan.clone()))?;
        Ok(Self {
            plan: LogicalPlan::Projection(plan),
            hidden: self.hidden.clone(),
        })
    }

    /// Whether a row of the leaf may become several.
    pub(crate) fn repeats(&self) -> Result<bool> {
        Ok(self
            .plan
            .exists(|node| Ok(matches!(node, LogicalPlan::Unnest(_))))?)
    }

    /// What a hidden column is called in the plan's output.
    pub(crate) fn column(&self, name: &str) -> Result<&Column> {
        let mut hidden = self.hidden.iter();
        let found = hidden.find(|(hidden, _)| *hidden == name);
        found.map(|(_, column)| column).ok_or_else(|| lost(name))
    }
}

fn lost(name: &str) -> PlanError {
    PlanError::internal(format!("hidden column {name} was lost in the plan"))
}

/// The part of a query below its aggregation, over a leaf in place of the stream's scan.
pub(crate) fn carry_rows(plan: &LogicalPlan) -> Result<Carried> {
    carry(plan, &|node| {
        let LogicalPlan::TableScan(scan) = node else {
            return Ok(None);
        };
        leaf(
            format!("rows of {}", scan.table_name),
            &scan.projected_schema,
            ROW_COLUMN,
            DataType::UInt64,
        )
        .map(Some)
    })
}

/// A whole query without aggregation, over a leaf in place of the stream's scan: each row with its origin, and with its event time where the
/// stream has one.
pub(crate) fn carry_copy(plan: &LogicalPlan) -> Result<Carried> {
    carry(plan, &|node| {
        if let LogicalPlan::Extension(Extension { node }) = node
            && let Some(watermark) = node.as_any().downcast_ref::<WatermarkNode>()
        {
            let time = watermark.time.clone();
            let below = carry_rows(&watermark.input)?;
            let watermark = extension(WatermarkNode {
                input: below.plan,
                time: time.clone(),
                watermark: watermark.watermark.clone(),
            });
            let mut exprs: Vec<Expr> = watermark
                .schema()
                .columns()
                .into_iter()
                .map(Expr::Column)
                .collect();
            let time = time.cast_to(&window_type(), watermark.schema())?;
            exprs.push(time.alias(WINDOW_COLUMN));
            let mut hidden = below.hidden;
            hidden.push((
                WINDOW_COLUMN.to_owned(),
                Column::new_unqualified(WINDOW_COLUMN),
            ));
            let plan = Projection::try_new(exprs, Arc::new(watermark))?;
            return Ok(Some(Carried {
                plan: LogicalPlan::Projection(plan),
                hidden,
            }));
        }
        match node {
            LogicalPlan::TableScan(_) => carry_rows(node).map(Some),
            _ => Ok(None),
        }
    })
}

/// The part of a query above its last windowed aggregation, over a leaf in place of the aggregation; each row with the start of its window.
pub(crate) fn carry_windows(plan: &LogicalPlan) -> Result<Carried> {
    carry(plan, &|node| {
        let Some(aggregate) = windowed(node) else {
            return Ok(None);
        };
        leaf(
            "closed windows".to_owned(),
            &aggregate.schema,
            WINDOW_COLUMN,
            window_type(),
        )
        .map(Some)
    })
}

/// The part of a query between an aggregation and the one below it, over a leaf in place of the lower one.
pub(crate) fn carry_between(plan: &LogicalPlan) -> Result<Carried> {
    carry(plan, &|node| {
        let Some(aggregate) = windowed(node) else {
            return Ok(None);
        };
        let leaf = LeafNode {
            label: "closed windows of the aggregation below".to_owned(),
            schema: Arc::clone(&aggregate.schema),
        };
        Ok(Some(Carried {
            plan: extension(leaf),
            hidden: Vec::new(),
        }))
    })
}

/// The aggregation that a node is, if it is over rows in windows and not over results within one.
fn windowed(node: &LogicalPlan) -> Option<&Aggregate> {
    match node {
        LogicalPlan::Aggregate(aggregate) if !over_results(&aggregate.input) => Some(aggregate),
        _ => None,
    }
}

fn leaf(
    label: String,
    schema: &DFSchema,
    hidden: &'static str,
    hidden_type: DataType,
) -> Result<Carried> {
    if let Some(taken) = schema.fields().iter().find(|field| field.name() == hidden) {
        return Err(PlanError::invalid(format!(
            "column name \"{}\" is reserved",
            taken.name()
        )));
    }
    let mut fields: Vec<(Option<TableReference>, Arc<Field>)> = schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .collect();
    fields.push((None, Arc::new(Field::new(hidden, hidden_type, false))));
    let schema = Arc::new(DFSchema::new_with_metadata(fields, HashMap::new())?);
    Ok(Carried {
        plan: extension(LeafNode { label, schema }),
        hidden: vec![(hidden.to_owned(), Column::new_unqualified(hidden))],
    })
}

fn extension(node: impl datafusion::logical_expr::UserDefinedLogicalNode + 'static) -> LogicalPlan {
    LogicalPlan::Extension(Extension {
        node: Arc::new(node),
    })
}

fn carry(
    plan: &LogicalPlan,
    cut: &dyn Fn(&LogicalPlan) -> Result<Option<Carried>>,
) -> Result<Carried> {
    if let Some(carried) = cut(plan)? {
        return Ok(carried);
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let below = carry(&projection.input, cut)?;
            let mut exprs = projection.expr.clone();
            let mut hidden = Vec::with_capacity(below.hidden.len());
            for (name, column) in below.hidden {
                let output = Column::new_unqualified(name.clone());
                exprs.push(match column == output {
                    true => Expr::Column(column),
                    false => Expr::Column(column).alias(name.clone()),
                });
                hidden.push((name, output));
            }
            let plan = Projection::try_new(exprs, Arc::new(below.plan))?;
            Ok(Carried {
                plan: LogicalPlan::Projection(plan),
                hidden,
            })
        }
        LogicalPlan::Filter(filter) => {
            let below = carry(&filter.input, cut)?;
            let plan = Filter::try_new(filter.predicate.clone(), Arc::new(below.plan))?;
            Ok(Carried {
                plan: LogicalPlan::Filter(plan),
                hidden: below.hidden,
            })
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let below = carry(&alias.input, cut)?;
            let hidden = below
                .hidden
                .into_iter()
                .map(|(name, column)| (name, Column::new(Some(alias.alias.clone()), column.name)))
                .collect();
            let plan = SubqueryAlias::try_new(Arc::new(below.plan), alias.alias.clone())?;
            Ok(Carried {
                plan: LogicalPlan::SubqueryAlias(plan),
                hidden,
            })
        }
        LogicalPlan::Aggregate(aggregate) => {
            let below = carry(&aggregate.input, cut)?;
            let mut aggregates = aggregate.aggr_expr.clone();
            let mut hidden = Vec::with_capacity(below.hidden.len());
            for (name, column) in below.hidden {
                // Its groups are of one window each.
                aggregates.push(min(Expr::Column(column)).alias(name.clone()));
                hidden.push((name.clone(), Column::new_unqualified(name)));
            }
            let groups = aggregate.group_expr.clone();
            let plan = Aggregate::try_new(Arc::new(below.plan), groups, aggregates)?;
            Ok(Carried {
                plan: LogicalPlan::Aggregate(plan),
                hidden,
            })
        }
        LogicalPlan::Window(window) => {
            let below = carry(&window.input, cut)?;
            let plan = Window::try_new(window.window_expr.clone(), Arc::new(below.plan))?;
            Ok(Carried {
                plan: LogicalPlan::Window(plan),
                hidden: below.hidden,
            })
        }
        LogicalPlan::Unnest(unnest) => {
            let below = carry(&unnest.input, cut)?;
            let plan = LogicalPlanBuilder::from(below.plan)
                .unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?
                .build()?;
            Ok(Carried {
                plan,
                hidden: below.hidden,
            })
        }
        LogicalPlan::Extension(Extension { node }) => {
            if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
                let mut below = carry(&window.input, cut)?;
                let window = window.over(below.plan)?;
                let (plan, pane) = lower_to_panes(&window)?;
                below.hidden.push((WINDOW_COLUMN.to_owned(), pane));
                for number in 0..window.partition.len() {
                    let name = partition_column(number);
                    let column = Column::new_unqualified(name.clone());
                    below.hidden.push((name, column));
                }
                return Ok(Carried {
                    plan,
                    hidden: below.hidden,
                });
            }
            let Some(watermark) = node.as_any().downcast_ref::<WatermarkNode>() else {
                return Err(cannot(plan));
            };
            let below = carry(&watermark.input, cut)?;
            Ok(Carried {
                plan: extension(WatermarkNode {
                    input: below.plan,
                    time: watermark.time.clone(),
                    watermark: watermark.watermark.clone(),
                }),
                hidden: below.hidden,
            })
        }
        other => Err(cannot(other)),
    }
}

/// Everything a user can write was refused by name before; this is what is left.
fn cannot(plan: &LogicalPlan) -> PlanError {
    PlanError::unsupported(format!(
        "this part of a continuous query is not supported: {}",
        plan.display()
    ))
}
