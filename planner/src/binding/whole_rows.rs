//! Whole rows: `SELECT t FROM t`, `row_to_json(t)`, `json_agg(t)`, `ROW(t.*)`, `t IS NOT NULL`.
//!
//! The engine knows no relation as a value. So before a statement is planned, the name of a relation that stands where a value does becomes a
//! call with the names and values of its columns: `sluice_whole_row('a', t.a, 'b', t.b)`. A column of that name goes before, in whatever
//! query around; where the columns of a relation in sight are not known, nothing is changed, and the engine says what it does not find.
//!
//! long because what a relation's columns are and where its name stands is one question, asked in one walk
//!
//! Hard here: what an outer join does not find is NULL, and no row of NULLs. The row of such a side is made below the join.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
};

use datafusion::{
    catalog::TableProvider, error::Result, execution::SessionState,
    sql::planner::object_name_to_table_reference,
};
use sluice_sql::ast::{
    AccessExpr, BinaryOperator, Cte, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, ObjectNamePart, OrderBy, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
    WildcardAdditionalOptions, With, visit_relations,
};

use super::{StreamTable, types::identifier};
use crate::error::PlanError;

#[cfg(test)]
mod tests;

/// The function that makes a row of names and values by turns. A session that does not have it has no whole rows.
pub const WHOLE_ROW: &str = "sluice_whole_row";

/// Beyond so many columns nobody asks for a relation as a whole.
const MOST_COLUMNS: usize = 10_000;

/// Makes rows of the relations that stand where values do.
pub(super) async fn expand(state: &SessionState, statement: &mut Statement) -> Result<()> {
    if !state.scalar_functions().contains_key(WHOLE_ROW) || !may_have(statement) {
        return Ok(());
    }
    let mut names = BTreeMap::new();
    let _: ControlFlow<()> = visit_relations(statement, |name| {
        names.insert(name.to_string(), name.clone());
        ControlFlow::Continue(())
    });
    let mut relations = HashMap::new();
    for (written, name) in names {
        if let Some(columns) = columns_of(state, name).await {
            relations.insert(written, columns);
        }
    }
    match rewrite(statement, relations) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err((*error).into_engine()),
    }
}

fn rewrite(
    statement: &mut Statement,
    relations: HashMap<String, Vec<String>>,
) -> ControlFlow<Box<PlanError>> {
    let mut rows = WholeRows {
        relations,
        ctes: Vec::new(),
        scopes: Vec::new(),
        open: Vec::new(),
        groups: Vec::new(),
        by_alias: None,
        in_function: 0,
    };
    VisitMut::visit(statement, &mut rows)
}

/// The columns that a relation of the catalog shows; `None` where it is not there.
async fn columns_of(state: &SessionState, name: ObjectName) -> Option<Vec<String>> {
    let reference = object_name_to_table_reference(name, true).ok()?;
    let schema = state.schema_for_ref(reference.clone()).ok()?;
    let table = schema.table(reference.table()).await.ok()??;
    let columns = table.schema();
    let names = columns.fields().iter().map(|field| field.name().clone());
    // Behind these are the metadata columns, which show when they are named.
    let stream = (table.as_ref() as &dyn TableProvider).downcast_ref::<StreamTable>();
    let declared = stream.map_or(usize::MAX, |stream| stream.definition().declared);
    Some(names.take(declared).collect())
}

/// Whether the name of a relation stands somewhere for a value, or `t.*` in an expression.
fn may_have(statement: &Statement) -> bool {
    #[derive(Default)]
    struct Looking {
        relations: HashSet<String>,
        named: HashSet<String>,
        starred: bool,
    }
    impl Visitor for Looking {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            self.relations.extend(name_of(factor));
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(name) => {
                    self.named.insert(identifier(name));
                }
                Expr::QualifiedWildcard(..) => self.starred = true,
                Expr::Function(function) => {
                    self.starred |= arguments(function).iter().any(|argument| {
                        matches!(
                            argument,
                            FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_))
                        )
                    });
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut looking = Looking::default();
    let _ = Visit::visit(statement, &mut looking);
    looking.starred || !looking.relations.is_disjoint(&looking.named)
}

/// Columns by their names, an empty one where that is not known; `None` where not even their number is.
type Columns = Option<Vec<String>>;

/// A relation of a FROM.
struct Relation {
    /// What it goes by; empty where a name means something else.
    name: String,
    columns: Columns,
    /// Whether an outer join may not find its row.
    missing: bool,
    /// Whether its row was asked for, and has to be made below the join.
    asked: bool,
}

/// A SELECT.
struct Scope {
    relations: Vec<Relation>,
    /// What its columns are called.
    aliases: Vec<String>,
}

/// A query whose body is gone through: what of it is gone through before, and after.
struct Open {
    with: Option<With>,
    order_by: Option<OrderBy>,
    is_select: bool,
}

struct WholeRows {
    /// Relations of the catalog, by their names as they are written.
    relations: HashMap<String, Vec<String>>,
    /// What WITH gives, by query.
    ctes: Vec<HashMap<String, Columns>>,
    scopes: Vec<Scope>,
    open: Vec<Open>,
    /// GROUP BY of the SELECTs that are open.
    groups: Vec<GroupByExpr>,
    /// How many scopes there are where names of columns of the result go before relations: in ORDER BY and GROUP BY.
    by_alias: Option<usize>,
    /// Within arguments of functions in FROM, which name relations themselves.
    in_function: usize,
}

/// What a relation goes by.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(identifier(&alias.name)),
            None => name
                .0
                .last()
                .and_then(ObjectNamePart::as_ident)
                .map(identifier),
        },
        TableFactor::Derived { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::Function { alias, .. } => {
            alias.as_ref().map(|alias| identifier(&alias.name))
        }
        _ => None,
    }
}

fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

fn given(alias: Option<&TableAlias>) -> &[TableAliasColumnDef] {
    match alias {
        Some(alias) => &alias.columns,
        None => &[],
    }
}

/// The columns under the names that an alias gives them.
fn renamed(columns: Columns, alias: Option<&TableAlias>) -> Columns {
    let mut columns = columns?;
    let names = given(alias);
    if names.len() > columns.len() {
        return None;
    }
    for (column, name) in columns.iter_mut().zip(names) {
        *column = identifier(&name.name);
    }
    Some(columns)
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    *options == WildcardAdditionalOptions::default()
}

/// Where what relations come to is worked out.
impl WholeRows {
    fn of_from(&mut self, from: &[TableWithJoins]) -> Vec<Relation> {
        let mut all = Vec::new();
        for joined in from {
            all.extend(self.of_joined(joined));
        }
        all
    }

    fn of_joined(&mut self, joined: &TableWithJoins) -> Vec<Relation> {
        use JoinOperator as J;
        let mut all = self.of_factor(&joined.relation);
        for join in &joined.joins {
            let mut right = self.of_factor(&join.relation);
            let (left_missing, right_missing) = match &join.join_operator {
                J::Join(_) | J::Inner(_) | J::CrossJoin(_) => (false, false),
                J::Left(_) | J::LeftOuter(_) => (false, true),
                J::Right(_) | J::RightOuter(_) => (true, false),
                J::FullOuter(_) => (true, true),
                // Not all of these have the columns of both sides.
                _ => {
                    for relation in all.iter_mut().chain(&mut right) {
                        relation.columns = None;
                    }
                    (false, false)
                }
            };
            for relation in &mut all {
                relation.missing |= left_missing;
            }
            for relation in &mut right {
                relation.missing |= right_missing;
            }
            all.append(&mut right);
        }
        all
    }

    fn of_factor(&mut self, factor: &TableFactor) -> Vec<Relation> {
        let name = name_of(factor).unwrap_or_default();
        let (name, columns) = match factor {
            TableFactor::Table {
                name: written,
                alias,
                args: None,
                ..
            } => {
                let columns = self.named(written);
                (name, renamed(columns, alias.as_ref()))
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => {
                let columns = self.of_query(subquery);
                (name, renamed(columns, alias.as_ref()))
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => return self.of_joined(table_with_joins),
            // Of a function of single values the name is such a value.
            TableFactor::UNNEST { alias, .. } => {
                let columns = given(alias.as_ref()).iter();
                let columns: Vec<_> = columns.map(|column| identifier(&column.name)).collect();
                (String::new(), (!columns.is_empty()).then_some(columns))
            }
            _ => (name, None),
        };
        vec![Relation {
            name,
            columns,
            missing: false,
            asked: false,
        }]
    }

    /// The columns of what a name stands for.
    fn named(&self, name: &ObjectName) -> Columns {
        if let [ObjectNamePart::Identifier(bare)] = name.0.as_slice() {
            let bare = identifier(bare);
            let mut ctes = self.ctes.iter().rev();
            if let Some(known) = ctes.find_map(|known| known.get(&bare)) {
                return known.clone();
            }
        }
        self.relations.get(&name.to_string()).cloned()
    }

    fn give(&mut self, cte: &Cte) {
        let columns = self.of_query(&cte.query);
        let columns = renamed(columns, Some(&cte.alias));
        if let Some(known) = self.ctes.last_mut() {
            known.insert(identifier(&cte.alias.name), columns);
        }
    }

    fn give_nothing_yet(&mut self, with: &With) {
        if let Some(known) = self.ctes.last_mut()
            && with.recursive
        {
            let names = with.cte_tables.iter().map(|cte| &cte.alias.name);
            known.extend(names.map(|name| (identifier(name), None)));
        }
    }

    fn of_query(&mut self, query: &Query) -> Columns {
        self.ctes.push(HashMap::new());
        if let Some(with) = &query.with {
            self.give_nothing_yet(with);
            for cte in &with.cte_tables {
                self.give(cte);
            }
        }
        let columns = self.of_body(&query.body);
        self.ctes.pop();
        columns.filter(|columns| columns.len() <= MOST_COLUMNS)
    }

    fn of_body(&mut self, body: &SetExpr) -> Columns {
        match body {
            SetExpr::Select(select) => self.of_select(select),
            // The first arm names the columns.
            SetExpr::SetOperation { left, .. } => self.of_body(left),
            SetExpr::Query(query) => self.of_query(query),
            SetExpr::Values(values) => {
                let width = values.rows.first()?.content.len();
                Some((1..=width).map(|n| format!("column{n}")).collect())
            }
            _ => None,
        }
    }

    fn of_select(&mut self, select: &Select) -> Columns {
        if select.exclude.is_some() {
            return None;
        }
        let relations = match shows_all(select) {
            true => self.of_from(&select.from),
            false => Vec::new(),
        };
        let mut columns = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => columns.push(match expr {
                    Expr::Identifier(name) => identifier(name),
                    Expr::CompoundIdentifier(names) => {
                        names.last().map(identifier).unwrap_or_default()
                    }
                    _ => String::new(),
                }),
                SelectItem::ExprWithAlias { alias, .. } => columns.push(identifier(alias)),
                SelectItem::Wildcard(options) if is_plain(options) && !merges(&select.from) => {
                    for relation in &relations {
                        columns.extend(relation.columns.clone()?);
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) if is_plain(options) => {
                    let name = name.0.last().and_then(ObjectNamePart::as_ident)?;
                    let name = identifier(name);
                    let found = relations.iter().find(|relation| relation.name == name);
                    columns.extend(found?.columns.clone()?);
                }
                _ => return None,
            }
        }
        Some(columns).filter(|columns| columns.len() <= MOST_COLUMNS)
    }
}

/// Whether `*` or `t.*` is a column of its list.
fn shows_all(select: &Select) -> bool {
    select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    })
}

/// Whether a join makes one column of two.
fn merges(from: &[TableWithJoins]) -> bool {
    from.iter().any(|joined| {
        let within = match &joined.relation {
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => merges(std::slice::from_ref(table_with_joins)),
            _ => false,
        };
        within || joined.joins.iter().any(joins_by_name)
    })
}

fn joins_by_name(join: &Join) -> bool {
    use JoinOperator as J;
    let within = match &join.relation {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => merges(std::slice::from_ref(table_with_joins)),
        _ => false,
    };
    let (J::Join(constraint)
    | J::Inner(constraint)
    | J::Left(constraint)
    | J::LeftOuter(constraint)
    | J::Right(constraint)
    | J::RightOuter(constraint)
    | J::FullOuter(constraint)
    | J::CrossJoin(constraint)) = &join.join_operator
    else {
        return true;
    };
    within
        || matches!(
            constraint,
            JoinConstraint::Using(_) | JoinConstraint::Natural
        )
}

/// Where rows take the place of names.
impl WholeRows {
    /// The relation that a name means where a value stands, with its columns.
    fn whole(&mut self, name: &Ident) -> Option<(&mut Relation, Vec<String>)> {
        if self.in_function > 0 {
            return None;
        }
        let name = identifier(name);
        if self.by_alias == Some(self.scopes.len())
            && let Some(scope) = self.scopes.last()
            && scope.aliases.contains(&name)
        {
            return None;
        }
        // A column goes before a relation.
        let mut all = self.scopes.iter().flat_map(|scope| &scope.relations);
        let is_column = !all.all(|relation| match &relation.columns {
            Some(columns) => !columns
                .iter()
                .any(|column| *column == name || column.is_empty()),
            None => false,
        });
        if is_column {
            return None;
        }
        self.relation(&name)
    }

    /// The innermost relation of a name.
    fn relation(&mut self, name: &str) -> Option<(&mut Relation, Vec<String>)> {
        let scopes = self.scopes.iter_mut().rev();
        let mut all = scopes.flat_map(|scope| &mut scope.relations);
        let relation = all.find(|relation| relation.name == name && !name.is_empty())?;
        let columns = relation.columns.clone()?;
        let named = columns.iter().all(|column| !column.is_empty());
        named.then_some((relation, columns))
    }

    /// The relation of `t.*`.
    fn starred(&mut self, name: &ObjectName) -> Option<(&mut Relation, Vec<String>)> {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(name)] if self.in_function == 0 => {
                self.relation(&identifier(name))
            }
            _ => None,
        }
    }

    /// The relation whose row an expression is.
    fn row_of(&mut self, expr: &Expr) -> Option<(&mut Relation, Vec<String>)> {
        match expr {
            Expr::Nested(inner) => self.row_of(inner),
            Expr::Identifier(name) => self.whole(name),
            Expr::QualifiedWildcard(name, _) => self.starred(name),
            _ => None,
        }
    }

    /// `t IS NULL` where all of its columns are, `t IS NOT NULL` where none is.
    fn all_null(&mut self, row: &Expr, asked: fn(Box<Expr>) -> Expr) -> Option<Expr> {
        let (relation, columns) = self.row_of(row)?;
        let name = relation.name.clone();
        let each = columns
            .iter()
            .map(|column| asked(Box::new(field(&name, column))));
        let all = each.reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        })?;
        Some(Expr::Nested(Box::new(all)))
    }

    /// `ROW(t.*)` with the columns of `t`, any other function of `t.*` with its row.
    fn arguments(&mut self, function: &mut Function) {
        let name = function.name.0.last().and_then(ObjectNamePart::as_ident);
        let is_row = name.is_some_and(|name| name.value.eq_ignore_ascii_case("row"));
        let FunctionArguments::List(list) = &mut function.args else {
            return;
        };
        let written = std::mem::take(&mut list.args);
        for argument in written {
            let found = match &argument {
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                    self.starred(name)
                }
                _ => None,
            };
            match found {
                None => list.args.push(argument),
                Some((relation, columns)) if is_row => {
                    let fields = columns.iter().map(|column| field(&relation.name, column));
                    list.args.extend(fields.map(unnamed));
                }
                Some((relation, columns)) => list.args.push(unnamed(row(relation, &columns))),
            }
        }
    }

    /// Refuses a row beside an operator: rows are not compared as PostgreSQL does it.
    fn check_beside(&mut self, sides: &[&Expr]) -> ControlFlow<Box<PlanError>> {
        for side in sides {
            if let Some((relation, _)) = self.row_of(side) {
                let name = relation.name.clone();
                let error = PlanError::unsupported(format!(
                    "an operator on whole rows of \"{name}\" is not supported"
                ));
                let hint = "Name the columns that are meant, or cast the row to text.";
                return ControlFlow::Break(Box::new(error.hint(hint)));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Makes the rows below an outer join that were asked for above it.
fn below(select: &mut Select, scope: &Scope) -> ControlFlow<Box<PlanError>> {
    for relation in scope.relations.iter().filter(|relation| relation.asked) {
        let shown = shows_all(select);
        let mut from = select.from.iter_mut();
        if shown || !from.any(|joined| wrap_joined(joined, relation)) {
            let error = PlanError::unsupported(format!(
                "the whole row of \"{}\", which an outer join may not find, is not supported here",
                relation.name
            ));
            let hint = "Name the columns instead of *, or make the row of its columns: json_build_object('name', value).";
            return ControlFlow::Break(Box::new(error.hint(hint)));
        }
    }
    ControlFlow::Continue(())
}

/// A name of several parts, and what is taken out of the column that it means.
fn qualified(first: &Ident, chain: &[AccessExpr]) -> Expr {
    let mut names = vec![first.clone()];
    names.extend(chain.iter().map_while(|access| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name.clone()),
        _ => None,
    }));
    let rest = chain.get(names.len() - 1..).unwrap_or_default().to_vec();
    let column = Expr::CompoundIdentifier(names);
    match rest.is_empty() {
        true => column,
        false => Expr::CompoundFieldAccess {
            root: Box::new(column),
            access_chain: rest,
        },
    }
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

fn field(relation: &str, column: &str) -> Expr {
    Expr::CompoundIdentifier(vec![quoted(relation), quoted(column)])
}

/// The column that has the row of a relation, made below a join.
fn hidden(relation: &str) -> String {
    format!("{WHOLE_ROW}_{relation}")
}

/// The row of a relation.
fn row(relation: &mut Relation, columns: &[String]) -> Expr {
    if relation.missing {
        relation.asked = true;
        return field(&relation.name, &hidden(&relation.name));
    }
    made_row(&relation.name, columns)
}

fn made_row(relation: &str, columns: &[String]) -> Expr {
    let pairs = columns.iter().flat_map(|column| {
        let name = Expr::Value(Value::SingleQuotedString(column.clone()).into());
        [name, field(relation, column)]
    });
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(WHOLE_ROW)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: pairs.map(unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn wrap_joined(joined: &mut TableWithJoins, relation: &Relation) -> bool {
    wrap(&mut joined.relation, relation)
        || joined
            .joins
            .iter_mut()
            .any(|join| wrap(&mut join.relation, relation))
}

/// `t` as `(SELECT *, sluice_whole_row(…) AS … FROM t) AS t`; whether this is the relation.
fn wrap(factor: &mut TableFactor, relation: &Relation) -> bool {
    match factor {
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => return wrap_joined(table_with_joins, relation),
        TableFactor::Table { args: None, .. } | TableFactor::Derived { lateral: false, .. } => {}
        _ => return false,
    }
    if name_of(factor).as_ref() != Some(&relation.name) {
        return false;
    }
    let Some(columns) = &relation.columns else {
        return false;
    };
    let Some(mut subquery) = parsed("SELECT *, 1 FROM t") else {
        return false;
    };
    let SetExpr::Select(select) = subquery.body.as_mut() else {
        return false;
    };
    if let Some(item) = select.projection.last_mut() {
        *item = SelectItem::ExprWithAlias {
            expr: made_row(&relation.name, columns),
            alias: quoted(&hidden(&relation.name)),
        };
    }
    if let Some(from) = select.from.first_mut() {
        from.relation = factor.clone();
    }
    *factor = TableFactor::Derived {
        lateral: false,
        subquery,
        alias: Some(TableAlias {
            explicit: true,
            name: quoted(&relation.name),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    true
}

/// A query of our own words.
fn parsed(text: &str) -> Option<Box<Query>> {
    let sluice_sql::Statement::Sql(statement) = sluice_sql::parse(text).ok()?.pop()?.statement
    else {
        return None;
    };
    match *statement {
        Statement::Query(query) => Some(query),
        _ => None,
    }
}

fn is_function(factor: &TableFactor) -> bool {
    matches!(
        factor,
        TableFactor::Table { args: Some(_), .. }
            | TableFactor::Function { .. }
            | TableFactor::TableFunction { .. }
    )
}

impl VisitorMut for WholeRows {
    type Break = Box<PlanError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let mut with = query.with.take();
        self.ctes.push(HashMap::new());
        if let Some(with) = &mut with {
            self.give_nothing_yet(with);
            let recursive = with.recursive;
            for cte in &mut with.cte_tables {
                if recursive {
                    self.give(cte);
                }
                VisitMut::visit(&mut cte.query, self)?;
                if !recursive {
                    self.give(cte);
                }
            }
        }
        self.open.push(Open {
            with,
            order_by: query.order_by.take(),
            is_select: matches!(query.body.as_ref(), SetExpr::Select(_)),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some(open) = self.open.pop() {
            query.with = open.with;
            query.order_by = open.order_by;
        }
        self.ctes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        let relations = self.of_from(&select.from);
        let aliases = select.projection.iter().filter_map(|item| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name))
            | SelectItem::ExprWithAlias { alias: name, .. } => Some(identifier(name)),
            _ => None,
        });
        let aliases = aliases.collect();
        self.scopes.push(Scope { relations, aliases });
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr @ Expr::Identifier(_)) = item
                && let Some((relation, _)) = self.row_of(expr)
            {
                *item = SelectItem::ExprWithAlias {
                    alias: quoted(&relation.name),
                    expr: expr.clone(),
                };
            }
        }
        let nothing = GroupByExpr::Expressions(Vec::new(), Vec::new());
        let groups = std::mem::replace(&mut select.group_by, nothing);
        self.groups.push(groups);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        let around = self.by_alias.replace(self.scopes.len());
        if let Some(mut groups) = self.groups.pop() {
            VisitMut::visit(&mut groups, self)?;
            select.group_by = groups;
        }
        let order_by = match self.open.last_mut() {
            Some(open) if open.is_select => open.order_by.take(),
            _ => None,
        };
        if let Some(mut order_by) = order_by {
            VisitMut::visit(&mut order_by, self)?;
            if let Some(open) = self.open.last_mut() {
                open.order_by = Some(order_by);
            }
        }
        self.by_alias = around;
        match self.scopes.pop() {
            Some(scope) => below(select, &scope),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if is_function(factor) {
            self.in_function += 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if is_function(factor) {
            self.in_function = self.in_function.saturating_sub(1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let other = match expr {
            Expr::IsNull(row) => self.all_null(row, Expr::IsNull),
            Expr::IsNotNull(row) => self.all_null(row, Expr::IsNotNull),
            Expr::CompoundFieldAccess { root, access_chain } => {
                match (root.as_ref(), access_chain.as_slice()) {
                    (row @ Expr::Nested(_), [AccessExpr::Dot(Expr::Identifier(column))]) => {
                        let relation = self.row_of(row).map(|(relation, _)| relation);
                        relation.map(|relation| {
                            let names = vec![quoted(&relation.name), column.clone()];
                            Expr::CompoundIdentifier(names)
                        })
                    }
                    // The name of a relation before that of its column: `t.a[1]`.
                    (Expr::Identifier(name), [AccessExpr::Dot(Expr::Identifier(_)), ..]) => {
                        let is_row = self.row_of(root).is_some();
                        is_row.then(|| qualified(name, access_chain))
                    }
                    _ => None,
                }
            }
            Expr::Function(function) => {
                self.arguments(function);
                None
            }
            Expr::BinaryOp { left, right, .. }
            | Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right) => {
                self.check_beside(&[left.as_ref(), right.as_ref()])?;
                None
            }
            Expr::InList { expr: row, .. }
            | Expr::InSubquery { expr: row, .. }
            | Expr::Between { expr: row, .. } => {
                self.check_beside(&[row.as_ref()])?;
                None
            }
            _ => None,
        };
        if let Some(other) = other {
            *expr = other;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Identifier(_) | Expr::QualifiedWildcard(..) = expr
            && let Some((relation, columns)) = self.row_of(expr)
        {
            *expr = row(relation, &columns);
        }
        ControlFlow::Continue(())
    }
}
