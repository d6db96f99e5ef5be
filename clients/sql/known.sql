-- What the examples of this folder read: the job on 60,000 generated events that are the same on every run, and five orders.
-- psql -h 127.0.0.1 -p 5455 -U sluice -f known.sql

CREATE STREAM events (
  "timestamp" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '10 seconds'
) WITH (connector = 'generator', rows = '60000', seed = '42', splits = '1', event_interval = '60 ms');

CREATE VIEW streaming_metrics AS
SELECT window_start, window_end, event_type, user_segment,
       count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
FROM TUMBLE(events, "timestamp", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type, user_segment;

CREATE TABLE gold.real_time_metrics PARTITIONED BY (date DATE, hour INT) AS SELECT * FROM streaming_metrics;
COMMENT ON TABLE gold.real_time_metrics IS 'events a minute';

CREATE TABLE gold.orders AS
SELECT CAST(id AS BIGINT) AS id, CAST(customer AS TEXT) AS customer, CAST(amount AS NUMERIC(10, 2)) AS amount,
       CAST(weight AS DOUBLE PRECISION) AS weight, CAST(pieces AS INT) AS pieces, CAST(paid AS BOOLEAN) AS paid,
       CAST(placed_at AS TIMESTAMPTZ) AS placed_at, CAST(day AS DATE) AS day
FROM (VALUES
  (1, 'ada', '12.50', '1.5', 3, true, '2026-01-01T00:00:10Z', '2026-01-01'),
  (2, 'bob', '7.25', '0.25', 1, false, '2026-01-01T00:07:00Z', '2026-01-01'),
  (3, 'ada', '100.00', '20', 9, true, '2026-01-01T01:30:00.123456Z', '2026-01-01'),
  (4, 'it''s ä', '0.99', '-0.5', 0, NULL, '2026-01-02T23:59:59Z', '2026-01-02'),
  (5, NULL, NULL, NULL, NULL, true, '2026-02-28T12:00:00Z', '2026-02-28')
) AS v (id, customer, amount, weight, pieces, paid, placed_at, day);
