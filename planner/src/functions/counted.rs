//! Memory of the values that expressions make: of each value the engine asks for memory as it is made, and nobody counts it.
//!
//! For queries that people ask, a rule puts a function that counts in the place of `||` and of every function that gives texts or lists.
//! What a batch of rows makes is taken from a pool before it is made, as far as that can be told from the arguments, and given back with
//! the last array of it, or some batches later: whoever keeps the rows longer (a sort, an aggregation) counts them by itself. Batches of
//! short values are not counted. Constants are not worked out while a query is planned if they are long: the plan would keep them.
//!
//! It must never be part of a continuous query: there is no pool for its rows, and its plan would be another one.

mod held;
mod joined;
mod spread;

use std::{
    cell::Cell,
    collections::VecDeque,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use arrow::{
    array::{Array, ArrayRef, make_array},
    datatypes::{DataType, FieldRef},
};
use datafusion::{
    common::{
        DFSchema, DataFusionError, Result, ScalarValue,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    logical_expr::{
        BinaryExpr, ColumnarValue, Documentation, Expr, ExprSchemable, LogicalPlan, Operator,
        ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
        expr_rewriter::NamePreserver,
        simplify::{ExprSimplifyResult, SimplifyContext},
        utils::merge_schema,
    },
    optimizer::{
        AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule,
        simplify_expressions::SimplifyExpressions,
    },
};

use self::{held::held, joined::JOINED, spread::Spreading};
use super::bounded;
use crate::error::{PlanError, PlanErrorKind};

/// Bytes of a batch's values that are not counted.
const SMALL: usize = 8 << 20;

/// Bytes of a constant that is worked out while a query is planned, at most: every row of a batch may get a copy of it.
const FOLDED: usize = 8 << 10;

/// How many batches of one expression are counted at a time.
const RECENT: usize = 8;

/// The rule.
#[derive(Debug)]
pub struct CountedValues {
    pool: Arc<dyn MemoryPool>,
}

impl CountedValues {
    /// What the rule is called.
    pub const NAME: &'static str = "counted_values";

    /// Values take their memory from this pool.
    pub fn new(pool: Arc<dyn MemoryPool>) -> Self {
        Self { pool }
    }

    fn counted(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if !has_candidates(&plan)? {
            return Ok(Transformed::no(plan));
        }
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            let name = scan.table_name.clone();
            let table = DFSchema::try_from_qualified_schema(name, &scan.source.schema())?;
            schema.merge(&table);
        }
        let names = NamePreserver::new(&plan);
        let mut changed = false;
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| Ok(self.replaced(expr, &schema)))?;
            changed |= expr.transformed;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        if !changed {
            return Ok(plan);
        }
        Ok(Transformed::yes(plan.data.recompute_schema()?))
    }

    fn replaced(&self, expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::StringConcat,
                right,
            }) if is_joined(&left, &right, schema) => {
                let call = self.call(Arc::clone(&JOINED), vec![*left, *right]);
                Transformed::yes(call)
            }
            Expr::ScalarFunction(call) if may_be_large(&call) => {
                let expr = Expr::ScalarFunction(call);
                let is_counted = expr.get_type(schema).is_ok_and(|made| is_of_texts(&made));
                match expr {
                    Expr::ScalarFunction(call) if is_counted => {
                        Transformed::yes(self.call(call.func, call.args))
                    }
                    other => Transformed::no(other),
                }
            }
            other => Transformed::no(other),
        }
    }

    fn call(&self, inner: Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
        let counted = Counted::over(inner, Arc::clone(&self.pool));
        Expr::ScalarFunction(ScalarFunction::new_udf(counted, args))
    }
}

impl AnalyzerRule for CountedValues {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| self.counted(plan))?;
        Ok(plan.data)
    }
}

/// Whether anything of a node may have to be counted, as far as is told without types.
fn has_candidates(plan: &LogicalPlan) -> Result<bool> {
    let mut any = false;
    plan.apply_expressions(|expr| {
        any |= expr.exists(|expr| {
            Ok(match expr {
                Expr::BinaryExpr(binary) => binary.op == Operator::StringConcat,
                Expr::ScalarFunction(call) => may_be_large(call),
                _ => false,
            })
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(any)
}

/// Whether `||` joins two texts, or two of bytes.
fn is_joined(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let (Ok(one), Ok(other)) = (left.get_type(schema), right.get_type(schema)) else {
        return false;
    };
    one == other && is_text(&one)
}

/// Whether a function is one to be counted, as far as its name and its arguments tell.
fn may_be_large(call: &ScalarFunction) -> bool {
    let function = &call.func;
    let kept = match function.name() {
        // Where files are read, the engine looks for it.
        "get_field" => true,
        // The engine makes a list for IN of it.
        "make_array" => call.args.iter().all(is_given),
        _ => false,
    };
    !kept
        && function.signature().volatility != Volatility::Volatile
        && !function.short_circuits()
        && function.as_async().is_none()
        && !function.inner().is::<Counted>()
}

/// Whether the statement itself has the value, or it is the value of a parameter.
fn is_given(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) | Expr::Placeholder(_) => true,
        Expr::Cast(cast) => is_given(&cast.expr),
        Expr::ScalarFunction(call) => call.args.is_empty(),
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView
    )
}

/// Whether it is a text, or a list of them.
fn is_of_texts(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(element) | DataType::LargeList(element) => is_of_texts(element.data_type()),
        other => is_text(other),
    }
}

thread_local! {
    /// Whether this thread works out the constants of a plan.
    static FOLDING: Cell<bool> = const { Cell::new(false) };
}

/// Constants are worked out until this is dropped.
struct Folding {
    before: bool,
}

impl Folding {
    fn begin() -> Self {
        let before = FOLDING.replace(true);
        Self { before }
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        FOLDING.set(self.before);
    }
}

/// The engine's rule that works out constants, without those that are long.
#[derive(Debug, Default)]
struct Sparing(SimplifyExpressions);

impl OptimizerRule for Sparing {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let _folding = Folding::begin();
        self.0.rewrite(plan, config)
    }
}

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The same rules, of which none works out a long constant of a function that counts, and the one that tells which calls make copies.
pub(crate) fn sparing(mut rules: Vec<Rule>) -> Vec<Rule> {
    let sparing = Sparing::default();
    for rule in &mut rules {
        if rule.name() == sparing.name() {
            *rule = Arc::new(Sparing::default());
        }
    }
    rules.push(Arc::new(Spreading));
    rules
}

/// A function whose values are counted.
#[derive(Debug)]
struct Counted {
    inner: Arc<ScalarUDF>,
    pool: Arc<dyn MemoryPool>,
    /// Whether each row gets a copy of one long value for all.
    spreads: bool,
    /// What the last batches hold; none where their arrays are gone.
    recent: Mutex<VecDeque<Weak<MemoryReservation>>>,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl Counted {
    fn over(inner: Arc<ScalarUDF>, pool: Arc<dyn MemoryPool>) -> Arc<ScalarUDF> {
        Self::made(inner, pool, true)
    }

    fn made(inner: Arc<ScalarUDF>, pool: Arc<dyn MemoryPool>, spreads: bool) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Self {
            inner,
            pool,
            spreads,
            recent: Mutex::default(),
        }))
    }

    fn exhausted(&self, bytes: usize) -> DataFusionError {
        let what = match self.name() {
            "||" => "||".to_owned(),
            name => format!("function {name}"),
        };
        let message = "the memory for values of ad-hoc queries is used up";
        PlanError::new(PlanErrorKind::Resources, message)
            .detail(format!("{what} would make {bytes} bytes of one batch of rows."))
            .hint("make shorter values, or fewer at a time, or give ad-hoc queries more memory with --query-memory")
            .into_engine()
    }

    /// Takes so much in all, unless it is little.
    fn take(&self, memory: &MemoryReservation, bytes: usize) -> Result<()> {
        let bytes = if bytes > SMALL { bytes } else { 0 };
        memory.try_resize(bytes).map_err(|_| self.exhausted(bytes))
    }

    /// The array, with what it holds until it is gone or others have come after it.
    fn holding(&self, array: ArrayRef, memory: MemoryReservation) -> Result<ArrayRef> {
        self.take(&memory, array.get_buffer_memory_size())?;
        if memory.size() == 0 {
            return Ok(array);
        }
        let memory = Arc::new(memory);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|held| held.strong_count() > 0);
        recent.push_back(Arc::downgrade(&memory));
        if recent.len() > RECENT
            && let Some(oldest) = recent.pop_front().and_then(|held| held.upgrade())
        {
            oldest.free();
        }
        drop(recent);
        Ok(make_array(held(array.to_data(), memory)?))
    }
}

impl ScalarUDFImpl for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // What stays a call of the function goes on being counted.
        Ok(match self.inner.simplify(args, info)? {
            ExprSimplifyResult::Simplified(Expr::ScalarFunction(call))
                if call.name() == self.name() && may_be_large(&call) =>
            {
                let counted = Self::over(call.func, Arc::clone(&self.pool));
                let call = ScalarFunction::new_udf(counted, call.args);
                ExprSimplifyResult::Simplified(Expr::ScalarFunction(call))
            }
            other => other,
        })
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let is_folding = FOLDING.get();
        let much = bounded::foreseen(&self.inner, &args)?;
        let much = usize::try_from(much).unwrap_or(usize::MAX);
        let expected = given(&args.args, rows)?
            .saturating_mul(times(self.name()))
            .max(much);
        if is_folding && expected > FOLDED {
            return Err(self.exhausted(expected));
        }
        let memory = MemoryConsumer::new("values of expressions").register(&self.pool);
        self.take(&memory, expected)?;
        let value = self.inner.invoke_with_args(args)?;
        if is_folding {
            return match bytes_of(&value)? > FOLDED {
                true => Err(self.exhausted(bytes_of(&value)?)),
                false => Ok(value),
            };
        }
        let size = bytes_of(&value)?;
        let makes_copies = rows == 1 || (self.spreads && rows > 0);
        match value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.holding(array, memory)?)),
            // Where every row gets a copy, it is made here so that it is counted.
            ColumnarValue::Scalar(value) if size > FOLDED && makes_copies => {
                self.take(&memory, size.saturating_mul(rows))?;
                let array = value.to_array_of_size(rows)?;
                Ok(ColumnarValue::Array(self.holding(array, memory)?))
            }
            few @ ColumnarValue::Scalar(_) => Ok(few),
        }
    }
}

/// How many times as long as its arguments a function's value may be.
fn times(function: &str) -> usize {
    match function {
        // An element has an offset of four bytes, and may be of one character.
        "string_to_array" | "regexp_split_to_array" => 6,
        "encode" | "quote_literal" | "quote_ident" | "quote_nullable" => 2,
        _ => 1,
    }
}

/// Bytes of the texts and lists that a call is given for a batch of rows: what most functions make of them is about as long.
fn given(args: &[ColumnarValue], rows: usize) -> Result<usize> {
    let any_array = args
        .iter()
        .any(|value| matches!(value, ColumnarValue::Array(_)));
    let mut bytes: usize = 0;
    for value in args {
        let copies = match value {
            ColumnarValue::Scalar(_) if any_array => rows,
            _ => 1,
        };
        bytes = bytes.saturating_add(bytes_of(value)?.saturating_mul(copies));
    }
    Ok(bytes)
}

/// Bytes of a text, or of a list of texts; 0 of anything else.
fn bytes_of(value: &ColumnarValue) -> Result<usize> {
    use ScalarValue as S;
    Ok(match value {
        ColumnarValue::Array(array) if is_of_texts(array.data_type()) => {
            array.to_data().get_slice_memory_size()?
        }
        ColumnarValue::Scalar(
            S::Utf8(Some(text)) | S::LargeUtf8(Some(text)) | S::Utf8View(Some(text)),
        ) => text.len(),
        ColumnarValue::Scalar(
            S::Binary(Some(bytes)) | S::LargeBinary(Some(bytes)) | S::BinaryView(Some(bytes)),
        ) => bytes.len(),
        ColumnarValue::Scalar(S::List(list)) if is_of_texts(list.data_type()) => {
            list.to_data().get_slice_memory_size()?
        }
        ColumnarValue::Scalar(S::LargeList(list)) if is_of_texts(list.data_type()) => {
            list.to_data().get_slice_memory_size()?
        }
        _ => 0,
    })
}

#[cfg(test)]
mod tests;
