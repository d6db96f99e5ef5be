--- What is refused, with its SQLSTATE and position. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- syntax
SELEC 1
----
ERROR 42601 1
====

SELECT 1 FROM
----
ERROR 42601 14
====

SELECT * FRM gold.orders
----
ERROR 42601 10
====

SELECT (1
----
ERROR 42601 10
====

SELECT 'abc
----
ERROR 42601 8
====

SELECT 1 +
----
ERROR 42601 11
====

SELECT a b c FROM gold.orders
----
ERROR 42601 12
====

SELECT 1,, 2
----
ERROR 42601 10
====

SELECT FROM WHERE
----
ERROR 42601 13
====

CREATE
----
ERROR 42601 7
====

SELECT 1; SELEC 2
----
ERROR 42601 11
====

-- names
SELECT * FROM nowhere
----
ERROR 42P01 15
====

SELECT * FROM gold.nowhere
----
ERROR 42P01 15
====

SELECT * FROM nosuch.orders
----
ERROR 42P01 15
====

SELECT nothing FROM gold.orders
----
ERROR 42703 8
====

SELECT o.nothing FROM gold.orders o
----
ERROR 42703 8
====

SELECT x.id FROM gold.orders o
----
ERROR 42P01 8
====

SELECT id FROM gold.orders a, gold.orders b
----
ERROR 42702 8
====

SELECT no_such_function(1)
----
ERROR 42883 8
====

SELECT upper(1, 2, 3)
----
ERROR 42883 8
====

SELECT gold.orders.nothing FROM gold.orders
----
ERROR 42703 8
====

SELECT 1::notype
----
ERROR 42704 11
====

SELECT * FROM otherdb.gold.orders
----
ERROR 0A000 15
====

-- groups
SELECT customer, count(*) FROM gold.orders
----
ERROR 42803 8
====

SELECT id FROM gold.orders GROUP BY customer
----
ERROR 42803 8
====

SELECT count(*) FROM gold.orders WHERE count(*) > 1
----
ERROR 42803 40
====

SELECT sum(count(*)) FROM gold.orders
----
ERROR 42803 12
====

SELECT id FROM gold.orders ORDER BY 5
----
ERROR 42P10 37
====

SELECT row_number() OVER (ORDER BY id) FROM gold.orders WHERE row_number() OVER () > 1
----
ERROR 42P20 63
====

-- types
SELECT 'abc'::int
----
ERROR 22P02 8
====

SELECT 'x'::date
----
ERROR 22007 8
====

SELECT '2026-13-01'::date
----
ERROR 22008 8
====

SELECT 'maybe'::bool
----
ERROR 22P02 8
====

SELECT 1 + 'a'
----
ERROR 22P02 12
====

SELECT 'a' + 'b'
----
ERROR 42725 12
====

SELECT id FROM gold.orders WHERE customer = 1
----
ERROR 42883 43
====

SELECT id FROM gold.orders WHERE id = 'abc'
----
ERROR 22P02 39
====

SELECT id + customer FROM gold.orders
----
ERROR 42883 11
====

SELECT upper(1)
----
ERROR 42883 8
====

SELECT sum(customer) FROM gold.orders
----
ERROR 42883 8
====

SELECT 1 WHERE 1
----
ERROR 42804 16
====

SELECT 1 UNION SELECT 'a'
----
ERROR 22P02 23
====

SELECT 1 UNION SELECT 1, 2
----
ERROR 42601 23
====

SELECT CASE WHEN 1 THEN 2 END
----
ERROR 42804 18
====

SELECT ARRAY[1, 'a']
----
ERROR 22P02 17
====

SELECT coalesce(1, 'a')
----
ERROR 22P02 20
====

SELECT -'a'
----
ERROR 42725 8
====

SELECT NOT 1
----
ERROR 42804 12
====

SELECT now() + 1
----
ERROR 42883 14
====

-- values
SELECT 1 / 0
----
ERROR 22012
====

SELECT 1.0 / 0
----
ERROR 22012
====

SELECT 1.0::float8 / 0
----
ERROR 22012
====

SELECT 5 % 0
----
ERROR 22012
====

SELECT 2147483647 + 1
----
ERROR 22003
====

SELECT 9223372036854775807 + 1
----
ERROR 22003
====

SELECT 100000::smallint
----
ERROR 22003
====

SELECT 3000000000::int
----
ERROR 22003
====

SELECT sqrt(-1)
----
ERROR 2201F
====

SELECT ln(0)
----
ERROR 2201E
====

SELECT (SELECT id FROM gold.orders)
----
ERROR 21000
====

SELECT substring('abc' from 1 for -1)
----
ERROR 22011
====

SELECT repeat('x', -1)
----
repeat:text
""
====

SELECT 'a' ~ '('
----
ERROR 2201B
====

SELECT '12:99'::time
----
ERROR 22008 8
====

SELECT INTERVAL 'foo'
----
ERROR 22007 17
====

SELECT extract(foo from now())
----
ERROR 22023
====

SELECT date_trunc('foo', now())
----
ERROR 22023
====

SELECT TIMESTAMP '2026-01-01' AT TIME ZONE 'Nowhere/City'
----
ERROR 22023
====

SELECT id FROM gold.orders LIMIT -1
----
ERROR 2201W
====

SELECT id FROM gold.orders OFFSET -1
----
ERROR 2201X
====

SELECT '{1,a}'::int[]
----
ERROR 22P02 8
====

SELECT '{1'::int[]
----
ERROR 22P02 8
====

SELECT to_timestamp('x', 'YYYY')
----
ERROR 22007
====

-- settings
SET no_such_setting = 1
----
ERROR 42704
====

SHOW no_such_setting
----
ERROR 42704
====

SELECT current_setting('no_such_setting')
----
ERROR 42704
====

SET TimeZone = 'Nowhere/City'
----
ERROR 22023
====

SET statement_timeout = 'abc'
----
ERROR 22023
====

-- cursors, transactions
FETCH 1 FROM nothing
----
ERROR 34000
====

CLOSE nothing
----
ERROR 34000
====

DEALLOCATE nothing
----
ERROR 26000
====

DECLARE c CURSOR FOR SELECT 1
----
ERROR 25P01
====

RELEASE SAVEPOINT x
----
ERROR 25P01
====

SAVEPOINT x
----
ERROR 25P01
====

COMMIT
----
OK COMMIT
====

ROLLBACK
----
OK ROLLBACK
====
