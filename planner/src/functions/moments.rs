//! `stddev`, `var_samp`, `covar_samp`, `corr`, `regr_…` and their like, from sums that are exact.
//!
//! The engine's own keep rounded means and squared deviations, so their last bits depend on the order of the rows and of the merges, and a
//! state that was saved and loaded is not the one before. Here a group keeps how many values it has and the sums of x, x², y, y², xy without
//! rounding (`exact.rs`), and rounds when it is asked (`answer.rs`): nothing is lost to cancellation (the variance of 10¹⁵ + 1, 10¹⁵ + 2,
//! 10¹⁵ + 3 is 1), and the same multiset of rows gives the same bits, however it was cut into batches, partitions, epochs and files.
//!
//! Names, types and what is NULL are PostgreSQL's: of too few values; `corr` and `regr_slope` where all x are the same. Rows of which an
//! argument is NULL do not count. A NaN or an infinity among the values makes the answer NaN, the mean of infinities of one sign is infinite.

mod answer;
mod exact;
mod groups;
mod single;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use self::{
    answer::Answer,
    groups::MomentGroups,
    single::{DistinctMoments, MomentAccumulator},
};

/// Every function: its name, other names, and what is asked.
const FUNCTIONS: [(&str, &[&str], Answer); 16] = [
    ("stddev", &["stddev_samp"], Answer::Stddev),
    ("stddev_pop", &[], Answer::StddevPop),
    ("var", &["var_sample", "var_samp", "variance"], Answer::Var),
    ("var_pop", &["var_population"], Answer::VarPop),
    ("covar_samp", &["covar"], Answer::CovarSamp),
    ("covar_pop", &[], Answer::CovarPop),
    ("corr", &[], Answer::Corr),
    ("regr_slope", &[], Answer::Slope),
    ("regr_intercept", &[], Answer::Intercept),
    ("regr_count", &[], Answer::Count),
    ("regr_r2", &[], Answer::R2),
    ("regr_avgx", &[], Answer::AvgX),
    ("regr_avgy", &[], Answer::AvgY),
    ("regr_sxx", &[], Answer::Sxx),
    ("regr_syy", &[], Answer::Syy),
    ("regr_sxy", &[], Answer::Sxy),
];

/// The functions.
pub(super) fn functions() -> impl Iterator<Item = AggregateUDF> {
    FUNCTIONS
        .iter()
        .map(|(name, aliases, answer)| AggregateUDF::from(Moments::new(name, aliases, *answer)))
}

/// One of them. Of two arguments the first is y, as PostgreSQL has it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Moments {
    name: &'static str,
    aliases: Vec<String>,
    answer: Answer,
    signature: Signature,
}

impl Moments {
    fn new(name: &'static str, aliases: &[&str], answer: Answer) -> Self {
        let arguments = if answer.is_of_one() { 1 } else { 2 };
        Self {
            name,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            answer,
            signature: Signature::exact(vec![DataType::Float64; arguments], Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Moments {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.answer {
            Answer::Count => DataType::UInt64,
            _ => DataType::Float64,
        })
    }

    fn is_nullable(&self) -> bool {
        self.answer != Answer::Count
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match self.answer {
            Answer::Count => Ok(ScalarValue::UInt64(Some(0))),
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let what = match args.is_distinct {
            false => "exact_sums",
            true => "distinct_values",
        };
        let name = format_state_name(args.name, what);
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(match args.is_distinct {
            false => Box::new(MomentAccumulator::new(self.answer)),
            true => Box::new(DistinctMoments::new(self.answer)),
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(MomentGroups::new(self.answer)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
