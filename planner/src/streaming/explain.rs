//! What EXPLAIN says of a continuous query: the logical plan, and how it runs as a stream.

use std::{fmt::Write as _, sync::Arc};

use datafusion::{
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, displayable},
};

use super::{plan::ContinuousPlan, program::Program};

/// The text of EXPLAIN.
pub(crate) fn explain(plan: &ContinuousPlan, program: &Program, logical: &LogicalPlan) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_explain(&mut text, plan, program, logical);
    text
}

fn write_explain(
    text: &mut String,
    plan: &ContinuousPlan,
    program: &Program,
    logical: &LogicalPlan,
) -> std::fmt::Result {
    for stream in &plan.streams {
        writeln!(
            text,
            "Continuous query over stream {}.{}",
            stream.definition.schema_name, stream.definition.name
        )?;
        writeln!(text, "  reads columns: {}", stream.columns.join(", "))?;
    }
    for stage in &program.stages {
        writeln!(text, "  window: {}", stage.windows)?;
    }
    if let Some(filling) = &program.fill {
        writeln!(text, "  windows without rows: {filling}")?;
    }
    for intake in &program.intakes {
        match intake.time.max_future_skew_us {
            Some(skew) => writeln!(
                text,
                "  dead letter: event time null or more than {} ahead",
                duration(skew)
            )?,
            None => writeln!(text, "  dead letter: event time null")?,
        }
    }
    if !plan.derived_partitions.is_empty() {
        writeln!(text, "  derived: {}", plan.derived_partitions.join(", "))?;
    }
    let names: Vec<String> = plan
        .output_schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    writeln!(text, "  gives: {}", names.join(", "))?;
    writeln!(text, "Logical plan")?;
    indented(text, &logical.display_indent().to_string())?;
    for intake in &program.intakes {
        match program.stages.is_empty() {
            true => writeln!(text, "In every epoch, per split")?,
            false => writeln!(text, "In every epoch, per split, then merged into panes")?,
        }
        operators(text, &intake.plan)?;
    }
    for between in program
        .stages
        .iter()
        .filter_map(|stage| stage.between.as_ref())
    {
        writeln!(
            text,
            "When the watermark closes a window, then merged into panes of the next"
        )?;
        operators(text, &between.plan)?;
    }
    if let Some(post) = &program.post {
        writeln!(text, "When the watermark closes a window")?;
        operators(text, &post.plan)?;
    }
    writeln!(text, "Fingerprint {}", plan.fingerprint)
}

fn operators(text: &mut String, plan: &Arc<dyn ExecutionPlan>) -> std::fmt::Result {
    indented(text, &displayable(plan.as_ref()).indent(false).to_string())
}

fn indented(text: &mut String, block: &str) -> std::fmt::Result {
    for line in block.lines() {
        writeln!(text, "  {line}")?;
    }
    Ok(())
}

/// A length of time in its largest whole unit.
pub(crate) fn duration(us: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (86_400_000_000, "day"),
        (3_600_000_000, "hour"),
        (60_000_000, "minute"),
        (1_000_000, "second"),
        (1_000, "millisecond"),
        (1, "microsecond"),
    ];
    for (unit, name) in UNITS {
        if us % unit == 0 && us != 0 {
            let count = us / unit;
            let plural = if count == 1 { "" } else { "s" };
            return format!("{count} {name}{plural}");
        }
    }
    "0 seconds".to_owned()
}
