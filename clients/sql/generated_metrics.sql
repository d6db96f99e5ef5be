-- The same job on 200,000 generated events: an hour of event time, a few of them late or malformed. It ends by itself.
-- sluice run generated_metrics.sql

CREATE STREAM events (
  "timestamp" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '10 seconds'
) WITH (connector = 'generator', rows = '200000', seed = '42', event_interval = '18 ms',
        late_fraction = '0.005', malformed_fraction = '0.002');

CREATE VIEW streaming_metrics AS
SELECT window_start, window_end, event_type, user_segment,
       count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
FROM TUMBLE(events, "timestamp", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type, user_segment;

CREATE TABLE gold.real_time_metrics PARTITIONED BY (date DATE, hour INT) AS SELECT * FROM streaming_metrics;
