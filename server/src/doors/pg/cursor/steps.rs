//! Where a cursor goes, as PostgreSQL has it: decided from where it stands, without looking at a row.
//!
//! A cursor stands at a number: 0 before the first row, 1 at it, and one more than there are rows behind the last.

use crate::doors::pg::{command::Direction, failure::Failure};

/// What a cursor that keeps no rows does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// It would give the row that it stands at; MOVE counts it.
    StayAtRow,
    /// Passes some rows by, and gives so many; `None`: all that are left.
    On { pass: u64, give: Option<u64> },
}

/// The step of a cursor that has given `given` rows; `ended` where it is known that there are no more.
pub(super) fn forward_only(
    direction: Direction,
    given: u64,
    ended: bool,
    silent: bool,
) -> Result<Step, Failure> {
    let at = given + u64::from(ended);
    let give = |pass, give| Ok(Step::On { pass, give });
    match direction {
        Direction::Forward(Some(0)) | Direction::Backward(Some(0)) | Direction::Relative(0) => {
            match (given > 0 && !ended, silent) {
                (false, _) => Ok(Step::Stay),
                (true, true) => Ok(Step::StayAtRow),
                (true, false) => Err(forward()),
            }
        }
        Direction::Forward(count) => give(0, count),
        Direction::Relative(count) if count > 0 => give(count.unsigned_abs() - 1, Some(1)),
        Direction::Absolute(0) if at == 0 => Ok(Step::Stay),
        Direction::Absolute(row) if row > 0 && row.unsigned_abs() > at => {
            give(row.unsigned_abs() - at - 1, Some(1))
        }
        Direction::Backward(_) | Direction::Absolute(_) | Direction::Relative(_) => Err(forward()),
    }
}

fn forward() -> Failure {
    Failure::error("55000", "cursor can only scan forward")
        .with_hint("Declare it with SCROLL option to enable backward scan.")
}

/// Up to which row a cursor that keeps its rows must have read, to go somewhere from `at`.
pub(super) fn reach(direction: Direction, at: u64) -> u64 {
    match direction {
        Direction::Forward(None) => u64::MAX,
        Direction::Forward(Some(count)) => at.saturating_add(count),
        Direction::Relative(count) if count > 0 => at.saturating_add(count.unsigned_abs()),
        Direction::Absolute(row) if row < 0 => u64::MAX,
        Direction::Absolute(row) => row.unsigned_abs(),
        Direction::Backward(_) | Direction::Relative(_) => at,
    }
}

/// Rows that are given, and where the cursor stands then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// The first of them, by its number.
    pub(super) first: u64,
    pub(super) count: u64,
    /// Each is the one before the last given.
    pub(super) back: bool,
    pub(super) at: u64,
}

/// The step of a cursor that keeps its rows and stands at `at`; there are `rows`, or so many at least as [`reach`] asks for.
pub(super) fn scroll(direction: Direction, at: u64, rows: u64) -> Given {
    let none = |at| Given {
        first: 0,
        count: 0,
        back: false,
        at,
    };
    let one = |row: u64| match row {
        0 => none(0),
        row if row > rows => none(rows.saturating_add(1)),
        row => Given {
            first: row,
            count: 1,
            back: false,
            at: row,
        },
    };
    match direction {
        Direction::Forward(Some(0)) | Direction::Backward(Some(0)) | Direction::Relative(0) => {
            match at == 0 || at > rows {
                true => none(at),
                false => one(at),
            }
        }
        Direction::Forward(count) => {
            let to = count.map_or(u64::MAX, |count| at.saturating_add(count));
            Given {
                first: at.saturating_add(1),
                count: to.min(rows).saturating_sub(at),
                back: false,
                at: to.min(rows.saturating_add(1)),
            }
        }
        Direction::Backward(count) => {
            let to = count.map_or(0, |count| at.saturating_sub(count));
            Given {
                first: at.saturating_sub(1),
                count: at.saturating_sub(to.max(1)),
                back: true,
                at: to,
            }
        }
        Direction::Absolute(row) if row < 0 => {
            one(rows.saturating_add(1).saturating_sub(row.unsigned_abs()))
        }
        Direction::Absolute(row) => one(row.unsigned_abs()),
        Direction::Relative(count) if count > 0 => one(at.saturating_add(count.unsigned_abs())),
        Direction::Relative(count) => one(at.saturating_sub(count.unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    //! What PostgreSQL 15 answered, over three rows.
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Direction as D, Step, forward_only, scroll};

    /// Goes there; the rows, and where it stands.
    fn went(direction: D, at: u64) -> (Vec<u64>, u64) {
        let given = scroll(direction, at, 3);
        let rows = (0..given.count).map(|i| match given.back {
            true => given.first - i,
            false => given.first + i,
        });
        (rows.collect(), given.at)
    }

    #[test]
    fn a_cursor_scrolls() {
        for (direction, at, rows, then) in [
            (D::Forward(Some(1)), 0, vec![1], 1),
            (D::Forward(Some(3)), 0, vec![1, 2, 3], 3),
            (D::Forward(Some(4)), 0, vec![1, 2, 3], 4),
            (D::Forward(None), 1, vec![2, 3], 4),
            (D::Forward(Some(1)), 4, vec![], 4),
            (D::Forward(Some(0)), 0, vec![], 0),
            (D::Forward(Some(0)), 2, vec![2], 2),
            (D::Forward(Some(0)), 4, vec![], 4),
            (D::Backward(Some(1)), 4, vec![3], 3),
            (D::Backward(Some(2)), 4, vec![3, 2], 2),
            (D::Backward(None), 4, vec![3, 2, 1], 0),
            (D::Backward(Some(1)), 1, vec![], 0),
            (D::Backward(Some(5)), 3, vec![2, 1], 0),
            (D::Backward(Some(1)), 0, vec![], 0),
            (D::Absolute(2), 0, vec![2], 2),
            (D::Absolute(2), 4, vec![2], 2),
            (D::Absolute(9), 1, vec![], 4),
            (D::Absolute(0), 3, vec![], 0),
            (D::Absolute(-1), 0, vec![3], 3),
            (D::Absolute(-3), 0, vec![1], 1),
            (D::Absolute(-4), 2, vec![], 0),
            (D::Relative(2), 1, vec![3], 3),
            (D::Relative(3), 1, vec![], 4),
            (D::Relative(-1), 3, vec![2], 2),
            (D::Relative(-3), 3, vec![], 0),
            (D::Relative(0), 3, vec![3], 3),
        ] {
            assert_eq!(went(direction, at), (rows, then), "{direction:?} from {at}");
        }
    }

    #[test]
    fn a_cursor_that_keeps_nothing_only_goes_on() {
        let on = |pass, give| Step::On { pass, give };
        for (direction, given, ended, step) in [
            (D::Forward(Some(2)), 1, false, on(0, Some(2))),
            (D::Forward(None), 1, false, on(0, None)),
            (D::Relative(2), 1, false, on(1, Some(1))),
            (D::Absolute(1), 0, false, on(0, Some(1))),
            (D::Absolute(5), 2, false, on(2, Some(1))),
            (D::Absolute(5), 3, true, on(0, Some(1))),
            (D::Absolute(0), 0, false, Step::Stay),
            (D::Forward(Some(0)), 0, false, Step::Stay),
            (D::Forward(Some(0)), 3, true, Step::Stay),
        ] {
            let decided = forward_only(direction, given, ended, false);
            assert_eq!(decided.unwrap(), step, "{direction:?} after {given}");
        }
        let stays = forward_only(D::Forward(Some(0)), 2, false, true);
        assert_eq!(stays.unwrap(), Step::StayAtRow);
        for (direction, given) in [
            (D::Backward(Some(1)), 0),
            (D::Backward(None), 2),
            (D::Absolute(-1), 0),
            (D::Absolute(2), 2),
            (D::Absolute(0), 1),
            (D::Relative(-1), 2),
            (D::Relative(0), 2),
        ] {
            let failure = forward_only(direction, given, false, false).unwrap_err();
            assert_eq!(failure.code, "55000", "{direction:?} after {given}");
        }
    }
}
