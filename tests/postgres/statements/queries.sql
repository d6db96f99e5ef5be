--- Queries: joins, groups, windows, sets. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- the rows
SELECT * FROM gold.orders ORDER BY id
----
id:int8	customer:text	amount:numeric	weight:float8	pieces:int4	paid:bool	placed_at:timestamptz	day:date	status:text
1	ada	12.50	1.5	3	t	2026-01-01 00:00:10+00	2026-01-01	new
2	bob	7.25	0.25	1	f	2026-01-01 00:07:00+00	2026-01-01	new
3	ada	100.00	20	9	t	2026-01-01 01:30:00.123456+00	2026-01-01	sent
4	Cid	0.99	-0.5	0	\N	2026-01-02 23:59:59+00	2026-01-02	it's
5	\N	\N	\N	\N	t	2026-02-28 12:00:00+00	2026-02-28	sent
====

SELECT id, amount * 2, amount / 3, weight / 0.5, pieces / 2, pieces % 2, -pieces, amount + pieces, weight + amount FROM gold.orders ORDER BY id
----
id:int8	?column?:numeric	?column?:numeric	?column?:float8	?column?:int4	?column?:int4	?column?:int4	?column?:numeric	?column?:float8
1	25.00	4.1666666666666667	3	1	1	-3	15.50	14
2	14.50	2.4166666666666667	0.5	0	1	-1	8.25	7.5
3	200.00	33.3333333333333333	40	4	1	-9	109.00	120
4	1.98	0.33000000000000000000	-1	0	0	0	0.99	0.49
5	\N	\N	\N	\N	\N	\N	\N	\N
====

SELECT 7 / 2, -7 / 2, 7 % 3, -7 % 3, 7.0 / 2, 7 / 2.0, 2 ^ 10, 2.0 ^ 0.5, |/ 16, ||/ 27, @ -5, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 3, 8 >> 1
----
?column?:int4	?column?:int4	?column?:int4	?column?:int4	?column?:numeric	?column?:numeric	?column?:float8	?column?:numeric	?column?:float8	?column?:float8	?column?:int4	?column?:int4	?column?:int4	?column?:int4	?column?:int4	?column?:int4	?column?:int4
3	-3	1	-1	3.5000000000000000	3.5000000000000000	1024	1.4142135623730950	4	3.0000000000000004	5	1	7	6	-6	8	4
====

SELECT abs(-1), ceil(1.2), floor(-1.2), round(2.5), round(-2.5), round(1.234, 2), round(2.5::float8), trunc(1.9), trunc(1.29, 1), sign(-3), sqrt(2), power(2, 3), exp(1), ln(2), log(100), log(2, 8), mod(7, 3), div(7, 2), pi(), degrees(1), gcd(12, 18), lcm(4, 6), factorial(5), width_bucket(5, 0, 10, 5)
----
abs:int4	ceil:numeric	floor:numeric	round:numeric	round:numeric	round:numeric	round:float8	trunc:numeric	trunc:numeric	sign:float8	sqrt:float8	power:float8	exp:float8	ln:float8	log:float8	log:numeric	mod:int4	div:numeric	pi:float8	degrees:float8	gcd:int4	lcm:int4	factorial:numeric	width_bucket:int4
1	2	-2	3	-3	1.23	2	1	1.2	-1	1.4142135623730951	8	2.718281828459045	0.6931471805599453	2	3.0000000000000000	1	3	3.141592653589793	57.29577951308232	6	12	120	3
====

SELECT count(*), count(amount), sum(amount), avg(amount), min(amount), max(customer), sum(weight), avg(weight), sum(pieces), avg(pieces), sum(id) FROM gold.orders
----
count:int8	count:int8	sum:numeric	avg:numeric	min:numeric	max:text	sum:float8	avg:float8	sum:int8	avg:numeric	sum:numeric
5	4	120.74	30.1850000000000000	0.99	bob	21.25	5.3125	13	3.2500000000000000	15
====

SELECT stddev(weight), variance(weight), stddev_pop(weight), corr(weight, pieces), bool_and(paid), bool_or(paid), every(paid), bit_and(pieces), bit_or(pieces) FROM gold.orders
----
stddev:float8	variance:float8	stddev_pop:float8	corr:float8	bool_and:bool	bool_or:bool	every:bool	bit_and:int4	bit_or:int4
9.826356988562276	96.55729166666667	8.509874778749685	0.9735224271138921	f	t	f	0	11
====

-- DISTINCT ON
SELECT DISTINCT ON (customer) customer, id FROM gold.orders ORDER BY customer, id DESC
----
customer:text	id:int8
Cid	4
ada	3
bob	2
\N	5
====

SELECT DISTINCT ON (status) status, id, amount FROM gold.orders ORDER BY status, amount DESC NULLS LAST
----
status:text	id:int8	amount:numeric
it's	4	0.99
new	1	12.50
sent	3	100.00
====

SELECT DISTINCT status FROM gold.orders ORDER BY status
----
status:text
it's
new
sent
====

SELECT count(DISTINCT status), count(DISTINCT customer) FROM gold.orders
----
count:int8	count:int8
3	3
====

-- order and limit
SELECT customer FROM gold.orders ORDER BY customer
----
customer:text
Cid
ada
ada
bob
\N
====

SELECT customer FROM gold.orders ORDER BY customer DESC
----
customer:text
\N
bob
ada
ada
Cid
====

SELECT customer FROM gold.orders ORDER BY customer NULLS FIRST, id LIMIT 2
----
customer:text
\N
Cid
====

SELECT id FROM gold.orders ORDER BY id OFFSET 1 LIMIT 2
----
id:int8
2
3
====

SELECT id FROM gold.orders ORDER BY id FETCH FIRST 2 ROWS ONLY
----
id:int8
1
2
====

SELECT id FROM gold.orders ORDER BY id LIMIT ALL OFFSET 3
----
id:int8
4
5
====

SELECT id AS n FROM gold.orders ORDER BY n DESC LIMIT 1
----
n:int8
5
====

SELECT id FROM gold.orders ORDER BY amount DESC, 1
----
id:int8
5
3
1
2
4
====

-- LATERAL
SELECT k.status, l.id FROM public.kinds k, LATERAL (SELECT id FROM gold.orders o WHERE o.status = k.status ORDER BY id DESC LIMIT 1) l ORDER BY k.status
----
status:text	id:int8
new	2
sent	5
====

SELECT k.status, l.n FROM public.kinds k CROSS JOIN LATERAL (SELECT count(*) AS n FROM gold.orders o WHERE o.status = k.status) l ORDER BY 1
----
status:text	n:int8
new	2
sent	2
====

SELECT k.status, l.id FROM public.kinds k LEFT JOIN LATERAL (SELECT id FROM gold.orders o WHERE o.status = k.status AND amount > 50) l ON true ORDER BY 1
----
status:text	id:int8
new	\N
sent	3
====

SELECT o.id, g FROM gold.orders o, LATERAL generate_series(1, o.pieces) AS g WHERE o.id < 3 ORDER BY 1, 2
----
id:int8	g:int4
1	1
1	2
1	3
2	1
====

SELECT o.id, u.x FROM gold.orders o CROSS JOIN LATERAL unnest(ARRAY[o.pieces, o.pieces + 1]) AS u(x) WHERE id < 3 ORDER BY 1, 2
----
id:int8	x:int4
1	3
1	4
2	1
2	2
====

-- joins
SELECT o.id, k.rank FROM gold.orders o JOIN kinds k USING (status) ORDER BY 1
----
id:int8	rank:int4
1	1
2	1
3	2
5	2
====

SELECT o.id, k.rank FROM gold.orders o LEFT JOIN kinds k ON k.status = o.status ORDER BY 1
----
id:int8	rank:int4
1	1
2	1
3	2
4	\N
5	2
====

SELECT status, rank FROM gold.orders NATURAL JOIN public.kinds ORDER BY id
----
status:text	rank:int4
new	1
new	1
sent	2
sent	2
====

SELECT count(*) FROM gold.orders a, gold.orders b WHERE a.id < b.id
----
count:int8
10
====

SELECT o.* FROM gold.orders o FULL JOIN kinds k ON false WHERE o.id = 1
----
id:int8	customer:text	amount:numeric	weight:float8	pieces:int4	paid:bool	placed_at:timestamptz	day:date	status:text
1	ada	12.50	1.5	3	t	2026-01-01 00:00:10+00	2026-01-01	new
====

SELECT id FROM gold.orders o WHERE EXISTS (SELECT 1 FROM kinds k WHERE k.status = o.status AND rank = 2) ORDER BY 1
----
id:int8
3
5
====

SELECT id FROM gold.orders WHERE status NOT IN (SELECT status FROM kinds) ORDER BY 1
----
id:int8
4
====

SELECT id, (SELECT rank FROM kinds k WHERE k.status = o.status) AS rank FROM gold.orders o ORDER BY 1
----
id:int8	rank:int4
1	1
2	1
3	2
4	\N
5	2
====

SELECT k.status, (SELECT count(*) FROM gold.orders o WHERE o.status = k.status) FROM kinds k ORDER BY 1
----
status:text	count:int8
new	2
sent	2
====

SELECT k.status, (SELECT max(amount) FROM gold.orders o WHERE o.status = k.status) AS most FROM kinds k ORDER BY 1
----
status:text	most:numeric
new	12.50
sent	100.00
====

SELECT id FROM gold.orders WHERE amount > (SELECT avg(amount) FROM gold.orders) ORDER BY 1
----
id:int8
3
====

SELECT id FROM gold.orders WHERE (customer, status) IN (('ada', 'new'), ('bob', 'new')) ORDER BY 1
----
id:int8
1
2
====

SELECT id FROM gold.orders WHERE id = ANY (SELECT rank FROM kinds) ORDER BY 1
----
id:int8
1
2
====

SELECT id FROM gold.orders WHERE id = ANY ('{1,3}') ORDER BY 1
----
id:int8
1
3
====

SELECT id FROM gold.orders WHERE id = ANY (ARRAY[1,3]) ORDER BY 1
----
id:int8
1
3
====

-- aggregates
SELECT string_agg(customer, ',' ORDER BY id) FROM gold.orders
----
string_agg:text
ada,bob,ada,Cid
====

SELECT status, string_agg(DISTINCT customer, '-' ORDER BY customer) FROM gold.orders GROUP BY status ORDER BY status
----
status:text	string_agg:text
it's	Cid
new	ada-bob
sent	ada
====

SELECT array_agg(id ORDER BY id DESC) FROM gold.orders
----
array_agg:int8[]
{5,4,3,2,1}
====

SELECT array_agg(customer ORDER BY id) FROM gold.orders
----
array_agg:text[]
{ada,bob,ada,Cid,NULL}
====

SELECT count(*) FILTER (WHERE paid), sum(amount) FILTER (WHERE status = 'new') AS new FROM gold.orders
----
count:int8	new:numeric
3	19.75
====

SELECT status, count(*) AS n FROM gold.orders GROUP BY status HAVING count(*) > 1 ORDER BY n DESC, 1
----
status:text	n:int8
new	2
sent	2
====

SELECT status, day, count(*) FROM gold.orders GROUP BY ROLLUP (status, day) ORDER BY 1, 2, 3
----
status:text	day:date	count:int8
it's	2026-01-02	1
it's	\N	1
new	2026-01-01	2
new	\N	2
sent	2026-01-01	1
sent	2026-02-28	1
sent	\N	2
\N	\N	5
====

SELECT status, paid, count(*), grouping(status) FROM gold.orders GROUP BY GROUPING SETS ((status), (paid), ()) ORDER BY 1, 2, 3
----
status:text	paid:bool	count:int8	grouping:int4
it's	\N	1	0
new	\N	2	0
sent	\N	2	0
\N	f	1	1
\N	t	3	1
\N	\N	1	1
\N	\N	5	1
====

SELECT date_trunc('day', placed_at) AS day, sum(amount) FROM gold.orders GROUP BY 1 ORDER BY 1
----
day:timestamptz	sum:numeric
2026-01-01 00:00:00+00	119.75
2026-01-02 00:00:00+00	0.99
2026-02-28 00:00:00+00	\N
====

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY weight), percentile_disc(0.5) WITHIN GROUP (ORDER BY weight), mode() WITHIN GROUP (ORDER BY status) FROM gold.orders
----
percentile_cont:float8	percentile_disc:float8	mode:text
0.875	0.25	new
====

SELECT json_agg(id ORDER BY id), jsonb_agg(status ORDER BY id) FROM gold.orders WHERE id < 3
----
json_agg:json	jsonb_agg:jsonb
[1, 2]	["new", "new"]
====

SELECT sum(amount)::int, avg(pieces)::numeric(10,2), round(avg(amount), 2) FROM gold.orders
----
sum:int4	avg:numeric	round:numeric
121	3.25	30.19
====

SELECT max(id) FROM gold.orders WHERE false
----
max:int8
\N
====

SELECT sum(pieces), count(*) FROM gold.orders WHERE false
----
sum:int8	count:int8
\N	0
====

-- windows
SELECT id, row_number() OVER (ORDER BY id), rank() OVER (ORDER BY status), dense_rank() OVER (ORDER BY status), ntile(2) OVER (ORDER BY id) FROM gold.orders ORDER BY id
----
id:int8	row_number:int8	rank:int8	dense_rank:int8	ntile:int4
1	1	2	2	1
2	2	2	2	1
3	3	4	3	1
4	4	1	1	2
5	5	4	3	2
====

SELECT id, sum(pieces) OVER (ORDER BY id), avg(weight) OVER (PARTITION BY status ORDER BY id), count(*) OVER () FROM gold.orders ORDER BY id
----
id:int8	sum:int8	avg:float8	count:int8
1	3	1.5	5
2	4	0.875	5
3	13	20	5
4	13	-0.5	5
5	13	20	5
====

SELECT id, lag(id) OVER w, lead(id, 2, -1) OVER w, first_value(id) OVER w, last_value(id) OVER w FROM gold.orders WINDOW w AS (ORDER BY id) ORDER BY id
----
id:int8	lag:int8	lead:int8	first_value:int8	last_value:int8
1	\N	3	1	1
2	1	4	1	2
3	2	5	1	3
4	3	-1	1	4
5	4	-1	1	5
====

SELECT id, sum(pieces) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), sum(pieces) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM gold.orders ORDER BY id
----
id:int8	sum:int8	sum:int8
1	3	13
2	4	13
3	10	13
4	9	13
5	0	13
====

SELECT id, percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id), nth_value(id, 2) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM gold.orders ORDER BY id
----
id:int8	percent_rank:float8	cume_dist:float8	nth_value:int8
1	0	0.2	2
2	0.25	0.4	2
3	0.5	0.6	2
4	0.75	0.8	2
5	1	1	2
====

SELECT id, count(*) OVER (ORDER BY placed_at RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW) FROM gold.orders ORDER BY id
----
id:int8	count:int8
1	1
2	2
3	1
4	1
5	1
====

SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY status ORDER BY id) AS n FROM gold.orders) t WHERE n = 1 ORDER BY id
----
id:int8	n:int8
1	1
3	1
4	1
====

SELECT status, sum(sum(pieces)) OVER (ORDER BY status) FROM gold.orders GROUP BY status ORDER BY status
----
status:text	sum:numeric
it's	0
new	4
sent	13
====

-- VALUES and sets
VALUES (1, 'a'), (2, 'b')
----
column1:int4	column2:text
1	a
2	b
====

VALUES (1), (NULL), (3) ORDER BY 1
----
column1:int4
1
3
\N
====

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (x, y)
----
x:int4	y:text
1	a
2	b
====

SELECT column1 FROM (VALUES (1), (2)) AS t
----
column1:int4
1
2
====

SELECT 1 AS a UNION SELECT 2 UNION SELECT 1 ORDER BY a
----
a:int4
1
2
====

SELECT 1 UNION ALL SELECT 1
----
?column?:int4
1
1
====

SELECT id FROM gold.orders INTERSECT SELECT rank FROM kinds ORDER BY 1
----
id:int8
1
2
====

SELECT id FROM gold.orders EXCEPT SELECT rank FROM kinds ORDER BY 1
----
id:int8
3
4
5
====

SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, 'x' ORDER BY 1
----
a:int4	b:text
1	\N
2	x
====

SELECT 1 UNION ALL SELECT 1.5
----
?column?:numeric
1
1.5
====

TABLE public.kinds
----
status:text	rank:int4
new	1
sent	2
====

-- WITH
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b
----
x:int4	y:int4
1	2
====

WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n), count(*) FROM t
----
sum:int8	count:int8
15	5
====

WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n * 2 FROM t WHERE n < 20) SELECT n FROM t ORDER BY n
----
n:int4
1
2
4
8
16
32
====

WITH RECURSIVE t AS (SELECT 1 AS n, 'a' AS s UNION ALL SELECT n + 1, s || 'a' FROM t WHERE n < 3) SELECT * FROM t ORDER BY n
----
n:int4	s:text
1	a
2	aa
3	aaa
====

WITH a AS MATERIALIZED (SELECT 1 AS x) SELECT * FROM a
----
x:int4
1
====

WITH a(x, y) AS (SELECT 1, 2) SELECT y, x FROM a
----
y:int4	x:int4
2	1
====

-- conditions
SELECT NULL IS DISTINCT FROM 1, 1 IS NOT DISTINCT FROM 1, NULL = NULL, NULL IS NULL, 1 IS NOT NULL, true IS TRUE, NULL IS UNKNOWN, NOT NULL::bool
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	t	\N	t	t	t	t	\N
====

SELECT 1 IS DISTINCT FROM 2 OR false, 1 IS DISTINCT FROM 1 OR true, 1 IS NOT DISTINCT FROM 2 AND true
----
?column?:bool	?column?:bool	?column?:bool
t	t	f
====

SELECT id FROM gold.orders WHERE customer IS DISTINCT FROM 'ada' OR id = 1 ORDER BY 1
----
id:int8
1
2
4
5
====

SELECT CASE WHEN 1 = 1 THEN 'a' ELSE 'b' END, CASE 2 WHEN 1 THEN 'x' WHEN 2 THEN 'y' END, CASE WHEN false THEN 1 END
----
case:text	case:text	case:int4
a	y	\N
====

SELECT 2 BETWEEN 1 AND 3, 2 NOT BETWEEN 1 AND 3, 2 BETWEEN SYMMETRIC 3 AND 1, 1 IN (1, 2), 3 NOT IN (1, NULL)
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	f	t	t	\N
====

SELECT 1 = 1.0, '1' = 1, 1 < 2, 1 <> 2, 1 != 2, 'a' < 'b', 'a' < 'B', NULL OR true, NULL AND false
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	t	t	t	t	t	f	t	f
====

SELECT count(*) FROM gold.orders WHERE paid
----
count:int8
3
====

SELECT id FROM gold.orders WHERE NOT paid ORDER BY id
----
id:int8
2
====

SELECT id FROM gold.orders WHERE placed_at BETWEEN '2026-01-01' AND '2026-01-01T12:00:00Z' ORDER BY id
----
id:int8
1
2
3
====

SELECT id FROM gold.orders WHERE day = '2026-01-01' AND placed_at > '2026-01-01 00:01' ORDER BY id
----
id:int8
2
3
====

SELECT id FROM gold.orders WHERE placed_at >= now() - INTERVAL '100 years' AND id < '3' ORDER BY id
----
id:int8
1
2
====

SELECT num_nulls(1, NULL), num_nonnulls(1, NULL)
----
num_nulls:int4	num_nonnulls:int4
1	1
====

-- names of columns
SELECT 1, 'a', NULL, count(*), max(id), sum(pieces) + 1, coalesce(1, 2), 1::text, now() IS NULL, CASE WHEN true THEN 1 END, ARRAY[1], extract(year from DATE '2026-01-01') FROM gold.orders
----
?column?:int4	?column?:text	?column?:text	count:int8	max:int8	?column?:int8	coalesce:int4	text:text	?column?:bool	case:int4	array:int4[]	extract:numeric
1	a	\N	5	5	14	1	1	f	1	{1}	2026
====

SELECT o.id, O.ID AS "Id", o.id "My Id", o.* FROM gold.orders AS o WHERE id = 1
----
id:int8	Id:int8	My Id:int8	id:int8	customer:text	amount:numeric	weight:float8	pieces:int4	paid:bool	placed_at:timestamptz	day:date	status:text
1	1	1	1	ada	12.50	1.5	3	t	2026-01-01 00:00:10+00	2026-01-01	new
====

SELECT id + 1 one, upper(customer) FROM gold.orders WHERE id = 1
----
one:int8	upper:text
2	ADA
====

SELECT Id FROM Gold.Orders WHERE ID = 1
----
id:int8
1
====

SELECT (SELECT 1), EXISTS (SELECT 1), (SELECT max(id) FROM gold.orders), 1 IN (1), current_date IS NULL, nullif(1,2), greatest(1,2)
----
?column?:int4	exists:bool	max:int8	?column?:bool	?column?:bool	nullif:int4	greatest:int4
1	t	5	t	f	1	2
====

-- JSON
SELECT '{"a": 1}'::json, '{"a": {"b": [1, 2]}}'::jsonb, '{"a": 1}'::json -> 'a', '{"a": "x"}'::json ->> 'a', '{"a": {"b": 2}}'::json #>> '{a,b}', '[1,2]'::json -> 1
----
json:json	jsonb:jsonb	?column?:json	?column?:text	?column?:text	?column?:json
{"a": 1}	{"a": {"b": [1, 2]}}	1	x	2	2
====

SELECT json_build_object('a', 1, 'b', 'x', 'c', NULL), json_build_array(1, 'a', true), to_json('a'::text), row_to_json(ROW(1, 'a')), json_object_agg(k, v) FROM (VALUES ('a', 1), ('b', 2)) AS t (k, v)
----
json_build_object:json	json_build_array:json	to_json:json	row_to_json:json	json_object_agg:json
{"a" : 1, "b" : "x", "c" : null}	[1, "a", true]	"a"	{"f1":1,"f2":"a"}	{ "a" : 1, "b" : 2 }
====

SELECT jsonb_array_length('[1,2,3]'), json_typeof('[1]'), jsonb_extract_path_text('{"a": "b"}', 'a'), '{"a": 1}'::jsonb ? 'a', '{"a": 1}'::jsonb @> '{"a": 1}'
----
jsonb_array_length:int4	json_typeof:text	jsonb_extract_path_text:text	?column?:bool	?column?:bool
3	array	b	t	t
====

-- what a session is
SELECT current_user, session_user, user, current_database(), current_catalog, current_schema, current_role
----
current_user:name	session_user:name	user:name	current_database:name	current_catalog:name	current_schema:name	current_role:name
sluice	sluice	sluice	sluice	sluice	public	sluice
====

SELECT version() LIKE 'PostgreSQL 15.%', current_setting('server_version_num'), pg_is_in_recovery(), pg_backend_pid() > 0, inet_server_addr() IS NOT NULL
----
?column?:bool	current_setting:text	pg_is_in_recovery:bool	?column?:bool	?column?:bool
t	150018	f	t	t
====

SHOW search_path
----
search_path:text
"$user", public
====

SHOW server_version_num
----
server_version_num:text
150018
====

SHOW TRANSACTION ISOLATION LEVEL
----
transaction_isolation:text
read committed
====

SELECT set_config('application_name', 'x', false), current_setting('application_name')
----
set_config:text	current_setting:text
x	x
====

SELECT current_setting('no.such', true), current_setting('no_such_setting', true)
----
current_setting:text	current_setting:text
\N	\N
====

SELECT gen_random_uuid() IS NOT NULL, random() < 1, pg_sleep(0), 'a6b1ea95-8a2b-4a5c-9c5c-1f6a2d3e4f50'::uuid
----
?column?:bool	?column?:bool	pg_sleep:void	uuid:uuid
t	t	""	a6b1ea95-8a2b-4a5c-9c5c-1f6a2d3e4f50
====
