//! Window and watermark nodes in stock expressions: what a batch run executes, and what a stream executes above its watermark.

use datafusion::{
    common::tree_node::Transformed,
    config::ConfigOptions,
    error::Result,
    logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, lit},
    optimizer::AnalyzerRule,
};

use super::{TumbleNode, WINDOW_END, WINDOW_START, WatermarkNode};
use crate::operators::window_bound;

/// Turns window nodes into projections and takes watermark nodes out; for queries over what is bounded.
#[derive(Debug)]
pub struct LowerWindows;

impl AnalyzerRule for LowerWindows {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let lowered = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Extension(Extension { node }) = &plan else {
                return Ok(Transformed::no(plan));
            };
            if let Some(tumble) = node.as_any().downcast_ref::<TumbleNode>() {
                return lower_tumble(tumble).map(Transformed::yes);
            }
            match node.as_any().downcast_ref::<WatermarkNode>() {
                Some(watermark) => Ok(Transformed::yes(watermark.input.clone())),
                None => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(lowered.data)
    }

    fn name(&self) -> &str {
        "lower_windows"
    }
}

/// The projection that a window node means.
pub fn lower_tumble(tumble: &TumbleNode) -> Result<LogicalPlan> {
    let mut exprs: Vec<Expr> = tumble
        .input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let (start, end) = window_bound();
    for (function, name) in [(start, WINDOW_START), (end, WINDOW_END)] {
        let arguments = vec![
            tumble.time.clone(),
            lit(tumble.size_us),
            lit(tumble.offset_us),
        ];
        exprs.push(function.call(arguments).alias(name));
    }
    LogicalPlanBuilder::from(tumble.input.clone())
        .project(exprs)?
        .build()
}
