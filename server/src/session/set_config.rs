//! `SELECT set_config('search_path', 'gold, public', false)`: what SET does, asked for as a function.
//!
//! The function itself gives the value back and nothing more: inside of a query it would change what the rest of it means. So what is looked at
//! is the select list of a statement without FROM, before the statement runs.

use datafusion::scalar::ScalarValue;
use sluice_sql::ast::{
    self, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart,
    SelectItem, SetExpr, Value,
};

use super::{Scope, Session};
use crate::error::Result;

/// One call's arguments.
struct Asked {
    name: String,
    value: String,
    scope: Scope,
}

impl Session {
    /// Sets the parameters that a statement calls for.
    pub(super) fn set_by_function(
        &self,
        statement: &ast::Statement,
        values: &[ScalarValue],
    ) -> Result<()> {
        let asked = asked(statement, values);
        for Asked { name, value, scope } in &asked {
            self.settings.lock().assign(name, value, *scope)?;
        }
        match asked.is_empty() {
            true => Ok(()),
            false => self.settings_changed(),
        }
    }
}

/// What a statement sets.
fn asked(statement: &ast::Statement, values: &[ScalarValue]) -> Vec<Asked> {
    let ast::Statement::Query(query) = statement else {
        return Vec::new();
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Vec::new();
    };
    if !select.from.is_empty() || select.selection.is_some() {
        return Vec::new();
    }
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(Expr::Function(call))
        | SelectItem::ExprWithAlias {
            expr: Expr::Function(call),
            ..
        } => Some(call),
        _ => None,
    });
    items.filter_map(|call| asked_by(call, values)).collect()
}

fn asked_by(call: &Function, values: &[ScalarValue]) -> Option<Asked> {
    let function = call.name.0.last().and_then(ObjectNamePart::as_ident)?;
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    let [name, value, local] = list.args.as_slice() else {
        return None;
    };
    if !function.value.eq_ignore_ascii_case("set_config") {
        return None;
    }
    let local = text(local, values)?.to_lowercase();
    let local = ["true", "t", "on", "yes", "1"].contains(&local.as_str());
    Some(Asked {
        name: text(name, values)?,
        value: text(value, values)?,
        scope: if local { Scope::Local } else { Scope::Session },
    })
}

/// An argument's value, as text; `None` where it is none or has to be computed.
fn text(argument: &FunctionArg, values: &[ScalarValue]) -> Option<String> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(mut expr)) = argument.clone() else {
        return None;
    };
    while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
        expr = *inner;
    }
    let Expr::Value(value) = expr else {
        return None;
    };
    match value.value {
        Value::SingleQuotedString(text) => Some(text),
        Value::Boolean(is) => Some(is.to_string()),
        Value::Placeholder(id) => {
            let number: usize = id.strip_prefix('$')?.parse().ok()?;
            match values.get(number.checked_sub(1)?)? {
                ScalarValue::Boolean(is) => is.map(|is| is.to_string()),
                value => value.try_as_str().flatten().map(str::to_owned),
            }
        }
        _ => None,
    }
}
