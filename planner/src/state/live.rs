//! The rows of windows that are still open.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{
    query::{ContinuousQuery, above},
    stage::StageState,
};
use crate::{
    error::{PlanError, Result},
    streaming::{Program, Stage},
};

impl ContinuousQuery {
    /// Rows of the open windows as they would be if they closed now, in the output schema, in the order of the windows.
    pub async fn live(&mut self) -> Result<Vec<RecordBatch>> {
        self.check()?;
        self.void = true;
        let program = Arc::clone(&self.program);
        let rows = match program.stages.as_slice() {
            [stage] if stage.windows.is_single() => self.live_panes(stage).await?,
            _ => self.live_windows(&program).await?,
        };
        self.void = false;
        Ok(rows)
    }

    /// Live rows of a query whose panes are its windows: of those that did not change they are known.
    async fn live_panes(&mut self, stage: &Stage) -> Result<Vec<RecordBatch>> {
        let Some((_, StageState::Panes(panes))) = self.stages.first_mut() else {
            return Err(PlanError::internal("a stage is missing"));
        };
        for (start, window) in panes.changed(stage)? {
            // What cannot be told now may well be when the window closes.
            let rows = self.finish(window).await?.rows;
            if let Some((_, StageState::Panes(panes))) = self.stages.first_mut() {
                panes.keep_live(start, rows);
            }
        }
        match self.stages.first() {
            Some((_, StageState::Panes(panes))) => Ok(panes.live()),
            _ => Ok(Vec::new()),
        }
    }

    /// Live rows of any query: what would come if every window closed now, told from copies.
    async fn live_windows(&mut self, program: &Program) -> Result<Vec<RecordBatch>> {
        let mut closed = self.watermark_us;
        let mut rows = Vec::new();
        for (number, stage) in program.stages.iter().enumerate() {
            let mut below = Vec::new();
            if let Some(column) = stage.time() {
                below = self.feed(number, rows).await?.rows;
                closed = closed.map(|closed| above(program, number, column, None, closed).1);
            }
            rows = match self.stages.get_mut(number) {
                Some((_, kept)) => kept.peek(stage, closed, &below)?,
                None => return Err(PlanError::internal("a stage is missing")),
            };
        }
        Ok(self.finish(rows).await?.rows)
    }
}
