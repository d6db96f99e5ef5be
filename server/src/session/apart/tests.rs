//! Which statements are planned apart.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::catalog::{ObjectMeta, ViewObject};

fn is_long(catalog: &Catalog, sql: &str) -> bool {
    let statement = sluice_sql::parse(sql).unwrap().remove(0).statement;
    let mut looked = Looked {
        catalog,
        temp: None,
        relations: 0,
    };
    looked.is_long(&statement)
}

#[test]
fn what_may_take_long_is_told_from_its_names() {
    let create = sluice_sql::parse("CREATE VIEW gold.v AS SELECT 1 AS a").unwrap();
    let Statement::CreateView(statement) = create.into_iter().next().unwrap().statement else {
        unreachable!("it is a view")
    };
    let meta: ObjectMeta = serde_json::from_str(r#"{"id": "v", "created_at": ""}"#).unwrap();
    let mut catalog = Catalog::new();
    catalog.put(Arc::new(Object::View(ViewObject {
        name: QualifiedName::new("gold", "v"),
        meta,
        statement,
    })));
    let eight = format!("SELECT 1 FROM t{}", ", t".repeat(7));
    let seven = format!("SELECT 1 FROM t{}", ", t".repeat(6));
    for (sql, long) in [
        ("SELECT * FROM t WHERE id = $1", false),
        ("INSERT INTO t VALUES (1)", false),
        ("SELECT 1", false),
        (seven.as_str(), false),
        (eight.as_str(), true),
        ("WITH a AS (SELECT 1) SELECT * FROM a", true),
        ("SELECT (WITH a AS (SELECT 1) SELECT * FROM a)", true),
        ("SELECT * FROM gold.v", true),
        ("SELECT * FROM v", true),
        ("SELECT * FROM t WHERE id IN (SELECT a FROM gold.v)", true),
        ("INSERT INTO t SELECT a FROM gold.v", true),
        ("SELECT * FROM silver.v", false),
        ("SUBSCRIBE t", false),
        ("SUBSCRIBE gold.v", true),
    ] {
        assert_eq!(is_long(&catalog, sql), long, "{sql}");
    }
}
