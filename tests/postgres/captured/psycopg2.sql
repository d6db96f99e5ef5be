--- What psycopg2 2.9.13 sends, captured from PostgreSQL 15.18 with its answers. Written by tests/python/capture.py.

-- values, and a transaction
BEGIN
----
OK BEGIN
====

SELECT 1, 'it''s \ here', '2026-01-01'::timestamptz
----
?column?:int4	?column?:text	timestamptz:timestamptz
1	it's \\ here	2026-01-01 00:00:00+00
====

COMMIT
----
OK COMMIT
====

-- an isolation level
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
----
OK BEGIN
====

SELECT 1
----
?column?:int4
1
====

COMMIT
----
OK COMMIT
====

-- hstore
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
----
OK BEGIN
====

SELECT t.oid, typarray
FROM pg_type t JOIN pg_namespace ns
    ON typnamespace = ns.oid
WHERE typname = 'hstore';
----
oid:oid	typarray:oid
====

ROLLBACK
----
OK ROLLBACK
====

-- a cursor on the server
BEGIN READ WRITE
----
OK BEGIN
====

DECLARE "some" CURSOR WITHOUT HOLD FOR SELECT id FROM gold.orders ORDER BY id
----
OK DECLARE CURSOR
====

FETCH FORWARD 2 FROM "some"
----
id:int8
1
2
====

FETCH FORWARD 2 FROM "some"
----
id:int8
3
4
====

FETCH FORWARD 2 FROM "some"
----
id:int8
5
====

FETCH FORWARD 2 FROM "some"
----
id:int8
====

CLOSE "some"
----
OK CLOSE CURSOR
====

COMMIT
----
OK COMMIT
====

-- COPY out
BEGIN READ WRITE
----
OK BEGIN
====

COPY (SELECT id FROM gold.orders) TO STDOUT WITH (FORMAT csv, HEADER)
----
COPY OUT
id
1
2
3
4
5
OK COPY 5
====

COMMIT
----
OK COMMIT
====
