//! Functions in FROM that name the row beside them: `FROM t, LATERAL unnest(t.list) AS u (x)`, `CROSS JOIN LATERAL generate_series(1, t.n) AS n`.
//!
//! The engine has such functions in a select list alone, so the relation beside becomes a subquery that has their rows as one more column.
//! It goes by its old name, and the function's column is found under it. Done where one relation stands beside; other forms are refused by
//! the planner.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectNamePart,
    Query, SetExpr, Statement, TableAlias, TableFactor, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::{Each, name_of, set_of, statement_of};

/// Rewrites the functions of a statement.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Laterals);
}

struct Laterals;

impl VisitorMut for Laterals {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // From the left to the right, one at a time.
        for _ in 0..8 {
            let Some(moved) = one(query) else { break };
            let _ = query.visit(&mut Renamed(moved));
        }
        ControlFlow::Continue(())
    }
}

/// A function's column, and the relation it is found in now.
struct Moved {
    function: String,
    relation: Ident,
}

/// `u.x` is `t.x` now.
struct Renamed(Moved);

impl VisitorMut for Renamed {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let [relation, _] = names.as_mut_slice()
            && relation.value == self.0.function
        {
            *relation = self.0.relation.clone();
        }
        ControlFlow::Continue(())
    }
}

/// A function in FROM.
struct Function {
    name: Ident,
    columns: Vec<Column>,
}

/// A column of a function.
struct Column {
    /// The list of its values.
    array: String,
    /// What gives a value its type.
    typed: Option<&'static str>,
    name: Ident,
}

/// Takes the first function out of FROM that names the row beside it.
fn one(query: &mut Query) -> Option<Moved> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let first = select.from.first()?;
    let relation = relation_name(&first.relation)?;
    let (function, keeps_all) = match (first.joins.first(), select.from.get(1)) {
        (Some(join), _) => (function_of(&join.relation)?, keeps_all(join)?),
        (None, Some(second)) if second.joins.is_empty() => (function_of(&second.relation)?, false),
        _ => return None,
    };
    let columns = function.columns.iter().map(|column| {
        let rows = match keeps_all {
            true => format!("unnest(sluice_or_null({}))", column.array),
            false => format!("unnest(sluice_or_empty({}))", column.array),
        };
        match column.typed {
            Some(typed) => format!("{typed}({rows}) AS {}", column.name),
            None => format!("{rows} AS {}", column.name),
        }
    });
    let subquery = format!(
        "SELECT {relation}.*, {} FROM {}",
        columns.collect::<Vec<_>>().join(", "),
        first.relation
    );
    let Statement::Query(subquery) = statement_of(&subquery)? else {
        return None;
    };
    let by_join = !first.joins.is_empty();
    let first = select.from.first_mut()?;
    first.relation = TableFactor::Derived {
        lateral: false,
        subquery,
        alias: Some(TableAlias {
            explicit: true,
            name: relation.clone(),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    if by_join {
        first.joins.remove(0);
    } else {
        select.from.remove(1);
    }
    Some(Moved {
        function: function.name.value,
        relation,
    })
}

/// The name a relation goes by.
pub(super) fn relation_name(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => match alias {
            Some(alias) if alias.columns.is_empty() => Some(alias.name.clone()),
            Some(_) => None,
            None => name.0.last().and_then(ObjectNamePart::as_ident).cloned(),
        },
        TableFactor::Derived {
            lateral: false,
            alias: Some(alias),
            ..
        } => Some(alias.name.clone()),
        _ => None,
    }
}

/// Whether the join keeps rows for which the function has none.
fn keeps_all(join: &Join) -> Option<bool> {
    let always = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::None => true,
        JoinConstraint::On(Expr::Value(value)) => value.value == Value::Boolean(true),
        _ => false,
    };
    match &join.join_operator {
        JoinOperator::CrossJoin(_) => Some(false),
        JoinOperator::Join(on) | JoinOperator::Inner(on) if always(on) => Some(false),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) if always(on) => Some(true),
        _ => None,
    }
}

fn function_of(factor: &TableFactor) -> Option<Function> {
    let (name, arguments, alias) = match factor {
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_ordinality: false,
            ..
        } => {
            let [array] = array_exprs.as_slice() else {
                return None;
            };
            ("unnest".to_owned(), vec![array.clone()], alias)
        }
        TableFactor::Function {
            name,
            args,
            with_ordinality: false,
            alias,
            ..
        } => (name_of(name)?, plain(args)?, alias),
        TableFactor::Table {
            name,
            args: Some(arguments),
            with_ordinality: false,
            alias,
            ..
        } => (name_of(name)?, plain(&arguments.args)?, alias),
        _ => return None,
    };
    if !arguments.iter().any(names_a_column) {
        return None;
    }
    let texts: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    if let Some(each) = Each::of(&name, &texts) {
        return each_of(each, &name, alias.as_ref());
    }
    let array = match (name.as_str(), texts.as_slice()) {
        ("unnest", [array]) => array.clone(),
        _ => set_of(&name, &texts)?,
    };
    let own = |name: &str| match name {
        "jsonb_array_elements"
        | "json_array_elements"
        | "jsonb_array_elements_text"
        | "json_array_elements_text" => Ident::new("value"),
        name => Ident::new(name),
    };
    let (name, column) = match alias {
        None => (Ident::new(&name), own(&name)),
        Some(alias) => match alias.columns.as_slice() {
            [] if own(&name).value == "value" => (alias.name.clone(), own(&name)),
            [] => (alias.name.clone(), alias.name.clone()),
            [only] => (alias.name.clone(), only.name.clone()),
            _ => return None,
        },
    };
    Some(Function {
        name,
        columns: vec![Column {
            array,
            typed: None,
            name: column,
        }],
    })
}

/// `jsonb_each(t.x)`: a column of names and one of values.
fn each_of(each: Each, name: &str, alias: Option<&TableAlias>) -> Option<Function> {
    let given = alias.map_or(&[][..], |alias| alias.columns.as_slice());
    if given.len() > 2 {
        return None;
    }
    let called = |at: usize, own: &str| match given.get(at) {
        Some(column) => column.name.clone(),
        None => Ident::with_quote('"', own),
    };
    let columns = vec![
        Column {
            array: each.keys,
            typed: None,
            name: called(0, "key"),
        },
        Column {
            array: each.values,
            typed: each.typed,
            name: called(1, "value"),
        },
    ];
    Some(Function {
        name: alias.map_or_else(|| Ident::new(name), |alias| alias.name.clone()),
        columns,
    })
}

fn plain(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn names_a_column(expr: &Expr) -> bool {
    struct Found(bool);
    impl Visitor for Found {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0 |= matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            ControlFlow::Continue(())
        }
    }
    let mut found = Found(false);
    let _ = expr.visit(&mut found);
    found.0
}
