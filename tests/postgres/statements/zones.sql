--- Time zones, templates, and times as people write them. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- zones
SELECT placed_at AT TIME ZONE 'America/New_York', placed_at AT TIME ZONE 'UTC' FROM gold.orders ORDER BY id LIMIT 1
----
timezone:timestamp	timezone:timestamp
2025-12-31 19:00:10	2026-01-01 00:00:10
====

SELECT (TIMESTAMP '2026-03-29 02:30' AT TIME ZONE 'Europe/Madrid'), (TIMESTAMP '2026-10-25 02:30' AT TIME ZONE 'Europe/Madrid'), (TIMESTAMP '2026-07-01' AT TIME ZONE 'Asia/Kolkata')
----
timezone:timestamptz	timezone:timestamptz	timezone:timestamptz
2026-03-29 01:30:00+00	2026-10-25 01:30:00+00	2026-06-30 18:30:00+00
====

SELECT TIMESTAMPTZ '2026-07-01 12:00+00' AT TIME ZONE z FROM (VALUES ('Europe/Madrid'), ('Asia/Tokyo')) AS t (z)
----
timezone:timestamp
2026-07-01 14:00:00
2026-07-01 21:00:00
====

SELECT now() AT TIME ZONE 'Nowhere/City'
----
ERROR 22023
MESSAGE: time zone "Nowhere/City" not recognized
====

SELECT date_trunc('day', placed_at AT TIME ZONE 'America/New_York') AS day, count(*) FROM gold.orders GROUP BY 1 ORDER BY 1
----
day:timestamp	count:int8
2025-12-31 00:00:00	3
2026-01-02 00:00:00	1
2026-02-28 00:00:00	1
====

SELECT date_trunc('month', TIMESTAMPTZ '2026-03-31 23:30+00', 'Europe/Madrid'), date_trunc('hour', TIMESTAMPTZ '2026-03-31 23:30+00', 'Asia/Kolkata')
----
date_trunc:timestamptz	date_trunc:timestamptz
2026-03-31 22:00:00+00	2026-03-31 23:30:00+00
====

SELECT date_trunc('century', TIMESTAMP '2026-05-04'), date_trunc('millennium', TIMESTAMP '2026-05-04'), date_trunc('decade', TIMESTAMP '2019-05-04 03:00')
----
date_trunc:timestamp	date_trunc:timestamp	date_trunc:timestamp
2001-01-01 00:00:00	2001-01-01 00:00:00	2010-01-01 00:00:00
====

-- in a zone
SET TIME ZONE 'Asia/Tokyo'
----
OK SET
====

SELECT date_trunc('day', placed_at), placed_at::date, to_char(placed_at, 'YYYY-MM-DD HH24:MI') FROM gold.orders WHERE id = 1
----
date_trunc:timestamptz	placed_at:date	to_char:text
2026-01-01 00:00:00+09	2026-01-01	2026-01-01 09:00
====

SELECT '2026-01-02 03:04'::timestamptz, to_timestamp('2026-01-02 03:04', 'YYYY-MM-DD HH24:MI'), make_timestamptz(2026, 1, 2, 3, 4, 5), TIMESTAMPTZ '2026-01-02 03:04:05'
----
timestamptz:timestamptz	to_timestamp:timestamptz	make_timestamptz:timestamptz	timestamptz:timestamptz
2026-01-02 03:04:00+09	2026-01-02 03:04:00+09	2026-01-02 03:04:05+09	2026-01-02 03:04:05+09
====

SET TIME ZONE 'UTC'
----
OK SET
====

-- as people write them
SELECT 'January 8, 1999'::date, '8 Jan 1999'::date, '1/8/1999'::date, '1999-Jan-08'::date, 'Jan-08-1999'::date, '19990108'::date
----
date:date	date:date	date:date	date:date	date:date	date:date
1999-01-08	1999-01-08	1999-01-08	1999-01-08	1999-01-08	1999-01-08
====

SELECT 'Jan 2, 2026 3:04 pm'::timestamp, '2026-01-02 12:30 AM'::timestamp, '2026-01-02T03:04'::timestamp, 'Fri Jan 2 2026 03:04:05.5'::timestamp
----
timestamp:timestamp	timestamp:timestamp	timestamp:timestamp	timestamp:timestamp
2026-01-02 15:04:00	2026-01-02 00:30:00	2026-01-02 03:04:00	2026-01-02 03:04:05.5
====

SELECT count(*) FROM gold.orders WHERE placed_at >= 'Jan 1, 2026' AND placed_at < '2026-01-02 00:00'
----
count:int8
3
====

SELECT '2026-02-30'::date
----
ERROR 22008 8
MESSAGE: date/time field value out of range: "2026-02-30"
====

SELECT '2026-01-02 25:00'::timestamp
----
ERROR 22008 8
MESSAGE: date/time field value out of range: "2026-01-02 25:00"
====

SELECT 'Foo 2, 2026'::date
----
ERROR 22007 8
MESSAGE: invalid input syntax for type date: "Foo 2, 2026"
====

-- templates
SELECT to_char(placed_at, 'Dy DD Mon YYYY HH12:MI:SS pm') FROM gold.orders ORDER BY id LIMIT 2
----
to_char:text
Thu 01 Jan 2026 12:00:10 am
Thu 01 Jan 2026 12:07:00 am
====

SELECT to_date('05 Dec 2000', 'DD Mon YYYY'), to_date('20000131', 'YYYYMMDD'), to_date('2000/1/5', 'YYYY/MM/DD'), to_timestamp('05 Dec 2000 11:30 PM', 'DD Mon YYYY HH12:MI AM')
----
to_date:date	to_date:date	to_date:date	to_timestamp:timestamptz
2000-12-05	2000-01-31	2000-01-05	2000-12-05 23:30:00+00
====

SELECT to_date('2000-13-01', 'YYYY-MM-DD')
----
ERROR 22008
MESSAGE: date/time field value out of range: "2000-13-01"
====

SELECT to_char(148.5, '999.999'), to_char(-1485, '9,999'), to_char(0.1, '0.9'), to_char(12, 'FM99.00'), to_char(1234.567, 'FM9,999.99'), to_char(485, '999MI'), to_char(-485, '999PR'), to_char(12, 'S99')
----
to_char:text	to_char:text	to_char:text	to_char:text	to_char:text	to_char:text	to_char:text	to_char:text
 148.500	-1,485	 0.1	12.00	1,234.57	485 	<485>	+12
====

SELECT to_char(INTERVAL '26 hours 3 minutes', 'HH24:MI:SS'), to_char(TIMESTAMP '2026-01-02', 'DDth "of" FMMonth'), to_char(TIMESTAMP '2026-12-31 23:59:59.987654', 'US MS SSSS')
----
to_char:text	to_char:text	to_char:text
26:03:00	02nd of January	987654 987 86399
====

-- intervals
SELECT INTERVAL '1 day' * 1.5, INTERVAL '1 month' / 2, 3 * INTERVAL '90 minutes', now() - 2 * INTERVAL '1 hour' < now()
----
?column?:interval	?column?:interval	?column?:interval	?column?:bool
1 day 12:00:00	15 days	04:30:00	t
====

SELECT DATE '2026-01-31' + INTERVAL '1 month', DATE '2026-01-01' - INTERVAL '1 hour', day + INTERVAL '1 day' FROM gold.orders WHERE id = 1
----
?column?:timestamp	?column?:timestamp	?column?:timestamp
2026-02-28 00:00:00	2025-12-31 23:00:00	2026-01-02 00:00:00
====

SELECT make_timestamp(2026, 2, 30, 0, 0, 0)
----
ERROR 22008
MESSAGE: date field value out of range: 2026-02-30
====

SELECT extract(epoch FROM TIMESTAMPTZ '2026-01-01 00:00:00.5+00')::float8, extract(isodow FROM DATE '2026-01-04')::int, extract(dow FROM DATE '2026-01-04')::int, extract(epoch FROM INTERVAL '1 day 1 hour')::bigint, date_part('isoyear', DATE '2027-01-01')
----
extract:float8	extract:int4	extract:int4	extract:int8	date_part:float8
1767225600.5	7	0	90000	2026
====
