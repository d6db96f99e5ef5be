//! The job Sluice exists for, as its users write it, and its table read back through SQL.

use std::time::Duration;

use crate::{
    load::Shape,
    oracle::{Gold, Key, Measures, Place},
    pg::{Pg, Rows},
    server::Server,
};

/// The stream of the script.
pub fn create_stream(name: &str, bootstrap: &str, topic: &str) -> String {
    format!(
        "CREATE STREAM {name} (
  \"timestamp\" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR \"timestamp\" AS \"timestamp\" - INTERVAL '10 seconds'
) WITH (connector = 'kafka', bootstrap_servers = '{bootstrap}', topic = '{topic}', format = 'json');
"
    )
}

/// The view of the script.
pub const CREATE_VIEW: &str = "CREATE VIEW streaming_metrics AS
SELECT window_start, window_end, event_type, user_segment,
       count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
FROM TUMBLE(events, \"timestamp\", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type, user_segment;
";

/// The table of the script, with these options between `PARTITIONED BY` and `AS`.
pub fn create_table(options: &str) -> String {
    let with = if options.is_empty() {
        String::new()
    } else {
        format!(" WITH ({options})")
    };
    format!(
        "CREATE TABLE gold.real_time_metrics PARTITIONED BY (date DATE, hour INT){with} AS SELECT * FROM streaming_metrics;\n"
    )
}

/// The whole script.
pub fn script(bootstrap: &str, topic: &str) -> String {
    script_with(bootstrap, topic, "")
}

/// The whole script, with options for its table.
pub fn script_with(bootstrap: &str, topic: &str, options: &str) -> String {
    format!(
        "{}\n{CREATE_VIEW}\n{}",
        create_stream("events", bootstrap, topic),
        create_table(options)
    )
}

/// The table's columns in the order [`gold_of`] wants them.
pub const COLUMNS: &str = "window_start, window_end, event_type, user_segment, event_count, avg_value, p95_value, date, hour";

/// Gold as SQL reads it. Fails on a row that comes twice, or whose window end or partition columns do not fit its window.
pub fn read_gold(pg: &Pg, table: &str) -> Gold {
    let rows = pg.run(&format!("SELECT {COLUMNS} FROM {table}"));
    gold_of(&rows).unwrap_or_else(|e| panic!("{table}: {e}"))
}

/// Rows of [`COLUMNS`] as gold.
pub fn gold_of(rows: &Rows) -> Result<Gold, String> {
    let mut gold = Gold::new();
    for row in rows {
        let cells: Vec<&str> = row.iter().map(|v| v.as_deref().unwrap_or("")).collect();
        let [start, end, event_type, segment, count, avg, p95, date, hour] = cells[..] else {
            return Err(format!("nine columns expected: {row:?}"));
        };
        let window_start_ms = parse_time(start).ok_or_else(|| format!("window_start {start:?}"))?;
        if parse_time(end) != Some(window_start_ms + 60_000) {
            return Err(format!("window_end does not fit: {row:?}"));
        }
        let utc = chrono::DateTime::from_timestamp_millis(window_start_ms).ok_or("window_start")?;
        if date != utc.format("%Y-%m-%d").to_string()
            || hour.parse() != Ok(chrono::Timelike::hour(&utc))
        {
            return Err(format!("date or hour is not the window's in UTC: {row:?}"));
        }
        let number = |text: &str| text.parse::<f64>().map_err(|e| format!("{text:?}: {e}"));
        let key = Key {
            window_start_ms,
            event_type: event_type.to_owned(),
            user_segment: segment.to_owned(),
        };
        let measures = Measures {
            count: count
                .parse()
                .map_err(|e| format!("event_count {count:?}: {e}"))?,
            avg: number(avg)?,
            p95: number(p95)?,
        };
        if let Some(other) = gold.insert(key.clone(), measures) {
            return Err(format!("twice: {key:?} {other:?} and {measures:?}"));
        }
    }
    Ok(gold)
}

/// A timestamp as PostgreSQL prints it in UTC, or as RFC 3339 has it; milliseconds since the epoch.
pub fn parse_time(text: &str) -> Option<i64> {
    let bare = text
        .trim_end_matches('Z')
        .trim_end_matches("+00:00")
        .trim_end_matches("+00")
        .replace('T', " ");
    let time = chrono::NaiveDateTime::parse_from_str(&bare, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(time.and_utc().timestamp_millis())
}

/// Partitions and offsets of the rows a table calls late.
pub fn read_late(pg: &Pg, table: &str) -> Vec<Place> {
    places(&pg.run(&format!("SELECT _partition, _offset FROM {table}__late")))
}

/// Partitions and offsets of a stream's dead letters, in order; waits until there are `count`, because they are read from what is
/// committed.
pub fn read_dead_letters(server: &Server, pg: &Pg, stream: &str, count: usize) -> Vec<Place> {
    let sql = format!("SELECT count(*) FROM {stream}__dead_letter");
    let limit = Duration::from_secs(60);
    server.wait(&format!("{count} dead letters of {stream}"), limit, || {
        (pg.number(&sql) >= count as i64).then_some(())
    });
    places(&pg.run(&format!(
        "SELECT _partition, _offset FROM {stream}__dead_letter ORDER BY _partition, _offset"
    )))
}

fn places(rows: &Rows) -> Vec<Place> {
    let number = |cell: &Option<String>| cell.as_deref().and_then(|text| text.parse().ok());
    rows.iter()
        .map(|row| {
            let partition = number(&row[0]).expect("a partition");
            let offset = number(&row[1]).expect("an offset");
            (
                i32::try_from(partition).expect("a partition number"),
                offset,
            )
        })
        .collect()
}

/// Waits until the query has read everything produced and every window of the load is final.
pub fn wait_drained(server: &Server, pg: &Pg, query: &str, shape: &Shape, limit: Duration) {
    let last_window = (shape.from_ms + shape.span_ms) / 60_000 * 60_000 + 120_000;
    let sql = format!(
        "SELECT lag_rows, watermark, state, coalesce(last_error, '') FROM system.queries WHERE name = '{query}'"
    );
    server.wait(&format!("{query} to be drained"), limit, || {
        let rows = pg.run(&sql);
        let row = rows.first()?;
        assert!(
            row[2].as_deref() != Some("failed"),
            "{query} failed: {:?}\n{}",
            row[3],
            server.system_tables()
        );
        let watermark = row[1].as_deref().and_then(parse_time)?;
        (row[0].as_deref() == Some("0") && watermark >= last_window).then_some(())
    });
}

/// Waits until everything final is committed: the Delta folder then says what SQL says.
pub fn wait_committed(server: &Server, pg: &Pg, table: &str, limit: Duration) {
    server.wait(&format!("{table} to be committed"), limit, || {
        is_committed(pg, table).then_some(())
    });
}

/// Whether the Delta folder has as many rows as SQL says.
pub fn is_committed(pg: &Pg, table: &str) -> bool {
    let latest = format!("SELECT count(*) FROM {table}");
    let all = pg.value(&latest);
    let committed = format!("SET freshness = 'committed'; {latest}; RESET freshness");
    let rows = pg.try_run(&committed).unwrap_or_default();
    let count = rows.first().and_then(|row| row.first());
    count.is_some_and(|count| count.as_deref() == Some(all.as_str()))
}
