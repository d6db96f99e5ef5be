//! A plan as PostgreSQL's `EXPLAIN (FORMAT JSON)` writes one: a list of one document with a tree under "Plan".
//!
//! Tools that draw plans read "Node Type", "Plans", the figures that begin with "Actual", and costs. The engine counts rows and time of each
//! operator; costs it has none, and they are left out. "Engine Node" is the operator in the engine's own words.

use std::time::Duration;

use datafusion::physical_plan::{
    ExecutionPlan, displayable,
    statistics::{StatisticsArgs, StatisticsContext},
};
use serde_json::{Map, Value, json};

use crate::dialect::without_marks;

/// The document of a query's plan, or of those of a statement that writes, with what it does and to which relation; `took` is there where
/// it was run.
pub(super) fn document(
    plans: &[&dyn ExecutionPlan],
    write: Option<&(&'static str, String)>,
    planning: Duration,
    took: Option<Duration>,
) -> String {
    let mut trees = plans.iter().map(|plan| node(*plan, took.is_some()).0);
    let tree = match write {
        None => trees.next().unwrap_or_default(),
        Some((operation, relation)) => json!({
            "Node Type": "ModifyTable",
            "Operation": operation,
            "Parallel Aware": false,
            "Async Capable": false,
            "Relation Name": relation,
            "Plans": trees.collect::<Vec<_>>(),
        }),
    };
    let mut document = Map::new();
    document.insert("Plan".into(), tree);
    document.insert("Planning Time".into(), millis(planning).into());
    if let Some(took) = took {
        document.insert("Triggers".into(), json!([]));
        document.insert("Execution Time".into(), millis(took).into());
    }
    written(&json!([document]))
}

/// The document of a continuous query, whose plan is lines of text.
pub(super) fn continuous(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let plan = json!({"Node Type": "Continuous Query", "Parallel Aware": false, "Details": lines});
    written(&json!([{ "Plan": plan }]))
}

fn written(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string())
}

/// In milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A node with those below it, and the time that all of them took.
fn node(plan: &dyn ExecutionPlan, analyzed: bool) -> (Value, Duration) {
    let mut below = Duration::ZERO;
    let mut plans = Vec::new();
    for child in plan.children() {
        let (child, time) = node(child.as_ref(), analyzed);
        below += time;
        plans.push(child);
    }
    let mut fields = Map::new();
    fields.insert("Node Type".into(), node_type(plan.name()).into());
    fields.insert("Parallel Aware".into(), false.into());
    fields.insert("Async Capable".into(), false.into());
    fields.insert("Engine Node".into(), line(plan).into());
    let output: Vec<String> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| {
            field
                .name()
                .split('\u{1}')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    fields.insert("Output".into(), output.into());
    if let Ok(statistics) = StatisticsContext::new().compute(plan, &StatisticsArgs::new())
        && let Some(rows) = statistics.num_rows.get_value()
    {
        fields.insert("Plan Rows".into(), (*rows).into());
    }
    let mut total = below;
    if analyzed {
        let metrics = plan.metrics().map(|metrics| metrics.aggregate_by_name());
        let own = metrics
            .as_ref()
            .and_then(|metrics| metrics.elapsed_compute());
        total += Duration::from_nanos(own.unwrap_or(0) as u64);
        let rows = metrics.as_ref().and_then(|metrics| metrics.output_rows());
        fields.insert("Actual Startup Time".into(), 0.0.into());
        fields.insert("Actual Total Time".into(), millis(total).into());
        fields.insert("Actual Rows".into(), rows.unwrap_or(0).into());
        fields.insert("Actual Loops".into(), 1.into());
        for metric in metrics.iter().flat_map(|metrics| metrics.iter()) {
            let value = metric.value();
            if ![
                "output_rows",
                "elapsed_compute",
                "start_timestamp",
                "end_timestamp",
            ]
            .contains(&value.name())
            {
                fields.insert(words(value.name()), value.to_string().into());
            }
        }
    }
    if !plans.is_empty() {
        fields.insert("Plans".into(), plans.into());
    }
    (Value::Object(fields), total)
}

/// The operator in a line of the engine's.
fn line(plan: &dyn ExecutionPlan) -> String {
    without_marks(displayable(plan).one_line().to_string().trim())
}

/// PostgreSQL's word for an operator, where it has one.
fn node_type(name: &str) -> String {
    let known = match name {
        "DataSourceExec" | "DeltaScanExec" | "ParquetExec" => "Seq Scan",
        "HashJoinExec" | "SymmetricHashJoinExec" => "Hash Join",
        "SortMergeJoinExec" => "Merge Join",
        "NestedLoopJoinExec" | "CrossJoinExec" => "Nested Loop",
        "SortExec" => "Sort",
        "SortPreservingMergeExec" => "Gather Merge",
        "CoalescePartitionsExec" | "RepartitionExec" => "Gather",
        "AggregateExec" => "Aggregate",
        "GlobalLimitExec" | "LocalLimitExec" => "Limit",
        "UnionExec" | "InterleaveExec" => "Append",
        "WindowAggExec" | "BoundedWindowAggExec" => "WindowAgg",
        "ProjectionExec" | "PlaceholderRowExec" | "EmptyExec" => "Result",
        "UnnestExec" => "ProjectSet",
        "RecursiveQueryExec" => "Recursive Union",
        "WorkTableExec" => "WorkTable Scan",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut out = String::new();
    for letter in name.trim_end_matches("Exec").chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(letter);
    }
    out
}

/// `spill_count` as `Spill Count`.
fn words(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
