//! Functions about advisory locks: those that wait hold no thread while they do; a cancel, `statement_timeout` and `lock_timeout` end them.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, AsArray, StringArray},
    datatypes::{DataType, Field, FieldRef, Int64Type},
};
use async_trait::async_trait;
use datafusion::{
    error::{DataFusionError, Result as EngineResult},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
        async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl},
    },
    scalar::ScalarValue,
};

use super::called::{self, Called};
use crate::{
    advisory::{Key, Mode, Until, Wanted},
    dialect::catalog::{
        Facts,
        rows::Value,
        shapes::{Mark, marked},
    },
    engine::Engine,
    error::{Error, Result, SqlState},
    session::duration,
};

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let mut all = Vec::new();
    for (name, mode, until) in [
        ("pg_advisory_lock", Mode::Exclusive, Until::Session),
        ("pg_advisory_lock_shared", Mode::Shared, Until::Session),
        ("pg_advisory_xact_lock", Mode::Exclusive, Until::Transaction),
        (
            "pg_advisory_xact_lock_shared",
            Mode::Shared,
            Until::Transaction,
        ),
    ] {
        all.push(Waits::function(name, (mode, until), facts));
    }
    for (name, mode, until) in [
        ("pg_try_advisory_lock", Mode::Exclusive, Until::Session),
        ("pg_try_advisory_lock_shared", Mode::Shared, Until::Session),
        (
            "pg_try_advisory_xact_lock",
            Mode::Exclusive,
            Until::Transaction,
        ),
        (
            "pg_try_advisory_xact_lock_shared",
            Mode::Shared,
            Until::Transaction,
        ),
    ] {
        let facts = Arc::clone(facts);
        all.push(Called::acting(name, "boolean", move |arguments| {
            tried(&facts, arguments, mode, until)
                .map(Value::Bool)
                .map_err(external)
        }));
    }
    for (name, mode) in [
        ("pg_advisory_unlock", Mode::Exclusive),
        ("pg_advisory_unlock_shared", Mode::Shared),
    ] {
        let facts = Arc::clone(facts);
        all.push(Called::acting(name, "boolean", move |arguments| {
            unlocked(&facts, arguments, mode)
                .map(Value::Bool)
                .map_err(external)
        }));
    }
    let facts = Arc::clone(facts);
    all.push(Called::acting(
        "pg_advisory_unlock_all",
        "void",
        move |_| {
            if let Some((engine, pid)) = session(&facts) {
                engine.advisory_locks().unlock_all(pid);
            }
            Ok("".into())
        },
    ));
    all
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Where locks are, and for whom; a function outside of a session locks nothing.
fn session(facts: &Facts) -> Option<(&Arc<Engine>, i32)> {
    let (engine, _) = facts.access.as_ref()?;
    Some((engine, facts.pid?))
}

/// Whether a session is there and has not been told to end: one that was takes no more locks, for those it had are gone.
fn is_there(engine: &Engine, pid: i32) -> bool {
    let session = engine.activities().get(pid);
    session.is_some_and(|session| !session.ended().is_cancelled())
}

/// The key of these arguments, none of which is NULL.
fn key(arguments: &[Option<i64>]) -> Result<Option<Key>> {
    let of_integer = |number: i64| {
        i32::try_from(number)
            .map_err(|_| Error::user(SqlState::NumericValueOutOfRange, "integer out of range"))
    };
    match arguments {
        [Some(one)] => Ok(Some(Key::One(*one))),
        [Some(first), Some(second)] => {
            Ok(Some(Key::Two(of_integer(*first)?, of_integer(*second)?)))
        }
        [_] | [_, _] => Ok(None),
        _ => Err(Error::user(
            SqlState::UndefinedFunction,
            "functions about advisory locks take a bigint or two integers",
        )),
    }
}

/// The key of arguments as they were given.
fn given(arguments: &[ScalarValue]) -> Result<Key> {
    let numbers: Vec<Option<i64>> = (0..arguments.len())
        .map(|at| called::number(arguments, at))
        .collect();
    key(&numbers)?.ok_or_else(|| {
        Error::user(
            SqlState::UndefinedFunction,
            "functions about advisory locks take a bigint or two integers",
        )
    })
}

fn tried(facts: &Facts, arguments: &[ScalarValue], mode: Mode, until: Until) -> Result<bool> {
    let key = given(arguments)?;
    let Some((engine, pid)) = session(facts) else {
        return Ok(true);
    };
    let wanted = Wanted {
        pid,
        key,
        mode,
        until,
    };
    engine
        .advisory_locks()
        .try_lock(&wanted, || is_there(engine, pid))
}

fn unlocked(facts: &Facts, arguments: &[ScalarValue], mode: Mode) -> Result<bool> {
    let key = given(arguments)?;
    let Some((engine, pid)) = session(facts) else {
        return Ok(true);
    };
    let held = engine.advisory_locks().unlock(pid, key, mode);
    if !held {
        (facts.warn)(Error::user(
            SqlState::Warning,
            format!("you don't own a lock of type {}", mode.name()),
        ));
    }
    Ok(held)
}

/// A function that waits for a lock.
#[derive(Debug)]
struct Waits {
    name: &'static str,
    mode: Mode,
    until: Until,
    facts: Arc<Facts>,
    signature: Signature,
}

impl Waits {
    fn function(name: &'static str, (mode, until): (Mode, Until), facts: &Arc<Facts>) -> ScalarUDF {
        let keys = vec![
            TypeSignature::Exact(vec![DataType::Int64]),
            TypeSignature::Exact(vec![DataType::Int64, DataType::Int64]),
        ];
        let waits = Self {
            name,
            mode,
            until,
            facts: Arc::clone(facts),
            signature: Signature::one_of(keys, Volatility::Volatile),
        };
        AsyncScalarUDF::new(Arc::new(waits)).into_scalar_udf()
    }

    async fn take(&self, key: Key) -> Result<()> {
        let Some((engine, pid)) = session(&self.facts) else {
            return Ok(());
        };
        let wanted = Wanted {
            pid,
            key,
            mode: self.mode,
            until: self.until,
        };
        let there = || is_there(engine, pid);
        let taken = engine.advisory_locks().lock(&wanted, there);
        let limit = (self.facts.setting)("lock_timeout");
        match limit.and_then(|limit| duration(&limit)).flatten() {
            None => taken.await,
            Some(limit) => match tokio::time::timeout(limit, taken).await {
                Ok(taken) => taken,
                Err(_) => Err(Error::user(
                    SqlState::LockNotAvailable,
                    "canceling statement due to lock timeout",
                )),
            },
        }
    }
}

impl PartialEq for Waits {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for Waits {}

impl Hash for Waits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Waits {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> EngineResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> EngineResult<FieldRef> {
        let field = Field::new(self.name, DataType::Utf8, true);
        Ok(marked(field, Mark::Type("void")).into())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        datafusion::common::exec_err!("{} waits and cannot be computed at once", self.name)
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Waits {
    async fn invoke_async_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> EngineResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let constant = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let length = arrays.first().map_or(0, |array| array.len());
        let rows = if constant { args.number_rows } else { length };
        let mut done: Vec<Option<&str>> = Vec::with_capacity(rows);
        for row in 0..rows {
            let at = row.min(length.saturating_sub(1));
            let numbers: Vec<Option<i64>> = arrays
                .iter()
                .map(|array| {
                    let numbers = array.as_primitive_opt::<Int64Type>()?;
                    numbers.is_valid(at).then(|| numbers.value(at))
                })
                .collect();
            match key(&numbers).map_err(external)? {
                Some(key) => {
                    self.take(key).await.map_err(external)?;
                    done.push(Some(""));
                }
                None => done.push(None),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(done))))
    }
}
