//! Casts to types that the engine lacks or knows by another name, as calls of functions that know them.
//!
//! `'gold.orders'::regclass` is the OID of a name, `c.oid::regclass::text` the name of an OID, and `relname::text` leaves the type `name`
//! behind, which the engine carries as a text and would go on calling a name.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    ArrayElemTypeDef, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Statement, Value,
    VisitMut, VisitorMut,
};

use super::{
    answer::only_catalog,
    functions::{BACKWARD, FORWARD},
};

/// Rewrites the casts of a statement.
pub(super) fn rewrite(mut statement: Statement) -> Statement {
    let catalog = only_catalog(&statement);
    let _ = statement.visit(&mut Casts { catalog });
    statement
}

struct Casts {
    /// Whether it is about the catalog alone: then names are about, and a cast to text has something to do.
    catalog: bool,
}

impl VisitorMut for Casts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            bytes_as_they_are(function);
        }
        let Expr::Cast {
            expr: inner,
            data_type,
            ..
        } = expr
        else {
            return ControlFlow::Continue(());
        };
        let target = type_name(data_type);
        if let Some(function) = list_read_by(data_type) {
            let mut list = expr.clone();
            if let Expr::Cast { data_type, .. } = &mut list {
                *data_type = of_texts(data_type);
            }
            *expr = call(function, list);
        } else if let Some(function) = read_by(&target) {
            *expr = call(function, as_text(inner));
        } else if let Some((function, _)) = FORWARD.iter().find(|(_, kind)| *kind == target) {
            *expr = call(function, inner.as_ref().clone());
        } else if ["text", "varchar", "name"].contains(&target.as_str()) {
            // The text of an OID is its name.
            if let Expr::Function(from) = inner.as_ref()
                && let Some(kind) = kind_of(&from.name)
                && let Some((function, _)) = BACKWARD.iter().find(|(_, known)| *known == kind)
            {
                *expr = call(function, inner.as_ref().clone());
            } else if (target == "text" || !self.catalog) && !is_text(inner) {
                *expr = call("sluice_text", inner.as_ref().clone());
            } else if self.catalog {
                let function = match target.as_str() {
                    "text" => "sluice_text",
                    "varchar" => "sluice_varchar",
                    _ => "sluice_name",
                };
                *expr = call(function, inner.as_ref().clone());
            } else if target == "name" {
                *data_type = DataType::Text;
            }
        }
        ControlFlow::Continue(())
    }
}

/// `from_json(CAST(value AS STRING), …)` is Spark's, where bytes are cast to the text that they are; PostgreSQL would write them out.
fn bytes_as_they_are(function: &mut Function) {
    if !function.name.to_string().eq_ignore_ascii_case("from_json") {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut()
        && let Expr::Function(text) = value
        && text.name.to_string() == "sluice_text"
        && let FunctionArguments::List(inner) = &mut text.args
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))) = inner.args.pop()
    {
        *value = to_text(inner);
    }
}

/// Whether it is written out, as something that is its own text.
fn is_text(inner: &Expr) -> bool {
    match inner {
        Expr::Value(value) => !matches!(value.value, Value::HexStringLiteral(_)),
        _ => false,
    }
}

/// The function that reads a text as a type which a text carries.
fn read_by(target: &str) -> Option<&'static str> {
    match target {
        "json" => Some("sluice_json"),
        "jsonb" => Some("sluice_jsonb"),
        "uuid" => Some("sluice_uuid"),
        _ => None,
    }
}

/// The function that reads a list of texts as one of such a type.
fn list_read_by(data_type: &DataType) -> Option<&'static str> {
    match innermost(data_type)? {
        DataType::Uuid => Some("sluice_uuid_list"),
        DataType::JSON => Some("sluice_json_texts"),
        DataType::JSONB => Some("sluice_jsonb_texts"),
        _ => None,
    }
}

/// What the elements of a list are, of lists in it too; `None` for a type of no list.
fn innermost(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            innermost(element).or(Some(element))
        }
        _ => None,
    }
}

/// The same lists, of texts.
fn of_texts(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, length)) => {
            let element = Box::new(of_texts(element));
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, *length))
        }
        _ => DataType::Text,
    }
}

/// A parameter that becomes such a one is a text: nothing else would say so.
fn as_text(inner: &Expr) -> Expr {
    match inner {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
            to_text(inner.clone())
        }
        other => other.clone(),
    }
}

/// The engine's own cast to text.
fn to_text(inner: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(inner),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}

/// The type's name without schema and length, in lower case.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Regclass => "regclass".into(),
        DataType::Text => "text".into(),
        DataType::JSON => "json".into(),
        DataType::JSONB => "jsonb".into(),
        DataType::Uuid => "uuid".into(),
        DataType::Varchar(None) | DataType::CharacterVarying(None) => "varchar".into(),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            let last = name.0.last().and_then(ObjectNamePart::as_ident);
            last.map(|ident| ident.value.to_lowercase())
                .unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The alias of `oid` that a call of ours gives.
fn kind_of(function: &ObjectName) -> Option<&'static str> {
    let name = &function.0.last()?.as_ident()?.value;
    let found = FORWARD.iter().find(|(known, _)| known == name);
    found.map(|(_, kind)| *kind)
}

fn call(name: &str, argument: Expr) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
