-- The table that pgbench's own SELECT asks (pgbench -i makes it with what only PostgreSQL has), and one row of the table beside it.
-- psql -h 127.0.0.1 -p 5455 -U sluice -f accounts.sql

CREATE TABLE pgbench_accounts AS
SELECT CAST(n AS INT) AS aid, 1 AS bid, CAST(n % 1000 AS INT) AS abalance, CAST('' AS TEXT) AS filler
FROM generate_series(1, 100000) AS numbers (n);

CREATE TABLE pgbench_branches AS SELECT 1 AS bid, 0 AS bbalance, CAST('' AS TEXT) AS filler;
