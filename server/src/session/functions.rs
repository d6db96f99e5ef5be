//! Which functions there are, and which of them a statement calls: its role may have been denied some.
//!
//! What is looked at is the statement as it was written, before a door or the engine makes other calls of it; so the answer is the same
//! whatever becomes of it, and functions that nobody wrote are asked about by nobody. Functions of views that it reads are called by whoever
//! reads them, as in PostgreSQL.

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion::execution::SessionState;
use sluice_sql::{
    CopyWhat, Privilege, Statement, SubscribedTo,
    ast::{
        Expr, FunctionArguments, ObjectName, ObjectNamePart, TableFactor, TrimWhereField, Visit,
        Visitor,
    },
};

use super::{Session, temp::TempTables};
use crate::{
    access::Target,
    catalog::{Catalog, Object, QualifiedName, TEMP_SCHEMA},
    error::{Error, Result},
};

/// Functions that are none of the engine's, and names that statements are written with in the place of another.
const SPELLED: [&[&str]; 9] = [
    &["date_part", "datepart", "extract"],
    &["approx_distinct", "approx_count_distinct"],
    &["date_bin", "time_bucket"],
    &[
        "approx_percentile",
        "percentile_approx",
        "approx_percentile_cont",
        "approx_quantile",
        "quantile",
        "percentile",
        "approx_median",
        "p50",
        "p75",
        "p90",
        "p95",
        "p99",
        "p999",
    ],
    &["tumble"],
    &["hop"],
    &["cumulate"],
    &["session"],
    &["unnest"],
];

impl Session {
    /// The names of the function of this name, its own first: who may not call it may not call it by another. `None` where there is none.
    pub(crate) fn names_of_function(&self, name: &str) -> Option<Vec<String>> {
        let mut names = BTreeSet::new();
        for context in [self.context(), self.continuous_context()] {
            names_in(&context.state(), name, &mut names);
        }
        let spelled = SPELLED.iter().filter(|all| all.contains(&name));
        names.extend(spelled.flat_map(|all| all.iter().map(|name| (*name).to_owned())));
        if names.is_empty() {
            return None;
        }
        names.remove(name);
        let mut all = vec![name.to_owned()];
        all.extend(names);
        Some(all)
    }

    /// Names of all functions.
    pub(crate) fn function_names(&self) -> BTreeSet<String> {
        let spelled = SPELLED.iter().flat_map(|all| all.iter());
        let mut names: BTreeSet<String> = spelled.map(|name| (*name).to_owned()).collect();
        for context in [self.context(), self.continuous_context()] {
            let state = context.state();
            names.extend(state.scalar_functions().keys().cloned());
            names.extend(state.aggregate_functions().keys().cloned());
            names.extend(state.window_functions().keys().cloned());
            names.extend(state.table_functions().keys().cloned());
        }
        names
    }

    /// Refuses, with PostgreSQL's error, a statement that calls what the session's role may not call.
    pub(super) fn may_call(&self, statement: &Statement) -> Result<()> {
        let catalog = self.engine.catalog();
        if catalog.functions().is_empty() {
            return Ok(());
        }
        let mut calls = Calls {
            catalog: &catalog,
            temp: &self.temp,
            role: self.role(),
            views: BTreeSet::new(),
        };
        match calls.statement(statement) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        }
    }
}

/// Adds every name of a function.
fn names_in(state: &SessionState, name: &str, names: &mut BTreeSet<String>) {
    let mut add = |own: &str, others: &[String]| {
        names.insert(own.to_owned());
        names.extend(others.iter().cloned());
    };
    if let Some(function) = state.scalar_functions().get(name) {
        add(function.name(), function.aliases());
    }
    if let Some(function) = state.aggregate_functions().get(name) {
        add(function.name(), function.aliases());
    }
    if let Some(function) = state.window_functions().get(name) {
        add(function.name(), function.aliases());
    }
    if state.table_functions().contains_key(name) {
        add(name, &[]);
    }
}

/// Goes through what a statement calls.
struct Calls<'a> {
    catalog: &'a Catalog,
    /// What is temporary in the session.
    temp: &'a TempTables,
    role: String,
    /// Views that were gone through.
    views: BTreeSet<QualifiedName>,
}

impl Calls<'_> {
    fn statement(&mut self, statement: &Statement) -> ControlFlow<Box<Error>> {
        match statement {
            Statement::CreateStream(create) => create
                .watermark
                .iter()
                .try_for_each(|of| of.expr.visit(self)),
            Statement::CreateView(create) => create.query.visit(self),
            Statement::CreateTable(create) => create.query.visit(self),
            Statement::Explain(explain) => self.statement(&explain.statement),
            Statement::Subscribe(subscribe) => self.subscribed(&subscribe.to),
            Statement::Copy(copy) => match &copy.what {
                CopyWhat::Table { name, .. } => self.pre_visit_relation(name),
                CopyWhat::Query(query) => query.visit(self),
                CopyWhat::Subscribe(subscribe) => self.subscribed(&subscribe.to),
            },
            Statement::Sql(statement) => statement.visit(self),
            _ => ControlFlow::Continue(()),
        }
    }

    fn subscribed(&mut self, to: &SubscribedTo) -> ControlFlow<Box<Error>> {
        match to {
            SubscribedTo::Relation(name) => self.pre_visit_relation(name),
            SubscribedTo::Query(query) => query.visit(self),
        }
    }

    fn called(&self, name: &str) -> ControlFlow<Box<Error>> {
        let on = Target::Function(name);
        match self.catalog.check(&self.role, Privilege::Execute, on) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }

    fn named(&self, name: &ObjectName) -> ControlFlow<Box<Error>> {
        match name.0.last().and_then(ObjectNamePart::as_ident) {
            Some(ident) => self.called(&ident.value.to_lowercase()),
            None => ControlFlow::Continue(()),
        }
    }
}

impl Visitor for Calls<'_> {
    type Break = Box<Error>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            // Those without parentheses (CURRENT_DATE) are values that everybody may ask.
            Expr::Function(function) if function.args != FunctionArguments::None => {
                self.named(&function.name)
            }
            Expr::Extract { .. } => self.called("extract"),
            Expr::Ceil { .. } => self.called("ceil"),
            Expr::Floor { .. } => self.called("floor"),
            Expr::Position { .. } => self.called("position"),
            Expr::Substring { .. } => self.called("substring"),
            Expr::Overlay { .. } => self.called("overlay"),
            Expr::Trim { trim_where, .. } => self.called(match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                Some(TrimWhereField::Both) | None => "btrim",
            }),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => self.named(name),
            TableFactor::UNNEST { .. } => self.called("unnest"),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let Ok(name) = QualifiedName::from_sql(relation) else {
            return ControlFlow::Continue(());
        };
        if name.schema == TEMP_SCHEMA {
            return match self.temp.query(&name.name) {
                Some(query) if self.views.insert(name.clone()) => query.visit(self),
                _ => ControlFlow::Continue(()),
            };
        }
        match self.catalog.get(&name).map(AsRef::as_ref) {
            Some(Object::View(view)) if self.views.insert(name.clone()) => {
                view.statement.query.visit(self)
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
