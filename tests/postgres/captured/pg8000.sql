--- What pg8000 1.31.6 sends, captured from PostgreSQL 15.18 with its answers. Written by tests/python/capture.py.

-- connect, values and a transaction
begin transaction
----
OK BEGIN
====

-- $1 = 1
-- $2 = ada
SELECT $1, id FROM gold.orders WHERE customer = $2
----
?column?:text	id:int8
1	1
1	3
====

-- extended
commit
----
OK COMMIT
====
