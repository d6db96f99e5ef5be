CREATE TABLE events (
  `timestamp` TIMESTAMP_LTZ(3), event_type STRING, user_segment STRING, `value` DOUBLE,
  WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '10' SECOND
) WITH (
  'connector' = 'kafka', 'properties.bootstrap.servers' = '{bootstrap}', 'topic' = '{topic}',
  'scan.startup.mode' = 'earliest-offset', {bounded}
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601', 'json.ignore-parse-errors' = '{dirty}'
);
CREATE TABLE gold (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), event_type STRING, user_segment STRING,
  event_count BIGINT, avg_value DOUBLE, p95_value DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'file://{out}', 'format' = 'parquet', 'parquet.utc-timezone' = 'true');
INSERT INTO gold
SELECT window_start, window_end, event_type, user_segment, COUNT(*), AVG(`value`), PERCENTILE(`value`, 0.95)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(`timestamp`), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, event_type, user_segment;
