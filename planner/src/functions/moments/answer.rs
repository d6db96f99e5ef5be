//! What is asked of the moments of a group, and how the answer comes out of them: once, from exact sums, rounded a few times at the very end.

use super::exact::{Exact, Parts, Scaled, Whole};

/// A sum that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Σx
    X,
    /// Σy
    Y,
    /// Σx²
    Xx,
    /// Σy²
    Yy,
    /// Σxy
    Xy,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Stddev,
    StddevPop,
    Var,
    VarPop,
    CovarSamp,
    CovarPop,
    Corr,
    Slope,
    Intercept,
    Count,
    R2,
    AvgX,
    AvgY,
    Sxx,
    Syy,
    Sxy,
}

impl Answer {
    /// The sums it needs.
    pub(super) fn moments(self) -> &'static [Moment] {
        use Moment::{X, Xx, Xy, Y, Yy};
        match self {
            Self::Count => &[],
            Self::AvgX => &[X],
            Self::AvgY => &[Y],
            Self::Stddev | Self::StddevPop | Self::Var | Self::VarPop | Self::Sxx => &[X, Xx],
            Self::Syy => &[Y, Yy],
            Self::CovarSamp | Self::CovarPop | Self::Sxy => &[X, Y, Xy],
            Self::Slope | Self::Intercept => &[X, Y, Xx, Xy],
            Self::Corr | Self::R2 => &[X, Y, Xx, Yy, Xy],
        }
    }

    /// Whether it is of one column: then that is x.
    pub(super) fn is_of_one(self) -> bool {
        matches!(
            self,
            Self::Stddev | Self::StddevPop | Self::Var | Self::VarPop
        )
    }
}

/// Which values that are not numbers, or infinite, a group has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Specials(pub(super) u8);

/// Kinds of them that are told apart, of one argument.
const KINDS: u32 = 3;
const NAN: u8 = 1;
const INFINITE: u8 = 2;
const MINUS_INFINITE: u8 = 4;
const OF_X: u8 = NAN | INFINITE | MINUS_INFINITE;
const OF_Y: u8 = OF_X << KINDS;

impl Specials {
    /// All there can be.
    pub(super) const ALL: u8 = OF_X | OF_Y;

    /// What one row adds.
    #[inline(always)]
    pub(super) fn of(x: f64, y: f64) -> Self {
        match x.is_finite() && y.is_finite() {
            true => Self(0),
            false => Self(kind_of(x) | kind_of(y) << KINDS),
        }
    }

    /// Those of the arguments that these sums are of: the others make no difference.
    pub(super) fn within(self, moments: &[Moment]) -> u8 {
        let mut mask = 0;
        for moment in moments {
            mask |= match moment {
                Moment::X | Moment::Xx => OF_X,
                Moment::Y | Moment::Yy => OF_Y,
                Moment::Xy => OF_X | OF_Y,
            };
        }
        self.0 & mask
    }
}

fn kind_of(value: f64) -> u8 {
    match value {
        value if value.is_finite() => 0,
        value if value.is_nan() => NAN,
        value if value > 0.0 => INFINITE,
        _ => MINUS_INFINITE,
    }
}

/// Adds a row to the sums of a group, or takes it back; gives the bytes by which they grew on the heap (nearly always 0).
#[inline(always)]
pub(super) fn add_row(moments: &[Moment], sums: &mut [Exact], x: f64, y: f64, back: bool) -> isize {
    let (x, y) = (Parts::of(x), Parts::of(y));
    let mut grown = 0;
    for (sum, moment) in sums.iter_mut().zip(moments) {
        grown += match (moment, x, y) {
            (Moment::X, Some(x), _) => sum.add(x, back),
            (Moment::Y, _, Some(y)) => sum.add(y, back),
            (Moment::Xx, Some(x), _) => sum.add_product(x, x, back),
            (Moment::Yy, _, Some(y)) => sum.add_product(y, y, back),
            (Moment::Xy, Some(x), Some(y)) => sum.add_product(x, y, back),
            _ => 0,
        };
    }
    grown
}

/// A group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a> {
    pub(super) answer: Answer,
    pub(super) count: u64,
    pub(super) specials: Specials,
    pub(super) sums: &'a [Exact],
}

impl Group<'_> {
    /// The answer; `None` where too few values make none.
    pub(super) fn evaluate(&self) -> Option<f64> {
        let (answer, n) = (self.answer, self.count);
        let least = match answer {
            Answer::Stddev | Answer::Var | Answer::CovarSamp => 2,
            _ => 1,
        };
        if n < least {
            return None;
        }
        let specials = self.specials.0;
        if specials != 0 {
            return Some(match answer {
                Answer::AvgX => mean_of(specials),
                Answer::AvgY => mean_of(specials >> KINDS),
                _ => f64::NAN,
            });
        }
        use Moment::{X, Xx, Xy, Y, Yy};
        let count = Whole::of(n);
        let all = || count.times(&count).rounded();
        let but_one = || count.times(&Whole::of(n - 1)).rounded();
        let scaled = match answer {
            Answer::Stddev => self.spread(Xx, X, X).rounded().over(but_one()).root(),
            Answer::StddevPop => self.spread(Xx, X, X).rounded().over(all()).root(),
            Answer::Var => self.spread(Xx, X, X).rounded().over(but_one()),
            Answer::VarPop => self.spread(Xx, X, X).rounded().over(all()),
            Answer::CovarSamp => self.spread(Xy, X, Y).rounded().over(but_one()),
            Answer::CovarPop => self.spread(Xy, X, Y).rounded().over(all()),
            Answer::Corr => return self.correlation(),
            Answer::Slope => fraction(&self.spread(Xy, X, Y), &self.spread(Xx, X, X))?,
            // (Σy·Σx² - Σx·Σxy) / (n·Σx² - (Σx)²): from the slope it would be a difference of two rounded numbers.
            Answer::Intercept => {
                let product = |one, other| self.sum(one).times(&self.sum(other));
                let above = product(Y, Xx).minus(&product(X, Xy));
                fraction(&above, &self.spread(Xx, X, X))?
            }
            Answer::Count => count.rounded(),
            Answer::R2 => return self.determination(),
            Answer::AvgX => self.sum(X).rounded().over(count.rounded()),
            Answer::AvgY => self.sum(Y).rounded().over(count.rounded()),
            Answer::Sxx => self.spread(Xx, X, X).rounded().over(count.rounded()),
            Answer::Syy => self.spread(Yy, Y, Y).rounded().over(count.rounded()),
            Answer::Sxy => self.spread(Xy, X, Y).rounded().over(count.rounded()),
        };
        Some(scaled.value())
    }

    fn sum(&self, wanted: Moment) -> Whole {
        let kept = self.answer.moments().iter().zip(self.sums);
        let sum = kept.into_iter().find(|(moment, _)| **moment == wanted);
        sum.map_or_else(|| Whole::of(0), |(_, sum)| sum.whole())
    }

    /// n times the sum of the products of deviations from the means: n·Σxy - Σx·Σy, in which nothing cancels that is not equal.
    fn spread(&self, products: Moment, one: Moment, other: Moment) -> Whole {
        let products = self.sum(products).times(&Whole::of(self.count));
        products.minus(&self.sum(one).times(&self.sum(other)))
    }

    fn correlation(&self) -> Option<f64> {
        use Moment::{X, Xx, Xy, Y, Yy};
        let (xx, yy) = (self.spread(Xx, X, X), self.spread(Yy, Y, Y));
        if xx.is_zero() || yy.is_zero() {
            return None;
        }
        let xy = self.spread(Xy, X, Y).rounded();
        let value = xy.over(xx.times(&yy).rounded().root()).value();
        // The last bit may be off, and then it would be more than there is.
        Some(value.clamp(-1.0, 1.0))
    }

    /// As in PostgreSQL, a line through values of which all y are the same explains all of them.
    fn determination(&self) -> Option<f64> {
        use Moment::{X, Xx, Xy, Y, Yy};
        let (xx, yy) = (self.spread(Xx, X, X), self.spread(Yy, Y, Y));
        if yy.is_zero() && !xx.is_zero() {
            return Some(1.0);
        }
        let xy = self.spread(Xy, X, Y);
        let value = fraction(&xy.times(&xy), &xx.times(&yy))?.value();
        Some(value.min(1.0))
    }
}

/// `None` where it would be over zero.
fn fraction(above: &Whole, below: &Whole) -> Option<Scaled> {
    (!below.is_zero()).then(|| above.rounded().over(below.rounded()))
}

fn mean_of(specials: u8) -> f64 {
    match specials & OF_X {
        INFINITE => f64::INFINITY,
        MINUS_INFINITE => f64::NEG_INFINITY,
        _ => f64::NAN,
    }
}
