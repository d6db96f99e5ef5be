-- Counts, averages and percentiles per minute, kept in a Delta table partitioned by date and hour.
-- psql -h 127.0.0.1 -p 5455 -U sluice sluice -f real_time_metrics.sql

CREATE STREAM events (
  "timestamp" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '10 seconds'
) WITH (connector = 'kafka', bootstrap_servers = '127.0.0.1:9092', topic = 'events', format = 'json');

CREATE VIEW streaming_metrics AS
SELECT window_start, window_end, event_type, user_segment,
       count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
FROM TUMBLE(events, "timestamp", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type, user_segment;

CREATE TABLE gold.real_time_metrics PARTITIONED BY (date DATE, hour INT) AS SELECT * FROM streaming_metrics;
