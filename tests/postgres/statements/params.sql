--- Parameters of no given type. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- parameters
-- $1 = 41
SELECT $1::int + 1
----
?column?:int4
42
====

-- $1 = a
SELECT $1::text || 'x'
----
?column?:text
ax
====

-- $1 = ada
SELECT id FROM gold.orders WHERE customer = $1 ORDER BY id
----
id:int8
1
3
====

-- $1 = 2
SELECT id FROM gold.orders WHERE id = $1
----
id:int8
2
====

-- $1 = 10
SELECT id FROM gold.orders WHERE amount > $1 ORDER BY id
----
id:int8
1
3
====

-- $1 = 2026-01-01 00:05:00+00
-- $2 = 2026-01-02
SELECT id FROM gold.orders WHERE placed_at > $1 AND placed_at < $2 ORDER BY id
----
id:int8
2
3
====

-- $1 = 2026-01-01
SELECT id FROM gold.orders WHERE day = $1 ORDER BY id
----
id:int8
1
2
3
====

-- $1 = {1,3}
SELECT id FROM gold.orders WHERE id = ANY($1) ORDER BY id
----
id:int8
1
3
====

-- $1 = {ada,bob}
SELECT id FROM gold.orders WHERE customer = ANY($1) ORDER BY id
----
id:int8
1
2
3
====

-- $1 = t
SELECT id FROM gold.orders WHERE paid = $1 ORDER BY id
----
id:int8
1
3
5
====

-- $1 = 2
-- $2 = 1
SELECT id FROM gold.orders ORDER BY id LIMIT $1 OFFSET $2
----
id:int8
2
3
====

-- $1 = x
SELECT $1
----
?column?:text
x
====

-- $1 = x
-- $2 = \N
SELECT $1, $2
----
?column?:text	?column?:text
x	\N
====

-- $1 = 2026-01-01
-- $2 = 2026-01-02
-- $3 = 1.50
-- $4 = true
-- $5 = 1 day
SELECT $1::timestamptz, $2::date, $3::numeric, $4::bool, $5::interval
----
timestamptz:timestamptz	date:date	numeric:numeric	bool:bool	interval:interval
2026-01-01 00:00:00+00	2026-01-02	1.50	t	1 day
====

-- $1 = 1
SELECT $1 = 1
----
?column?:bool
t
====

-- $1 = \N
SELECT coalesce($1, 'x')
----
coalesce:text
x
====

-- $1 = 3
SELECT * FROM generate_series(1, $1)
----
generate_series:int4
1
2
3
====

-- $1 = a
-- $2 = 7
SELECT $2::int, $1::text
----
int4:int4	text:text
7	a
====

-- $1 = a
SELECT id FROM gold.orders WHERE customer LIKE $1 || '%' ORDER BY id
----
id:int8
1
3
====

-- $1 = 100 years
SELECT id FROM gold.orders WHERE placed_at >= now() - $1::interval ORDER BY id LIMIT 1
----
id:int8
1
====

-- $1 = t
-- $2 = 1
-- $3 = 2
SELECT id, $1 AS tag FROM gold.orders WHERE id IN ($2, $3) ORDER BY id
----
id:int8	tag:text
1	t
2	t
====

-- $1 = abc
SELECT id FROM gold.orders WHERE id = $1
----
ERROR 22P02
MESSAGE: invalid input syntax for type bigint: "abc"
====

-- $1 = abc
SELECT $1::int
----
ERROR 22P02
MESSAGE: invalid input syntax for type integer: "abc"
====

-- $1 = true
SELECT 1 WHERE $1
----
?column?:int4
1
====
