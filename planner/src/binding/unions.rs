//! UNIONs of columns that are declared otherwise: a `VARCHAR(3)` beside a `VARCHAR(5)` or a text, a `UUID` beside JSON.
//!
//! Of what such a column is the engine says one thing while it plans and another when it runs, and may refuse its own plan for that. So all arms
//! get what they have in common: the column is a text.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{
        Column, Result,
        tree_node::{Transformed, TreeNodeRecursion},
    },
    logical_expr::{
        ColumnarValue, Expr, LogicalPlan, Projection, ReturnFieldArgs, ScalarFunctionArgs,
        ScalarUDF, ScalarUDFImpl, Signature, Union, Volatility,
        expr::{ScalarFunction, intersect_metadata_for_union},
    },
};

use crate::{error::PlanError, functions::PG_TYPE};

/// What is known of a column beside its type.
type Metadata = BTreeMap<String, String>;

/// The plan with such unions settled.
pub(super) fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut any = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Union(union) = node {
            any |= !differing(union).is_empty();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !any {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Union(union) => Ok(Transformed::yes(of_one_kind(union)?)),
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    })?;
    Ok(plan.data)
}

/// Columns whose arms are of different marks, by their places, with what the arms have in common.
fn differing(union: &Union) -> BTreeMap<usize, Metadata> {
    let mut differing = BTreeMap::new();
    for place in 0..union.schema.fields().len() {
        let fields = union.inputs.iter();
        let fields = fields.filter_map(|input| input.schema().fields().get(place));
        let fields: Vec<_> = fields.collect();
        let mut marks = fields.iter().filter_map(|field| mark(field));
        let Some(first) = marks.next() else {
            continue;
        };
        let differ = marks.any(|mark| mark != first);
        // What holds any text is not as long as the longest of the others; a NULL is of any length.
        let open = first.starts_with("character")
            && fields
                .iter()
                .any(|field| mark(field).is_none() && !field.data_type().is_null());
        if differ || open {
            let all = fields.iter().map(|field| field.metadata());
            let common = intersect_metadata_for_union(all).into_iter();
            let common = common.filter(|(key, _)| key != PG_TYPE);
            differing.insert(place, common.collect());
        }
    }
    differing
}

/// What a column is declared as, beside its type.
fn mark(field: &FieldRef) -> Option<&String> {
    field.metadata().get(PG_TYPE)
}

fn of_one_kind(union: Union) -> Result<LogicalPlan> {
    let differing = differing(&union);
    let mut inputs = union.inputs;
    if !differing.is_empty() {
        let arms = inputs.into_iter();
        let arms = arms.map(|input| Ok(Arc::new(marked(input, &differing)?)));
        inputs = arms.collect::<Result<Vec<_>>>()?;
    }
    // Made again in any case: one of its arms may be such a union.
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

/// An arm, these columns of it with this metadata.
fn marked(input: Arc<LogicalPlan>, differing: &BTreeMap<usize, Metadata>) -> Result<LogicalPlan> {
    let columns = input.schema().iter().enumerate();
    let exprs = columns.map(|(place, (qualifier, field))| {
        let column = Expr::Column(Column::from((qualifier, field)));
        match differing.get(&place) {
            Some(metadata) if !field.metadata().is_empty() => {
                let function = ScalarUDF::from(Marked {
                    metadata: metadata.clone(),
                    signature: Signature::any(1, Volatility::Immutable),
                });
                let call = ScalarFunction::new_udf(Arc::new(function), vec![column]);
                Expr::ScalarFunction(call).alias_qualified(qualifier.cloned(), field.name())
            }
            _ => column,
        }
    });
    let exprs = exprs.collect();
    Projection::try_new(exprs, input).map(LogicalPlan::Projection)
}

/// Gives its argument back, with other metadata.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Marked {
    metadata: Metadata,
    signature: Signature,
}

impl ScalarUDFImpl for Marked {
    fn name(&self) -> &str {
        "marked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = match args.arg_fields.first() {
            Some(field) => Field::new(self.name(), field.data_type().clone(), field.is_nullable()),
            None => Field::new(self.name(), DataType::Null, true),
        };
        let metadata = self.metadata.clone().into_iter().collect();
        Ok(field.with_metadata(metadata).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.into_iter().next();
        given.ok_or_else(|| PlanError::internal("a mark is of one value").into_engine())
    }
}
