-- A row by its key, which must be that row: pgbench -n -f point_query.sql -M prepared -c 4 -T 10 -h 127.0.0.1 -p 5455 -U sluice sluice
\set aid random(1, 100000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid \gset
\if :abalance <> :aid % 1000
SELECT 1 / 0 AS another_row;
\endif
