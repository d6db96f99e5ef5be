//! tokio-postgres on Sluice: parameters, types, a portal read in parts, COPY into a table, an error, a cancelled query.
//!
//! With `tokio-postgres = "0.7"`, `tokio` and `futures`; the port is the first argument. After clients/sql/known.sql.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use futures::{SinkExt, TryStreamExt};
use tokio_postgres::{Client, NoTls, error::SqlState};

type Done = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> Done {
    let port = std::env::args().nth(1).unwrap_or("5455".into());
    let settings = format!("host=127.0.0.1 port={port} user=sluice dbname=sluice");
    let (mut client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
    let connection = tokio::spawn(connection);
    parameters(&client).await?;
    types(&client).await?;
    portal(&mut client).await?;
    copied(&client).await?;
    failures(&client).await?;
    drop(client);
    connection.await??;
    println!("tokio-postgres");
    Ok(())
}

async fn parameters(client: &Client) -> Done {
    let total = client
        .prepare("SELECT sum(event_count)::bigint FROM gold.real_time_metrics WHERE event_type = $1 AND window_start < $2")
        .await?;
    for _ in 0..3 {
        let row = client
            .query_one(&total, &[&"page_view", &SystemTime::now()])
            .await?;
        assert_eq!(row.get::<_, i64>(0), 13_122);
    }
    Ok(())
}

async fn types(client: &Client) -> Done {
    let rows = client
        .query(
            "SELECT id, customer, amount::text, weight, pieces, paid, placed_at FROM gold.orders ORDER BY id",
            &[],
        )
        .await?;
    let (third, fourth, fifth) = (&rows[2], &rows[3], &rows[4]);
    assert_eq!(third.get::<_, i64>("id"), 3);
    assert_eq!(third.get::<_, &str>("amount"), "100.00");
    assert_eq!(third.get::<_, f64>("weight"), 20.0);
    assert_eq!(third.get::<_, i32>("pieces"), 9);
    assert_eq!(
        third.get::<_, SystemTime>("placed_at"),
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_231_000_123_456)
    );
    assert_eq!(fourth.get::<_, &str>("customer"), "it's ä");
    assert_eq!(fourth.get::<_, Option<bool>>("paid"), None);
    assert_eq!(fifth.get::<_, Option<&str>>("amount"), None);
    Ok(())
}

/// Five hundred rows at a time.
async fn portal(client: &mut Client) -> Done {
    let transaction = client.transaction().await?;
    let sql = "SELECT event_count FROM gold.real_time_metrics";
    let portal = transaction.bind(sql, &[]).await?;
    let (mut rows, mut events) = (0, 0);
    loop {
        let some = transaction.query_portal(&portal, 500).await?;
        if some.is_empty() {
            break;
        }
        rows += some.len();
        events += some.iter().map(|row| row.get::<_, i64>(0)).sum::<i64>();
    }
    transaction.commit().await?;
    assert_eq!((rows, events), (11_675, 60_000));
    Ok(())
}

async fn copied(client: &Client) -> Done {
    client
        .batch_execute("DROP TABLE IF EXISTS public.from_rust; CREATE TABLE public.from_rust (id BIGINT, note TEXT)")
        .await?;
    let sink = client
        .copy_in::<_, bytes::Bytes>("COPY public.from_rust FROM STDIN (FORMAT csv)")
        .await?;
    futures::pin_mut!(sink);
    sink.send("1,one\n2,\n".into()).await?;
    assert_eq!(sink.finish().await?, 2);
    let back: Vec<_> = client
        .query_raw::<_, i64, _>(
            "SELECT note FROM public.from_rust WHERE id <= $1 ORDER BY id",
            [2],
        )
        .await?
        .map_ok(|row| row.get::<_, Option<String>>(0))
        .try_collect()
        .await?;
    assert_eq!(back, [Some("one".to_owned()), None]);
    let gone = client.execute("DELETE FROM public.from_rust", &[]).await?;
    assert_eq!(gone, 2);
    client.batch_execute("DROP TABLE public.from_rust").await?;
    Ok(())
}

async fn failures(client: &Client) -> Done {
    let missing = client.query("SELECT * FROM gold.nowhere", &[]).await;
    assert_eq!(state(missing), Some(SqlState::UNDEFINED_TABLE));
    let token = client.cancel_token();
    let long = client.query(
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a * b % 7 = 3",
        &[],
    );
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await
    };
    let (long, cancelled) = tokio::join!(long, cancel);
    cancelled?;
    assert_eq!(state(long), Some(SqlState::QUERY_CANCELED));
    Ok(())
}

fn state<T>(answer: Result<T, tokio_postgres::Error>) -> Option<SqlState> {
    answer.err().and_then(|error| error.code().cloned())
}
