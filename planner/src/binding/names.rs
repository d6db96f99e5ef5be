//! How many relations a statement names with its WITH queries and views written out, before any of it is planned: the engine takes time for
//! each, and thirty queries of WITH that each name the one before twice are a billion. A query that reads nothing (`SELECT 1`) is as much work
//! as one of a relation.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    ptr,
};

use datafusion::{
    error::Result, execution::SessionState, sql::planner::object_name_to_table_reference,
};
use sluice_sql::ast::{ObjectName, ObjectNamePart, Query, Select, Statement, TableFactor};
use sqlparser::ast::{Visit, Visitor, visit_relations};

use super::{
    size::{self, MAX_OPERATORS},
    types::identifier,
};

#[cfg(test)]
mod tests;

/// Below so many names a statement is not large, as none of its views is: only what is named is written out more than once.
const MANY: usize = 8;

/// Refuses a statement of too many.
pub(super) async fn check(state: &SessionState, statement: &Statement) -> Result<()> {
    let (mut named, mut names) = (0, BTreeMap::new());
    let _: ControlFlow<()> = visit_relations(statement, |name| {
        named += 1;
        names.insert(name.to_string(), name.clone());
        ControlFlow::Continue(())
    });
    if named < MANY {
        return Ok(());
    }
    let mut relations = HashMap::new();
    for (written, name) in names {
        relations.insert(written, operators_of(state, name).await);
    }
    match count(statement, relations) > MAX_OPERATORS {
        true => Err(size::too_large()),
        false => Ok(()),
    }
}

fn count(statement: &Statement, relations: HashMap<String, u64>) -> u64 {
    let mut counting = Counting {
        relations,
        open: Vec::new(),
        count: 0,
    };
    let _: ControlFlow<()> = statement.visit(&mut counting);
    counting.count
}

/// How many operators a relation stands for; one where it is no view, or not there.
async fn operators_of(state: &SessionState, name: ObjectName) -> u64 {
    let Ok(reference) = object_name_to_table_reference(name, true) else {
        return 1;
    };
    let Ok(schema) = state.schema_for_ref(reference.clone()) else {
        return 1;
    };
    let Ok(Some(table)) = schema.table(reference.table()).await else {
        return 1;
    };
    let plan = table.get_logical_plan();
    plan.map_or(1, |plan| size::operators(&plan).unwrap_or(u64::MAX))
}

/// Counts while it goes through a statement: queries of WITH come before what names them.
struct Counting {
    /// What relations of the catalog stand for.
    relations: HashMap<String, u64>,
    /// Queries that are open.
    open: Vec<Open>,
    /// Queries and relations so far, of the query that is open or of the statement.
    count: u64,
}

struct Open {
    /// Its queries of WITH: where they are, and what they are called.
    with: Vec<(*const Query, String)>,
    /// What those that were gone through stand for.
    known: HashMap<String, u64>,
    /// Those of the query around, so far.
    around: u64,
}

impl Visitor for Counting {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        let with = with.map(|cte| {
            let place = ptr::from_ref(cte.query.as_ref());
            (place, identifier(&cte.alias.name))
        });
        self.open.push(Open {
            with: with.collect(),
            known: HashMap::new(),
            around: std::mem::take(&mut self.count),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(done) = self.open.pop() else {
            return ControlFlow::Continue(());
        };
        // VALUES names nothing and is no SELECT.
        let count = std::mem::replace(&mut self.count, done.around).max(1);
        let place = ptr::from_ref(query);
        let parent = self.open.last_mut().and_then(|open| {
            let at = open.with.iter().position(|(with, _)| *with == place)?;
            Some((open, at))
        });
        // A query of WITH counts where it is named, any other where it stands.
        match parent {
            Some((open, at)) => {
                let (_, name) = open.with.remove(at);
                open.known.insert(name, count);
            }
            None => self.count = self.count.saturating_add(count),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.count = self.count.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // Any other has a name or a query, which is counted by itself.
        if let TableFactor::UNNEST { .. }
        | TableFactor::TableFunction { .. }
        | TableFactor::Function { .. } = factor
        {
            self.count = self.count.saturating_add(1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let found = match relation.0.as_slice() {
            [ObjectNamePart::Identifier(name)] => {
                let name = identifier(name);
                self.open
                    .iter()
                    .rev()
                    .find_map(|open| open.known.get(&name).copied())
            }
            _ => None,
        };
        let count = found.or_else(|| self.relations.get(&relation.to_string()).copied());
        self.count = self.count.saturating_add(count.unwrap_or(1));
        ControlFlow::Continue(())
    }
}
