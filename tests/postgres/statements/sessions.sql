--- What a session keeps: prepared statements, cursors, what is temporary. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- prepared statements
PREPARE by_id (bigint) AS SELECT id, customer FROM gold.orders WHERE id = $1
----
OK PREPARE
====

EXECUTE by_id(2)
----
id:int8	customer:text
2	bob
====

EXECUTE by_id('3')
----
id:int8	customer:text
3	ada
====

EXECUTE by_id(1 + 1)
----
id:int8	customer:text
2	bob
====

EXECUTE by_id(NULL)
----
id:int8	customer:text
====

EXECUTE by_id (length('ab'))
----
id:int8	customer:text
2	bob
====

EXECUTE by_id
----
ERROR 42601
====

EXECUTE by_id(1, 2)
----
ERROR 42601
====

EXECUTE by_id('x')
----
ERROR 22P02 15
====

EXECUTE by_id('1'::text)
----
ERROR 42804 15
====

EXECUTE by_id(now())
----
ERROR 42804 15
====

EXECUTE by_id(nothing)
----
ERROR 42703 15
====

EXECUTE nothing(1)
----
ERROR 26000
====

PREPARE by_id AS SELECT 1
----
ERROR 42P05
====

PREPARE typed (int, text, numeric(10, 2), timestamp with time zone, int[]) AS SELECT $1, $2, $3, $4, $5
----
OK PREPARE
====

EXECUTE typed(7, 'it''s', 1.5, '2026-03-01 10:00:00+00', '{1,2}')
----
?column?:int4	?column?:text	?column?:numeric	?column?:timestamptz	?column?:int4[]
7	it's	1.5	2026-03-01 10:00:00+00	{1,2}
====

EXECUTE typed('7', 8, '1.5', TIMESTAMP '2026-03-01 10:00:00', ARRAY[3])
----
?column?:int4	?column?:text	?column?:numeric	?column?:timestamptz	?column?:int4[]
7	8	1.5	2026-03-01 10:00:00+00	{3}
====

PREPARE open AS SELECT count(*) FROM gold.orders WHERE amount > $1 AND customer <> $2
----
OK PREPARE
====

EXECUTE open(1, 'x')
----
count:int8
3
====

SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements ORDER BY name
----
name:text	statement:text	parameter_types:regtype[]	from_sql:bool
by_id	PREPARE by_id (bigint) AS SELECT id, customer FROM gold.orders WHERE id = $1	{bigint}	t
open	PREPARE open AS SELECT count(*) FROM gold.orders WHERE amount > $1 AND customer <> $2	{numeric,text}	t
typed	PREPARE typed (int, text, numeric(10, 2), timestamp with time zone, int[]) AS SELECT $1, $2, $3, $4, $5	{integer,text,numeric,"timestamp with time zone",integer[]}	t
====

PREPARE wrong (nope) AS SELECT 1
----
ERROR 42704 16
====

PREPARE wrong AS CREATE TABLE t (a INT)
----
ERROR 42601 18
====

PREPARE wrong AS SELECT * FROM nowhere
----
ERROR 42P01 32
====

PREPARE wrong AS SELECT nothing FROM gold.orders
----
ERROR 42703 25
====

EXPLAIN EXECUTE by_id(1)
----
QUERY PLAN:text
a plan
====

EXPLAIN EXECUTE by_id
----
ERROR 42601
====

DEALLOCATE by_id
----
OK DEALLOCATE
====

EXECUTE by_id(1)
----
ERROR 26000
====

DEALLOCATE PREPARE typed
----
OK DEALLOCATE
====

DEALLOCATE ALL
----
OK DEALLOCATE ALL
====

SELECT count(*) FROM pg_prepared_statements
----
count:int8
0
====

-- a scroll cursor
BEGIN
----
OK BEGIN
====

DECLARE c SCROLL CURSOR FOR SELECT id, customer FROM gold.orders ORDER BY id LIMIT 3
----
OK DECLARE CURSOR
====

FETCH FROM c
----
id:int8	customer:text
1	ada
====

FETCH PRIOR FROM c
----
id:int8	customer:text
====

FETCH PRIOR FROM c
----
id:int8	customer:text
====

FETCH LAST FROM c
----
id:int8	customer:text
3	ada
====

FETCH NEXT FROM c
----
id:int8	customer:text
====

FETCH 0 FROM c
----
id:int8	customer:text
====

FETCH PRIOR FROM c
----
id:int8	customer:text
3	ada
====

FETCH 0 FROM c
----
id:int8	customer:text
3	ada
====

FETCH FIRST FROM c
----
id:int8	customer:text
1	ada
====

FETCH ABSOLUTE 2 FROM c
----
id:int8	customer:text
2	bob
====

FETCH ABSOLUTE -3 FROM c
----
id:int8	customer:text
1	ada
====

FETCH ABSOLUTE -4 FROM c
----
id:int8	customer:text
====

FETCH ABSOLUTE 0 FROM c
----
id:int8	customer:text
====

FETCH ABSOLUTE 4 FROM c
----
id:int8	customer:text
====

FETCH BACKWARD FROM c
----
id:int8	customer:text
3	ada
====

FETCH RELATIVE -1 FROM c
----
id:int8	customer:text
2	bob
====

FETCH RELATIVE 0 FROM c
----
id:int8	customer:text
2	bob
====

FETCH RELATIVE 1 FROM c
----
id:int8	customer:text
3	ada
====

FETCH RELATIVE 2 FROM c
----
id:int8	customer:text
====

FETCH BACKWARD 2 FROM c
----
id:int8	customer:text
3	ada
2	bob
====

FETCH BACKWARD ALL FROM c
----
id:int8	customer:text
1	ada
====

FETCH FORWARD ALL FROM c
----
id:int8	customer:text
1	ada
2	bob
3	ada
====

FETCH -2 FROM c
----
id:int8	customer:text
3	ada
2	bob
====

FETCH FORWARD -1 FROM c
----
id:int8	customer:text
1	ada
====

FETCH BACKWARD -2 FROM c
----
id:int8	customer:text
2	bob
3	ada
====

FETCH +1 IN c
----
id:int8	customer:text
====

MOVE c
----
OK MOVE 0
====

MOVE FIRST IN c
----
OK MOVE 1
====

MOVE 0 IN c
----
OK MOVE 1
====

MOVE LAST IN c
----
OK MOVE 1
====

MOVE FORWARD 5 IN c
----
OK MOVE 0
====

MOVE BACKWARD ALL IN c
----
OK MOVE 3
====

MOVE ABSOLUTE -1 IN c
----
OK MOVE 1
====

MOVE RELATIVE -9 IN c
----
OK MOVE 0
====

MOVE FORWARD ALL IN c
----
OK MOVE 3
====

MOVE BACKWARD 2 IN c
----
OK MOVE 2
====

FETCH 0 FROM c
----
id:int8	customer:text
2	bob
====

SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors
----
name:text	statement:text	is_holdable:bool	is_binary:bool	is_scrollable:bool
c	DECLARE c SCROLL CURSOR FOR SELECT id, customer FROM gold.orders ORDER BY id LIMIT 3	f	f	t
====

CLOSE c
----
OK CLOSE CURSOR
====

SELECT count(*) FROM pg_cursors
----
count:int8
0
====

FETCH c
----
ERROR 34000
====

-- a cursor that does not scroll
BEGIN
----
OK BEGIN
====

DECLARE c NO SCROLL CURSOR FOR SELECT id FROM gold.orders ORDER BY id LIMIT 4
----
OK DECLARE CURSOR
====

FETCH 0 FROM c
----
id:int8
====

MOVE 0 IN c
----
OK MOVE 0
====

FETCH ABSOLUTE 0 FROM c
----
id:int8
====

FETCH ABSOLUTE 2 FROM c
----
id:int8
2
====

MOVE 0 IN c
----
OK MOVE 1
====

FETCH RELATIVE 2 FROM c
----
id:int8
4
====

FETCH ALL FROM c
----
id:int8
====

FETCH 0 FROM c
----
id:int8
====

FETCH ABSOLUTE 9 FROM c
----
id:int8
====

FETCH ABSOLUTE 2 FROM c
----
ERROR 55000
====

FETCH NEXT FROM c
----
ERROR 25P02
====

ROLLBACK
----
OK ROLLBACK
====

BEGIN
----
OK BEGIN
====

DECLARE c NO SCROLL CURSOR FOR SELECT id FROM gold.orders
----
OK DECLARE CURSOR
====

FETCH BACKWARD 1 FROM c
----
ERROR 55000
====

ROLLBACK
----
OK ROLLBACK
====

DECLARE c SCROLL NO SCROLL CURSOR WITH HOLD FOR SELECT 1
----
ERROR 42P11
====

DECLARE c INSENSITIVE SCROLL CURSOR WITH HOLD FOR VALUES (1, 'a'), (2, NULL)
----
OK DECLARE CURSOR
====

FETCH LAST FROM c
----
column1:int4	column2:text
2	\N
====

FETCH FIRST FROM c
----
column1:int4	column2:text
1	a
====

DECLARE c CURSOR WITH HOLD FOR SELECT 1
----
ERROR 42P03
====

CLOSE ALL
----
OK CLOSE CURSOR ALL
====

-- temporary views
CREATE TEMP VIEW v AS SELECT id, upper(customer) FROM gold.orders WHERE id < 3
----
OK CREATE VIEW
====

SELECT * FROM v ORDER BY id
----
id:int8	upper:text
1	ADA
2	BOB
====

CREATE OR REPLACE TEMPORARY VIEW w (number, name) AS SELECT * FROM v
----
OK CREATE VIEW
====

SELECT number, name FROM w ORDER BY 1
----
number:int8	name:text
1	ADA
2	BOB
====

CREATE TEMP TABLE t (a INT)
----
OK CREATE TABLE
====

CREATE VIEW u AS SELECT a FROM t
----
OK CREATE VIEW
====

CREATE TEMP VIEW v AS SELECT 1
----
ERROR 42P07
====

CREATE TEMP VIEW t AS SELECT 1
----
ERROR 42P07
====

CREATE TEMP TABLE v (a INT)
----
ERROR 42P07
====

CREATE OR REPLACE TEMP VIEW t AS SELECT 1
----
ERROR 42809
====

CREATE OR REPLACE TEMP VIEW w (number, other) AS SELECT * FROM v
----
ERROR 42P16
====

CREATE TEMP VIEW gold.x AS SELECT 1
----
ERROR 42P16
====

CREATE TEMP VIEW x AS SELECT * FROM nowhere
----
ERROR 42P01 37
====

CREATE TEMP VIEW x AS SELECT nothing FROM t
----
ERROR 42703 30
====

CREATE TEMP VIEW x (a, b) AS SELECT 1
----
ERROR 42601
====

CREATE TEMP VIEW x AS SELECT 1 AS a, 2 AS a
----
ERROR 42701
====

CREATE VIEW gold.x AS SELECT * FROM t
----
ERROR 42P16
====

SELECT relname, relkind, relpersistence FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY relname
----
relname:name	relkind:"char"	relpersistence:"char"
t	r	t
u	v	t
v	v	t
w	v	t
====

SELECT table_name, table_type FROM information_schema.tables WHERE table_schema LIKE 'pg_temp%' ORDER BY table_name
----
table_name:name	table_type:varchar
t	LOCAL TEMPORARY
u	LOCAL TEMPORARY
v	LOCAL TEMPORARY
w	LOCAL TEMPORARY
====

SELECT viewname, viewowner FROM pg_views WHERE schemaname LIKE 'pg_temp%' ORDER BY viewname
----
viewname:name	viewowner:name
u	sluice
v	sluice
w	sluice
====

DROP TABLE w
----
ERROR 42809
====

DROP VIEW t
----
ERROR 42809
====

DROP VIEW v
----
ERROR 2BP01
====

DROP TABLE t
----
ERROR 2BP01
====

DROP TABLE t CASCADE
----
OK DROP TABLE
====

DROP VIEW v CASCADE
----
OK DROP VIEW
====

SELECT * FROM w
----
ERROR 42P01 15
====

DISCARD TEMP
----
OK DISCARD TEMP
====

-- what a transaction leaves
CREATE TEMP TABLE emptied (a INT) ON COMMIT DELETE ROWS
----
OK CREATE TABLE
====

CREATE TEMP TABLE stays (a INT) ON COMMIT PRESERVE ROWS
----
OK CREATE TABLE
====

CREATE TEMP TABLE gone (a INT) ON COMMIT DROP
----
OK CREATE TABLE
====

SELECT * FROM gone
----
ERROR 42P01 15
====

INSERT INTO emptied VALUES (1)
----
OK INSERT 0 1
====

SELECT count(*) FROM emptied
----
count:int8
0
====

BEGIN
----
OK BEGIN
====

CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT 7 AS a
----
OK SELECT 1
====

INSERT INTO emptied VALUES (1), (2)
----
OK INSERT 0 2
====

SELECT count(*), (SELECT max(a) FROM gone) FROM emptied
----
count:int8	max:int4
2	7
====

COMMIT
----
OK COMMIT
====

SELECT count(*) FROM emptied
----
count:int8
0
====

SELECT * FROM gone
----
ERROR 42P01 15
====

CREATE TABLE plain (a INT) ON COMMIT DROP
----
ERROR 42P16
====

SELECT id, customer INTO TEMP into_temp FROM gold.orders WHERE id < 4
----
OK SELECT 3
====

SELECT count(*) FROM into_temp
----
count:int8
3
====

CREATE TEMP TABLE like_it (first INT, LIKE gold.orders, last TEXT)
----
OK CREATE TABLE
====

SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'like_it'::regclass AND attnum > 0 ORDER BY attnum
----
attname:name	format_type:text	attnotnull:bool
first	integer	f
id	bigint	f
customer	text	f
amount	numeric(10,2)	f
weight	double precision	f
pieces	integer	f
paid	boolean	f
placed_at	timestamp with time zone	f
day	date	f
status	text	f
last	text	f
====

CREATE TEMP TABLE other (LIKE nowhere)
----
ERROR 42P01 31
====

CREATE TEMP TABLE other (LIKE gold.orders, id INT)
----
ERROR 42701
====

DISCARD TEMP
----
OK DISCARD TEMP
====
