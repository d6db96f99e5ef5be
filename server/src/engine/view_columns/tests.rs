//! Columns are known as long as nothing changed that the view comes to.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::{DataType, Field, Schema};
use sluice_sql::Statement;

use super::*;
use crate::catalog::{ObjectMeta, ViewObject};

fn view(sql: &str) -> Arc<Object> {
    let Statement::CreateView(statement) = sluice_sql::parse(sql).unwrap().remove(0).statement
    else {
        unreachable!("it is a view")
    };
    let name = QualifiedName::from_sql(&statement.name).unwrap();
    let meta = format!(r#"{{"id": "{name}", "created_at": ""}}"#);
    let meta: ObjectMeta = serde_json::from_str(&meta).unwrap();
    Arc::new(Object::View(ViewObject {
        name,
        meta,
        statement,
    }))
}

fn name(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

#[test]
fn columns_hold_as_long_as_what_the_view_comes_to() {
    let mut catalog = Catalog::new();
    catalog.put(view("CREATE VIEW a AS SELECT 1 AS x"));
    catalog.put(view("CREATE VIEW b AS SELECT * FROM a"));
    catalog.put(view("CREATE VIEW c AS SELECT * FROM b"));
    catalog.put(view("CREATE VIEW other AS SELECT 1 AS y"));
    let known = ViewColumns::default();
    assert!(known.get(&catalog, &name("c")).is_none());
    let field = Field::new("x", DataType::Int32, true);
    let columns = Arc::new(Schema::new(vec![field]));
    let standing = Standing::of(&catalog, &name("c"));
    known.keep(&catalog, &name("c"), standing.clone(), Arc::clone(&columns));
    assert_eq!(known.get(&catalog, &name("c")), Some(Arc::clone(&columns)));
    catalog.put(view("CREATE VIEW other AS SELECT 2 AS y"));
    assert_eq!(known.get(&catalog, &name("c")), Some(Arc::clone(&columns)));
    // Two views below it.
    let mut changed = catalog.clone();
    changed.put(view("CREATE VIEW a AS SELECT 'x' AS x"));
    assert!(known.get(&changed, &name("c")).is_none());
    changed.remove(&name("a"));
    assert!(known.get(&changed, &name("c")).is_none());
    changed.remove(&name("c"));
    let standing = Standing::of(&changed, &name("b"));
    known.keep(&changed, &name("b"), standing, columns);
    assert!(known.get(&catalog, &name("c")).is_none(), "it was let go");
}
