--- Numbers at the ends of their types. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- whole numbers
SELECT 9223372036854775807::bigint * 2
----
ERROR 22003
MESSAGE: bigint out of range
====

SELECT id + 9223372036854775807 FROM gold.orders WHERE id = 1
----
ERROR 22003
MESSAGE: bigint out of range
====

SELECT (-9223372036854775807)::bigint - 2
----
ERROR 22003
MESSAGE: bigint out of range
====

SELECT 40000::smallint
----
ERROR 22003
MESSAGE: smallint out of range
====

SELECT 5000000000::int
----
ERROR 22003
MESSAGE: integer out of range
====

SELECT pieces / 0 FROM gold.orders
----
ERROR 22012
MESSAGE: division by zero
====

SELECT id % 0 FROM gold.orders
----
ERROR 22012
MESSAGE: division by zero
====

SELECT 9223372036854775806::bigint + 1, (-9223372036854775807)::bigint - 1, 3037000499::bigint * 3037000499::bigint
----
?column?:int8	?column?:int8	?column?:int8
9223372036854775807	-9223372036854775808	9223372030926249001
====

-- fractions
SELECT weight / 0 FROM gold.orders WHERE weight > 0
----
ERROR 22012
MESSAGE: division by zero
====

SELECT 1e308::float8 * 10
----
ERROR 22003
MESSAGE: value out of range: overflow
====

SELECT 1e300::float8::bigint
----
ERROR 22003
MESSAGE: bigint out of range
====

SELECT 3e9::float8::int
----
ERROR 22003
MESSAGE: integer out of range
====

SELECT 'NaN'::float8::int
----
ERROR 22003
MESSAGE: integer out of range
====

SELECT 0.5::float8::int, 1.5::float8::int, 2.5::float8::int, (-0.5)::float8::int, (-1.5)::float8::bigint, 2.4999::float8::smallint
----
int4:int4	int4:int4	int4:int4	int4:int4	int8:int8	int2:int2
0	2	2	0	-2	2
====

SELECT 0.5::numeric(3,1)::int, 1.5::numeric(3,1)::int, 2.5::numeric(3,1)::int, (-2.5)::numeric(3,1)::int, (-0.4)::numeric(3,1)::bigint
----
int4:int4	int4:int4	int4:int4	int4:int4	int8:int8
1	2	3	-3	0
====

SELECT 'Infinity'::float8 + 1, 'Infinity'::float8 - 'Infinity'::float8, 'NaN'::float8 / 1, 0.0::float8 / 2
----
?column?:float8	?column?:float8	?column?:float8	?column?:float8
Infinity	NaN	NaN	0
====

SELECT count(*) FROM gold.orders WHERE pieces <> 0 AND 10 / pieces > 1
----
count:int8
2
====

SELECT id, CASE WHEN weight > 0 THEN 1 / weight END > 1 AS dense FROM gold.orders ORDER BY id
----
id:int8	dense:bool
1	f
2	t
3	f
4	\N
5	\N
====

SELECT id FROM gold.orders WHERE weight <> 0 AND 1 / weight > 1 ORDER BY id
----
id:int8
2
====

-- functions
SELECT ln(-1)
----
ERROR 2201E
MESSAGE: cannot take logarithm of a negative number
====

SELECT log(0)
----
ERROR 2201E
MESSAGE: cannot take logarithm of zero
====

SELECT sqrt(-1)
----
ERROR 2201F
MESSAGE: cannot take square root of a negative number
====

SELECT abs(-5), sign(-2.5), ceil(1.2), floor(-1.2), round(2.5), round(-2.5), trunc(1.9), mod(7, 3), power(2, 3), sqrt(2.25::float8), exp(0), ln(1)
----
abs:int4	sign:numeric	ceil:numeric	floor:numeric	round:numeric	round:numeric	trunc:numeric	mod:int4	power:float8	sqrt:float8	exp:float8	ln:float8
5	-1	2	-2	3	-3	1	1	8	1.5	1	0
====

SELECT sum(9223372036854775807) FROM generate_series(1, 2)
----
sum:numeric
18446744073709551614
====
