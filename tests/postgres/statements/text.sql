--- Patterns and functions of text. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- patterns
SELECT 'Ada' ILIKE 'a%', 'Ada' LIKE 'a%', 'Ada' NOT ILIKE 'b%', 'a_b' LIKE 'a\_b', 'axb' LIKE 'a\_b', 'a%b' LIKE 'a#%b' ESCAPE '#'
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	f	t	t	f	t
====

SELECT 'abc' SIMILAR TO 'a(b|x)c', 'abc' SIMILAR TO 'b', 'abc' NOT SIMILAR TO '%c', 'a+' SIMILAR TO 'a\+'
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	f	f	t
====

SELECT 'abc' ~ 'b', 'abc' ~ '^b', 'ABC' ~* 'b', 'abc' !~ 'x', 'abc' !~* 'B', 'abc' ~~ 'a%', 'abc' ~~* 'A%', 'abc' !~~ 'b%'
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool	?column?:bool
t	f	t	t	f	t	t	t
====

SELECT id FROM gold.orders WHERE customer ILIKE 'c%' ORDER BY id
----
id:int8
4
====

SELECT id FROM gold.orders WHERE customer SIMILAR TO '(ada|bob)' ORDER BY id
----
id:int8
1
2
3
====

SELECT id FROM gold.orders WHERE customer ~ '^[ab]' ORDER BY id
----
id:int8
1
2
3
====

SELECT 'abc' LIKE ANY (ARRAY['x%', 'a%'])
----
?column?:bool
t
====

-- functions of text
SELECT 'a' || 'b', 'a' || 1, 1 || 'a', 'a' || NULL, concat('a', NULL, 1), concat_ws(',', 'a', NULL, 'b'), 'a' || true
----
?column?:text	?column?:text	?column?:text	?column?:text	concat:text	concat_ws:text	?column?:text
ab	a1	1a	\N	a1	a,b	atrue
====

SELECT upper('äb'), lower('ÄB'), initcap('hello wORLD'), length('äb'), char_length('äb'), octet_length('äb'), bit_length('a'), reverse('abc')
----
upper:text	lower:text	initcap:text	length:int4	char_length:int4	octet_length:int4	bit_length:int4	reverse:text
ÄB	äb	Hello World	2	2	3	8	cba
====

SELECT substring('abcdef' from 2 for 3), substring('abcdef', 2), substr('abcdef', 3, 2), substring('foobar' from 'o.b'), left('abc', 2), right('abc', 2), left('abc', -1)
----
substring:text	substring:text	substr:text	substring:text	left:text	right:text	left:text
bcd	bcdef	cd	oob	ab	bc	ab
====

SELECT trim('  a '), trim(both 'x' from 'xxaxx'), ltrim('xxa', 'x'), rtrim('axx', 'x'), btrim('xax', 'x'), trim(leading '0' from '007')
----
btrim:text	btrim:text	ltrim:text	rtrim:text	btrim:text	ltrim:text
a	a	a	a	a	7
====

SELECT position('b' in 'abc'), strpos('abc', 'c'), replace('aXb', 'X', '-'), translate('12345', '143', 'ax'), split_part('a,b,c', ',', 2), split_part('a,b,c', ',', -1)
----
position:int4	strpos:int4	replace:text	translate:text	split_part:text	split_part:text
2	3	a-b	a2x5	b	c
====

SELECT lpad('5', 3, '0'), rpad('a', 3), repeat('ab', 2), chr(65), ascii('A'), md5('a'), to_hex(255), overlay('abcdef' placing 'XX' from 2 for 3)
----
lpad:text	rpad:text	repeat:text	chr:text	ascii:int4	md5:text	to_hex:text	overlay:text
005	a  	abab	A	65	0cc175b9c0f1b6a831c399e269772661	ff	aXXef
====

SELECT regexp_replace('abcabc', 'b', 'X'), regexp_replace('abcabc', 'b', 'X', 'g'), regexp_matches('abc', '(b)(c)'), regexp_split_to_array('a1b2c', '\d'), regexp_count('aba', 'a'), regexp_substr('abc', 'b.'), regexp_like('abc', 'B', 'i')
----
regexp_replace:text	regexp_replace:text	regexp_matches:text[]	regexp_split_to_array:text[]	regexp_count:int4	regexp_substr:text	regexp_like:bool
aXcabc	aXcaXc	{b,c}	{a,b,c}	2	bc	t
====

SELECT regexp_replace('John Smith', '(\w+) (\w+)', '\2 \1'), regexp_match('abc', 'b'), starts_with('abc', 'ab'), quote_ident('A b'), quote_literal('it''s'), quote_nullable(NULL), format('%s-%I-%L', 'a', 'B c', 'd')
----
regexp_replace:text	regexp_match:text[]	starts_with:bool	quote_ident:text	quote_literal:text	quote_nullable:text	format:text
Smith John	{b}	t	"A b"	'it''s'	NULL	a-"B c"-'d'
====

SELECT regexp_split_to_table('a,b', ',')
----
regexp_split_to_table:text
a
b
====

SELECT string_to_table('a,b', ',')
----
string_to_table:text
a
b
====

SELECT encode('abc'::bytea, 'hex'), encode('abc'::bytea, 'base64'), decode('616263', 'hex'), 'abc'::bytea, '\x6162'::bytea, length('abc'::bytea), sha256('a'::bytea)
----
encode:text	encode:text	decode:bytea	bytea:bytea	bytea:bytea	length:int4	sha256:bytea
616263	YWJj	\\x616263	\\x616263	\\x6162	3	\\xca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
====

SELECT to_number('1,234.5', '9,999.9'), to_char(1234.5, '9,999.99'), to_char(12, '000'), to_char(-5, '999'), to_char(0.5, 'FM0.00'), to_char(1234567, '9G999G999')
----
to_number:numeric	to_char:text	to_char:text	to_char:text	to_char:text	to_char:text
1234.5	 1,234.50	 012	  -5	0.50	 1,234,567
====

SELECT to_char(TIMESTAMP '2026-01-02 03:04:05.678', 'YYYY-MM-DD HH24:MI:SS.MS'), to_char(DATE '2026-01-02', 'Mon DD, YYYY'), to_char(TIMESTAMP '2026-01-02 15:04:05', 'HH12:MI AM'), to_char(TIMESTAMP '2026-01-02', 'Day, FMMonth FMDD'), to_char(TIMESTAMP '2026-01-02', 'IYYY-IW'), to_char(TIMESTAMP '2026-01-02', 'Q J D'), to_char(INTERVAL '1 day 2 hours', 'HH24:MI')
----
to_char:text	to_char:text	to_char:text	to_char:text	to_char:text	to_char:text	to_char:text
2026-01-02 03:04:05.678	Jan 02, 2026	03:04 PM	Friday   , January 2	2026-01	1 2461043 6	02:00
====

SELECT to_date('2026-01-02', 'YYYY-MM-DD'), to_timestamp('2026-01-02 03:04', 'YYYY-MM-DD HH24:MI'), to_timestamp(1767225600), to_timestamp(1767225600.5)
----
to_date:date	to_timestamp:timestamptz	to_timestamp:timestamptz	to_timestamp:timestamptz
2026-01-02	2026-01-02 03:04:00+00	2026-01-01 00:00:00+00	2026-01-01 00:00:00.5+00
====

SELECT greatest(1, 3, 2), least(1, NULL, 2), coalesce(NULL, 1, 2), nullif(1, 1), nullif(1, 2), greatest('a', 'b')
----
greatest:int4	least:int4	coalesce:int4	nullif:int4	nullif:int4	greatest:text
3	1	1	\N	1	b
====
