//! Rows that change in their files, and definitions that change.

use std::collections::HashSet;

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::Int64Type,
};
use datafusion::prelude::SessionContext;

use super::{TABLE, root, rows, spec, *};
use crate::{
    delta::{Change, DeltaReader, FILE_COLUMN, FileRows, ROW_COLUMN, Snapshot},
    error::ConnectorError,
};

/// A table of two hours, a file each, and what is in it.
async fn table(root: &Root) -> (DeltaSink, Snapshot) {
    let mut sink = DeltaSink::create(root, TABLE, &spec(), &Map::new())
        .await
        .unwrap();
    let files = sink.write_files(&[rows(0, 120)], "t").await.unwrap();
    sink.commit(&files, None, &Map::new()).await.unwrap();
    let snapshot = read(root).await;
    (sink, snapshot)
}

async fn read(root: &Root) -> Snapshot {
    DeltaReader::new(root, TABLE)
        .unwrap()
        .refresh()
        .await
        .unwrap()
}

fn numbered(snapshot: &Snapshot) -> Vec<(i64, crate::delta::TableFile)> {
    (0..).zip(snapshot.changeable_files().unwrap()).collect()
}

fn delete() -> Change {
    Change {
        operation: "DELETE",
        parameters: json!({ "predicate": "[]" }),
        metrics: json!({}),
    }
}

/// A query over the rows of the table's files.
async fn query(rows: FileRows, sql: &str) -> RecordBatch {
    let context = SessionContext::new();
    context.register_table("t", Arc::new(rows)).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[tokio::test]
async fn rows_say_where_they_stand_and_are_found_there_again() {
    let (_folder, root) = root();
    let (_, snapshot) = table(&root).await;
    let rows = FileRows::new(&snapshot, numbered(&snapshot));
    let found = query(
        rows.clone(),
        &format!("SELECT {FILE_COLUMN}, {ROW_COLUMN}, hour, window_start FROM t WHERE hour = 4 ORDER BY window_start LIMIT 1"),
    )
    .await;
    let number = |column: usize| found.column(column).as_primitive::<Int64Type>().value(0);
    let (file, row) = (number(0), usize::try_from(number(1)).unwrap());
    let batches: Vec<_> = rows.file(file).await.unwrap().map(Result::unwrap).collect();
    let all = concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(all.schema().as_ref(), snapshot.schema().as_ref());
    let start = all.column_by_name("window_start").unwrap();
    assert_eq!(&start.slice(row, 1), found.column(3));
    // Nothing but the count is asked of the files.
    let count = query(rows, "SELECT count(*) FROM t").await;
    assert_eq!(count.column(0).as_primitive::<Int64Type>().value(0), 120);
}

#[tokio::test]
async fn a_change_is_committed_only_on_files_that_are_live() {
    let (_folder, root) = root();
    let (mut writer, snapshot) = table(&root).await;
    let files = snapshot.files();
    let first: HashSet<String> = [files[0].path.clone()].into();
    let second: HashSet<String> = [files[1].path.clone()].into();
    let mut one = DeltaSink::over(&snapshot).unwrap();
    let mut other = DeltaSink::over(&snapshot).unwrap();
    let mut third = DeltaSink::over(&snapshot).unwrap();
    // Somebody appends meanwhile: that is no conflict.
    let more = writer.write_files(&[rows(0, 1)], "t").await.unwrap();
    writer.commit(&more, None, &Map::new()).await.unwrap();
    assert_eq!(one.change(&first, &[], &delete()).await.unwrap(), Some(3));
    assert_eq!(other.change(&first, &[], &delete()).await.unwrap(), None);
    assert_eq!(
        third.change(&second, &[], &delete()).await.unwrap(),
        Some(4)
    );
    let now = read(&root).await;
    assert_eq!((now.version(), now.files().len()), (4, 1));
    let told = now.history(1).await.unwrap().remove(0);
    assert_eq!(told.operation.as_deref(), Some("DELETE"));
}

#[tokio::test]
async fn a_column_is_added_and_rows_from_before_have_none_in_it() {
    let (_folder, root) = root();
    let (_, snapshot) = table(&root).await;
    let mut sink = DeltaSink::over(&snapshot).unwrap();
    let mut late = DeltaSink::over(&snapshot).unwrap();
    let mut wider = spec();
    let mut fields = wider.schema.fields().to_vec();
    fields.push(Arc::new(Field::new("note", DataType::Utf8, true)));
    wider.schema = Arc::new(Schema::new(fields));
    wider.description = Some("with notes".into());
    assert_eq!(
        sink.redefine(&wider, "ADD COLUMNS", json!({}))
            .await
            .unwrap(),
        2
    );
    let now = read(&root).await;
    assert_eq!(now.spec(), &wider);
    let rows = FileRows::new(&now, numbered(&now));
    let count = query(rows, "SELECT count(*) AS n, count(note) AS notes FROM t").await;
    assert_eq!(count.column(0).as_primitive::<Int64Type>().value(0), 120);
    assert_eq!(count.column(1).as_primitive::<Int64Type>().value(0), 0);
    // Another definition by somebody who did not know of this one, and rows of the old one, are refused.
    let mut other = spec();
    other.description = None;
    let refused = late.redefine(&other, "SET DESCRIPTION", json!({})).await;
    assert!(
        matches!(refused, Err(ConnectorError::Conflict { .. })),
        "{refused:?}"
    );
    let mut stale = DeltaSink::over(&snapshot).unwrap();
    let path = [snapshot.files()[0].path.clone()].into();
    assert_eq!(stale.change(&path, &[], &delete()).await.unwrap(), None);
}
