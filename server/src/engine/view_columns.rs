//! The columns of views, as they were when somebody planned them last: a listing that plans every view takes seconds where there are many.
//!
//! What is kept of a view holds as long as the catalog has the very objects that the view came to when it was planned: itself, what its query
//! reads, and what views among these read. Every statement that changes an object's columns puts another object into the catalog, and
//! does so after what runs of it was changed; so [`Standing`] is taken before a view is planned. Only names and types are of use: a
//! listing tells them to whoever may see the view, whoever planned it.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;

use crate::catalog::{Catalog, Object, QualifiedName};

/// The columns of views that have been planned, by the views' names.
#[derive(Debug, Default)]
pub(crate) struct ViewColumns {
    known: Mutex<HashMap<QualifiedName, (Standing, SchemaRef)>>,
}

/// What a view stands on at one moment: the objects of these names, `None` where there is none.
#[derive(Clone, Debug)]
pub(crate) struct Standing(BTreeMap<QualifiedName, Option<Arc<Object>>>);

impl Standing {
    /// Of the view of this name.
    pub(crate) fn of(catalog: &Catalog, view: &QualifiedName) -> Self {
        let mut found = BTreeMap::new();
        let mut ahead = vec![view.clone()];
        while let Some(name) = ahead.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let object = catalog.readable(&name).cloned();
            if let Some(object) = object.as_deref()
                && matches!(object, Object::View(_))
            {
                ahead.extend(object.reads());
            }
            found.insert(name, object);
        }
        Self(found)
    }

    /// Whether the catalog has the same objects.
    fn holds(&self, catalog: &Catalog) -> bool {
        self.0
            .iter()
            .all(|(name, was)| match (was, catalog.readable(name)) {
                (Some(was), Some(is)) => Arc::ptr_eq(was, is),
                (None, None) => true,
                _ => false,
            })
    }
}

impl ViewColumns {
    /// The columns of a view, where they are known and hold. Names that nobody gave bear the marks that plans have.
    pub(crate) fn get(&self, catalog: &Catalog, view: &QualifiedName) -> Option<SchemaRef> {
        let known = self.known.lock();
        let (standing, columns) = known.get(view)?;
        standing.holds(catalog).then(|| Arc::clone(columns))
    }

    /// Keeps the columns that a view had when it was planned; those of views that are there no more go.
    pub(crate) fn keep(
        &self,
        catalog: &Catalog,
        view: &QualifiedName,
        standing: Standing,
        columns: SchemaRef,
    ) {
        let mut known = self.known.lock();
        known.retain(|name, _| catalog.get(name).is_some());
        known.insert(view.clone(), (standing, columns));
    }
}
