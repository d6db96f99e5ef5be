//! `system.secrets`: which secrets there are, whose, and what for. It must never have a value of one.

use std::{collections::BTreeSet, sync::Arc};

use arrow::array::{RecordBatch, StringArray};
use datafusion::common::Result;

use super::{batch, timestamps};
use crate::{
    access::Secret,
    catalog::{Catalog, Object},
    engine::Engine,
};

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let (all, catalog) = (engine.secrets().names(), engine.catalog());
    let names = all.iter().map(|(name, _)| name);
    let owners = all.iter().map(|(_, secret)| &secret.owner);
    let usage = all.iter().map(|(_, secret)| usage_of(secret));
    let options = all.iter().map(|(name, _)| options_of(&catalog, name));
    batch(vec![
        ("name", Arc::new(StringArray::from_iter_values(names))),
        ("owner", Arc::new(StringArray::from_iter_values(owners))),
        ("usage", Arc::new(usage.collect::<StringArray>())),
        ("options", Arc::new(options.collect::<StringArray>())),
        (
            "created_at",
            timestamps(all.iter().map(|(_, secret)| secret.created_us)),
        ),
    ])
}

/// Who else may name a secret; `None` where nobody does.
pub(crate) fn usage_of(secret: &Secret) -> Option<String> {
    (!secret.usage.is_empty()).then(|| secret.usage.join(", "))
}

/// Options of streams whose value a secret is; `None` where it is of none.
pub(crate) fn options_of(catalog: &Catalog, secret: &str) -> Option<String> {
    let mut options = BTreeSet::new();
    for object in catalog.all() {
        if let Object::Stream(stream) = object.as_ref() {
            let named = stream.statement.options.1.iter();
            let named = named.filter(|(_, named)| named == secret);
            options.extend(named.map(|(key, _)| key.as_str()));
        }
    }
    let options: Vec<&str> = options.into_iter().collect();
    (!options.is_empty()).then(|| options.join(", "))
}
