//! arrow-flight's Flight SQL client on Sluice: record batches, parameters, what tables there are, an error.
//!
//! With `arrow-flight = { version = "59", features = ["flight-sql"] }`, `arrow`, `tonic`, `tokio` and `futures`; the port is the first
//! argument. After clients/sql/known.sql.

use std::{error::Error, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray},
    compute::sum,
    datatypes::{DataType, Field, Int64Type, Schema},
};
use arrow_flight::{
    FlightInfo,
    sql::{CommandGetTables, client::FlightSqlServiceClient},
};
use futures::TryStreamExt;
use tonic::transport::{Channel, Endpoint};

type Client = FlightSqlServiceClient<Channel>;
type Done = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> Done {
    let port = std::env::args().nth(1).unwrap_or("5456".into());
    let channel = Endpoint::new(format!("http://127.0.0.1:{port}"))?
        .connect()
        .await?;
    let mut client = FlightSqlServiceClient::new(channel);
    let token = client.handshake("sluice", "").await?;
    client.set_token(String::from_utf8(token.to_vec())?);
    gold(&mut client).await?;
    parameters(&mut client).await?;
    tables(&mut client).await?;
    let error = client
        .execute("SELECT * FROM gold.nowhere".into(), None)
        .await;
    let told = error
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        told.contains("does not exist") && told.contains("42P01"),
        "{told}"
    );
    println!("arrow-flight");
    Ok(())
}

/// Every batch of an answer, endpoint by endpoint.
async fn read(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let mut batches = Vec::new();
    for endpoint in info.endpoint {
        let ticket = endpoint.ticket.ok_or("an endpoint without a ticket")?;
        let stream = client.do_get(ticket).await?;
        batches.extend(stream.try_collect::<Vec<_>>().await?);
    }
    Ok(batches)
}

/// The sum of a column of whole numbers.
fn total(batches: &[RecordBatch], column: &str) -> i64 {
    let columns = batches
        .iter()
        .filter_map(|batch| batch.column_by_name(column));
    columns
        .filter_map(|column| sum(column.as_primitive::<Int64Type>()))
        .sum()
}

async fn gold(client: &mut Client) -> Done {
    let sql = "SELECT event_type, event_count FROM gold.real_time_metrics";
    let info = client.execute(sql.into(), None).await?;
    let batches = read(client, info).await?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!((rows, total(&batches, "event_count")), (11_675, 60_000));
    Ok(())
}

async fn parameters(client: &mut Client) -> Done {
    let sql = "SELECT event_count FROM gold.real_time_metrics WHERE event_type = $1";
    let mut prepared = client.prepare(sql.into(), None).await?;
    for (kind, events) in [("page_view", 13_122), ("click", 7_424)] {
        let schema = Arc::new(Schema::new(vec![Field::new("$1", DataType::Utf8, true)]));
        let values = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec![kind]))])?;
        prepared.set_parameters(values)?;
        let info = prepared.execute().await?;
        let batches = read(client, info).await?;
        assert_eq!(total(&batches, "event_count"), events);
    }
    prepared.close().await?;
    Ok(())
}

async fn tables(client: &mut Client) -> Done {
    let wanted = CommandGetTables {
        db_schema_filter_pattern: Some("gold".into()),
        ..CommandGetTables::default()
    };
    let info = client.get_tables(wanted).await?;
    let batches = read(client, info).await?;
    let mut names = Vec::new();
    for batch in &batches {
        let column = batch.column_by_name("table_name").ok_or("no table_name")?;
        let column = column.as_string::<i32>();
        names.extend((0..column.len()).map(|row| column.value(row).to_owned()));
    }
    names.sort();
    assert_eq!(names, ["orders", "real_time_metrics"]);
    Ok(())
}
