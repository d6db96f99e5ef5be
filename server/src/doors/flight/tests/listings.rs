//! Metadata: what exists and what the server can do.

use std::collections::HashMap;

use arrow::{
    array::{Array, BinaryArray},
    datatypes::{Field, Schema},
};
use arrow_flight::{
    IpcMessage,
    sql::{
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
        CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo,
        SqlInfo,
    },
};

use super::*;

fn column(batches: &[RecordBatch], name: &str) -> Vec<String> {
    let columns = batches.iter().map(|b| {
        let index = b.schema().index_of(name).unwrap();
        b.project(&[index]).unwrap()
    });
    texts(&columns.collect::<Vec<_>>())
}

#[tokio::test]
async fn tables_are_listed_with_the_columns_a_query_gives() {
    let served = served_by_engine().await;
    let mut client = served.log_in().await;
    for statement in [
        "CREATE TABLE people AS SELECT 1 AS id, 'ada' AS name, CAST(1.5 AS DECIMAL(10, 2)) AS paid",
        "CREATE VIEW names AS SELECT name FROM people",
        "COMMENT ON COLUMN people.name IS 'what she is called'",
    ] {
        client.execute_update(statement.into(), None).await.unwrap();
    }
    let all = CommandGetTables {
        db_schema_filter_pattern: Some("public".into()),
        include_schema: true,
        ..Default::default()
    };
    let info = client.get_tables(all.clone()).await.unwrap();
    let (_, batches) = fetch(&mut client, info).await.unwrap();
    assert_eq!(column(&batches, "table_name"), ["names", "people"]);
    assert_eq!(column(&batches, "table_type"), ["VIEW", "TABLE"]);
    let schemas = batches[0].column_by_name("table_schema").unwrap().clone();
    let schemas: &BinaryArray = schemas.as_any().downcast_ref().unwrap();
    let message = IpcMessage(bytes::Bytes::copy_from_slice(schemas.value(1)));
    let listed = Schema::try_from(message).unwrap();
    let info = client
        .execute("SELECT * FROM people".into(), None)
        .await
        .unwrap();
    let asked = info.try_decode_schema().unwrap();
    let plain = |schema: &Schema| {
        let fields = schema.fields().iter();
        let of = |field: &Arc<Field>| field.as_ref().clone().with_metadata(HashMap::new());
        Schema::new(fields.map(of).collect::<Vec<_>>())
    };
    assert_eq!(plain(&listed), plain(&asked));
    let told = |column: usize, key: &str| {
        let metadata = listed.field(column).metadata();
        metadata
            .get(&format!("ARROW:FLIGHT:SQL:{key}"))
            .map(String::as_str)
    };
    for (column, key, value) in [
        (0, "CATALOG_NAME", Some("sluice")),
        (0, "DB_SCHEMA_NAME", Some("public")),
        (0, "TABLE_NAME", Some("people")),
        (0, "TYPE_NAME", Some("integer")),
        (0, "PRECISION", Some("10")),
        (0, "SCALE", Some("0")),
        (0, "REMARKS", None),
        (0, "IS_CASE_SENSITIVE", Some("0")),
        (0, "IS_AUTO_INCREMENT", Some("0")),
        (0, "IS_READ_ONLY", Some("0")),
        (0, "IS_SEARCHABLE", Some("1")),
        (1, "TYPE_NAME", Some("text")),
        (1, "PRECISION", None),
        (1, "REMARKS", Some("what she is called")),
        (1, "IS_CASE_SENSITIVE", Some("1")),
        (2, "TYPE_NAME", Some("numeric")),
        (2, "PRECISION", Some("10")),
        (2, "SCALE", Some("2")),
    ] {
        assert_eq!(told(column, key), value, "{column} {key}");
    }

    for (filter, expected) in [
        (
            CommandGetTables {
                table_name_filter_pattern: Some("pe%".into()),
                ..Default::default()
            },
            vec!["people"],
        ),
        (
            CommandGetTables {
                table_types: vec!["VIEW".into()],
                ..all.clone()
            },
            vec!["names"],
        ),
        (
            CommandGetTables {
                db_schema_filter_pattern: Some("g_ld".into()),
                ..all.clone()
            },
            vec![],
        ),
        (
            CommandGetTables {
                catalog: Some("other".into()),
                ..all
            },
            vec![],
        ),
    ] {
        let info = client.get_tables(filter).await.unwrap();
        let (_, batches) = fetch(&mut client, info).await.unwrap();
        assert_eq!(column(&batches, "table_name"), expected);
    }
}

#[tokio::test]
async fn catalogs_schemas_and_types_are_listed() {
    let served = served().await;
    let mut client = served.connect().await;
    let info = client.get_catalogs().await.unwrap();
    let (_, catalogs) = fetch(&mut client, info).await.unwrap();
    assert_eq!(texts(&catalogs), ["datafusion"]);
    let pattern = Some("pub%".into());
    let request = CommandGetDbSchemas {
        catalog: None,
        db_schema_filter_pattern: pattern,
    };
    let info = client.get_db_schemas(request).await.unwrap();
    let (_, schemas) = fetch(&mut client, info).await.unwrap();
    assert_eq!(column(&schemas, "db_schema_name"), ["public"]);
    let info = client.get_table_types().await.unwrap();
    let (_, types) = fetch(&mut client, info).await.unwrap();
    assert!(texts(&types).contains(&"VIEW".to_owned()));
    // A listing may be fetched again: its ticket is the command itself.
    let info = client.get_catalogs().await.unwrap();
    fetch(&mut client, info.clone()).await.unwrap();
    fetch(&mut client, info).await.unwrap();
}

#[tokio::test]
async fn abilities_types_and_keys_are_answered() {
    let served = served().await;
    let mut client = served.connect().await;
    let asked = vec![
        SqlInfo::FlightSqlServerName,
        SqlInfo::FlightSqlServerTransaction,
    ];
    let info = client.get_sql_info(asked).await.unwrap();
    let (_, told) = fetch(&mut client, info).await.unwrap();
    assert_eq!(told[0].num_rows(), 2);
    let info = client.get_sql_info(vec![]).await.unwrap();
    let (_, told) = fetch(&mut client, info).await.unwrap();
    assert!(told[0].num_rows() > 30);
    let bigint = CommandGetXdbcTypeInfo {
        data_type: Some(-5),
    };
    let info = client.get_xdbc_type_info(bigint).await.unwrap();
    let (_, types) = fetch(&mut client, info).await.unwrap();
    assert_eq!(texts(&types), ["bigint"]);
    let keys = CommandGetPrimaryKeys {
        table: "people".into(),
        ..Default::default()
    };
    let info = client.get_primary_keys(keys).await.unwrap();
    let (schema, keys) = fetch(&mut client, info).await.unwrap();
    assert_eq!((schema.fields().len(), keys.len()), (6, 0));
    let exported = CommandGetExportedKeys {
        table: "people".into(),
        ..Default::default()
    };
    let imported = CommandGetImportedKeys {
        table: "people".into(),
        ..Default::default()
    };
    let between = CommandGetCrossReference {
        pk_table: "people".into(),
        fk_table: "people".into(),
        ..Default::default()
    };
    for info in [
        client.get_exported_keys(exported).await.unwrap(),
        client.get_imported_keys(imported).await.unwrap(),
        client.get_cross_reference(between).await.unwrap(),
    ] {
        let (schema, keys) = fetch(&mut client, info).await.unwrap();
        assert_eq!((schema.fields().len(), keys.len()), (13, 0));
        assert_eq!(schema.field(7).name(), "fk_column_name");
    }
}
