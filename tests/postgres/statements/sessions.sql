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
MESSAGE: wrong number of parameters for prepared statement "by_id"
DETAIL: Expected 1 parameters but got 0.
====

EXECUTE by_id(1, 2)
----
ERROR 42601
MESSAGE: wrong number of parameters for prepared statement "by_id"
DETAIL: Expected 1 parameters but got 2.
====

EXECUTE by_id('x')
----
ERROR 22P02 15
MESSAGE: invalid input syntax for type bigint: "x"
====

EXECUTE by_id('1'::text)
----
ERROR 42804 15
MESSAGE: parameter $1 of type text cannot be coerced to the expected type bigint
HINT: You will need to rewrite or cast the expression.
====

EXECUTE by_id(now())
----
ERROR 42804 15
MESSAGE: parameter $1 of type timestamp with time zone cannot be coerced to the expected type bigint
HINT: You will need to rewrite or cast the expression.
====

EXECUTE by_id(nothing)
----
ERROR 42703 15
MESSAGE: column "nothing" does not exist
====

EXECUTE nothing(1)
----
ERROR 26000
MESSAGE: prepared statement "nothing" does not exist
====

PREPARE by_id AS SELECT 1
----
ERROR 42P05
MESSAGE: prepared statement "by_id" already exists
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
MESSAGE: type "nope" does not exist
====

PREPARE wrong AS CREATE TABLE t (a INT)
----
ERROR 42601 18
MESSAGE: syntax error at or near "CREATE"
====

PREPARE wrong AS SELECT * FROM nowhere
----
ERROR 42P01 32
MESSAGE: relation "nowhere" does not exist
====

PREPARE wrong AS SELECT nothing FROM gold.orders
----
ERROR 42703 25
MESSAGE: column "nothing" does not exist
====

EXPLAIN EXECUTE by_id(1)
----
QUERY PLAN:text
a plan
====

EXPLAIN EXECUTE by_id
----
ERROR 42601
MESSAGE: wrong number of parameters for prepared statement "by_id"
DETAIL: Expected 1 parameters but got 0.
====

DEALLOCATE by_id
----
OK DEALLOCATE
====

EXECUTE by_id(1)
----
ERROR 26000
MESSAGE: prepared statement "by_id" does not exist
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
MESSAGE: cursor "c" does not exist
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
MESSAGE: cursor can only scan forward
HINT: Declare it with SCROLL option to enable backward scan.
====

FETCH NEXT FROM c
----
ERROR 25P02
MESSAGE: current transaction is aborted, commands ignored until end of transaction block
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
MESSAGE: cursor can only scan forward
HINT: Declare it with SCROLL option to enable backward scan.
====

ROLLBACK
----
OK ROLLBACK
====

DECLARE c SCROLL NO SCROLL CURSOR WITH HOLD FOR SELECT 1
----
ERROR 42P11
MESSAGE: cannot specify both SCROLL and NO SCROLL
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
MESSAGE: cursor "c" already exists
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
MESSAGE: relation "v" already exists
====

CREATE TEMP VIEW t AS SELECT 1
----
ERROR 42P07
MESSAGE: relation "t" already exists
====

CREATE TEMP TABLE v (a INT)
----
ERROR 42P07
MESSAGE: relation "v" already exists
====

CREATE OR REPLACE TEMP VIEW t AS SELECT 1
----
ERROR 42809
MESSAGE: "t" is not a view
====

CREATE OR REPLACE TEMP VIEW w (number, other) AS SELECT * FROM v
----
ERROR 42P16
MESSAGE: cannot change name of view column "name" to "other"
HINT: Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.
====

CREATE TEMP VIEW gold.x AS SELECT 1
----
ERROR 42P16
MESSAGE: cannot create temporary relation in non-temporary schema
====

CREATE TEMP VIEW x AS SELECT * FROM nowhere
----
ERROR 42P01 37
MESSAGE: relation "nowhere" does not exist
====

CREATE TEMP VIEW x AS SELECT nothing FROM t
----
ERROR 42703 30
MESSAGE: column "nothing" does not exist
====

CREATE TEMP VIEW x (a, b) AS SELECT 1
----
ERROR 42601
MESSAGE: CREATE VIEW specifies more column names than columns
====

CREATE TEMP VIEW x AS SELECT 1 AS a, 2 AS a
----
ERROR 42701
MESSAGE: column "a" specified more than once
====

CREATE VIEW gold.x AS SELECT * FROM t
----
ERROR 42P16
MESSAGE: cannot create temporary relation in non-temporary schema
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
MESSAGE: "w" is not a table
HINT: Use DROP VIEW to remove a view.
====

DROP VIEW t
----
ERROR 42809
MESSAGE: "t" is not a view
HINT: Use DROP TABLE to remove a table.
====

DROP VIEW v
----
ERROR 2BP01
MESSAGE: cannot drop view v because other objects depend on it
DETAIL: view w depends on view v
HINT: Use DROP ... CASCADE to drop the dependent objects too.
====

DROP TABLE t
----
ERROR 2BP01
MESSAGE: cannot drop table t because other objects depend on it
DETAIL: view u depends on table t
HINT: Use DROP ... CASCADE to drop the dependent objects too.
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
MESSAGE: relation "w" does not exist
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
MESSAGE: relation "gone" does not exist
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
MESSAGE: relation "gone" does not exist
====

CREATE TABLE plain (a INT) ON COMMIT DROP
----
ERROR 42P16
MESSAGE: ON COMMIT can only be used on temporary tables
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
MESSAGE: relation "nowhere" does not exist
====

CREATE TEMP TABLE other (LIKE gold.orders, id INT)
----
ERROR 42701
MESSAGE: column "id" specified more than once
====

DISCARD TEMP
----
OK DISCARD TEMP
====
