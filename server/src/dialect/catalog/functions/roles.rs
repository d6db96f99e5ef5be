//! Functions about roles and privileges: who one is, and what one may.
//!
//! `has_…_privilege([user,] object, privilege)`; user and object by name or by number, as PostgreSQL takes them.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
    },
};
use sluice_sql::Privilege;

use crate::{
    access::Target,
    catalog::{Catalog, QualifiedName, RESERVED_SCHEMAS},
    dialect::catalog::{
        Facts, builtin, names, oids,
        relations::{Listed, role},
        shapes::{Mark, marked},
    },
    error::{Error, SqlState},
};

pub(super) fn all(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    [
        Asked::CurrentUser,
        Asked::SessionUser,
        Asked::NameOf,
        Asked::Table("has_table_privilege"),
        Asked::Table("has_any_column_privilege"),
        Asked::Column,
        Asked::Schema,
        Asked::Database,
        Asked::Function,
        Asked::Member,
    ]
    .map(|asked| {
        ScalarUDF::new_from_impl(AboutRoles {
            asked,
            facts: Arc::clone(facts),
            listed: listed.clone(),
            signature: Signature::one_of(
                vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
                Volatility::Stable,
            ),
        })
    })
    .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// Upstream makes `session_user` of `current_user`.
    CurrentUser,
    SessionUser,
    NameOf,
    Table(&'static str),
    Column,
    Schema,
    Database,
    Function,
    Member,
}

/// The name by which [`super::super::rules`] calls for the user that logged in.
pub(in crate::dialect::catalog) const SESSION_USER: &str = "sluice_session_user";

struct AboutRoles {
    asked: Asked,
    facts: Arc<Facts>,
    listed: Listed,
    signature: Signature,
}

impl ScalarUDFImpl for AboutRoles {
    fn name(&self) -> &str {
        match self.asked {
            Asked::CurrentUser => "session_user",
            Asked::SessionUser => SESSION_USER,
            Asked::NameOf => "pg_get_userbyid",
            Asked::Table(name) => name,
            Asked::Column => "has_column_privilege",
            Asked::Schema => "has_schema_privilege",
            Asked::Database => "has_database_privilege",
            Asked::Function => "has_function_privilege",
            Asked::Member => "pg_has_role",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.asked {
            Asked::CurrentUser | Asked::SessionUser | Asked::NameOf => DataType::Utf8,
            _ => DataType::Boolean,
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = self.return_type(&[])?;
        let mark = match data_type {
            DataType::Utf8 => Mark::Type("name"),
            _ => Mark::None,
        };
        Ok(marked(Field::new(self.name(), data_type, true), mark).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|arg| cast(&arg.to_array(rows)?, &DataType::Utf8).map_err(Into::into))
            .collect::<Result<_>>()?;
        let texts: Vec<&StringArray> = columns.iter().map(|column| column.as_string()).collect();
        let row = |at: usize| -> Option<Vec<&str>> {
            texts
                .iter()
                .map(|column| column.is_valid(at).then(|| column.value(at)))
                .collect()
        };
        let told: ArrayRef = match self.asked {
            Asked::CurrentUser => Arc::new(StringArray::from(vec![self.facts.role(); rows])),
            Asked::SessionUser => Arc::new(StringArray::from(vec![self.session(); rows])),
            Asked::NameOf => {
                let names = (0..rows).map(|at| row(at).map(|args| self.name_of(&args)));
                Arc::new(names.collect::<StringArray>())
            }
            _ => {
                let answers = (0..rows)
                    .map(|at| row(at).map_or(Ok(None), |args| self.may(&args)))
                    .collect::<crate::error::Result<BooleanArray>>()
                    .map_err(|error| DataFusionError::External(Box::new(error)))?;
                Arc::new(answers)
            }
        };
        Ok(ColumnarValue::Array(told))
    }
}

impl AboutRoles {
    fn session(&self) -> String {
        match &self.facts.access {
            Some((_, actor)) => actor.session_user(),
            None => self.facts.user.clone(),
        }
    }

    fn name_of(&self, args: &[&str]) -> String {
        let oid = args.first().copied().unwrap_or_default();
        let found = oid.parse().ok();
        found
            .and_then(|oid| role(&self.facts.catalog(), oid))
            .unwrap_or_else(|| format!("unknown (OID={oid})"))
    }

    /// The role that is meant: by name, by number, or the current one.
    fn role(&self, catalog: &Catalog, given: Option<&str>) -> crate::error::Result<String> {
        let Some(given) = given else {
            return Ok(self.facts.role());
        };
        let by_number = catalog
            .roles()
            .all()
            .find(|role| role.oid.to_string() == given);
        match by_number {
            Some(role) => Ok(role.name.clone()),
            None => Ok(catalog.roles().require(given)?.name.clone()),
        }
    }

    /// `None` where there is nothing of the object's number.
    fn may(&self, args: &[&str]) -> crate::error::Result<Option<bool>> {
        let catalog = self.facts.catalog();
        let objects = match self.asked {
            Asked::Column => 2,
            _ => 1,
        };
        let Some(split) = args.len().checked_sub(objects + 1) else {
            return Err(Error::user(
                SqlState::UndefinedFunction,
                "too few arguments to a function about privileges",
            ));
        };
        let role = self.role(&catalog, args.first().copied().filter(|_| split == 1))?;
        let object = args.get(split).copied().unwrap_or_default();
        let asked = args.last().copied().unwrap_or_default();
        if self.asked == Asked::Member {
            let other = self.role(&catalog, Some(object))?;
            let roles = catalog.roles();
            let is = match asked.trim().to_ascii_uppercase().as_str() {
                "USAGE" => roles.has_privileges_of(&role, &other),
                _ => roles.is_member(&role, &other),
            };
            return Ok(Some(is || roles.is_superuser(&role)));
        }
        let mut any = false;
        for word in asked.split(',') {
            let word = word.trim().to_ascii_uppercase();
            let (word, option) = match word.strip_suffix(" WITH GRANT OPTION") {
                Some(word) => (word, true),
                None => (word.as_str(), false),
            };
            let privilege = Privilege::of_word(word).ok_or_else(|| {
                Error::user(
                    SqlState::InvalidParameterValue,
                    format!("unrecognized privilege type: \"{asked}\""),
                )
            })?;
            match self.has(&catalog, &role, object, privilege, option)? {
                Some(has) => any |= has,
                None => return Ok(None),
            }
        }
        Ok(Some(any))
    }

    fn has(
        &self,
        catalog: &Catalog,
        role: &str,
        object: &str,
        privilege: Privilege,
        option: bool,
    ) -> crate::error::Result<Option<bool>> {
        let decide = |on: Target<'_>| match option {
            true => catalog.grantable(role, on).has(privilege),
            false => catalog.may(role, privilege, on),
        };
        // What is PostgreSQL's own may be read and used by everybody.
        let theirs = |may: Privilege| privilege == may || catalog.roles().is_superuser(role);
        let number = object.parse::<u32>().ok().map(u32::cast_signed);
        Ok(Some(match self.asked {
            Asked::Database => decide(Target::Database),
            Asked::Function => {
                let name = match number {
                    Some(oid) => match builtin::procedure(oid) {
                        Some(name) => name.to_owned(),
                        None => return Ok(None),
                    },
                    None => function(object),
                };
                decide(Target::Function(&name))
            }
            Asked::Schema => {
                let schema = match number.map(oids::schema) {
                    Some(Some(name)) => name,
                    Some(None) => return Ok(None),
                    None => object.to_owned(),
                };
                if RESERVED_SCHEMAS.contains(&schema.as_str()) {
                    theirs(Privilege::Usage)
                } else if catalog.has_schema(&schema) {
                    decide(Target::Schema(&schema))
                } else if number.is_some() {
                    return Ok(None);
                } else {
                    return Err(Error::user(
                        SqlState::InvalidSchemaName,
                        format!("schema \"{object}\" does not exist"),
                    ));
                }
            }
            _ => {
                let name = match number.map(oids::relation) {
                    Some(Some((schema, name))) => QualifiedName::new(schema, name),
                    Some(None) => return Ok(None),
                    None => self.relation(object),
                };
                match catalog.readable(&name) {
                    _ if RESERVED_SCHEMAS.contains(&name.schema.as_str()) => {
                        theirs(Privilege::Select)
                    }
                    Some(object) => decide(Target::Relation(object)),
                    None if number.is_some() => return Ok(None),
                    None => return Err(catalog.undefined(&name)),
                }
            }
        }))
    }

    /// The relation that a text names: on the search path, or in its first schema where it may be what stands beside a relation.
    fn relation(&self, text: &str) -> QualifiedName {
        let found = names::oid_of("regclass", text, &self.facts, &self.listed);
        if let Some((schema, name)) = found.and_then(oids::relation) {
            return QualifiedName::new(schema, name);
        }
        let mut parts = names::parts(text).unwrap_or_else(|| vec![text.to_owned()]);
        let name = parts.pop().unwrap_or_default();
        let first = || {
            let mut path = names::search_path(&self.facts).into_iter();
            path.find(|schema| schema != "pg_catalog")
        };
        let schema = parts.pop().or_else(first);
        QualifiedName::new(schema.unwrap_or_else(|| "public".to_owned()), name)
    }
}

/// The name of a function as it is asked about: `pg_catalog.f(int, text)`.
fn function(text: &str) -> String {
    let name = text.split_once('(').map_or(text, |(name, _)| name).trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    name.trim_matches('"').to_lowercase()
}

impl fmt::Debug for AboutRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AboutRoles({:?})", self.asked)
    }
}

impl PartialEq for AboutRoles {
    fn eq(&self, other: &Self) -> bool {
        self.asked == other.asked && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for AboutRoles {}

impl Hash for AboutRoles {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked.hash(state);
    }
}
