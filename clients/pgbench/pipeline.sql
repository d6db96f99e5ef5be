-- Several statements sent before the first is answered: pgbench -n -f pipeline.sql -M prepared -c 4 -T 10 -h 127.0.0.1 -p 5455 -U sluice sluice
\set aid random(1, 99990)
\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid + 1;
SELECT count(*), sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + 9;
\endpipeline
