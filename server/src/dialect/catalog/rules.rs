//! Rewrites of ours, beside upstream's: subqueries that the engine takes only as aggregates.
//!
//! long because each rewrite is a visitor of its own, and their order says as much as they do
//!
//! They touch nothing but questions about the catalog: where a user's own subquery gives two rows, that is an error and has to stay one.

use std::{
    ops::ControlFlow,
    sync::{Arc, LazyLock},
};

use datafusion_pg_catalog::sql::rules::{self as upstream_rules, SqlStatementRewriteRule};
use sluice_sql::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident,
    LimitClause, ObjectName, ObjectNamePart, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SetExpr, Statement, TableFactor, Value, VisitMut, VisitorMut,
};

use super::{
    answer::only_catalog,
    functions::{SESSION_USER, XMIN},
    lateral,
    relations::NAME,
    shapes,
};
use crate::dialect::spelling::expression;

/// Upstream's rules. Of these, one makes NULL of a subquery that names the row around it: a tool's question has another answer then, and
/// a person's would have a wrong one, so it is for tools' alone. Casts to aliases of `oid` are ours (`casts.rs`).
pub(super) fn upstream(statement: Statement) -> Statement {
    type Rules = Vec<Arc<dyn SqlStatementRewriteRule>>;
    static FOR_ALL: LazyLock<Rules> = LazyLock::new(|| {
        vec![
            Arc::new(upstream_rules::AliasDuplicatedProjectionRewrite),
            Arc::new(upstream_rules::ResolveUnqualifiedIdentifier),
            Arc::new(upstream_rules::RewriteArrayAnyAllOperation),
            Arc::new(upstream_rules::StripCallableQualifier),
            Arc::new(upstream_rules::FixArrayLiteral),
            Arc::new(upstream_rules::CurrentUserVariableToSessionUserFunctionCall),
            Arc::new(upstream_rules::StripCollate),
            Arc::new(upstream_rules::RewritePgCatalogOperator),
        ]
    });
    let catalog = only_catalog(&statement);
    let statement = FOR_ALL.iter().fold(statement, |s, rule| rule.rewrite(s));
    match catalog {
        true => upstream_rules::RemoveSubqueryFromProjection.rewrite(statement),
        false => statement,
    }
}

/// Before upstream's rules.
pub(super) fn before(mut statement: Statement) -> Statement {
    let _ = statement.visit(&mut SessionUser);
    if only_catalog(&statement) {
        if let Some(same) = type_tree(&statement) {
            return same;
        }
        lateral::rewrite(&mut statement);
        let _ = statement.visit(&mut Absent);
        let _ = statement.visit(&mut SearchPath);
        let _ = statement.visit(&mut Aggregate);
        let _ = statement.visit(&mut Lists);
        let mut owners = Owners::default();
        let _ = statement.visit(&mut owners);
        let _ = statement.visit(&mut TableOids(owners.names));
    }
    let mut given = Given::default();
    let _ = statement.visit(&mut given);
    let _ = statement.visit(&mut Qualify(given.names));
    statement
}

/// `session_user` under a name of its own: upstream makes `current_user` of both.
struct SessionUser;

impl VisitorMut for SessionUser {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && matches!(function.args, FunctionArguments::None)
            && function
                .name
                .to_string()
                .eq_ignore_ascii_case("session_user")
            && let Some(same) = expression(&format!("{SESSION_USER}()"))
        {
            *expr = same;
        }
        ControlFlow::Continue(())
    }
}

/// asyncpg's look at a type it does not know, down to what it is made of: a recursion with subqueries in it. Types here are made of no more
/// than their elements, so a join says the same.
fn type_tree(statement: &Statement) -> Option<Statement> {
    const SAME: &str = "SELECT t.oid, ns.nspname AS ns, t.typname AS name, t.typtype AS kind, sluice_oid(NULL) AS basetype,
  t.typelem AS elemtype, elem.typdelim AS elemdelim, sluice_oid(coalesce(r.rngsubtype, m.rngsubtype)) AS range_subtype,
  sluice_no_oids() AS attrtypoids, CAST(NULL AS TEXT[]) AS attrnames,
  CASE WHEN sluice_any(t.oid, $1) THEN CAST(0 AS INT) ELSE CAST(1 AS INT) END AS depth,
  CAST(NULL AS TEXT) AS basetype_name, sluice_regtype_text(t.typelem) AS elemtype_name,
  sluice_regtype_text(coalesce(r.rngsubtype, m.rngsubtype)) AS range_subtype_name
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace ns ON ns.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type elem ON t.typlen = -1 AND t.typelem <> 0 AND t.typelem = elem.oid
LEFT JOIN pg_catalog.pg_range r ON t.oid = r.rngtypid
LEFT JOIN pg_catalog.pg_range m ON t.oid = m.rngmultitypid
WHERE sluice_any(t.oid, $1)
   OR t.oid IN (SELECT typelem FROM pg_catalog.pg_type WHERE typelem <> 0 AND sluice_any(oid, $1))
ORDER BY depth DESC";
    let Statement::Query(query) = statement else {
        return None;
    };
    let tree = query.with.as_ref()?.cte_tables.first()?;
    if tree.alias.name.value != "typeinfo_tree" {
        return None;
    }
    let sluice_sql::Statement::Sql(same) = sluice_sql::parse(SAME).ok()?.pop()?.statement else {
        return None;
    };
    Some(*same)
}

/// Branches of CASE for what no column here has: a default, an identity, a collation that is not its type's. The subqueries in them could
/// not be planned.
struct Absent;

impl VisitorMut for Absent {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Case {
            operand: None,
            conditions,
            else_result,
            ..
        } = expr
        {
            conditions.retain(|when| !is_absent(&when.condition));
            if conditions.is_empty() {
                let null = || Box::new(Expr::Value(Value::Null.into()));
                *expr = *else_result.take().unwrap_or_else(null);
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_absent(condition: &Expr) -> bool {
    let named = |expr: &Expr, name: &str| match expr {
        Expr::CompoundIdentifier(names) => names
            .last()
            .is_some_and(|last| last.value.eq_ignore_ascii_case(name)),
        Expr::Identifier(ident) => ident.value.eq_ignore_ascii_case(name),
        _ => false,
    };
    match condition {
        Expr::Nested(inner) => is_absent(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::NotEq,
            right,
        } => {
            // attidentity <> '', and a collation that differs from that of the type.
            (named(left, "attidentity") && !named(right, "attidentity"))
                || (named(right, "attcollation") && matches!(left.as_ref(), Expr::Subquery(_)))
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => is_absent(left) || is_absent(right),
        other => named(other, "atthasdef"),
    }
}

/// Names that WITH gives: they hide relations of PostgreSQL's.
#[derive(Default)]
struct Given {
    names: Vec<String>,
}

impl VisitorMut for Given {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.names
            .extend(tables.map(|table| table.alias.name.value.clone()));
        ControlFlow::Continue(())
    }
}

/// `pg_class` is `pg_catalog.pg_class`: that schema is searched before all others.
struct Qualify(Vec<String>);

impl VisitorMut for Qualify {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(name)] = relation.0.as_slice()
            && !self.0.contains(&name.value)
            && shapes::find(NAME, &name.value.to_lowercase()).is_some()
        {
            let name = name.clone();
            *relation = ObjectName::from(vec![Ident::new(NAME), name]);
        }
        ControlFlow::Continue(())
    }
}

/// Which relation a name in FROM stands for.
#[derive(Default)]
struct Owners {
    names: Vec<(String, &'static shapes::Shape)>,
}

impl VisitorMut for Owners {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor
            && let Some(relation) = name.0.last().and_then(ObjectNamePart::as_ident)
            && let Some(shape) = shapes::find(NAME, &relation.value.to_lowercase())
        {
            let name = alias
                .as_ref()
                .map_or(&relation.value, |alias| &alias.name.value);
            self.names.push((name.clone(), shape));
        }
        ControlFlow::Continue(())
    }
}

/// `c.tableoid`, a column every relation of PostgreSQL's has and shows to nobody who does not ask.
struct TableOids(Vec<(String, &'static shapes::Shape)>);

impl VisitorMut for TableOids {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(version) = self.version(expr) {
            *expr = version;
        } else if let Expr::CompoundIdentifier(names) = expr
            && let [owner, column] = names.as_slice()
            && column.value.eq_ignore_ascii_case("tableoid")
            && let Some((_, shape)) = self.0.iter().find(|(name, _)| *name == owner.value)
            && let Some(oid) = expression(&format!("sluice_oid({})", shape.oid))
        {
            *expr = oid;
        }
        ControlFlow::Continue(())
    }
}

impl TableOids {
    /// `n.xmin`, by which tools see whether a row has changed.
    fn version(&self, expr: &Expr) -> Option<Expr> {
        let (owner, column) = match expr {
            Expr::Identifier(column) => (None, column),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [owner, column] => (Some(owner), column),
                _ => return None,
            },
            _ => return None,
        };
        if !["xmin", "xmax"].contains(&column.value.to_lowercase().as_str()) {
            return None;
        }
        let mut about = self
            .0
            .iter()
            .filter(|(name, _)| owner.is_none_or(|owner| owner.value == *name))
            .peekable();
        about.peek()?;
        let has = about.any(|(_, shape)| shape.columns.iter().any(|own| own.name == column.value));
        if has {
            return None;
        }
        expression(&format!("{XMIN}()"))
    }
}

/// Lists of the catalog beside the texts of lists: `polroles = '{0}'`, `coalesce(fnames, '{}')`, `relkind = ANY ($1)`.
struct Lists;

impl VisitorMut for Lists {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let other = match expr {
            Expr::BinaryOp { left, op, right }
                if matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq) && is_list(right) =>
            {
                expression(&format!("sluice_text({left}) {op} {right}"))
            }
            Expr::AnyOp {
                left,
                compare_op: BinaryOperator::Eq,
                right,
                ..
            } if !matches!(right.as_ref(), Expr::Subquery(_)) => {
                expression(&format!("sluice_any({left}, {right})"))
            }
            Expr::AllOp {
                left,
                compare_op: BinaryOperator::NotEq,
                right,
            } if !matches!(right.as_ref(), Expr::Subquery(_)) => {
                expression(&format!("NOT sluice_any({left}, {right})"))
            }
            Expr::Function(function)
                if function.name.to_string().eq_ignore_ascii_case("coalesce") =>
            {
                let FunctionArguments::List(list) = &function.args else {
                    return ControlFlow::Continue(());
                };
                match list.args.as_slice() {
                    [
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)),
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(empty)),
                    ] if is_list(empty) => Some(value.clone()),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(other) = other {
            *expr = other;
        }
        ControlFlow::Continue(())
    }
}

/// Whether it is the text of a list.
fn is_list(expr: &Expr) -> bool {
    let Expr::Value(value) = expr else {
        return false;
    };
    match &value.value {
        Value::SingleQuotedString(text) => text.starts_with('{') && text.ends_with('}'),
        _ => false,
    }
}

/// `x IN (SELECT … FROM generate_series(…), string_to_array(current_setting('search_path'), ','))`, by which Grafana takes the search
/// path apart: the engine has no functions of computed values in FROM, and a function of PostgreSQL's says the same.
struct SearchPath;

impl VisitorMut for SearchPath {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::InSubquery {
            expr: name,
            subquery,
            negated,
        } = expr
        {
            let text = subquery.to_string();
            if text.contains("current_setting('search_path')") && text.contains("generate_series(")
            {
                let not = if *negated { "NOT " } else { "" };
                let same = format!("{not}array_has(current_schemas(false), {name})");
                if let Some(same) = expression(&same) {
                    *expr = same;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// After them: they limit every subquery to a row, which an aggregate needs not and the engine cannot decorrelate.
pub(super) fn after(mut statement: Statement) -> Statement {
    let _ = statement.visit(&mut Unlimit);
    statement
}

struct Aggregate;

impl VisitorMut for Aggregate {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if is_array(&function.name) => {
                let FunctionArguments::Subquery(query) = &mut function.args else {
                    return ControlFlow::Continue(());
                };
                if gives_none(query)
                    && let Some(none) = expression("sluice_or_empty(CAST(NULL AS TEXT[]))")
                {
                    *expr = none;
                    return ControlFlow::Continue(());
                }
                *expr = match array_of(query) {
                    Some(()) => Expr::Subquery(query.clone()),
                    None => null_array(),
                };
            }
            Expr::Subquery(query) if is_correlated(query) => {
                if let Some((select, _)) = plain_select(query)
                    && let [item] = select.projection.as_mut_slice()
                {
                    wrap(item, "first_value", Vec::new());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_array(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case("array"))
}

/// Whether a query is after policies or privileges on columns, of which there are none: it may ask in ways that the engine cannot plan.
fn gives_none(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let [from] = select.from.as_slice() else {
        return false;
    };
    let of_policies = match &from.relation {
        TableFactor::Table { name, .. } => name
            .0
            .last()
            .and_then(ObjectNamePart::as_ident)
            .is_some_and(|name| name.value.eq_ignore_ascii_case("pg_policy")),
        _ => false,
    };
    let condition = select.selection.as_ref().map(ToString::to_string);
    let of_columns = condition.is_some_and(|condition| {
        let condition = condition.to_lowercase();
        condition.contains("attacl is not null")
    });
    of_policies || of_columns
}

/// `ARRAY(SELECT x FROM …)` as `(SELECT array_agg(x) FROM …)`; `None` where the rows come from a function of an outer column, which the
/// engine cannot run (and which are of arrays that are always NULL here).
fn array_of(query: &mut Query) -> Option<()> {
    let (select, order_by) = plain_select(query)?;
    let functions = select.from.iter().any(|from| {
        matches!(
            &from.relation,
            TableFactor::Function { .. }
                | TableFactor::UNNEST { .. }
                | TableFactor::Table { args: Some(_), .. }
        )
    });
    let [item] = select.projection.as_mut_slice() else {
        return None;
    };
    if functions {
        return None;
    }
    // By position means by the one column there is.
    let order_by = order_by.into_iter().map(|mut by| {
        if matches!(by.expr, Expr::Value(_))
            && let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = &*item
        {
            by.expr = expr.clone();
        }
        by
    });
    let order_by = order_by.collect();
    wrap(item, "array_agg", order_by);
    Some(())
}

/// The select of a query that has no more than an order beside it, and its order, which is taken out.
pub(in crate::dialect) fn plain_select(
    query: &mut Query,
) -> Option<(&mut Select, Vec<OrderByExpr>)> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(by, modifiers) => !by.is_empty() || !modifiers.is_empty(),
        GroupByExpr::All(_) => true,
    };
    let aggregated = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            is_aggregate(expr)
        }
        _ => true,
    });
    if grouped || aggregated || select.distinct.is_some() || select.having.is_some() {
        return None;
    }
    let order_by = match query.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(by)) => by,
        _ => Vec::new(),
    };
    Some((select, order_by))
}

pub(in crate::dialect) fn wrap(item: &mut SelectItem, name: &str, order_by: Vec<OrderByExpr>) {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return;
    };
    let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(expr.clone()));
    let clauses = match order_by.is_empty() {
        true => Vec::new(),
        false => vec![FunctionArgumentClause::OrderBy(order_by)],
    };
    *expr = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument],
            clauses,
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
}

fn null_array() -> Expr {
    let null = Expr::Value(Value::Null.into());
    let texts = sluice_sql::ast::ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None);
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(null),
        data_type: DataType::Array(texts),
        array: false,
        format: None,
    }
}

/// Whether a condition of the subquery names a relation that it does not have.
pub(in crate::dialect) fn is_correlated(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let own: Vec<&str> = select
        .from
        .iter()
        .flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|j| &j.relation))
        })
        .filter_map(name_of)
        .collect();
    let mut foreign = Foreign { own, found: false };
    if let Some(selection) = &select.selection {
        let _ = sluice_sql::ast::Visit::visit(selection, &mut foreign);
    }
    foreign.found
}

fn name_of(factor: &TableFactor) -> Option<&str> {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => Some(&alias.name.value),
        TableFactor::Table { name, .. } => {
            name.0.last()?.as_ident().map(|ident| ident.value.as_str())
        }
        _ => None,
    }
}

struct Foreign<'a> {
    own: Vec<&'a str>,
    found: bool,
}

impl sluice_sql::ast::Visitor for Foreign<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let [.., relation, _] = idents.as_slice()
            && !self.own.contains(&relation.value.as_str())
        {
            self.found = true;
        }
        ControlFlow::Continue(())
    }
}

struct Unlimit;

impl VisitorMut for Unlimit {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr
            && let SetExpr::Select(select) = query.body.as_ref()
            && let [SelectItem::UnnamedExpr(only) | SelectItem::ExprWithAlias { expr: only, .. }] =
                select.projection.as_slice()
            && is_aggregate(only)
            && matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
            && matches!(
                &query.limit_clause,
                Some(LimitClause::LimitOffset { offset: None, .. })
            )
        {
            query.limit_clause = None;
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else {
        return false;
    };
    let name = function.name.0.last().and_then(|part| part.as_ident());
    name.is_some_and(|name| {
        [
            "array_agg",
            "first_value",
            "string_agg",
            "count",
            "max",
            "min",
            "sum",
            "bool_or",
        ]
        .contains(&name.value.to_ascii_lowercase().as_str())
    })
}
