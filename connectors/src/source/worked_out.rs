//! What several queries that read the same batch work out of it once for all of them.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::{Arc, OnceLock},
};

use arrow::array::ArrayRef;
use parking_lot::Mutex;

type Answer = Arc<dyn Any + Send + Sync>;

/// Answers about columns of a batch: the first query that asks works one out.
#[derive(Default)]
pub struct WorkedOut(Mutex<Vec<Question>>);

struct Question {
    answer_type: TypeId,
    columns: Vec<ArrayRef>,
    answer: Arc<OnceLock<Answer>>,
}

impl WorkedOut {
    /// What `work` makes of these columns: done once for the same arrays (not for equal ones) and a type of answers. Who asks for what is
    /// being worked out waits for it.
    pub fn once<T: Any + Send + Sync>(&self, columns: &[ArrayRef], work: impl Fn() -> T) -> Arc<T> {
        let answer = self.place(TypeId::of::<T>(), columns);
        let answer = answer.get_or_init(|| Arc::new(work()));
        Arc::downcast(Arc::clone(answer)).unwrap_or_else(|_| Arc::new(work()))
    }

    fn place(&self, answer_type: TypeId, columns: &[ArrayRef]) -> Arc<OnceLock<Answer>> {
        let mut questions = self.0.lock();
        let is_asked = |question: &&Question| {
            question.answer_type == answer_type
                && question.columns.len() == columns.len()
                && question
                    .columns
                    .iter()
                    .zip(columns)
                    .all(|(one, other)| Arc::ptr_eq(one, other))
        };
        if let Some(question) = questions.iter().find(is_asked) {
            return Arc::clone(&question.answer);
        }
        let answer = Arc::default();
        questions.push(Question {
            answer_type,
            columns: columns.to_vec(),
            answer: Arc::clone(&answer),
        });
        answer
    }
}

impl fmt::Debug for WorkedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkedOut").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    //! What is worked out once, and what is not.

    use std::{cell::Cell, sync::Arc};

    use arrow::array::{ArrayRef, Int64Array};

    use super::WorkedOut;

    #[test]
    fn an_answer_is_worked_out_once_for_the_same_columns() {
        let column = |value| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
        let (a, b) = (column(1), column(1));
        let (worked_out, times) = (WorkedOut::default(), Cell::new(0));
        let ask = |columns: &[ArrayRef]| {
            worked_out.once(columns, || {
                times.set(times.get() + 1);
                columns.len()
            })
        };
        assert_eq!(*ask(&[Arc::clone(&a)]), 1);
        assert_eq!(*ask(&[Arc::clone(&a)]), 1);
        assert_eq!(times.get(), 1);
        // Equal columns are others, and so are more of them.
        ask(&[Arc::clone(&b)]);
        assert_eq!(*ask(&[a, b]), 2);
        assert_eq!(times.get(), 3);
    }
}
