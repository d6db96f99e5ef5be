--- Casts, literals and arrays. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- casts to numbers
SELECT '42'::int, '42'::bigint, '42'::smallint, '1.5'::float8, '1.5'::real, '1.50'::numeric, '1.555'::numeric(5,2)
----
int4:int4	int8:int8	int2:int2	float8:float8	float4:float4	numeric:numeric	numeric:numeric
42	42	42	1.5	1.5	1.50	1.56
====

SELECT 1.6::int, 2.5::int, 3.5::int, -1.5::int, 1e3::int, 2.5::float8::int, 3.5::float8::int
----
int4:int4	int4:int4	int4:int4	?column?:int4	int4:int4	int4:int4	int4:int4
2	3	4	-2	1000	2	4
====

SELECT CAST('7' AS integer), CAST(7 AS text), 7::text, 7.10::text, true::text, 1.5::float8::text, 1e20::float8::text
----
int4:int4	text:text	text:text	text:text	text:text	text:text	text:text
7	7	7	7.10	true	1.5	1e+20
====

SELECT 'true'::boolean, 't'::bool, 'yes'::bool, 'on'::bool, '1'::bool, 'no'::bool, 1::bool, 0::bool, true::int
----
bool:bool	bool:bool	bool:bool	bool:bool	bool:bool	bool:bool	bool:bool	bool:bool	int4:int4
t	t	t	t	t	f	t	f	1
====

SELECT '  12 '::int, '-7'::int, '+7'::int
----
int4:int4	int4:int4	int4:int4
12	-7	7
====

SELECT 'NaN'::float8, 'Infinity'::float8, '-inf'::float8, 'NaN'::real
----
float8:float8	float8:float8	float8:float8	float4:float4
NaN	Infinity	-Infinity	NaN
====

SELECT 1::bigint, 1::smallint, 1::real, 1::double precision, 1::numeric(10,2), 12345.678::numeric(10,1)
----
int8:int8	int2:int2	float4:float4	float8:float8	numeric:numeric	numeric:numeric
1	1	1	1	1.00	12345.7
====

-- casts to text
SELECT 'abc'::varchar, 'abcdef'::varchar(3), 'abc'::char(5), 'abcdef'::char(2), 'x'::text
----
varchar:varchar	varchar:varchar	bpchar:bpchar	bpchar:bpchar	text:text
abc	abc	abc  	ab	x
====

SELECT '2026-01-02'::date::text, '2026-01-02 03:04:05'::timestamp::text, '2026-01-02 03:04:05+02'::timestamptz::text, '03:04:05'::time::text
----
text:text	text:text	text:text	text:text
2026-01-02	2026-01-02 03:04:05	2026-01-02 01:04:05+00	03:04:05
====

SELECT '1 day 2 hours'::interval::text, ARRAY[1,2]::text, ARRAY['a','b c']::text, NULL::text
----
text:text	array:text	array:text	text:text
1 day 02:00:00	{1,2}	{a,"b c"}	\N
====

-- casts to dates and times
SELECT '2026-01-02'::date, DATE '2026-01-02', '20260102'::date, 'Jan 2, 2026'::date, '2026-01-02 10:00'::timestamp, TIMESTAMP '2026-01-02 10:00:00.5'
----
date:date	date:date	date:date	date:date	timestamp:timestamp	timestamp:timestamp
2026-01-02	2026-01-02	2026-01-02	2026-01-02	2026-01-02 10:00:00	2026-01-02 10:00:00.5
====

SELECT '2026-01-02T10:00:00Z'::timestamptz, TIMESTAMPTZ '2026-01-02 10:00:00+02', '2026-01-02'::timestamptz, '2026-01-02 10:00:00 America/New_York'::timestamptz
----
timestamptz:timestamptz	timestamptz:timestamptz	timestamptz:timestamptz	timestamptz:timestamptz
2026-01-02 10:00:00+00	2026-01-02 08:00:00+00	2026-01-02 00:00:00+00	2026-01-02 15:00:00+00
====

SELECT '2026-01-02 10:00:00'::timestamp::date, '2026-01-02'::date::timestamp, '2026-01-02 23:00:00+00'::timestamptz::date, TIME '10:11:12', '10:11'::time
----
date:date	timestamp:timestamp	date:date	time:time	time:time
2026-01-02	2026-01-02 00:00:00	2026-01-02	10:11:12	10:11:00
====

-- arrays
SELECT ARRAY[1,2,3], ARRAY['a','b'], ARRAY[1.5, 2], ARRAY[]::int[], '{1,2,3}'::int[], '{a,b}'::text[], ARRAY[[1,2],[3,4]]
----
array:int4[]	array:text[]	array:numeric[]	array:int4[]	int4:int4[]	text:text[]	array:int4[]
{1,2,3}	{a,b}	{1.5,2}	{}	{1,2,3}	{a,b}	{{1,2},{3,4}}
====

SELECT (ARRAY[1,2,3])[1], (ARRAY[1,2,3])[4], (ARRAY[1,2,3])[2:3], array_length(ARRAY[1,2,3], 1), cardinality(ARRAY[1,2]), array_upper(ARRAY[5,6], 1)
----
array:int4	array:int4	array:int4[]	array_length:int4	cardinality:int4	array_upper:int4
1	\N	{2,3}	3	2	2
====

SELECT 1 = ANY(ARRAY[1,2]), 3 = ANY(ARRAY[1,2]), 3 <> ALL(ARRAY[1,2]), 1 = ANY('{1,2}'::int[]), 2 > ANY(ARRAY[1,5]), 2 < ALL(ARRAY[3,5])
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	f	t	t	t	t
====

SELECT ARRAY[1,2] || 3, ARRAY[1] || ARRAY[2,3], array_append(ARRAY[1], 2), array_remove(ARRAY[1,2,1], 1), array_position(ARRAY['a','b'], 'b'), array_to_string(ARRAY[1,NULL,3], ','), string_to_array('a,b,c', ',')
----
?column?:int4[]	?column?:int4[]	array_append:int4[]	array_remove:int4[]	array_position:int4	array_to_string:text	string_to_array:text[]
{1,2,3}	{1,2,3}	{1,2}	{2}	2	1,3	{a,b,c}
====

SELECT ARRAY[1,2,3] @> ARRAY[2], ARRAY[2] <@ ARRAY[1,2], ARRAY[1,2] && ARRAY[2,3], ARRAY[1,2] = ARRAY[1,2]
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	t	t	t
====

SELECT unnest(ARRAY[1,2,3])
----
unnest:int4
1
2
3
====

SELECT * FROM unnest(ARRAY['a','b']) AS t(x)
----
x:text
a
b
====

SELECT * FROM unnest(ARRAY['a','b']) WITH ORDINALITY AS t(x, n)
----
x:text	n:int8
a	1
b	2
====

SELECT ARRAY(SELECT id FROM gold.orders WHERE paid ORDER BY id)
----
array:int8[]
{1,3,5}
====

-- literals
SELECT 1, 1.0, 1.50, 1e3, .5, 5000000000, 99999999999999999999, -1, 'it''s', E'a\nb', E'\u00e4', U&'\00e4', $$dollar$$, $a$x$a$, B'101', X'1F'
----
?column?:int4	?column?:numeric	?column?:numeric	?column?:numeric	?column?:numeric	?column?:int8	?column?:numeric	?column?:int4	?column?:text	?column?:text	?column?:text	?column?:text	?column?:text	?column?:text	?column?:bit	?column?:bit
1	1.0	1.50	1000	0.5	5000000000	99999999999999999999	-1	it's	a\nb	ä	ä	dollar	x	101	00011111
====

SELECT true, false, NULL, 'a' 'b'
----
ERROR 42601 31
MESSAGE: syntax error at or near "'b'"
====

SELECT 'a'
'b'
----
?column?:text
ab
====

SELECT NULL::int, NULL::timestamptz
----
int4:int4	timestamptz:timestamptz
\N	\N
====

SELECT ROW(1, 'a'), (1, 2) = (1, 2), (1, 2) < (1, 3), ROW(1,2) IS NULL
----
row:record	?column?:bool	?column?:bool	?column?:bool
(1,a)	t	t	f
====
