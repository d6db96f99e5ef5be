--- Dates, times, intervals and series. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- parts of a time
SELECT extract(year from TIMESTAMP '2026-01-02 03:04:05.678'), extract(epoch from TIMESTAMPTZ '2026-01-01 00:00:00+00'), extract(dow from DATE '2026-01-04'), extract(isodow from DATE '2026-01-04'), extract(doy from DATE '2026-02-01'), extract(week from DATE '2026-01-04'), extract(quarter from DATE '2026-05-01'), extract(second from TIMESTAMP '2026-01-02 03:04:05.678'), extract(hour from TIME '10:11:12')
----
extract:numeric	extract:numeric	extract:numeric	extract:numeric	extract:numeric	extract:numeric	extract:numeric	extract:numeric	extract:numeric
2026	1767225600.000000	0	7	32	1	2	5.678000	10
====

SELECT date_part('year', TIMESTAMP '2026-01-02'), date_part('epoch', INTERVAL '1 hour'), date_part('milliseconds', TIMESTAMP '2026-01-02 03:04:05.678'), extract(day from INTERVAL '3 days 2 hours'), extract(epoch from INTERVAL '1 day')
----
date_part:float8	date_part:float8	date_part:float8	extract:numeric	extract:numeric
2026	3600	5678	3	86400.000000
====

SELECT date_trunc('hour', TIMESTAMP '2026-01-02 03:04:05'), date_trunc('day', TIMESTAMPTZ '2026-01-02 03:04:05+00'), date_trunc('month', DATE '2026-01-02'), date_trunc('week', TIMESTAMP '2026-01-04'), date_trunc('quarter', TIMESTAMP '2026-05-04'), date_trunc('year', TIMESTAMP '2026-05-04'), date_trunc('decade', TIMESTAMP '2026-05-04')
----
date_trunc:timestamp	date_trunc:timestamptz	date_trunc:timestamptz	date_trunc:timestamp	date_trunc:timestamp	date_trunc:timestamp	date_trunc:timestamp
2026-01-02 03:00:00	2026-01-02 00:00:00+00	2026-01-01 00:00:00+00	2025-12-29 00:00:00	2026-04-01 00:00:00	2026-01-01 00:00:00	2020-01-01 00:00:00
====

SELECT date_trunc('day', TIMESTAMPTZ '2026-01-02 03:04:05+00', 'Asia/Tokyo')
----
date_trunc:timestamptz
2026-01-01 15:00:00+00
====

SELECT date_bin('15 minutes', TIMESTAMP '2026-01-02 03:17:05', TIMESTAMP '2026-01-01'), date_bin('5 minutes', TIMESTAMPTZ '2026-01-02 03:17:05+00', TIMESTAMPTZ '2026-01-01 00:02:30+00'), date_bin(INTERVAL '1 hour', TIMESTAMP '2025-12-31 23:59', TIMESTAMP '2026-01-01')
----
date_bin:timestamp	date_bin:timestamptz	date_bin:timestamp
2026-01-02 03:15:00	2026-01-02 03:12:30+00	2025-12-31 23:00:00
====

SELECT age(TIMESTAMP '2026-03-15', TIMESTAMP '2025-01-31'), age(TIMESTAMP '2026-01-01 10:00', TIMESTAMP '2026-01-01 08:30'), age(DATE '2026-03-01', DATE '2026-02-28')
----
age:interval	age:interval	age:interval
1 year 1 mon 15 days	01:30:00	1 day
====

SELECT TIMESTAMP '2026-01-02 00:00' AT TIME ZONE 'America/New_York', TIMESTAMPTZ '2026-01-02 00:00+00' AT TIME ZONE 'America/New_York', timezone('UTC', TIMESTAMPTZ '2026-01-02 00:00+00')
----
timezone:timestamptz	timezone:timestamp	timezone:timestamp
2026-01-02 05:00:00+00	2026-01-01 19:00:00	2026-01-02 00:00:00
====

SELECT make_date(2026, 1, 2), make_timestamp(2026, 1, 2, 3, 4, 5.5), make_interval(days => 1), make_interval(hours => 2, mins => 3), make_time(1, 2, 3)
----
make_date:date	make_timestamp:timestamp	make_interval:interval	make_interval:interval	make_time:time
2026-01-02	2026-01-02 03:04:05.5	1 day	02:03:00	01:02:03
====

SELECT isfinite(DATE '2026-01-01'), 'infinity'::timestamp > now()::timestamp, DATE '2026-01-31' + 1, DATE '2026-02-01' - DATE '2026-01-01', DATE '2026-01-01' - 1
----
isfinite:bool	?column?:bool	?column?:date	?column?:int4	?column?:date
t	t	2026-02-01	31	2025-12-31
====

-- intervals
SELECT INTERVAL '1 day', INTERVAL '1' DAY, INTERVAL '1 day 2 hours 3 minutes', INTERVAL '1-2', INTERVAL '1 2:03:04', '90 minutes'::interval, INTERVAL '1 month -1 day', INTERVAL 'P1DT2H', INTERVAL '1.5 hours', INTERVAL '2 weeks', INTERVAL '1:30'
----
interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval	interval:interval
1 day	1 day	1 day 02:03:00	1 year 2 mons	1 day 02:03:04	01:30:00	1 mon -1 days	1 day 02:00:00	01:30:00	14 days	01:30:00
====

SELECT TIMESTAMP '2026-01-31' + INTERVAL '1 month', TIMESTAMP '2026-01-02 03:04' - INTERVAL '1 day 1 hour', DATE '2026-01-01' + INTERVAL '1 day', TIMESTAMP '2026-01-02' - TIMESTAMP '2026-01-01', TIMESTAMPTZ '2026-01-02 00:00+00' - INTERVAL '30 seconds'
----
?column?:timestamp	?column?:timestamp	?column?:timestamp	?column?:interval	?column?:timestamptz
2026-02-28 00:00:00	2026-01-01 02:04:00	2026-01-02 00:00:00	1 day	2026-01-01 23:59:30+00
====

SELECT INTERVAL '1 hour' * 2, INTERVAL '3 hours' / 2, 2 * INTERVAL '1 day', -INTERVAL '1 day', INTERVAL '1 day' + INTERVAL '2 hours', INTERVAL '1 day' > INTERVAL '23 hours', INTERVAL '24 hours' = INTERVAL '1 day'
----
?column?:interval	?column?:interval	?column?:interval	?column?:interval	?column?:interval	?column?:bool	?column?:bool
02:00:00	01:30:00	2 days	-1 days	1 day 02:00:00	t	t
====

SELECT justify_hours(INTERVAL '27 hours'), justify_days(INTERVAL '35 days'), justify_interval(INTERVAL '1 mon -1 hour')
----
justify_hours:interval	justify_days:interval	justify_interval:interval
1 day 03:00:00	1 mon 5 days	29 days 23:00:00
====

SELECT TIME '10:00' + INTERVAL '90 minutes', DATE '2026-01-01' + TIME '10:00', TIME '10:00' - TIME '08:30'
----
?column?:time	?column?:timestamp	?column?:interval
11:30:00	2026-01-01 10:00:00	01:30:00
====

-- series
SELECT * FROM generate_series(1, 3)
----
generate_series:int4
1
2
3
====

SELECT * FROM generate_series(10, 1, -4) AS g
----
g:int4
10
6
2
====

SELECT g, g * 2 AS twice FROM generate_series(1, 3) AS g
----
g:int4	twice:int4
1	2
2	4
3	6
====

SELECT g.n FROM generate_series(1, 3) AS g(n) WHERE g.n > 1
----
n:int4
2
3
====

SELECT * FROM generate_series(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01 02:00', INTERVAL '1 hour') AS t
----
t:timestamp
2026-01-01 00:00:00
2026-01-01 01:00:00
2026-01-01 02:00:00
====

SELECT t FROM generate_series(TIMESTAMPTZ '2026-01-01 00:00+00', TIMESTAMPTZ '2026-01-02 00:00+00', '12 hours') AS t
----
t:timestamptz
2026-01-01 00:00:00+00
2026-01-01 12:00:00+00
2026-01-02 00:00:00+00
====

SELECT d::date FROM generate_series(DATE '2026-01-01', DATE '2026-01-03', INTERVAL '1 day') AS d
----
d:date
2026-01-01
2026-01-02
2026-01-03
====

SELECT generate_series(1, 3)
----
generate_series:int4
1
2
3
====

SELECT generate_series(1, 2) AS a, 'x' AS b
----
a:int4	b:text
1	x
2	x
====

SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS t(v, n)
----
v:int4	n:int8
1	1
2	2
3	3
====

-- now
SELECT now() = current_timestamp, current_date = now()::date, now() - now() = INTERVAL '0', clock_timestamp() >= now(), pg_typeof(now()), pg_typeof(current_date), pg_typeof(localtimestamp), pg_typeof(1), pg_typeof('a'::text), pg_typeof(1.5)
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	pg_typeof:regtype	pg_typeof:regtype	pg_typeof:regtype	pg_typeof:regtype	pg_typeof:regtype	pg_typeof:regtype
t	t	t	t	timestamp with time zone	date	timestamp without time zone	integer	text	numeric
====

SET TIME ZONE 'Europe/Madrid'
----
OK SET
====

SELECT TIMESTAMPTZ '2026-07-01 00:00:00+00', '2026-07-01 00:00'::timestamptz, date_trunc('day', TIMESTAMPTZ '2026-07-01 00:00:00+00'), extract(hour from TIMESTAMPTZ '2026-07-01 00:00:00+00'), TIMESTAMPTZ '2026-07-01 00:00:00+00'::date
----
timestamptz:timestamptz	timestamptz:timestamptz	date_trunc:timestamptz	extract:numeric	date:date
2026-07-01 02:00:00+02	2026-07-01 00:00:00+02	2026-07-01 00:00:00+02	2	2026-07-01
====

RESET TIME ZONE
----
OK RESET
====
