//! What running a plan leaves behind.

#![expect(clippy::unwrap_used, reason = "tests")]

use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;

/// Figures that a plan holds of its runs, with those of what is below it.
fn figures(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan.metrics().map_or(0, |metrics| metrics.iter().count());
    own + plan.children().into_iter().map(figures).sum::<usize>()
}

#[tokio::test]
async fn figures_of_runs_do_not_gather() {
    let alone = SessionConfig::new().with_target_partitions(1);
    let context = SessionContext::new_with_config(alone);
    let rows = "SELECT column1 + 1 AS n FROM (VALUES (1), (2), (3)) WHERE column1 > 1";
    let plan = context.sql(rows).await.unwrap();
    let plan = plan.create_physical_plan().await.unwrap();
    let mut runner = Runner::new(&plan);
    let (mut of_one, mut most) = (0, 0);
    for _ in 0..1_000 {
        let run = runner.next(1).unwrap();
        let made = collect(run.execute(0, context.task_ctx()).unwrap()).await;
        assert_eq!(made.unwrap()[0].num_rows(), 2);
        let now = figures(&run);
        of_one = if of_one == 0 { now } else { of_one };
        most = most.max(now);
    }
    assert!(of_one > 0, "the engine counts nothing any more");
    assert!(most <= of_one * RUNS_PER_RESET, "{most} of {of_one} a run");
    assert_eq!(figures(&plan), 0, "the plan that others hold");
}
