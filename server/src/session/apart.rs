//! Which statements may take long to plan, so that a thread of the streams is not where that is done.
//!
//! Planning does not stop on its way, and how long it takes is not known before. What tells is the text: its length, how many relations it
//! names, `WITH`, and views, whose own queries are planned with it. A small statement over a few tables is planned where its connection is
//! served: a point query has no other task to wait for. Only names are looked at, without the search path: where a view of that name is in
//! any schema, the statement is taken for one that reads it, and waits a moment longer than it had to.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use sluice_sql::{
    Parsed, Statement, SubscribedTo,
    ast::{ObjectName, Query, Visit, Visitor},
};

use super::{Session, temp::TempTables};
use crate::catalog::{Catalog, Object, QualifiedName};

/// Bytes of a text that may take long.
const LONG_TEXT: usize = 4 << 10;

/// Relations that a statement names, each as often as it does, from which on it may take long.
const MANY_RELATIONS: usize = 8;

impl Session {
    /// Whether a statement may take long to plan.
    pub(super) fn plans_long(&self, parsed: &Parsed) -> bool {
        if parsed.text.len() > LONG_TEXT {
            return true;
        }
        let catalog = self.engine.catalog();
        let mut looked = Looked {
            catalog: &catalog,
            temp: Some(&self.temp),
            relations: 0,
        };
        looked.is_long(&parsed.statement)
    }
}

/// What was seen of a statement; it breaks off where that is enough.
struct Looked<'a> {
    catalog: &'a Catalog,
    temp: Option<&'a TempTables>,
    relations: usize,
}

impl Looked<'_> {
    fn is_long(&mut self, statement: &Statement) -> bool {
        let seen = match statement {
            Statement::Sql(statement) => statement.visit(self),
            Statement::Subscribe(subscribe) => match &subscribe.to {
                SubscribedTo::Relation(name) => self.pre_visit_relation(name),
                SubscribedTo::Query(query) => query.visit(self),
            },
            // All others are planned when they run, if at all.
            _ => ControlFlow::Continue(()),
        };
        seen.is_break()
    }

    /// Whether a relation of this name is a view.
    fn is_view(&self, name: &ObjectName) -> bool {
        let Ok(found) = QualifiedName::from_sql(name) else {
            return false;
        };
        let is_view = |schema: &str| {
            let object = self
                .catalog
                .get(&QualifiedName::new(schema, found.name.as_str()));
            matches!(object.map(AsRef::as_ref), Some(Object::View(_)))
        };
        let of_session = self.temp.is_some_and(|temp| temp.has_view(&found.name));
        of_session
            || match name.0.len() {
                1 => self.catalog.schemas().any(is_view),
                _ => is_view(&found.schema),
            }
    }
}

impl Visitor for Looked<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        match query.with {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations += 1;
        match self.relations >= MANY_RELATIONS || self.is_view(relation) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
