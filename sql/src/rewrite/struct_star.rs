//! `e.*` where `e` is not a relation but a struct that `from_json` made: expanded to its fields.
//!
//! The engine cannot expand it, because it takes `e` for a relation. Here the schema string is at hand: it is literal.
//! `SELECT e.* FROM (SELECT from_json(CAST(value AS STRING), 'a STRING, b DOUBLE') AS e FROM raw)` becomes
//! `SELECT e.a AS a, e.b AS b FROM …`. Known are columns of derived tables, CTEs, window table functions and the same
//! SELECT; not those of views and tables, whose definitions this crate never sees.

use sqlparser::ast::{
    AccessExpr, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned, TableFactor,
    TableFunctionArgs, TableWithJoins, Value, WildcardAdditionalOptions,
};

use super::functions::{column_path, field, get_field, schema_of};
use super::idents::{exact, folded};
use super::same_name;
use crate::error::ParseError;
use crate::spark_schema::parse_spark_schema;
use crate::statement::ColumnDef;

/// The fields of a struct: names and types.
type Struct = Vec<(String, DataType)>;

/// A column that is a struct.
#[derive(Clone)]
struct Column {
    name: Ident,
    fields: Struct,
}

/// A relation of a FROM: its name and its struct columns.
struct Relation {
    name: Option<Ident>,
    columns: Vec<Column>,
}

/// The CTEs in sight, innermost last.
#[derive(Default)]
pub(super) struct Fields {
    scopes: Vec<Vec<(Ident, Vec<Column>)>>,
}

impl Fields {
    /// Notes the CTEs of a query.
    pub(super) fn enter(&mut self, query: &Query) {
        self.scopes.push(Vec::new());
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = self.of_query(&cte.query);
            if let Some(scope) = self.scopes.last_mut() {
                scope.push((cte.alias.name.clone(), columns));
            }
        }
    }

    /// Forgets them.
    pub(super) fn leave(&mut self) {
        self.scopes.pop();
    }

    /// Expands the stars of a SELECT.
    pub(super) fn expand(&self, select: &mut Select) -> Result<(), ParseError> {
        if !select.projection.iter().any(is_star) {
            return Ok(());
        }
        let relations = self.relations(select);
        let own = select.projection.clone();
        let mut expanded = Vec::with_capacity(own.len());
        for item in std::mem::take(&mut select.projection) {
            match fields_of(&item, &relations, &own)? {
                Some(items) => expanded.extend(items),
                None => expanded.push(item),
            }
        }
        select.projection = expanded;
        Ok(())
    }

    fn relations(&self, select: &Select) -> Vec<Relation> {
        let factors = select
            .from
            .iter()
            .flat_map(|TableWithJoins { relation, joins }| {
                std::iter::once(relation).chain(joins.iter().map(|join| &join.relation))
            });
        factors.map(|factor| self.of_factor(factor)).collect()
    }

    fn of_factor(&self, factor: &TableFactor) -> Relation {
        match factor {
            TableFactor::Derived {
                subquery, alias, ..
            } => Relation {
                name: alias.as_ref().map(|alias| alias.name.clone()),
                columns: self.of_query(subquery),
            },
            TableFactor::Table {
                alias,
                args: Some(TableFunctionArgs { args, .. }),
                ..
            } => {
                let columns = match args.first() {
                    Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(query)))) => {
                        self.of_query(query)
                    }
                    _ => Vec::new(),
                };
                Relation {
                    name: alias.as_ref().map(|alias| alias.name.clone()),
                    columns,
                }
            }
            TableFactor::Table { name, alias, .. } => {
                let last = name.0.last().and_then(ObjectNamePart::as_ident);
                let columns = match name.0.as_slice() {
                    [ObjectNamePart::Identifier(name)] => self.of_cte(name),
                    _ => Vec::new(),
                };
                let name = alias.as_ref().map(|alias| &alias.name).or(last).cloned();
                Relation { name, columns }
            }
            _ => Relation {
                name: None,
                columns: Vec::new(),
            },
        }
    }

    fn of_cte(&self, name: &Ident) -> Vec<Column> {
        let mut ctes = self
            .scopes
            .iter()
            .rev()
            .flat_map(|scope| scope.iter().rev());
        ctes.find(|(cte, _)| same_name(cte, name))
            .map(|(_, columns)| columns.clone())
            .unwrap_or_default()
    }

    /// The struct columns a query gives.
    fn of_query(&self, query: &Query) -> Vec<Column> {
        let mut body = query.body.as_ref();
        // The first arm of a UNION names its columns.
        loop {
            match body {
                SetExpr::SetOperation { left, .. } => body = left,
                SetExpr::Query(query) => body = query.body.as_ref(),
                SetExpr::Select(select) => return self.of_select(select),
                _ => return Vec::new(),
            }
        }
    }

    fn of_select(&self, select: &Select) -> Vec<Column> {
        let relations = self.relations(select);
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) => {
                    columns.extend(
                        relations
                            .iter()
                            .flat_map(|relation| relation.columns.iter().cloned()),
                    );
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    if let Some(fields) = of_expr(expr, &relations) {
                        columns.push(Column {
                            name: alias.clone(),
                            fields,
                        });
                    }
                }
                SelectItem::UnnamedExpr(expr) => {
                    let name = column_path(expr).and_then(|mut path| path.pop());
                    if let (Some(name), Some(fields)) = (name, of_expr(expr, &relations)) {
                        columns.push(Column { name, fields });
                    }
                }
                _ => {}
            }
        }
        columns
    }
}

/// Whether an item may have to be expanded.
fn is_star(item: &SelectItem) -> bool {
    match item {
        SelectItem::QualifiedWildcard(..) => true,
        SelectItem::UnnamedExpr(Expr::CompoundFieldAccess { access_chain, .. })
        | SelectItem::ExprWithAlias {
            expr: Expr::CompoundFieldAccess { access_chain, .. },
            ..
        } => access_chain
            .last()
            .and_then(field)
            .is_some_and(|field| field.value == "*"),
        _ => false,
    }
}

/// The fields a from_json makes.
fn of_function(expr: &Expr) -> Option<Struct> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let Value::SingleQuotedString(schema) = &schema_of(function)?.value else {
        return None;
    };
    let columns = parse_spark_schema(schema).ok()?;
    Some(
        columns
            .into_iter()
            .map(
                |ColumnDef {
                     name, data_type, ..
                 }| (name.value, data_type),
            )
            .collect(),
    )
}

/// The fields of an expression that is a struct.
fn of_expr(expr: &Expr, relations: &[Relation]) -> Option<Struct> {
    match expr {
        Expr::Nested(inner) => of_expr(inner, relations),
        Expr::Function(_) => of_function(expr),
        _ => of_path(&column_path(expr)?, relations),
    }
}

/// The fields of a column, or of a struct inside it.
fn of_path(path: &[Ident], relations: &[Relation]) -> Option<Struct> {
    let (first, rest) = path.split_first()?;
    let in_columns = |columns: &[Column], name: &Ident, rest: &[Ident]| {
        let column = columns
            .iter()
            .find(|column| same_name(&column.name, name))?;
        inside(&column.fields, rest)
    };
    let relation = relations.iter().find(|relation| {
        relation
            .name
            .as_ref()
            .is_some_and(|name| same_name(name, first))
    });
    if let (Some(relation), Some((name, rest))) = (relation, rest.split_first()) {
        return in_columns(&relation.columns, name, rest);
    }
    relations
        .iter()
        .find_map(|relation| in_columns(&relation.columns, first, rest))
}

fn inside(fields: &Struct, path: &[Ident]) -> Option<Struct> {
    let Some((first, rest)) = path.split_first() else {
        return Some(fields.clone());
    };
    let (_, data_type) = fields
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&first.value))?;
    let DataType::Struct(fields, _) = data_type else {
        return None;
    };
    let fields: Struct = fields
        .iter()
        .filter_map(|field| {
            Some((
                field.field_name.as_ref()?.value.clone(),
                field.field_type.clone(),
            ))
        })
        .collect();
    inside(&fields, rest)
}

/// What stands in place of an item, where it is a star over a struct.
fn fields_of(
    item: &SelectItem,
    relations: &[Relation],
    own: &[SelectItem],
) -> Result<Option<Vec<SelectItem>>, ParseError> {
    match item {
        SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(name),
            options,
        ) => Ok(of_name(name, options, relations, own)),
        SelectItem::UnnamedExpr(Expr::CompoundFieldAccess { root, access_chain })
            if is_star(item) =>
        {
            of_access(root, access_chain, relations, own).map(Some)
        }
        _ => Ok(None),
    }
}

fn of_name(
    name: &ObjectName,
    options: &WildcardAdditionalOptions,
    relations: &[Relation],
    own: &[SelectItem],
) -> Option<Vec<SelectItem>> {
    let path: Vec<Ident> = name
        .0
        .iter()
        .filter_map(ObjectNamePart::as_ident)
        .cloned()
        .collect();
    let is_relation = match path.as_slice() {
        [one] => relations.iter().any(|relation| {
            relation
                .name
                .as_ref()
                .is_some_and(|name| same_name(name, one))
        }),
        _ => false,
    };
    if is_relation || *options != WildcardAdditionalOptions::default() {
        return None;
    }
    of_column(&path, relations, own)
}

/// The fields of `e` in `e.*`: a column of FROM, or another item of the same SELECT.
fn of_column(
    path: &[Ident],
    relations: &[Relation],
    own: &[SelectItem],
) -> Option<Vec<SelectItem>> {
    if let Some(fields) = of_path(path, relations) {
        let item = |(name, _): (String, DataType)| {
            let mut parts = path.to_vec();
            parts.push(exact(&name));
            SelectItem::ExprWithAlias {
                expr: Expr::CompoundIdentifier(parts),
                alias: exact(&name),
            }
        };
        return Some(fields.into_iter().map(item).collect());
    }
    let (first, rest) = path.split_first()?;
    own.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if same_name(alias, first) => Some(
            fields_of_value(expr, rest, &inside(&of_function(expr)?, rest)?),
        ),
        _ => None,
    })
}

/// `get_field(expr, 'a') AS a, …`.
fn fields_of_value(expr: &Expr, path: &[Ident], fields: &Struct) -> Vec<SelectItem> {
    let root = path
        .iter()
        .fold(expr.clone(), |of, name| get_field(of, &folded(name)));
    let item = |(name, _): &(String, DataType)| SelectItem::ExprWithAlias {
        expr: get_field(root.clone(), name),
        alias: exact(name),
    };
    fields.iter().map(item).collect()
}

/// `from_json(…).*` and `(e).*`.
fn of_access(
    root: &Expr,
    chain: &[AccessExpr],
    relations: &[Relation],
    own: &[SelectItem],
) -> Result<Vec<SelectItem>, ParseError> {
    let path: Vec<Ident> = chain
        .iter()
        .filter_map(field)
        .filter(|field| field.value != "*")
        .collect();
    let mut inner = root;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    let items = match column_path(inner) {
        Some(mut whole) => {
            whole.extend(path);
            of_column(&whole, relations, own)
        }
        None => of_function(inner)
            .and_then(|fields| inside(&fields, &path))
            .map(|fields| fields_of_value(inner, &path, &fields)),
    };
    items.ok_or_else(|| {
        ParseError::invalid(
            "cannot expand .*: the fields are not known here",
            root.span(),
        )
        .offending(".*")
        .hint("give from_json a literal schema in the same query, or name the fields: e.a, e.b")
    })
}
