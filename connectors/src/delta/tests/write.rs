//! Data files: partitions, statistics, and what is refused.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
        Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    datatypes::{DataType, Field, Int32Type, IntervalUnit, Schema, TimeUnit},
};
use serde_json::{Map, Value};

use super::{read::query, root, rows, schema, spec};
use crate::{
    delta::{DataFile, DeltaSink, TableSpec},
    error::ConnectorError,
    store::Root,
};

fn of(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns
        .iter()
        .map(|(name, column)| (*name, Arc::clone(column), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn spec_of(schema: &Schema, partition_columns: &[&str]) -> TableSpec {
    TableSpec {
        schema: Arc::new(schema.clone()),
        partition_columns: partition_columns
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        properties: BTreeMap::new(),
        description: None,
        name: None,
    }
}

/// The table `t` of these rows.
async fn written(root: &Root, batch: &RecordBatch, partition_columns: &[&str]) -> Vec<DataFile> {
    let spec = spec_of(&batch.schema(), partition_columns);
    let mut sink = DeltaSink::create(root, "t", &spec, &Map::new())
        .await
        .unwrap();
    let batches = std::slice::from_ref(batch);
    let files = sink.write_files(batches, "q/1 e:2").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &Map::new())
        .await
        .unwrap();
    files
}

async fn refused(schema: Schema, partition_columns: &[&str]) -> (String, String) {
    let (_folder, root) = root();
    let spec = spec_of(&schema, partition_columns);
    let error = DeltaSink::create(&root, "t", &spec, &Map::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Option { .. }), "{error}");
    assert!(root.list("t/_delta_log").await.unwrap().is_empty());
    (error.to_string(), error.hint().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_values_may_be_anything() {
    let (folder, root) = root();
    let long = "x".repeat(400);
    let texts = [
        Some("plain"),
        None,
        Some(""),
        Some("a/b"),
        Some("50% off=yes #1"),
        Some("ünïcode ✓"),
        Some("../up"),
        Some(" lead"),
        Some(&long),
        Some("a/b"),
    ];
    let batch = of(&[
        ("kind", Arc::new(StringArray::from(texts.to_vec()))),
        ("n", Arc::new(Int64Array::from_iter_values(0..10))),
    ]);
    let files = written(&root, &batch, &["kind"]).await;
    // To Delta an empty text is a null.
    let stored = texts.map(|text| text.filter(|text| !text.is_empty()));
    let mut expected: Vec<Option<String>> =
        stored.iter().map(|text| text.map(str::to_owned)).collect();
    expected.sort();
    expected.dedup();
    let mut values: Vec<_> = files
        .iter()
        .map(|file| file.partition_values()["kind"].clone())
        .collect();
    values.sort();
    assert_eq!(values, expected);
    for file in &files {
        let path = folder.path().join("a root/t").join(file.path());
        assert!(path.is_file(), "{}", path.display());
        assert!(file.path().contains("q_1_e_2"), "{}", file.path());
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!(i64::try_from(size).unwrap(), file.size());
    }
    // Every row comes back with its value.
    let got = query(&root, "t", "select n, kind from t order by n").await;
    let expected: Vec<_> = (0..)
        .zip(stored)
        .map(|(n, text)| format!("{n}|{}", text.unwrap_or("NULL")))
        .collect();
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_every_type_come_back() {
    let (_folder, root) = root();
    let decimal = Decimal128Array::from(vec![Some(-105), None])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let zoned = TimestampMicrosecondArray::from(vec![Some(1_767_322_800_123_456), None]);
    let local = TimestampMicrosecondArray::from(vec![Some(1_767_322_800_000_001), None]);
    let batch = of(&[
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i", Arc::new(Int32Array::from(vec![Some(-7), None]))),
        ("d", Arc::new(Date32Array::from(vec![Some(-1), None]))),
        ("t", Arc::new(zoned.with_timezone("UTC"))),
        ("l", Arc::new(local)),
        ("c", Arc::new(decimal)),
        ("n", Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    let files = written(&root, &batch, &["b", "i", "d", "t", "l", "c"]).await;
    assert_eq!(files.len(), 2);
    let first = files
        .iter()
        .map(DataFile::partition_values)
        .find(|values| values["b"].is_some())
        .unwrap();
    assert_eq!(first["d"].as_deref(), Some("1969-12-31"));
    assert_eq!(first["t"].as_deref(), Some("2026-01-02T03:00:00.123456Z"));
    assert_eq!(first["c"].as_deref(), Some("-1.05"));
    let got = query(&root, "t", "select b, i, d, t, l, c, n from t order by n").await;
    assert_eq!(
        got,
        [
            "true|-7|1969-12-31|2026-01-02T03:00:00.123456Z|2026-01-02T03:00:00.000001|-1.05|1",
            "NULL|NULL|NULL|NULL|NULL|NULL|2"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_bound_the_values() {
    let (_folder, root) = root();
    let long = "é".repeat(40);
    let times = TimestampMicrosecondArray::from(vec![-1, 1_767_322_800_000_001, 5]);
    let decimals = Decimal128Array::from(vec![12_345_678_901_234_567_890_123_i128, -5, 0])
        .with_precision_and_scale(30, 3)
        .unwrap();
    let floats = |values: [f64; 3]| Arc::new(Float64Array::from(values.to_vec()));
    let batch = of(&[
        (
            "i",
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(9)])),
        ),
        ("f", floats([-1.5, 0.0, 0.1])),
        ("nan", floats([1.0, f64::NAN, 2.0])),
        ("inf", floats([1.0, f64::INFINITY, 2.0])),
        ("zero", floats([0.0, 0.0, 0.0])),
        (
            "s",
            Arc::new(StringArray::from(vec![
                Some("b\"quoted\""),
                None,
                Some("a"),
            ])),
        ),
        ("long", Arc::new(StringArray::from(vec![long.as_str(); 3]))),
        (
            "d",
            Arc::new(Date32Array::from(vec![Some(0), None, Some(20_455)])),
        ),
        ("t", Arc::new(times.with_timezone("UTC"))),
        ("far", Arc::new(Date32Array::from(vec![0, 100_000_000, 0]))),
        ("c", Arc::new(decimals)),
        ("none", Arc::new(Int32Array::from(vec![None, None, None]))),
        (
            "bin",
            Arc::new(BinaryArray::from(vec![Some(b"x".as_slice()), None, None])),
        ),
        (
            "yes",
            Arc::new(BooleanArray::from(vec![Some(true), None, None])),
        ),
    ]);
    let files = written(&root, &batch, &[]).await;
    let [file] = files.as_slice() else {
        panic!("{files:?}")
    };
    let text = file.add.stats.clone().unwrap();
    let stats: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["numRecords"], 3);
    let bounds = |name: &str| {
        let side = |side: &str| stats[side][name].to_string();
        format!("{} {}", side("minValues"), side("maxValues"))
    };
    assert_eq!(bounds("i"), "-9223372036854775808 9");
    assert_eq!(bounds("f"), "-1.5 0.1");
    assert_eq!(bounds("nan"), "null null");
    assert_eq!(bounds("inf"), "1.0 null");
    assert_eq!(bounds("zero"), "-0.0 0.0");
    assert_eq!(bounds("s"), r#""a" "b\"quoted\"""#);
    let head = "é".repeat(32);
    assert_eq!(bounds("long"), format!("\"{head}\" \"{head}\u{10FFFF}\""));
    assert_eq!(bounds("d"), r#""1970-01-01" "2026-01-02""#);
    assert_eq!(
        bounds("t"),
        r#""1969-12-31T23:59:59.999Z" "2026-01-02T03:00:00.001Z""#
    );
    assert_eq!(bounds("far"), r#""1970-01-01" null"#);
    assert!(text.contains("\"c\":12345678901234567890.123"), "{text}");
    assert!(text.contains("\"c\":-0.005"), "{text}");
    for (name, nulls) in [("none", 3), ("bin", 2), ("yes", 2)] {
        assert_eq!(bounds(name), "null null", "{name}");
        assert_eq!(stats["nullCount"][name], nulls, "{name}");
    }
    assert_eq!(stats["nullCount"]["i"], 1);
    // Every reader must understand them: bounds that cannot be read would hide rows.
    let got = query(
        &root,
        "t",
        "select count(*) from t where c > 1 and i < 0 and t > '2026-01-01'",
    )
    .await;
    assert_eq!(got, ["0"]);
    let got = query(
        &root,
        "t",
        "select count(*) from t where nan > 1.5 or long > 'zz'",
    )
    .await;
    assert_eq!(got, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_columns_get_statistics() {
    let (_folder, root) = root();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let names: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let columns: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Arc::clone(&column)))
        .collect();
    let files = written(&root, &of(&columns), &[]).await;
    let text = files.first().unwrap().add.stats.clone().unwrap();
    let stats: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["minValues"].as_object().unwrap().len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_of_a_type_are_taken() {
    let (_folder, root) = root();
    let dictionary: DictionaryArray<Int32Type> = ["x", "y"].into_iter().collect();
    let times = TimestampNanosecondArray::from(vec![1_767_322_800_123_456_789; 2]);
    let batch = of(&[
        ("view", Arc::new(StringViewArray::from(vec!["a", "b"]))),
        ("dict", Arc::new(dictionary)),
        ("ns", Arc::new(times.with_timezone("+02:00"))),
    ]);
    let files = written(&root, &batch, &["dict"]).await;
    assert_eq!(files.len(), 2);
    let sink = DeltaSink::open(&root, "t").await.unwrap().unwrap();
    let types: Vec<_> = sink
        .spec()
        .schema
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    assert_eq!(
        types,
        [
            DataType::Utf8,
            DataType::Utf8,
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        ]
    );
    let got = query(&root, "t", "select view, dict, ns from t order by view").await;
    assert_eq!(
        got,
        [
            "a|x|2026-01-02T03:00:00.123456Z",
            "b|y|2026-01-02T03:00:00.123456Z"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_delta_table_cannot_hold_is_refused_by_column() {
    let two = |name: &str, data_type| {
        Schema::new(vec![
            Field::new("ok", DataType::Int64, true),
            Field::new(name, data_type, true),
        ])
    };
    let (text, hint) = refused(two("users", DataType::UInt64), &[]).await;
    assert_eq!(
        text,
        "column \"users\" has type UInt64, which a Delta table cannot hold"
    );
    assert!(hint.contains("CAST"), "{hint}");
    for data_type in [
        DataType::Null,
        DataType::UInt8,
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Decimal256(60, 2),
        DataType::List(Arc::new(Field::new("item", DataType::UInt32, true))),
    ] {
        let (text, _) = refused(two("odd", data_type), &[]).await;
        assert!(text.starts_with("column \"odd\" has type "), "{text}");
    }
    let (text, hint) = refused(two("count(*)", DataType::Int64), &[]).await;
    assert_eq!(
        text,
        "column name \"count(*)\" cannot be stored: it contains '('"
    );
    assert!(hint.contains("AS"), "{hint}");
    for (schema, partition_columns, expected) in [
        (
            two("OK", DataType::Int64),
            &[][..],
            "column \"OK\" appears more than once",
        ),
        (
            two("f", DataType::Float64),
            &["f"],
            "cannot partition by column \"f\" of type Float64",
        ),
        (
            two("f", DataType::Int64),
            &["g"],
            "partition column \"g\" is not a column of the table",
        ),
        (
            two("f", DataType::Int64),
            &["f", "f"],
            "partition column \"f\" appears more than once",
        ),
        (
            two("f", DataType::Int64),
            &["f", "ok"],
            "every column is a partition column",
        ),
        (
            Schema::empty(),
            &[],
            "a Delta table needs at least one column",
        ),
    ] {
        let (text, _) = refused(schema, partition_columns).await;
        assert_eq!(text, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_would_hurt_are_refused() {
    let (_folder, root) = root();
    for (name, said) in [
        ("delta.setTransactionRetentionDuration", "forget"),
        ("delta.enableDeletionVectors", "Did you mean"),
        (
            "delta.chekpointInterval",
            "Did you mean \"delta.checkpointInterval\"?",
        ),
    ] {
        let spec = TableSpec {
            properties: [(name.to_owned(), "1".to_owned())].into(),
            ..spec()
        };
        let error = DeltaSink::create(&root, "t", &spec, &Map::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.hint().unwrap().contains(said), "{:?}", error.hint());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_fit_are_refused() {
    let (_folder, root) = root();
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields[3] = Arc::new(Field::new("value", DataType::Float64, false));
    let strict = TableSpec {
        schema: Arc::new(Schema::new(fields)),
        ..spec()
    };
    let sink = DeltaSink::create(&root, "t", &strict, &Map::new())
        .await
        .unwrap();
    let good = rows(0, 2);
    let write = async |batch: RecordBatch| {
        sink.write_files(&[batch], "q")
            .await
            .map(|files| files.len())
            .map_err(|error| error.to_string())
    };
    let with = |name: &str, column: ArrayRef| {
        let mut columns = good.columns().to_vec();
        columns[schema().index_of(name).unwrap()] = column;
        let named = schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .zip(columns)
            .map(|(name, column)| (name, column, true))
            .collect::<Vec<_>>();
        RecordBatch::try_from_iter_with_nullable(named).unwrap()
    };
    assert_eq!(write(good.clone()).await, Ok(1));
    let nulls: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(1.0)]));
    assert_eq!(
        write(with("value", nulls)).await.unwrap_err(),
        "column \"value\" is NOT NULL and has a null in the rows"
    );
    assert_eq!(
        write(with("hour", Arc::new(UInt64Array::from(vec![1, 2]))))
            .await
            .unwrap_err(),
        "column \"hour\" has type UInt64 in the rows and Int32 in the table"
    );
    assert_eq!(
        write(good.project(&[0, 1]).unwrap()).await.unwrap_err(),
        "rows of 2 columns do not fit a table of 5"
    );
    assert_eq!(write(good.slice(0, 0)).await, Ok(0));
    assert!(sink.write_files(&[], "q").await.unwrap().is_empty());
    // Columns are taken by name, in whatever order they come.
    assert_eq!(write(good.project(&[4, 3, 2, 1, 0]).unwrap()).await, Ok(1));
}
