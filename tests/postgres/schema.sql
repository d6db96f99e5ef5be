-- One schema for both servers: the statements run on PostgreSQL and on ours as they are.
CREATE SCHEMA IF NOT EXISTS bronze;
CREATE SCHEMA IF NOT EXISTS silver;
CREATE SCHEMA IF NOT EXISTS gold;
CREATE TABLE gold.orders AS
SELECT CAST(id AS BIGINT) AS id, CAST(customer AS TEXT) AS customer, CAST(amount AS NUMERIC(10, 2)) AS amount,
       CAST(weight AS DOUBLE PRECISION) AS weight, CAST(pieces AS INT) AS pieces, CAST(paid AS BOOLEAN) AS paid,
       CAST(placed_at AS TIMESTAMPTZ) AS placed_at, CAST(day AS DATE) AS day, CAST(status AS TEXT) AS status
FROM (VALUES
  (1, 'ada', '12.50', '1.5', 3, true, '2026-01-01T00:00:10Z', '2026-01-01', 'new'),
  (2, 'bob', '7.25', '0.25', 1, false, '2026-01-01T00:07:00Z', '2026-01-01', 'new'),
  (3, 'ada', '100.00', '20', 9, true, '2026-01-01T01:30:00.123456Z', '2026-01-01', 'sent'),
  (4, 'Cid', '0.99', '-0.5', 0, NULL, '2026-01-02T23:59:59Z', '2026-01-02', 'it''s'),
  (5, NULL, NULL, NULL, NULL, true, '2026-02-28T12:00:00Z', '2026-02-28', 'sent')
) AS v (id, customer, amount, weight, pieces, paid, placed_at, day, status);
CREATE TABLE public.kinds AS SELECT 'new' AS status, CAST(1 AS INT) AS rank UNION ALL SELECT 'sent', CAST(2 AS INT);
CREATE VIEW public.order_totals AS SELECT customer, count(*) AS orders, sum(amount) AS total FROM gold.orders GROUP BY customer;
CREATE VIEW gold.daily AS SELECT day, max(weight) AS heaviest FROM gold.orders GROUP BY day;
