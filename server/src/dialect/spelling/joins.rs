//! `JOIN … USING`: its columns come first behind `*`, once each, and of an outer join each is whichever side has it.
//!
//! The engine leaves them where they stand in the left relation, and gives the left one's value of each. Hard here: which columns a relation
//! has is not known while text is rewritten. So the left side of USING is taken to be the first relation, which is what people join to; where
//! it is another, the planner does not find the column and says so. What cannot be told at all is refused ([`refused`]).

use std::{collections::HashMap, ops::ControlFlow};

use sluice_sql::ast::{
    Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectNamePart, OrderByKind,
    Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::expression;
use crate::error::{Error, SqlState};

/// Rewrites the joins of a statement.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Joins);
}

/// Why a join would be answered in another way than PostgreSQL answers it.
pub(in crate::dialect) fn refused(statement: &Statement) -> Option<Error> {
    match statement.visit(&mut Refused) {
        ControlFlow::Break(error) => Some(*error),
        ControlFlow::Continue(()) => None,
    }
}

struct Joins;

impl VisitorMut for Joins {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut sorted: Vec<&mut Expr> = Vec::new();
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(by) = &mut order_by.kind
        {
            sorted.extend(by.iter_mut().map(|by| &mut by.expr));
        }
        of_body(&mut query.body, sorted);
        ControlFlow::Continue(())
    }
}

struct Refused;

impl Visitor for Refused {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Box<Error>> {
        fn any(body: &SetExpr) -> bool {
            match body {
                SetExpr::Select(select) => matches!(shape(select), Shape::Unknown),
                SetExpr::SetOperation { left, right, .. } => any(left) || any(right),
                _ => false,
            }
        }
        match any(&query.body) {
            true => ControlFlow::Break(Box::new(
                Error::user(
                    SqlState::FeatureNotSupported,
                    "what that JOIN without ON gives is not supported",
                )
                .with_hint("Write JOIN … ON a.x = b.x, and the columns to be given one by one."),
            )),
            false => ControlFlow::Continue(()),
        }
    }
}

fn of_body(body: &mut SetExpr, sorted: Vec<&mut Expr>) {
    match body {
        SetExpr::Select(select) => of_select(select, sorted),
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left, Vec::new());
            of_body(right, Vec::new());
        }
        _ => {}
    }
}

/// What has to be done about the joins of a SELECT.
enum Shape {
    Plain,
    /// What stands for `*`; where a side may lack a value, the columns of USING with what each is.
    Merged {
        star: Vec<String>,
        columns: Vec<(Ident, String)>,
    },
    Unknown,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Both,
}

/// How a join finds rows that belong together, and which side's values stay.
fn parts(join: &Join) -> (Option<&JoinConstraint>, Side) {
    match &join.join_operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on) => (Some(on), Side::Left),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Some(on), Side::Right),
        JoinOperator::FullOuter(on) => (Some(on), Side::Both),
        _ => (None, Side::Left),
    }
}

fn is_star(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_))
}

fn shape(select: &Select) -> Shape {
    let joins = || select.from.iter().flat_map(|from| &from.joins);
    let (mut using, mut natural, mut outer) = (false, false, false);
    for join in joins() {
        let (constraint, side) = parts(join);
        match constraint {
            Some(JoinConstraint::Using(_)) => using = true,
            Some(JoinConstraint::Natural) => natural = true,
            _ => continue,
        }
        outer |= side != Side::Left;
    }
    let star = select.projection.iter().any(is_star);
    if (!using && !natural) || !(star || outer) {
        return Shape::Plain;
    }
    if natural || (outer && (select.from.len() > 1 || joins().count() > 1)) {
        return Shape::Unknown;
    }
    merged(&select.from, outer).unwrap_or(Shape::Unknown)
}

fn merged(from: &[TableWithJoins], outer: bool) -> Option<Shape> {
    let mut star = Vec::new();
    let mut columns = Vec::new();
    for table in from {
        let first = name_of(&table.relation)?;
        let mut own: Vec<(Ident, String)> = Vec::new();
        let mut rest: Vec<(String, Vec<Ident>)> = Vec::new();
        for join in &table.joins {
            let name = name_of(&join.relation)?;
            let (constraint, side) = parts(join);
            let Some(JoinConstraint::Using(names)) = constraint else {
                rest.push((name, Vec::new()));
                continue;
            };
            let names: Vec<Ident> = names
                .iter()
                .map(|name| name.0.last().and_then(ObjectNamePart::as_ident).cloned())
                .collect::<Option<_>>()?;
            let mut known: HashMap<String, String> = own
                .iter()
                .map(|(column, value)| (column.value.clone(), value.clone()))
                .collect();
            let before = own
                .into_iter()
                .filter(|(column, _)| names.iter().all(|name| name.value != column.value));
            let before: Vec<_> = before.collect();
            own = names
                .iter()
                .map(|column| {
                    let left = known
                        .remove(&column.value)
                        .unwrap_or_else(|| format!("{first}.{column}"));
                    let value = match side {
                        Side::Left => left,
                        Side::Right => format!("{name}.{column}"),
                        Side::Both => format!("coalesce({left}, {name}.{column})"),
                    };
                    (column.clone(), value)
                })
                .collect();
            own.extend(before);
            rest.push((name, names));
        }
        let of_first = own.iter().map(|(column, _)| column.clone()).collect();
        rest.insert(0, (first, of_first));
        let front = own
            .iter()
            .map(|(column, value)| format!("{value} AS {column}"));
        star.extend(front);
        star.extend(rest.iter().map(|(name, without)| all_but(name, without)));
        columns = own;
    }
    if !outer {
        columns.clear();
    }
    Some(Shape::Merged { star, columns })
}

fn all_but(relation: &str, without: &[Ident]) -> String {
    let names: Vec<String> = without.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        true => format!("{relation}.*"),
        false => format!("{relation}.* EXCLUDE ({})", names.join(", ")),
    }
}

/// The name a relation goes by, as it may stand before a column.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => Some(match alias {
            Some(alias) => alias.name.to_string(),
            None => name.to_string(),
        }),
        TableFactor::Derived { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::Function { alias, .. } => alias.as_ref().map(|alias| alias.name.to_string()),
        _ => None,
    }
}

fn items_of(text: &str) -> Option<Vec<SelectItem>> {
    match *super::body_of(&format!("SELECT {text}"))? {
        SetExpr::Select(select) => Some(select.projection),
        _ => None,
    }
}

/// A column of USING in WHERE is the left relation's: to the engine there it is either side's.
fn in_condition(select: &mut Select) {
    let mut values = HashMap::new();
    for from in &select.from {
        let called = match &from.relation {
            TableFactor::Table {
                args: Some(_),
                alias: None,
                ..
            } => None,
            other => name_of(other),
        };
        for join in &from.joins {
            let (Some(JoinConstraint::Using(names)), side) = parts(join) else {
                continue;
            };
            let (Some(first), Side::Left) = (&called, side) else {
                return;
            };
            let names = names.iter().filter_map(|name| name.0.last()?.as_ident());
            for name in names {
                if let Some(value) = expression(&format!("{first}.{name}")) {
                    values.entry(name.value.clone()).or_insert(value);
                }
            }
        }
    }
    if let Some(condition) = &mut select.selection
        && !values.is_empty()
    {
        let _ = condition.visit(&mut Merge { values, depth: 0 });
    }
}

fn of_select(select: &mut Select, sorted: Vec<&mut Expr>) {
    in_condition(select);
    let Shape::Merged { star, columns } = shape(select) else {
        return;
    };
    let star = items_of(&star.join(", ")).unwrap_or_default();
    let mut projection = Vec::with_capacity(select.projection.len());
    for item in select.projection.drain(..) {
        match is_star(&item) && !star.is_empty() {
            true => projection.extend(star.iter().cloned()),
            false => projection.push(item),
        }
    }
    select.projection = projection;
    if columns.is_empty() {
        return;
    }
    let values = columns
        .into_iter()
        .filter_map(|(column, value)| Some((column.value, expression(&value)?)));
    let mut merge = Merge {
        values: values.collect(),
        depth: 0,
    };
    let mut given: Vec<String> = Vec::new();
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = &*item
            && let Some(value) = merge.values.get(&name.value)
        {
            let alias = name.clone();
            *item = SelectItem::ExprWithAlias {
                expr: value.clone(),
                alias,
            };
        }
        match item {
            SelectItem::UnnamedExpr(expr) => _ = expr.visit(&mut merge),
            SelectItem::ExprWithAlias { expr, alias } => {
                _ = expr.visit(&mut merge);
                given.push(alias.value.clone());
            }
            _ => {}
        }
    }
    let conditions = select.selection.iter_mut().chain(&mut select.having);
    for condition in conditions {
        let _ = condition.visit(&mut merge);
    }
    if let GroupByExpr::Expressions(by, _) = &mut select.group_by {
        for expr in by {
            let _ = expr.visit(&mut merge);
        }
    }
    for expr in sorted {
        let is_given = matches!(&*expr, Expr::Identifier(name) if given.contains(&name.value));
        if !is_given {
            let _ = expr.visit(&mut merge);
        }
    }
}

/// Puts what a column of USING is in the place of its name; names in subqueries are their own.
struct Merge {
    values: HashMap<String, Expr>,
    depth: usize,
}

impl VisitorMut for Merge {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = &*expr
            && let Some(value) = self.values.get(&name.value)
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests;
