--- Grafana's PostgreSQL data source: its query builder, its settings page, its macros expanded. Restated from its public source, not captured.

-- settings page: version (server_version_num / 100, e.g. 1500), then TimescaleDB if >= 906
SELECT current_setting('server_version_num')::int / 100 AS version
----
version:int4
1500
====

-- settings page: version (server_version_num / 100, e.g. 1500), then TimescaleDB if >= 906
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'
----
extversion:text
====

-- databases (newer plugin only)
SELECT datname FROM pg_database WHERE datistemplate = false ORDER BY datname
----
datname:name
postgres
sluice
====

-- schemas
SELECT schema_name AS "name" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_internal', 'timescaledb_information')
ORDER BY schema_name
----
name:name
bronze
gold
public
silver
====

-- tables of one schema: both sides through quote_ident
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
WHERE quote_ident(table_schema) = quote_ident('public') ORDER BY 1
----
table:text
kinds
order_totals
====

-- search_path is taken apart with string_to_array, generate_series over array_lower..array_upper, subscripts, and "$user" -> user.
SELECT CASE WHEN quote_ident(table_schema) IN (
         SELECT CASE WHEN trim(p[i]) = '"$user"' THEN user ELSE trim(p[i]) END
         FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                              array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
              string_to_array(current_setting('search_path'), ',') p)
       THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_internal')
ORDER BY CASE WHEN quote_ident(table_schema) IN (
         SELECT CASE WHEN trim(p[i]) = '"$user"' THEN user ELSE trim(p[i]) END
         FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                              array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
              string_to_array(current_setting('search_path'), ',') p) THEN 0 ELSE 1 END, 1
----
table:text
kinds
order_totals
gold.daily
gold.orders
====

-- columns of a table (bare, or schema.table through parse_ident)
SELECT quote_ident(column_name) AS "column", data_type AS "type"
FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('kinds'), 1) = 2
      THEN quote_ident(table_schema) = (parse_ident('kinds'))[1] AND quote_ident(table_name) = (parse_ident('kinds'))[2]
      ELSE quote_ident(table_name) = 'kinds' AND quote_ident(table_schema) IN (
         SELECT CASE WHEN trim(p[i]) = '"$user"' THEN user ELSE trim(p[i]) END
         FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                              array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
              string_to_array(current_setting('search_path'), ',') p) END
----
column:text	type:varchar
status	text
rank	integer
====

-- the same with schema.table
SELECT quote_ident(column_name) AS "column", data_type AS "type"
FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('gold.orders'), 1) = 2
      THEN quote_ident(table_schema) = (parse_ident('gold.orders'))[1] AND quote_ident(table_name) = (parse_ident('gold.orders'))[2]
      ELSE quote_ident(table_name) = 'gold.orders' END
----
column:text	type:varchar
id	bigint
customer	text
amount	numeric
weight	double precision
pieces	integer
paid	boolean
placed_at	timestamp with time zone
day	date
status	text
====

-- $__timeFilter(placed_at)
SELECT count(*) FROM gold.orders WHERE placed_at BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T06:00:00.123Z'
----
count:int8
3
====

-- $__timeFrom(), $__timeTo()
SELECT count(*) FROM gold.orders WHERE placed_at >= '2026-01-01T00:00:00Z' AND placed_at < '2026-01-01T06:00:00Z'
----
count:int8
3
====

-- $__time(placed_at)
SELECT placed_at AS "time", amount FROM gold.orders WHERE placed_at BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T06:00:00Z' ORDER BY 1
----
time:timestamptz	amount:numeric
2026-01-01 00:00:10+00	12.50
2026-01-01 00:07:00+00	7.25
2026-01-01 01:30:00.123456+00	100.00
====

-- $__timeEpoch(placed_at)
SELECT extract(epoch from placed_at) as "time", amount FROM gold.orders ORDER BY 1 LIMIT 10
----
time:numeric	amount:numeric
1767225610.000000	12.50
1767226020.000000	7.25
1767231000.123456	100.00
1767398399.000000	0.99
1772280000.000000	\N
====

-- $__timeGroup(placed_at,'5m') and $__timeGroupAlias(placed_at,'5m') (also $__timeGroup followed directly by a comma)
SELECT floor(extract(epoch from placed_at)/300)*300 AS "time", status AS metric, sum(amount) AS amount
FROM gold.orders WHERE placed_at BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T06:00:00Z' GROUP BY 1, 2 ORDER BY 1
----
time:numeric	metric:text	amount:numeric
1767225600	new	12.50
1767225900	new	7.25
1767231000	sent	100.00
====

-- the same spelt out in GROUP BY, as the builder writes it
SELECT floor(extract(epoch from placed_at)/60)*60 AS "time", avg(amount) AS "amount" FROM gold.orders
WHERE placed_at BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T06:00:00Z'
GROUP BY floor(extract(epoch from placed_at)/60)*60 ORDER BY floor(extract(epoch from placed_at)/60)*60 LIMIT 50
----
time:numeric	amount:numeric
1767225600	12.5000000000000000
1767226020	7.2500000000000000
1767231000	100.0000000000000000
====

-- an interval below a second: '500ms' becomes 0.5
SELECT floor(extract(epoch from placed_at)/0.5)*0.5 AS "time", count(*) FROM gold.orders GROUP BY 1 ORDER BY 1 LIMIT 5
----
time:numeric	count:int8
1767225610.0	1
1767226020.0	1
1767231000.0	1
1767398399.0	1
1772280000.0	1
====

-- $__unixEpochFilter(t), $__unixEpochFrom(), $__unixEpochTo(), $__unixEpochGroup(t,'1m'), $__unixEpochNanoFilter(t)
SELECT floor((extract(epoch from placed_at))/60)*60 AS "time", count(*) FROM gold.orders
WHERE extract(epoch from placed_at) >= 1767225600 AND extract(epoch from placed_at) <= 1767247200 GROUP BY 1 ORDER BY 1 LIMIT 5
----
time:numeric	count:int8
1767225600	1
1767226020	1
1767231000	1
====

-- $__unixEpochFilter(t), $__unixEpochFrom(), $__unixEpochTo(), $__unixEpochGroup(t,'1m'), $__unixEpochNanoFilter(t)
SELECT id FROM gold.orders WHERE id >= 1767225600000000000 AND id <= 1767247200000000000
----
id:int8
====

-- template variables: one string keeps the user's quotes; several become 'a','b'
SELECT DISTINCT status FROM gold.orders WHERE status IN ('new','it''s')
----
status:text
it's
new
====

-- several statements in one panel
SELECT 1 AS a; SELECT 2 AS a
----
a:int4
1
a:int4
2
====

-- a trailing SQLCommenter tag
SELECT count(*) AS n FROM gold.orders /*dashboard='d1',panel='2'*/
----
n:int8
5
====
