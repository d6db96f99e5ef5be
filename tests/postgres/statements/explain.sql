--- Forms of EXPLAIN. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- EXPLAIN
EXPLAIN SELECT 1
----
QUERY PLAN:text
a plan
====

EXPLAIN (ANALYZE, TIMING OFF) SELECT 1
----
QUERY PLAN:text
a plan
====

EXPLAIN ANALYZE SELECT 1
----
QUERY PLAN:text
a plan
====

EXPLAIN (FORMAT JSON) SELECT 1
----
QUERY PLAN:json
a plan
====

EXPLAIN (ANALYZE false, COSTS false, VERBOSE) SELECT id FROM gold.orders
----
QUERY PLAN:text
a plan
====

EXPLAIN SELECT * FROM nowhere
----
ERROR 42P01 23
MESSAGE: relation "nowhere" does not exist
====

EXPLAIN (FORMAT NONSENSE) SELECT 1
----
ERROR 22023 10
MESSAGE: unrecognized value for EXPLAIN option "format": "nonsense"
====
