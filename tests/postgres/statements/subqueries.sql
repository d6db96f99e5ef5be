--- Subqueries in select lists, lateral functions, and what else is written instead of a join. Answers are PostgreSQL's, written by
--- tests/python/postgres_replay.py --write.

-- in a list
SELECT k.status, EXISTS (SELECT 1 FROM gold.orders o WHERE o.status = k.status AND o.paid) AS any_paid, NOT EXISTS (SELECT 1 FROM gold.orders o WHERE o.status = k.status AND o.pieces > 5) AS none FROM kinds k ORDER BY 1
----
status:text	any_paid:bool	none:bool
new	t	t
sent	t	f
====

SELECT EXISTS (SELECT 1 FROM gold.orders WHERE id > 100), EXISTS (SELECT 1 FROM gold.orders), CASE WHEN EXISTS (SELECT 1 FROM kinds) THEN 'some' ELSE 'none' END
----
exists:bool	exists:bool	case:text
f	t	some
====

SELECT k.status, (SELECT o.customer FROM gold.orders o WHERE o.status = k.status ORDER BY o.id DESC LIMIT 1) AS last_customer FROM kinds k ORDER BY 1
----
status:text	last_customer:text
new	bob
sent	\N
====

SELECT k.status, (SELECT o.id FROM gold.orders o WHERE o.status = k.status) FROM kinds k
----
ERROR 21000
MESSAGE: more than one row returned by a subquery used as an expression
====

SELECT k.status, (SELECT count(*) FROM gold.orders o WHERE o.status = k.status) AS n, (SELECT max(o.amount) FROM gold.orders o WHERE o.status = k.status) AS most FROM kinds k ORDER BY 1
----
status:text	n:int8	most:numeric
new	2	12.50
sent	2	100.00
====

SELECT ARRAY(SELECT id FROM gold.orders ORDER BY id DESC), ARRAY(SELECT id FROM gold.orders WHERE id > 100), ARRAY(SELECT DISTINCT paid FROM gold.orders WHERE paid)
----
array:int8[]	array:int8[]	array:bool[]
{5,4,3,2,1}	{}	{t}
====

SELECT k.status, ARRAY(SELECT o.id FROM gold.orders o WHERE o.status = k.status ORDER BY o.id) AS ids FROM kinds k ORDER BY 1
----
status:text	ids:int8[]
new	{1,2}
sent	{3,5}
====

-- conditions
SELECT id FROM gold.orders WHERE status = ANY (SELECT status FROM kinds) ORDER BY id
----
id:int8
1
2
3
5
====

SELECT id FROM gold.orders WHERE status <> ALL (SELECT status FROM kinds WHERE rank > 1) ORDER BY id
----
id:int8
1
2
4
====

SELECT id FROM gold.orders o WHERE EXISTS (SELECT 1 FROM kinds k WHERE k.status = o.status) OR id = 4 ORDER BY id
----
id:int8
1
2
3
4
5
====

-- LATERAL
SELECT o.id, n FROM gold.orders o, generate_series(1, o.pieces) AS n WHERE o.id IN (1, 2) ORDER BY 1, 2
----
id:int8	n:int4
1	1
1	2
1	3
2	1
====

SELECT o.id, u.x FROM gold.orders o LEFT JOIN LATERAL unnest(CASE WHEN o.id = 1 THEN ARRAY['a', 'b'] END) AS u (x) ON true WHERE o.id < 3 ORDER BY 1, 2
----
id:int8	x:text
1	a
1	b
2	\N
====

SELECT t.id, v FROM (VALUES (1, 'a,b'), (2, 'c')) AS t (id, list) CROSS JOIN LATERAL string_to_table(t.list, ',') AS v ORDER BY 1, 2
----
id:int4	v:text
1	a
1	b
2	c
====

SELECT k.status, l.n FROM kinds k LEFT JOIN LATERAL (SELECT count(*) AS n FROM gold.orders o WHERE o.status = k.status) l ON true ORDER BY 1
----
status:text	n:int8
new	2
sent	2
====

SELECT DISTINCT ON (status) status, id FROM gold.orders ORDER BY status, id DESC
----
status:text	id:int8
it's	4
new	2
sent	5
====

WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t
----
sum:int8
15
====

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (n, s) WHERE (n, s) IN ((1, 'a'), (3, 'c'))
----
n:int4	s:text
1	a
====

-- names below the top
SELECT status, count FROM (SELECT status, count(*) FROM gold.orders GROUP BY status) s ORDER BY count DESC, status
----
status:text	count:int8
new	2
sent	2
it's	1
====

WITH c AS (SELECT max(amount), lower(customer) FROM gold.orders GROUP BY customer) SELECT lower, max FROM c WHERE max > 10 ORDER BY lower
----
lower:text	max:numeric
ada	100.00
====

SELECT * FROM (SELECT id, id, lower(customer), upper(customer) || '!' FROM gold.orders WHERE id < 3) s ORDER BY 1
----
id:int8	id:int8	lower:text	?column?:text
1	1	ada	ADA!
2	2	bob	BOB!
====

SELECT id FROM (SELECT id, id FROM gold.orders) s
----
ERROR 42702 8
MESSAGE: column reference "id" is ambiguous
====

-- order below the top
SELECT id, status FROM (SELECT id, status FROM gold.orders ORDER BY status DESC, id) s WHERE id > 1
----
id:int8	status:text
3	sent
5	sent
2	new
4	it's
====

SELECT array_agg(id), string_agg(status, ',') FROM (SELECT id, status FROM gold.orders ORDER BY weight) s
----
array_agg:int8[]	string_agg:text
{4,2,1,3,5}	it's,new,new,sent,sent
====
