//! Snapshots: what a DataFusion session and the system tables see.

use std::sync::Arc;

use arrow::{
    array::{BinaryArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder},
    datatypes::{DataType, Field, Schema},
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::prelude::{SessionConfig, SessionContext};
use serde_json::Map;

use super::{TABLE, info, root, rows, schema, spec, table};
use crate::{
    delta::{DeltaReader, DeltaSink, Snapshot, TableSpec},
    error::ConnectorError,
    store::Root,
};

async fn select(snapshot: &Snapshot, sql: &str) -> Vec<String> {
    let views = "datafusion.execution.parquet.schema_force_view_types";
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .set_bool(views, false);
    let context = SessionContext::new_with_config(config);
    context.register_table("t", snapshot.provider()).unwrap();
    let plan = context.sql(sql).await.unwrap();
    let batches = plan.collect().await.unwrap();
    let options = FormatOptions::new().with_null("NULL");
    let mut lines = Vec::new();
    for batch in &batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            lines.push(cells.join("|"));
        }
    }
    lines
}

/// The rows of a query over the table in `path`, there called `t`, columns parted by bars.
pub(super) async fn query(root: &Root, path: &str, sql: &str) -> Vec<String> {
    let mut reader = DeltaReader::new(root, path).unwrap();
    select(&reader.refresh().await.unwrap(), sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_needs_a_table() {
    let (_folder, root) = root();
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    let error = reader.refresh().await.unwrap_err();
    assert!(matches!(error, ConnectorError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_has_the_tables_columns_and_stays_as_it_is() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    let empty = reader.refresh().await.unwrap();
    assert_eq!((empty.version(), empty.files().len()), (0, 0));
    let files = sink.write_files(&[rows(0, 90)], "q-1").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    let one = reader.refresh().await.unwrap();
    let files = sink.write_files(&[rows(90, 10)], "q-2").await.unwrap();
    sink.commit(&files, Some(("q", 2)), &info(2)).await.unwrap();
    let two = reader.refresh().await.unwrap();

    assert_eq!(two.spec(), &spec());
    assert_eq!(two.schema(), schema());
    assert_eq!(two.provider().schema(), schema());
    let counted = "select count(*), sum(value) from t";
    assert_eq!(select(&empty, counted).await, ["0|NULL"]);
    assert_eq!(select(&one, counted).await, ["90|2002.5"]);
    assert_eq!(select(&two, counted).await, ["100|2475.0"]);
    assert_eq!(one.txn_version("q").await.unwrap(), Some(1));
    assert_eq!(two.txn_version("q").await.unwrap(), Some(2));
    assert_eq!(two.txn_version("p").await.unwrap(), None);

    // Batches have the very types of the schema, also in a session that would rather have views.
    let context = SessionContext::new();
    context.register_table("t", two.provider()).unwrap();
    let plan = context.sql("select * from t").await.unwrap();
    for batch in plan.collect().await.unwrap() {
        assert_eq!(batch.schema().fields(), schema().fields());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_files_and_rows() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 24 * 60)], "q-1").await.unwrap();
    assert_eq!(files.len(), 24);
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    let snapshot = reader.refresh().await.unwrap();
    for (filter, expected) in [
        ("hour = 5", 60),
        ("hour = 5 and value > 1e9", 0),
        ("date = '2026-01-03'", 180),
        (
            "window_start >= '2026-01-02T05:00:00Z' and window_start < '2026-01-02T05:10:00Z'",
            10,
        ),
        ("event_type = 'type 1'", 480),
        ("event_type like 'type %' and hour between 3 and 4", 120),
        ("value < 10", 20),
        ("event_type is null", 0),
        ("hour is null", 0),
    ] {
        let sql = format!("select count(*), count(value) from t where {filter}");
        assert_eq!(
            select(&snapshot, &sql).await,
            [format!("{expected}|{expected}")],
            "{filter}"
        );
    }
    let sql = "explain select value from t where window_start < '2026-01-02T05:00:00Z'";
    let plan = select(&snapshot, sql).await.join("\n");
    // The files of three and four o'clock of those of a day.
    assert!(plan.contains("hour=3"), "{plan}");
    assert!(plan.contains("hour=4"), "{plan}");
    assert!(!plan.contains("hour=7"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_texts_wherever_they_stand_and_whatever_is_asked() {
    let (_folder, root) = root();
    let texts = |name: &str| Field::new(name, DataType::Utf8, true);
    let element = Arc::new(Field::new("element", DataType::Utf8, true));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        texts("kind"),
        texts("note"),
        Field::new("raw", DataType::Binary, true),
        Field::new("tags", DataType::List(element), true),
    ]));
    let long = "a note of more than twelve bytes, é";
    let notes = [Some("short"), None, Some(long), Some(""), Some(long)];
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(Field::new(
        "element",
        DataType::Utf8,
        true,
    )));
    for note in notes {
        tags.append_value([note, Some("x")]);
    }
    let rows = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int64Array::from_iter_values(0..5)),
            Arc::new(StringArray::from(vec![
                Some("a"),
                None,
                Some("a"),
                Some("a kind with a long name"),
                None,
            ])),
            Arc::new(StringArray::from_iter(notes)),
            Arc::new(BinaryArray::from_iter(
                notes.map(|note| note.map(str::as_bytes)),
            )),
            Arc::new(tags.finish()),
        ],
    )
    .unwrap();
    let spec = TableSpec {
        schema: Arc::clone(&schema),
        partition_columns: vec!["kind".into()],
        ..spec()
    };
    let mut sink = DeltaSink::create(&root, "tables/gold/texts", &spec, &info(0))
        .await
        .unwrap();
    let files = sink.write_files(&[rows], "q-1").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    let mut reader = DeltaReader::new(&root, "tables/gold/texts").unwrap();
    let snapshot = reader.refresh().await.unwrap();

    let raw = |text: &str| -> String { text.bytes().map(|b| format!("{b:02x}")).collect() };
    let all = [
        format!("0|a|short|{}|[short, x]", raw("short")),
        "1|NULL|NULL|NULL|[NULL, x]".to_owned(),
        format!("2|a|{long}|{}|[{long}, x]", raw(long)),
        "3|a kind with a long name|||[, x]".to_owned(),
        format!("4|NULL|{long}|{}|[{long}, x]", raw(long)),
    ];
    for (filter, expected) in [
        ("true", [0, 1, 2, 3, 4].as_slice()),
        ("id > 1", &[2, 3, 4]),
        ("kind = 'a'", &[0, 2]),
        ("note is null or note = ''", &[1, 3]),
        ("id < 3 and note like '%twelve%'", &[2]),
        ("kind is null and id > 1", &[4]),
    ] {
        let sql = format!("select * from t where {filter} order by id");
        let expected: Vec<&String> = expected.iter().map(|at| &all[*at]).collect();
        let found = select(&snapshot, &sql).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
    }
    let sql = "select note, kind from t order by note desc nulls last, kind limit 2";
    let newest = ["short|a".to_owned(), format!("{long}|a")];
    assert_eq!(select(&snapshot, sql).await, newest);

    let context = SessionContext::new();
    context.register_table("t", snapshot.provider()).unwrap();
    for sql in ["select * from t", "select * from t where id >= 0"] {
        let plan = context.sql(sql).await.unwrap();
        for batch in plan.collect().await.unwrap() {
            assert_eq!(batch.schema().fields(), schema.fields());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_history_are_told() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 90)], "q-1").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    let snapshot = reader.refresh().await.unwrap();
    let mut told = snapshot.files();
    told.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(told.len(), 2);
    for (file, told) in files.iter().zip(&told) {
        assert_eq!(file.path(), told.path);
        assert_eq!(file.size(), told.size);
        assert_eq!(Some(file.rows()), told.num_records);
        assert!(told.stats.as_deref().unwrap().contains("numRecords"));
        let date = told.partition_values["date"].as_deref();
        assert_eq!(date, Some("2026-01-02"));
    }
    let history = snapshot.history(10).await.unwrap();
    let versions: Vec<_> = history.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [1, 0]);
    let newest = history.first().unwrap();
    assert_eq!(newest.operation.as_deref(), Some("STREAMING UPDATE"));
    assert_eq!(newest.info, Some(info(1)));
    assert_eq!(newest.metrics["numOutputRows"], "90");
    assert!(newest.timestamp_ms.unwrap() > 1_700_000_000_000);
    assert_eq!(
        history.last().unwrap().operation.as_deref(),
        Some("CREATE TABLE")
    );
    assert_eq!(snapshot.history(1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_lives_through_replacement_recreation_and_many_versions() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    reader.refresh().await.unwrap();
    for epoch in 1..=3 {
        let files = sink.write_files(&[rows(epoch, 1)], "q").await.unwrap();
        let txn = Some(("q", epoch));
        sink.commit(&files, txn, &info(epoch)).await.unwrap();
        let snapshot = reader.refresh().await.unwrap();
        assert_eq!(snapshot.version(), epoch);
        assert_eq!(
            select(&snapshot, "select count(*) from t").await,
            [epoch.to_string()]
        );
    }
    let mut other = spec();
    other.partition_columns.clear();
    sink.replace(&other, None, &Map::new()).await.unwrap();
    let replaced = reader.refresh().await.unwrap();
    assert_eq!(replaced.spec(), &other);
    assert_eq!(select(&replaced, "select count(*) from t").await, ["0"]);
    // Far beyond the point where it starts over.
    for epoch in 4..=260 {
        let txn = Some(("q", epoch));
        sink.commit(&[], txn, &info(epoch)).await.unwrap();
        if epoch % 5 == 0 {
            assert_eq!(reader.refresh().await.unwrap().version(), epoch + 1);
        }
    }
    let files = sink.write_files(&[rows(0, 7)], "q").await.unwrap();
    let txn = Some(("q", 261));
    sink.commit(&files, txn, &info(261)).await.unwrap();
    let last = reader.refresh().await.unwrap();
    assert_eq!(select(&last, "select count(*) from t").await, ["7"]);
    root.delete_all(TABLE).await.unwrap();
    DeltaSink::create(&root, TABLE, &spec(), &Map::new())
        .await
        .unwrap();
    let anew = reader.refresh().await.unwrap();
    assert_eq!((anew.version(), anew.spec()), (0, &spec()));
    assert_eq!(
        last.files().len(),
        1,
        "an old snapshot still knows its files"
    );
    // Made anew once more, and at a version beyond the one that was seen.
    root.delete_all(TABLE).await.unwrap();
    let mut sink = table(&root).await;
    for epoch in 1..=3 {
        let txn = Some(("r", epoch));
        sink.commit(&[], txn, &info(epoch)).await.unwrap();
    }
    let anew = reader.refresh().await.unwrap();
    assert_eq!(anew.version(), 3);
    assert_eq!(anew.txn_version("q").await.unwrap(), None);
}
