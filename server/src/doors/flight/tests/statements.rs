//! Statements: ad hoc, prepared, with parameters, without rows.

use arrow::datatypes::{DataType, Field, Schema};

use super::*;

#[tokio::test]
async fn a_select_comes_back_in_types_any_client_reads() {
    let served = served().await;
    let mut client = served.log_in().await;
    let info = client
        .execute("SELECT name, id FROM people ORDER BY id".into(), None)
        .await
        .unwrap();
    let (schema, batches) = fetch(&mut client, info).await.unwrap();
    assert_eq!(*schema.field(0).data_type(), DataType::Utf8);
    assert_eq!(
        texts(&batches),
        ["ada", "grace", "a name longer than a view holds"]
    );
}

#[tokio::test]
async fn no_rows_still_have_columns() {
    let served = served().await;
    let mut client = served.connect().await;
    let info = client
        .execute("SELECT id FROM people WHERE false".into(), None)
        .await
        .unwrap();
    let (schema, batches) = fetch(&mut client, info).await.unwrap();
    assert_eq!(schema.field(0).name(), "id");
    assert!(batches.is_empty());
}

#[tokio::test]
async fn a_prepared_statement_tells_its_columns_and_parameters() {
    let served = served().await;
    let mut client = served.log_in().await;
    let sql = "SELECT name FROM people WHERE id = $1 OR name = $2 ORDER BY id";
    let mut statement = client.prepare(sql.into(), None).await.unwrap();
    assert_eq!(
        *statement.dataset_schema().unwrap(),
        Schema::new(vec![Field::new("name", DataType::Utf8, false)])
    );
    let parameters = statement.parameter_schema().unwrap();
    assert_eq!(parameters.field(0).name(), "$1");
    assert_eq!(*parameters.field(0).data_type(), DataType::Int64);
    assert_eq!(*parameters.field(1).data_type(), DataType::Utf8);

    refused(
        statement.execute().await,
        Code::InvalidArgument,
        "requires 2",
    );

    // A client may send another integer type than the column's.
    let one: ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![1]));
    let name: ArrayRef = Arc::new(StringArray::from(vec!["grace"]));
    let row = RecordBatch::try_from_iter([("0", one), ("1", name)]).unwrap();
    statement.set_parameters(row).unwrap();
    for _ in 0..2 {
        let info = statement.execute().await.unwrap();
        let (_, batches) = fetch(&mut client, info).await.unwrap();
        assert_eq!(texts(&batches), ["ada", "grace"]);
    }
    statement.close().await.unwrap();
}

#[tokio::test]
async fn several_rows_of_parameters_are_several_executions() {
    let served = served().await;
    let mut client = served.log_in().await;
    let sql = "SELECT name FROM people WHERE id = $1";
    let mut statement = client.prepare(sql.into(), None).await.unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![2, 1]));
    let rows = RecordBatch::try_from_iter([("0", ids)]).unwrap();
    statement.set_parameters(rows).unwrap();
    let info = statement.execute().await.unwrap();
    let (_, batches) = fetch(&mut client, info).await.unwrap();
    assert_eq!(texts(&batches), ["grace", "ada"]);
}

#[tokio::test]
async fn a_type_only_the_client_knows_is_taken_from_it() {
    let served = served().await;
    let mut client = served.log_in().await;
    let mut statement = client.prepare("SELECT $1 AS x".into(), None).await.unwrap();
    let parameters = statement.parameter_schema().unwrap();
    assert_eq!(*parameters.field(0).data_type(), DataType::Utf8);
    let value: ArrayRef = Arc::new(Int64Array::from(vec![42]));
    let row = RecordBatch::try_from_iter([("0", value)]).unwrap();
    statement.set_parameters(row).unwrap();
    let info = statement.execute().await.unwrap();
    let (schema, batches) = fetch(&mut client, info).await.unwrap();
    assert_eq!(*schema.field(0).data_type(), DataType::Int64);
    assert_eq!(texts(&batches), ["42"]);
}

#[tokio::test]
async fn a_statement_without_rows_runs_when_its_flight_is_asked_for() {
    let served = served_by_engine().await;
    let mut client = served.log_in().await;
    // As ADBC does it; the ticket is never redeemed.
    let mut statement = client
        .prepare(
            "CREATE VIEW old AS SELECT 1 AS id UNION ALL SELECT 2".into(),
            None,
        )
        .await
        .unwrap();
    assert!(statement.dataset_schema().unwrap().fields().is_empty());
    let info = statement.execute().await.unwrap();
    assert_eq!(
        texts(
            &query(&mut client, "SELECT id FROM old ORDER BY id")
                .await
                .unwrap()
        ),
        ["1", "2"]
    );
    // Redeemed late, it gives an empty answer and does not run again.
    let (schema, batches) = fetch(&mut client, info).await.unwrap();
    assert!(schema.fields().is_empty() && batches.is_empty());
    // Asked for again, it runs again.
    refused(statement.execute().await, Code::AlreadyExists, "42P07");
}

#[tokio::test]
async fn updates_count_rows_and_settings_stick_to_the_session() {
    let served = served_by_engine().await;
    let mut client = served.log_in().await;
    let set = "SET TIME ZONE 'Europe/Lisbon'";
    assert_eq!(client.execute_update(set.into(), None).await.unwrap(), 0);
    let shown = "SHOW TimeZone";
    assert_eq!(
        texts(&query(&mut client, shown).await.unwrap()),
        ["Europe/Lisbon"]
    );
    // The same token on another connection is the same session; another login is not.
    let mut again = served.connect().await;
    again.set_token(client.token().unwrap().clone());
    assert_eq!(
        texts(&query(&mut again, shown).await.unwrap()),
        ["Europe/Lisbon"]
    );
    let mut other = served.log_in().await;
    assert_eq!(texts(&query(&mut other, shown).await.unwrap()), ["UTC"]);
    // A prepared update goes the same way.
    let mut statement = other.prepare(set.into(), None).await.unwrap();
    assert_eq!(statement.execute_update().await.unwrap(), 0);
    assert_eq!(
        texts(&query(&mut other, shown).await.unwrap()),
        ["Europe/Lisbon"]
    );
}

#[tokio::test]
async fn a_big_result_comes_in_messages_any_client_takes() {
    let served = served().await;
    let mut client = served.log_in().await;
    let sql = "SELECT repeat('x', 1000) AS x FROM generate_series(1, 20000)";
    // The client's own limit is 4 MiB a message, so a larger one would fail here.
    let batches = query(&mut client, sql).await.unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        20_000
    );
    assert!(batches.len() > 5);
}

#[tokio::test]
async fn errors_have_code_and_sqlstate() {
    let served = served().await;
    let mut client = served.log_in().await;
    let error = status(query(&mut client, "SELEC 1").await.unwrap_err());
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.metadata().get("sqlstate").unwrap(), "42601");
    refused(
        query(&mut client, "").await,
        Code::InvalidArgument,
        "no statement",
    );
    refused(
        query(&mut client, "SELECT 1; SELECT 2").await,
        Code::InvalidArgument,
        "one by one",
    );
    // An error in the middle of the rows arrives too.
    let late = "SELECT 1 / (id - 3) FROM people";
    refused(
        query(&mut client, late).await,
        Code::InvalidArgument,
        "division by zero",
    );
}
