//! `pg_prepared_statements` and `pg_cursors`: what the session has open by name.

use crate::{
    dialect::catalog::rows::{Row, Value},
    session::Opened,
};

pub(super) fn statements(opened: &Opened) -> Vec<Row> {
    let rows = opened.statements().into_iter().map(|(name, statement)| {
        let types = statement.types.iter();
        let types = types.map(|oid| Value::Int(i64::from(*oid)));
        Row::from([
            ("name", name.into()),
            ("statement", statement.text.into()),
            ("prepare_time", statement.prepared_us.into()),
            ("parameter_types", Value::List(types.collect())),
            ("from_sql", statement.from_sql.into()),
            // Which plan a run had is not counted.
            ("generic_plans", 0.into()),
            ("custom_plans", 0.into()),
        ])
    });
    rows.collect()
}

pub(super) fn cursors(opened: &Opened) -> Vec<Row> {
    let rows = opened.cursors().into_iter().map(|(name, cursor)| {
        Row::from([
            ("name", name.into()),
            ("statement", cursor.text.into()),
            ("is_holdable", cursor.held.into()),
            ("is_binary", cursor.binary.into()),
            ("is_scrollable", cursor.scrolls.into()),
            ("creation_time", cursor.opened_us.into()),
        ])
    });
    rows.collect()
}
