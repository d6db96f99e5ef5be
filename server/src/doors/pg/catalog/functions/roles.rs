//! Functions about roles and privileges: who one is, and what one may.
//!
//! `has_…_privilege([user,] object, privilege)`; user and object by name or by number. Of an object that is given by number no more is known
//! than that it was listed, which means that it may be read.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
        Volatility,
    },
};
use sluice_sql::Privilege;

use crate::{
    access::Target,
    catalog::{Catalog, QualifiedName, RESERVED_SCHEMAS, fold},
    doors::pg::catalog::{Facts, OWNER},
    error::{Error, SqlState},
};

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
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
pub(in crate::doors::pg::catalog) const SESSION_USER: &str = "sluice_session_user";

struct AboutRoles {
    asked: Asked,
    facts: Arc<Facts>,
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
            Asked::CurrentUser => Arc::new(StringArray::from(vec![self.current(); rows])),
            Asked::SessionUser => Arc::new(StringArray::from(vec![self.session(); rows])),
            Asked::NameOf => {
                let names = (0..rows).map(|at| row(at).map(|args| self.name_of(&args)));
                Arc::new(names.collect::<StringArray>())
            }
            _ => {
                let answers = (0..rows)
                    .map(|at| row(at).map(|args| self.may(&args)).transpose())
                    .collect::<crate::error::Result<BooleanArray>>()
                    .map_err(|error| DataFusionError::External(Box::new(error)))?;
                Arc::new(answers)
            }
        };
        Ok(ColumnarValue::Array(told))
    }
}

impl AboutRoles {
    fn current(&self) -> String {
        match &self.facts.access {
            Some((_, actor)) => actor.current(),
            None => self.facts.user.clone(),
        }
    }

    fn session(&self) -> String {
        match &self.facts.access {
            Some((_, actor)) => actor.session_user(),
            None => self.facts.user.clone(),
        }
    }

    fn catalog(&self) -> Arc<Catalog> {
        match &self.facts.access {
            Some((engine, _)) => engine.catalog(),
            None => Arc::new(Catalog::new()),
        }
    }

    fn name_of(&self, args: &[&str]) -> String {
        let oid = args.first().copied().unwrap_or_default();
        let catalog = self.catalog();
        let found = catalog
            .roles()
            .all()
            .find(|role| role.oid.to_string() == oid)
            .map(|role| role.name.clone());
        match (found, &self.facts.access) {
            (Some(name), _) => name,
            (None, None) => OWNER.to_owned(),
            (None, Some(_)) => format!("unknown (OID={oid})"),
        }
    }

    /// The role that is meant: by name, by number, or the current one.
    fn role(&self, catalog: &Catalog, given: Option<&str>) -> crate::error::Result<String> {
        let Some(given) = given else {
            return Ok(self.current());
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

    fn may(&self, args: &[&str]) -> crate::error::Result<bool> {
        let catalog = self.catalog();
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
            return Ok(roles.is_superuser(&role)
                || match asked.trim().to_ascii_uppercase().as_str() {
                    "USAGE" => roles.has_privileges_of(&role, &other),
                    _ => roles.is_member(&role, &other),
                });
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
            any |= self.has(&catalog, &role, object, privilege, option)?;
        }
        Ok(any)
    }

    fn has(
        &self,
        catalog: &Catalog,
        role: &str,
        object: &str,
        privilege: Privilege,
        option: bool,
    ) -> crate::error::Result<bool> {
        let decide = |on: Target<'_>| match option {
            true => catalog.grantable(role, on).has(privilege),
            false => catalog.may(role, privilege, on),
        };
        let numbered = object.parse::<i64>().is_ok();
        match self.asked {
            Asked::Database => Ok(decide(Target::Database)),
            Asked::Function => Ok(privilege == Privilege::Execute),
            Asked::Schema => {
                if RESERVED_SCHEMAS.contains(&object) || numbered {
                    return Ok(privilege == Privilege::Usage || catalog.roles().is_superuser(role));
                }
                if !catalog.has_schema(object) {
                    return Err(Error::user(
                        SqlState::InvalidSchemaName,
                        format!("schema \"{object}\" does not exist"),
                    ));
                }
                Ok(decide(Target::Schema(object)))
            }
            _ => {
                let name = relation(object);
                if numbered || RESERVED_SCHEMAS.contains(&name.schema.as_str()) {
                    return Ok(privilege == Privilege::Select || catalog.roles().is_superuser(role));
                }
                match catalog.readable(&name) {
                    Some(object) => Ok(decide(Target::Relation(object))),
                    None => Err(catalog.undefined(&name)),
                }
            }
        }
    }
}

/// A relation's name in a text: `t`, `s.t`, `"S"."T"`.
fn relation(text: &str) -> QualifiedName {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text.trim();
    loop {
        let (ident, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                let (name, after) = quoted.split_at(end);
                (
                    sluice_sql::ast::Ident::with_quote('"', name),
                    after.strip_prefix('"').unwrap_or(after),
                )
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                (sluice_sql::ast::Ident::new(name), after)
            }
        };
        parts.push(fold(&ident));
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let name = parts.pop().unwrap_or_default();
    QualifiedName::new(parts.pop().unwrap_or_else(|| "public".to_owned()), name)
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
