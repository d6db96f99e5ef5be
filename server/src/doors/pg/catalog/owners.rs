//! Owners and access lists of relations and schemas, as columns of `pg_class` and `pg_namespace`.
//!
//! While everything is the first user's and nothing was given to anybody, which is so in most places, they are constants.

use std::{hash::Hash, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, ListBuilder, StringArray, StringBuilder},
    compute::cast,
    datatypes::{DataType, Field},
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        col, lit,
    },
    scalar::ScalarValue,
};

use super::Facts;
use crate::{
    access::{OWNER, OWNER_OID, Target},
    catalog::{Catalog, QualifiedName},
};

/// Whether anything is another's than the first user's, or was given to anybody.
pub(super) fn differ(facts: &Facts) -> bool {
    let Some((engine, _)) = &facts.access else {
        return false;
    };
    let catalog = engine.catalog();
    catalog
        .all()
        .any(|object| object.meta().owner != OWNER || !object.meta().acl.is_empty())
}

/// Owner and access list of the relation that two columns name.
pub(super) fn of_relations(facts: &Facts, schema: &str, name: &str) -> (Expr, Expr) {
    match (&facts.access, differ(facts)) {
        (Some((engine, _)), true) => told(&engine.catalog(), vec![col(schema), col(name)]),
        _ => same(),
    }
}

/// Owner and access list of the schema that a column names.
pub(super) fn of_schemas(facts: &Facts, name: &str) -> (Expr, Expr) {
    match &facts.access {
        Some((engine, _)) => told(&engine.catalog(), vec![col(name)]),
        None => same(),
    }
}

fn same() -> (Expr, Expr) {
    let no_list = lit(ScalarValue::new_null_list(DataType::Utf8, true, 1));
    (lit(OWNER_OID), no_list)
}

fn told(catalog: &Arc<Catalog>, names: Vec<Expr>) -> (Expr, Expr) {
    let call = |list: bool| {
        let function = ScalarUDF::new_from_impl(Owned {
            catalog: Arc::clone(catalog),
            list,
            signature: Signature::variadic_any(Volatility::Stable),
        });
        function.call(names.clone())
    };
    (call(false), call(true))
}

/// The owner's number, or the access list, of what its arguments name.
#[derive(Debug)]
struct Owned {
    catalog: Arc<Catalog>,
    list: bool,
    signature: Signature,
}

impl Owned {
    fn with<T>(&self, names: &[&str], tell: impl FnOnce(Target<'_>) -> T) -> Option<T> {
        match names {
            [schema] if self.catalog.has_schema(schema) => Some(tell(Target::Schema(schema))),
            [schema, name] => {
                let object = self.catalog.get(&QualifiedName::new(*schema, *name))?;
                Some(tell(Target::Relation(object)))
            }
            _ => None,
        }
    }

    fn owner(&self, names: &[&str]) -> i32 {
        let owner = self.with(names, |on| {
            let role = self.catalog.roles().get(self.catalog.owner(on));
            role.map_or(OWNER_OID, |role| role.oid)
        });
        owner.unwrap_or(OWNER_OID)
    }

    /// `None` where nothing was given, as in PostgreSQL.
    fn items(&self, names: &[&str]) -> Option<Vec<String>> {
        self.with(names, |on| {
            let acl = self.catalog.acl(on);
            (!acl.is_empty()).then(|| acl.items(self.catalog.owner(on), on.all()))
        })?
    }
}

impl ScalarUDFImpl for Owned {
    fn name(&self) -> &str {
        match self.list {
            true => "sluice_acl_of",
            false => "sluice_owner_of",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.list {
            true => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
            false => DataType::Int32,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|arg| cast(&arg.to_array(rows)?, &DataType::Utf8).map_err(Into::into))
            .collect::<Result<_>>()?;
        let texts: Vec<&StringArray> = columns.iter().map(|column| column.as_string()).collect();
        let names = |at: usize| -> Vec<&str> {
            let told = texts.iter().filter(|column| column.is_valid(at));
            told.map(|column| column.value(at)).collect()
        };
        let told: ArrayRef = if self.list {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for at in 0..rows {
                let items = self.items(&names(at));
                for item in items.iter().flatten() {
                    lists.values().append_value(item);
                }
                lists.append(items.is_some());
            }
            Arc::new(lists.finish())
        } else {
            let owners = (0..rows).map(|at| self.owner(&names(at)));
            Arc::new(Int32Array::from_iter_values(owners))
        };
        Ok(ColumnarValue::Array(told))
    }
}

impl PartialEq for Owned {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list && Arc::ptr_eq(&self.catalog, &other.catalog)
    }
}

impl Eq for Owned {}

impl Hash for Owned {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.list.hash(state);
    }
}
