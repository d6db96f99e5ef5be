--- What is written out: numbers, texts, bytes, lists, intervals, moments, UUIDs. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- numbers
SELECT CAST(12345678901234567890.123456789 AS NUMERIC(38, 9)), 12345678901234567890.123456789::numeric, -0.1::numeric, 1e20::numeric, 1e-20::numeric, '1.50'::numeric, 1.005::numeric(5, 2)
----
numeric:numeric	numeric:numeric	?column?:numeric	numeric:numeric	numeric:numeric	numeric:numeric	numeric:numeric
12345678901234567890.123456789	12345678901234567890.123456789	-0.1	100000000000000000000	0.00000000000000000001	1.50	1.01
====

SELECT CAST(123456 AS NUMERIC(5, 2))
----
ERROR 22003
MESSAGE: numeric field overflow
DETAIL: A field with precision 5, scale 2 must round to an absolute value less than 10^3.
====

SELECT ~5, 5 # 3
----
?column?:int4	?column?:int4
-6	6
====

-- texts
SELECT 'a'
'b' AS joined, U&'\0061' AS unicode, 'abc' ^@ 'ab' AS begins
----
joined:text	unicode:text	begins:bool
ab	a	t
====

SELECT 'a' 'b'
----
ERROR 42601 12
MESSAGE: syntax error at or near "'b'"
====

SELECT 'abcdef'::varchar(3) || 'x', 'abc'::char || 'x', 'a  '::char(3) || 'x', 12345::varchar(2) || 'x', length('ab '::char(3))
----
?column?:text	?column?:text	?column?:text	?column?:text	length:int4
abcx	ax	ax	12x	2
====

SELECT format('%2$s %1$s', 'a', 'b'), format('%s %1$I', 'x y')
----
format:text	format:text
b a	x y "x y"
====

-- bytes
SELECT '\x41'::bytea::text, 'a\000b\\c'::bytea, encode('ab'::bytea, 'base64'), decode('YWI=', 'base64'), encode('\x00ff61'::bytea, 'escape'), encode(repeat('x', 60)::bytea, 'base64')
----
text:text	bytea:bytea	encode:text	decode:bytea	encode:text	encode:text
\\x41	\\x6100625c63	YWI=	\\x6162	\\000\\377a	eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4\neHh4
====

SELECT '\x4'::bytea
----
ERROR 22023 8
MESSAGE: invalid hexadecimal data: odd number of digits
====

SELECT get_byte('\x4142'::bytea, 1), convert_from('\x4142'::bytea, 'UTF8'), convert_to('AB', 'UTF8'), encode('\x4142', 'hex')
----
get_byte:int4	convert_from:text	convert_to:bytea	encode:text
66	AB	\\x4142	4142
====

-- lists
SELECT '{1,2}'::int[], '{}'::int[], '{"a,b",NULL,"NULL","c\"d"}'::text[], '{{1,2},{3,4}}'::int[], '{t,f}'::bool[]
----
int4:int4[]	int4:int4[]	text:text[]	int4:int4[]	bool:bool[]
{1,2}	{}	{"a,b",NULL,"NULL","c\\"d"}	{{1,2},{3,4}}	{t,f}
====

SELECT '5'::int[]
----
ERROR 22P02 8
MESSAGE: malformed array literal: "5"
DETAIL: Array value must start with "{" or dimension information.
====

SELECT '{1,2'::int[]
----
ERROR 22P02 8
MESSAGE: malformed array literal: "{1,2"
DETAIL: Unexpected end of input.
====

SELECT '{{1},{2,3}}'::int[]
----
ERROR 22P02 8
MESSAGE: malformed array literal: "{{1},{2,3}}"
DETAIL: Multidimensional arrays must have sub-arrays with matching dimensions.
====

SELECT array_remove('{1,2,1}'::int[], 1), array_replace('{1,2,1}'::int[], 1, 5), array_dims('{1,2}'::int[]), array_dims('{{1,2,3},{4,5,6}}'::int[]), array_dims('{}'::int[])
----
array_remove:int4[]	array_replace:int4[]	array_dims:text	array_dims:text	array_dims:text
{2}	{5,2,5}	[1:2]	[1:2][1:3]	\N
====

-- intervals
SELECT '1 year 2 mons 3 days 04:05:06.789'::interval, '3 days 04:05:06'::interval, '1-2'::interval, 'P1Y2M3DT4H5M6S'::interval, '1d2h3m4s'::interval, '1 day ago'::interval, '-03:00'::interval, '1 2:03:04'::interval, INTERVAL '04:05.5'
----
interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval
1 year 2 mons 3 days 04:05:06.789	3 days 04:05:06	1 year 2 mons	1 year 2 mons 3 days 04:05:06	1 day 02:03:04	-1 days	-03:00:00	1 day 02:03:04	00:04:05.5
====

SELECT INTERVAL '1-2' YEAR TO MONTH, INTERVAL '3 4' DAY TO HOUR, INTERVAL '1:02' HOUR TO MINUTE, INTERVAL '4:05' MINUTE TO SECOND, INTERVAL '1 day 2 hours' DAY, '1.23456 s'::interval(3)
----
interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval
1 year 2 mons	3 days 04:00:00	01:02:00	00:04:05	1 day	00:00:01.235
====

-- moments
SELECT '9999-12-31 23:59:59'::timestamptz, '9999-12-31 23:59:59'::timestamp, '2300-01-01'::date::timestamp, '2026-01-01 00:00:01.7'::timestamp(0), '2026-01-01 00:00:01.2345'::timestamp(3)
----
timestamptz:timestamptz	timestamp:timestamp	timestamp:timestamp	timestamp:timestamp	timestamp:timestamp
9999-12-31 23:59:59+00	9999-12-31 23:59:59	2300-01-01 00:00:00	2026-01-01 00:00:02	2026-01-01 00:00:01.235
====

SELECT 'today'::date = current_date, 'tomorrow'::date - 'yesterday'::date = 2, 'now'::timestamptz = now(), 'epoch'::timestamp, 'epoch'::timestamptz, TIMESTAMP 'today' = current_date::timestamp
----
?column?:bool	?column?:bool	?column?:bool	timestamp:timestamp	timestamptz:timestamptz	?column?:bool
t	t	t	1970-01-01 00:00:00	1970-01-01 00:00:00+00	t
====

SELECT extract(second FROM TIMESTAMP '2026-01-01 00:00:01.5')::float8, date_part('milliseconds', TIMESTAMP '2026-01-01 00:00:01.123456'), date_part('second', INTERVAL '61.5 seconds'), date_part('second', TIME '00:00:01.25')
----
extract:float8	date_part:float8	date_part:float8	date_part:float8
1.5	1123.456	1.5	1.25
====

SELECT date_trunc('milliseconds', TIMESTAMP '2026-01-01 00:00:01.23456'), date_trunc('hours', TIMESTAMP '2026-01-01 10:20:30')
----
date_trunc:timestamp	date_trunc:timestamp
2026-01-01 00:00:01.234	2026-01-01 10:00:00
====

-- formats of numbers
SELECT to_char(1994, 'RN'), to_char(4, 'FMrn'), to_char(42, 'FM999V99'), to_char(12.4, '99V999')
----
to_char:text	to_char:text	to_char:text	to_char:text
        MCMXCIV	iv	4200	 12400
====

-- UUIDs
SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid, '{a0eebc999c0b4ef8bb6d6bb9bd380a11}'::uuid, UUID 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid
----
uuid:uuid	uuid:uuid	?column?:bool
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11	a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11	t
====

SELECT 'none'::uuid
----
ERROR 22P02 8
MESSAGE: invalid input syntax for type uuid: "none"
====

-- $1 = a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
SELECT $1::uuid
----
uuid:uuid
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
====

-- jsonb
SELECT '{"a": 1}'::jsonb || '{"b": 2}'::jsonb, '[1]'::jsonb || '2', '{"a": 1, "b": 2}'::jsonb - 'a', '[1, 2, 3]'::jsonb - 0, jsonb_strip_nulls('{"a": null, "b": 1}'), array_to_json('{1,2}'::int[])
----
?column?:jsonb	?column?:jsonb	?column?:jsonb	?column?:jsonb	jsonb_strip_nulls:jsonb	array_to_json:json
{"a": 1, "b": 2}	[1, 2]	{"b": 2}	[2, 3]	{"b": 1}	[1,2]
====

-- SIMILAR TO
SELECT v SIMILAR TO p, v NOT SIMILAR TO p FROM (VALUES ('abc', 'a%'), ('xabcx', 'abc'), ('a.c', 'a_c'), ('abc', '(a|b)%')) AS t (v, p)
----
?column?:bool	?column?:bool
t	f
f	t
t	f
t	f
====

SELECT 'abc' SIMILAR TO 'a' || '%', 'a%c' SIMILAR TO 'a#%_' ESCAPE '#'
----
?column?:bool	?column?:bool
t	t
====

-- texts of values
SELECT 'x' || 2::float8, 'x' || TIMESTAMP '2026-01-01 10:00', 'x' || INTERVAL '1 day', 2::float8::varchar || '', (TIMESTAMP '2026-01-01 10:00')::varchar(10) || '', concat(true, '|', 2::float8, '|', INTERVAL '1 day'), format('%s %s', true, TIMESTAMP '2026-01-01 10:00')
----
?column?:text	?column?:text	?column?:text	?column?:text	?column?:text	concat:text	format:text
x2	x2026-01-01 10:00:00	x1 day	2	2026-01-01	t|2|1 day	t 2026-01-01 10:00:00
====

SELECT array_to_string('{t,NULL,f}'::bool[], ',', '?'), array_to_string('{1,NULL,2}'::int[], ','), array_to_string(ARRAY[TIMESTAMP '2026-01-01 10:00'], ',')
----
array_to_string:text	array_to_string:text	array_to_string:text
t,?,f	1,2	2026-01-01 10:00:00
====

-- regular expressions
SELECT E'a\nb' ~ 'a.b', regexp_replace(E'a\nb', '.', 'x', 'g'), 'ab cd' ~ '\mcd\M', regexp_replace('abc', '(b)', '[\1]$1\&'), E'a\nb' SIMILAR TO 'a_b'
----
?column?:bool	regexp_replace:text	?column?:bool	regexp_replace:text	?column?:bool
t	xxx	t	a[b]$1bc	t
====

SELECT x ~ y FROM (VALUES (E'a\nb', 'a.b'), ('ab', '^b')) AS t (x, y)
----
?column?:bool
t
f
====

-- operators
SELECT (-2 ^ 2)::int, ((1, NULL) = (1, 2)) IS NULL, (1, 2) = (1, 2), (1, 2) <> (1, 3)
----
int4:int4	?column?:bool	?column?:bool	?column?:bool
4	t	t	t
====

SELECT -INTERVAL '1 day 2 hours', extract(epoch FROM INTERVAL '1 year')::int, extract(epoch FROM age(TIMESTAMP '2026-01-01', TIMESTAMP '2024-12-01'))::int
----
?column?:interval	extract:int4	extract:int4
-1 days -02:00:00	31557600	34149600
====

SELECT TIMESTAMP '2026-01-01 12:00' AT TIME ZONE '+02', timezone('+02:00', TIMESTAMPTZ '2026-01-01 12:00Z'), to_char(TIMESTAMP '2026-01-01', 'YYYY TZ') || '|', to_char(TIMESTAMPTZ '2026-01-01 00:00Z', 'YYYY TZ')
----
timezone:timestamptz	timezone:timestamp	?column?:text	to_char:text
2026-01-01 14:00:00+00	2026-01-01 10:00:00	2026 |	2026 UTC
====

SELECT to_char(1, '9th'), to_char(12, 'FM99TH'), to_char(5, '')
----
to_char:text	to_char:text	to_char:text
 1st	12TH	""
====
