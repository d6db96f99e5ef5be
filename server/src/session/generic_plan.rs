//! Plans of prepared statements that are made once, for any values of their parameters: PostgreSQL's generic plans.
//!
//! Planning costs more than a lookup. So a statement that is run a second time is planned with a function in the place of each parameter,
//! which gives the value of the moment, and the plan is kept. Scans take their cut when the plan runs. What cannot be planned so is planned
//! for its values each time, as the first run of every statement is: what asks the clock, joins, subqueries, tables that are large,
//! relations that are made up when they are read.
//!
//! A plan has one set of values, so it is lent to one run at a time; a second portal of the statement is planned by itself.

mod parameters;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    execution::{RecordBatchStream, SendableRecordBatchStream, SessionState, TaskContext},
    logical_expr::{Expr, LogicalPlan, Volatility, expr_rewriter::NamePreserver},
    physical_plan::{ExecutionPlan, execute_stream, execution_plan::reset_plan_states},
    scalar::ScalarValue,
};
use futures::Stream;
use parking_lot::Mutex;
use sluice_planner::functions::makes_much;

use self::parameters::Parameters;
use super::{Prepared, Session, small};
use crate::{
    engine::Admission,
    table::{Bind, CachedTable},
};

/// Runs after which a plan without state is made fresh: each leaves figures of its run in it.
const FRESH_EVERY: usize = 64;

/// What a plan depends on: how often the catalog and the session's settings had changed, and whose rights held.
type Basis = (u64, u64, String);

/// A statement's generic plan, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct GenericPlan(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// The statement has not run: it may never run again.
    #[default]
    New,
    /// The next run makes it.
    Wanted,
    Made(Box<Made>),
    /// A run has it.
    Lent,
    /// There can be none.
    Refused(Basis),
}

#[derive(Debug)]
struct Made {
    basis: Basis,
    plan: Arc<dyn ExecutionPlan>,
    parameters: Arc<Parameters>,
    tables: Vec<Arc<CachedTable>>,
    /// Steps keep something of a run.
    stateful: bool,
    context: Arc<TaskContext>,
    runs: usize,
}

/// A plan on loan, given back when it is dropped.
struct Loan {
    home: Arc<GenericPlan>,
    made: Option<Box<Made>>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        *self.home.0.lock() = match self.made.take() {
            Some(made) if made.tables.iter().any(|table| table.outgrown()) => {
                State::Refused(made.basis)
            }
            Some(made) => State::Made(made),
            None => State::Wanted,
        };
    }
}

impl GenericPlan {
    /// The plan for a run, made where it must be; `None` where the statement is to be planned for its values.
    fn lend(self: &Arc<Self>, basis: &Basis) -> Option<Loan> {
        let mut state = self.0.lock();
        let made = match std::mem::take(&mut *state) {
            State::New => {
                *state = State::Wanted;
                return None;
            }
            State::Lent => {
                *state = State::Lent;
                return None;
            }
            State::Refused(before) if before == *basis => {
                *state = State::Refused(before);
                return None;
            }
            State::Made(made) if made.basis == *basis => Some(made),
            State::Made(_) | State::Wanted | State::Refused(_) => None,
        };
        *state = State::Lent;
        let home = Arc::clone(self);
        Some(Loan { home, made })
    }

    fn refuse(&self, basis: Basis) {
        *self.0.lock() = State::Refused(basis);
    }
}

impl Session {
    /// Runs a statement by its generic plan; `None` where there is none.
    pub(super) async fn run_generic(
        &self,
        prepared: &Prepared,
        plan: &LogicalPlan,
        values: &[ScalarValue],
    ) -> Result<Option<SendableRecordBatchStream>> {
        let ((catalog, _), role, _) = self.seen();
        let basis = (catalog, self.setting_changes(), role);
        let Some(mut loan) = prepared.generic.lend(&basis) else {
            return Ok(None);
        };
        if loan.made.is_none() {
            let made = self.make(plan, &prepared.parameters, basis.clone()).await;
            match made {
                Ok(Some(made)) => loan.made = Some(Box::new(made)),
                // What is wrong with it is told by planning it for its values.
                Ok(None) | Err(_) => {
                    let home = Arc::clone(&loan.home);
                    drop(loan);
                    home.refuse(basis);
                    return Ok(None);
                }
            }
        }
        let Some(made) = &mut loan.made else {
            return Ok(None);
        };
        if !made.parameters.set(values) {
            return Ok(None);
        }
        if made.stateful || made.runs % FRESH_EVERY == FRESH_EVERY - 1 {
            made.plan = reset_plan_states(Arc::clone(&made.plan))?;
        }
        made.runs += 1;
        let (plan, context) = (Arc::clone(&made.plan), Arc::clone(&made.context));
        let rows = small::rows_at_hand(&made.tables);
        let at_once = rows.is_some_and(|rows| small::is_small(rows, made.stateful));
        let rows = match at_once {
            true => small::run_here(plan, context)?,
            false => {
                let start = async move { execute_stream(plan, context) };
                let admission = Admission::InTurn(self.activity());
                self.engine.ad_hoc().run_with(admission, start).await?
            }
        };
        Ok(Some(Box::pin(Lent { rows, _loan: loan })))
    }

    async fn make(
        &self,
        plan: &LogicalPlan,
        types: &[Option<DataType>],
        basis: Basis,
    ) -> Result<Option<Made>> {
        if !depends_on_rows_alone(plan)? {
            return Ok(None);
        }
        let mut state = self.context().state();
        let options = state.config_mut().options_mut();
        // Filters that are found while a plan runs would stay in it.
        options.optimizer.enable_dynamic_filter_pushdown = false;
        options.execution.target_partitions = 1;
        // What nothing tells is text.
        let types = types.iter().cloned();
        let types = types.map(|known| known.unwrap_or(DataType::Utf8));
        let parameters = Arc::new(Parameters::new(types.collect()));
        let mut tables = Vec::new();
        let optimized = state.optimize(plan)?;
        let plan = with_functions(optimized, &parameters)?;
        let values = Arc::clone(&parameters);
        let bind: Bind = Arc::new(move |expr| values.bind(expr));
        let Some(plan) = self.with_cached(plan, &bind, &mut tables)? else {
            return Ok(None);
        };
        let planner = Arc::clone(state.query_planner());
        let plan = planner.create_physical_plan(&plan, &state).await?;
        Ok(small::is_stateful(&plan)?.map(|stateful| Made {
            basis,
            plan,
            parameters,
            tables,
            stateful,
            context: task_context(&state),
            runs: 0,
        }))
    }
}

/// The plan with a function in the place of each parameter.
fn with_functions(plan: LogicalPlan, parameters: &Arc<Parameters>) -> Result<LogicalPlan> {
    let plan = plan.transform_up(|node| {
        let preserver = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = preserver.save(&expr);
            let expr = expr.transform_up(|expr| match expr {
                Expr::Placeholder(placeholder) => {
                    Ok(Transformed::yes(parameters.function(&placeholder.id)?))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(plan.data)
}

pub(super) fn task_context(state: &SessionState) -> Arc<TaskContext> {
    Arc::new(TaskContext::from(state))
}

/// Whether a statement gives the same for the same rows and values: it asks neither the clock nor chance. One that makes much of little is
/// not for the threads of streams either.
fn depends_on_rows_alone(plan: &LogicalPlan) -> Result<bool> {
    let mut so = true;
    plan.apply_with_subqueries(|node| {
        so &= small::is_plain(node);
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                so &= match expr {
                    Expr::ScalarFunction(call) => {
                        call.func.signature().volatility == Volatility::Immutable
                            && !makes_much(call.name())
                    }
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => false,
                    _ => true,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(so)
}

/// Rows, and the plan that gives them.
struct Lent {
    rows: SendableRecordBatchStream,
    _loan: Loan,
}

impl Stream for Lent {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.as_mut().poll_next(context)
    }
}

impl RecordBatchStream for Lent {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
