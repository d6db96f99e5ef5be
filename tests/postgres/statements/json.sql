--- JSON: casts, operators, functions and aggregates. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- operators
SELECT '{"a": {"b": [1, 2]}}'::json -> 'a' -> 'b' -> 0, '{"a": {"b": [1, 2]}}'::json #> '{a,b}', '{"a": {"b": [1, 2]}}'::jsonb #>> '{a,b,1}', '[1,2,3]'::jsonb -> -1, '{"a": null}'::json ->> 'a', '{"a": 1}'::json -> 'b'
----
?column?:json	?column?:json	?column?:text	?column?:jsonb	?column?:text	?column?:json
1	[1, 2]	2	3	\N	\N
====

SELECT '{"a": 1, "b": 2}'::jsonb @> '{"b": 2}', '{"b": 2}'::jsonb <@ '{"a": 1, "b": 2}'::jsonb, '[1,2,3]'::jsonb @> '[3,1]', '[1,2,3]'::jsonb @> '1', '{"a": [1, 2]}'::jsonb @> '{"a": [2]}', '{"a": 1}'::jsonb @> '{"a": 2}'
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	t	t	t	t	f
====

SELECT '{"a": 1}'::jsonb ? 'a', '{"a": 1}'::jsonb ? 'b', '["a", "b"]'::jsonb ? 'b', '{"a": 1}'::jsonb ?| ARRAY['b', 'a'], '{"a": 1}'::jsonb ?& ARRAY['b', 'a']
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	f	t	t	f
====

SELECT id, ('{"id": ' || id || ', "who": "' || customer || '"}')::jsonb ->> 'who' AS who FROM gold.orders WHERE id < 3 ORDER BY id
----
id:int8	who:text
1	ada
2	bob
====

-- casts
SELECT '{"b":1,  "aa":2, "a":{"y":1,"x":[]}}'::jsonb, '{"b":1,  "aa":2}'::json, '[1, "a", null, true, 1.50]'::jsonb, '"a\u00e4"'::jsonb, '{"a":1,"a":2}'::jsonb
----
jsonb:jsonb	json:json	jsonb:jsonb	jsonb:jsonb	jsonb:jsonb
{"a": {"x": [], "y": 1}, "b": 1, "aa": 2}	{"b":1,  "aa":2}	[1, "a", null, true, 1.50]	"aä"	{"a": 2}
====

SELECT '{"a": 1'::json
----
ERROR 22P02 8
MESSAGE: invalid input syntax for type json
DETAIL: The input string ended unexpectedly.
====

SELECT 'x'::jsonb
----
ERROR 22P02 8
MESSAGE: invalid input syntax for type json
DETAIL: Token "x" is invalid.
====

SELECT ('{"n": 7}'::json ->> 'n')::int + 1, ('{"t": "2026-01-02"}'::jsonb ->> 't')::date, NULL::json, NULL::jsonb IS NULL
----
?column?:int4	date:date	json:json	?column?:bool
8	2026-01-02	\N	t
====

-- functions
SELECT json_array_length('[1, 2, 3]'), jsonb_array_length('[]'), json_typeof('{}'), jsonb_typeof('"a"'), jsonb_typeof('1.5'), jsonb_typeof('null'), json_typeof('true')
----
json_array_length:int4	jsonb_array_length:int4	json_typeof:text	jsonb_typeof:text	jsonb_typeof:text	jsonb_typeof:text	json_typeof:text
3	0	object	string	number	null	boolean
====

SELECT json_extract_path('{"a": {"b": 1}}', 'a', 'b'), jsonb_extract_path_text('{"a": {"b": "x"}}', 'a', 'b'), json_extract_path_text('{"a": [1, 2]}', 'a', '1')
----
json_extract_path:json	jsonb_extract_path_text:text	json_extract_path_text:text
1	x	2
====

SELECT json_build_object('a', json_build_array(1, 'x'), 'b', NULL, 'c', 1.5::float8), jsonb_build_object('b', 1, 'a', true), jsonb_build_array('a', NULL, '{"x": 1}'::jsonb)
----
json_build_object:json	jsonb_build_object:jsonb	jsonb_build_array:jsonb
{"a" : [1, "x"], "b" : null, "c" : 1.5}	{"a": true, "b": 1}	["a", null, {"x": 1}]
====

SELECT to_json('it"s'::text), to_jsonb(true), to_json(ARRAY[1, 2]), to_jsonb('a'::text), to_json(TIMESTAMP '2026-01-02 03:04:05'), to_json(DATE '2026-01-02')
----
to_json:json	to_jsonb:jsonb	to_json:json	to_jsonb:jsonb	to_json:json	to_json:json
"it\\"s"	true	[1,2]	"a"	"2026-01-02T03:04:05"	"2026-01-02"
====

SELECT jsonb_array_elements('[1, "a", {"b": 2}]')
----
jsonb_array_elements:jsonb
1
"a"
{"b": 2}
====

SELECT * FROM jsonb_array_elements_text('["a", "b"]') AS t (v)
----
v:text
a
b
====

SELECT value FROM json_array_elements_text('["a", null]')
----
value:text
a
\N
====

SELECT json_object_keys('{"b": 1, "a": 2}')
----
json_object_keys:text
b
a
====

SELECT o.id, e.v FROM (VALUES (1, '["x", "y"]'), (2, '[]')) AS o (id, tags), LATERAL jsonb_array_elements_text(o.tags::jsonb) AS e (v) ORDER BY 1, 2
----
id:int4	v:text
1	x
1	y
====

SELECT jsonb_pretty('{"a": [1]}')
----
jsonb_pretty:text
{\n    "a": [\n        1\n    ]\n}
====

-- aggregates
SELECT json_agg(customer ORDER BY id), jsonb_agg(pieces ORDER BY id DESC), json_agg(paid ORDER BY id) FILTER (WHERE id < 3) FROM gold.orders
----
json_agg:json	jsonb_agg:jsonb	json_agg:json
["ada", "bob", "ada", "Cid", null]	[null, 0, 9, 1, 3]	[true, false]
====

SELECT status, json_object_agg(id, pieces ORDER BY id), jsonb_object_agg(id, customer ORDER BY id) FROM gold.orders GROUP BY status ORDER BY status
----
status:text	json_object_agg:json	jsonb_object_agg:jsonb
it's	{ "4" : 0 }	{"4": "Cid"}
new	{ "1" : 3, "2" : 1 }	{"1": "ada", "2": "bob"}
sent	{ "3" : 9, "5" : null }	{"3": "ada", "5": null}
====

SELECT json_agg(id) FROM gold.orders WHERE id > 100
----
json_agg:json
\N
====

SELECT json_agg(json_build_object('id', id, 'paid', paid) ORDER BY id) FROM gold.orders WHERE id < 3
----
json_agg:json
[{"id" : 1, "paid" : true}, {"id" : 2, "paid" : false}]
====
