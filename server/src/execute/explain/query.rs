//! `EXPLAIN QUERY`: the plan of a continuous query that is there, and with ANALYZE what its steps and operators have taken.

use std::{fmt::Write as _, time::Duration};

use arrow::array::RecordBatch;
use serde_json::{Value, json};
use sluice_planner::api::OperatorFigures;
use sluice_sql::{ExplainFormat, ExplainQuery, Privilege};

use crate::{
    access::Target,
    catalog::QualifiedName,
    error::{Error, Result, SqlState},
    job::{Profile, Step, Timing},
    session::Session,
};

pub(in crate::execute) async fn run(
    session: &Session,
    explain: &ExplainQuery,
) -> Result<RecordBatch> {
    let engine = session.engine();
    let name = QualifiedName::from_sql(&explain.name)?;
    let catalog = engine.catalog();
    let object = catalog.require(&name)?;
    session.require(Privilege::Select, Target::Relation(object))?;
    let running = engine.table(&name).and_then(|running| running.job);
    let job = running.ok_or_else(|| {
        Error::user(
            SqlState::WrongObjectType,
            format!("no query feeds \"{name}\""),
        )
        .with_hint("SHOW QUERIES lists the queries; a query's name is its table's.")
    })?;
    let profile = match explain.analyze {
        true => Some(job.profile().await?),
        false => None,
    };
    let text = match explain.format {
        ExplainFormat::Text => match &profile {
            Some(profile) => format!("{}\n{}", text(&name, profile), job.plan()),
            None => job.plan().to_owned(),
        },
        ExplainFormat::Json => {
            let plan: Vec<&str> = job.plan().lines().collect();
            let taken = profile.as_deref().map(document);
            format!(
                "{:#}",
                json!([{ "Query": name.to_string(), "Plan": plan, "Taken": taken }])
            )
        }
    };
    super::lines(explain.format, &text)
}

/// A table of the steps, and the operators below.
fn text(name: &QualifiedName, profile: &Profile) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_text(&mut text, name, profile);
    text
}

fn write_text(text: &mut String, name: &QualifiedName, profile: &Profile) -> std::fmt::Result {
    let count = |step| profile.steps.get(&step).map_or(0, Timing::count);
    writeln!(
        text,
        "{name} has run for {:.0} s: {} epochs over {} rows, {} commits",
        profile.age().as_secs_f64(),
        count(Step::Epoch),
        profile.rows,
        count(Step::Commit)
    )?;
    writeln!(
        text,
        "{:<30} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "step", "total ms", "ns a row", "times", "p50 ms", "p99 ms", "max ms"
    )?;
    for (step, timing) in &profile.steps {
        let indent = if step.is_part() { "  " } else { "" };
        writeln!(
            text,
            "{:<30} {:>10.1} {:>9.1} {:>9} {:>9.2} {:>9.2} {:>9.2}",
            format!("{indent}{}", step.label()),
            ms(timing.total),
            a_row(timing.total, profile.rows),
            timing.count(),
            ms(timing.quantile(0.5)),
            ms(timing.quantile(0.99)),
            ms(timing.max()),
        )?;
    }
    for plan in &profile.plans {
        writeln!(text, "Operators: {}", plan.when)?;
        for operator in &plan.operators {
            let indent = "  ".repeat(operator.depth + 1);
            writeln!(
                text,
                "{indent}{}{}",
                operator.name,
                figures(operator, profile.rows)
            )?;
        }
    }
    Ok(())
}

/// What an operator has taken, if it counts.
fn figures(operator: &OperatorFigures, rows: u64) -> String {
    if operator.rows == 0 && operator.compute.is_zero() {
        return String::new();
    }
    format!(
        " [gave {} rows, computed {:.1} ms, {:.1} ns a row read]",
        operator.rows,
        ms(operator.compute),
        a_row(operator.compute, rows)
    )
}

fn document(profile: &Profile) -> Value {
    let steps = profile.steps.iter().map(|(step, timing)| {
        json!({
            "Step": step.label(),
            "Part": step.is_part(),
            "Times": timing.count(),
            "Total Time": ms(timing.total),
            "Nanoseconds a Row": a_row(timing.total, profile.rows),
            "p50": ms(timing.quantile(0.5)),
            "p99": ms(timing.quantile(0.99)),
            "Max": ms(timing.max()),
        })
    });
    let plans = profile.plans.iter().map(|plan| {
        let operators = plan.operators.iter().map(|operator| {
            json!({
                "Operator": operator.name,
                "Depth": operator.depth,
                "Rows": operator.rows,
                "Compute Time": ms(operator.compute),
            })
        });
        json!({ "When": plan.when, "Operators": operators.collect::<Vec<_>>() })
    });
    json!({
        "Seconds": profile.age().as_secs_f64(),
        "Rows": profile.rows,
        "Steps": steps.collect::<Vec<_>>(),
        "Plans": plans.collect::<Vec<_>>(),
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn a_row(time: Duration, rows: u64) -> f64 {
    match rows {
        0 => 0.0,
        rows => time.as_secs_f64() * 1e9 / rows as f64,
    }
}
