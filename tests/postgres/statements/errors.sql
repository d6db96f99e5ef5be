--- What is refused, with its SQLSTATE and position. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- syntax
SELEC 1
----
ERROR 42601 1
MESSAGE: syntax error at or near "SELEC"
====

SELECT 1 FROM
----
ERROR 42601 14
MESSAGE: syntax error at end of input
====

SELECT * FRM gold.orders
----
ERROR 42601 10
MESSAGE: syntax error at or near "FRM"
====

SELECT (1
----
ERROR 42601 10
MESSAGE: syntax error at end of input
====

SELECT 'abc
----
ERROR 42601 8
MESSAGE: unterminated quoted string at or near "'abc"
====

SELECT 1 +
----
ERROR 42601 11
MESSAGE: syntax error at end of input
====

SELECT a b c FROM gold.orders
----
ERROR 42601 12
MESSAGE: syntax error at or near "c"
====

SELECT 1,, 2
----
ERROR 42601 10
MESSAGE: syntax error at or near ","
====

SELECT FROM WHERE
----
ERROR 42601 13
MESSAGE: syntax error at or near "WHERE"
====

CREATE
----
ERROR 42601 7
MESSAGE: syntax error at end of input
====

SELECT 1; SELEC 2
----
ERROR 42601 11
MESSAGE: syntax error at or near "SELEC"
====

-- names
SELECT * FROM nowhere
----
ERROR 42P01 15
MESSAGE: relation "nowhere" does not exist
====

SELECT * FROM gold.nowhere
----
ERROR 42P01 15
MESSAGE: relation "gold.nowhere" does not exist
====

SELECT * FROM nosuch.orders
----
ERROR 42P01 15
MESSAGE: relation "nosuch.orders" does not exist
====

SELECT nothing FROM gold.orders
----
ERROR 42703 8
MESSAGE: column "nothing" does not exist
====

SELECT o.nothing FROM gold.orders o
----
ERROR 42703 8
MESSAGE: column o.nothing does not exist
====

SELECT x.id FROM gold.orders o
----
ERROR 42P01 8
MESSAGE: missing FROM-clause entry for table "x"
====

SELECT id FROM gold.orders a, gold.orders b
----
ERROR 42702 8
MESSAGE: column reference "id" is ambiguous
====

SELECT no_such_function(1)
----
ERROR 42883 8
MESSAGE: function no_such_function(integer) does not exist
HINT: No function matches the given name and argument types. You might need to add explicit type casts.
====

SELECT upper(1, 2, 3)
----
ERROR 42883 8
MESSAGE: function upper(integer, integer, integer) does not exist
HINT: No function matches the given name and argument types. You might need to add explicit type casts.
====

SELECT gold.orders.nothing FROM gold.orders
----
ERROR 42703 8
MESSAGE: column orders.nothing does not exist
====

SELECT 1::notype
----
ERROR 42704 11
MESSAGE: type "notype" does not exist
====

SELECT * FROM otherdb.gold.orders
----
ERROR 0A000 15
MESSAGE: cross-database references are not implemented: "otherdb.gold.orders"
====

-- groups
SELECT customer, count(*) FROM gold.orders
----
ERROR 42803 8
MESSAGE: column "orders.customer" must appear in the GROUP BY clause or be used in an aggregate function
====

SELECT id FROM gold.orders GROUP BY customer
----
ERROR 42803 8
MESSAGE: column "orders.id" must appear in the GROUP BY clause or be used in an aggregate function
====

SELECT count(*) FROM gold.orders WHERE count(*) > 1
----
ERROR 42803 40
MESSAGE: aggregate functions are not allowed in WHERE
====

SELECT sum(count(*)) FROM gold.orders
----
ERROR 42803 12
MESSAGE: aggregate function calls cannot be nested
====

SELECT id FROM gold.orders ORDER BY 5
----
ERROR 42P10 37
MESSAGE: ORDER BY position 5 is not in select list
====

SELECT row_number() OVER (ORDER BY id) FROM gold.orders WHERE row_number() OVER () > 1
----
ERROR 42P20 63
MESSAGE: window functions are not allowed in WHERE
====

-- types
SELECT 'abc'::int
----
ERROR 22P02 8
MESSAGE: invalid input syntax for type integer: "abc"
====

SELECT 'x'::date
----
ERROR 22007 8
MESSAGE: invalid input syntax for type date: "x"
====

SELECT '2026-13-01'::date
----
ERROR 22008 8
MESSAGE: date/time field value out of range: "2026-13-01"
HINT: Perhaps you need a different "datestyle" setting.
====

SELECT 'maybe'::bool
----
ERROR 22P02 8
MESSAGE: invalid input syntax for type boolean: "maybe"
====

SELECT 1 + 'a'
----
ERROR 22P02 12
MESSAGE: invalid input syntax for type integer: "a"
====

SELECT 'a' + 'b'
----
ERROR 42725 12
MESSAGE: operator is not unique: unknown + unknown
HINT: Could not choose a best candidate operator. You might need to add explicit type casts.
====

SELECT id FROM gold.orders WHERE customer = 1
----
ERROR 42883 43
MESSAGE: operator does not exist: text = integer
HINT: No operator matches the given name and argument types. You might need to add explicit type casts.
====

SELECT id FROM gold.orders WHERE id = 'abc'
----
ERROR 22P02 39
MESSAGE: invalid input syntax for type bigint: "abc"
====

SELECT id + customer FROM gold.orders
----
ERROR 42883 11
MESSAGE: operator does not exist: bigint + text
HINT: No operator matches the given name and argument types. You might need to add explicit type casts.
====

SELECT upper(1)
----
ERROR 42883 8
MESSAGE: function upper(integer) does not exist
HINT: No function matches the given name and argument types. You might need to add explicit type casts.
====

SELECT sum(customer) FROM gold.orders
----
ERROR 42883 8
MESSAGE: function sum(text) does not exist
HINT: No function matches the given name and argument types. You might need to add explicit type casts.
====

SELECT 1 WHERE 1
----
ERROR 42804 16
MESSAGE: argument of WHERE must be type boolean, not type integer
====

SELECT 1 UNION SELECT 'a'
----
ERROR 22P02 23
MESSAGE: invalid input syntax for type integer: "a"
====

SELECT 1 UNION SELECT 1, 2
----
ERROR 42601 23
MESSAGE: each UNION query must have the same number of columns
====

SELECT CASE WHEN 1 THEN 2 END
----
ERROR 42804 18
MESSAGE: argument of CASE/WHEN must be type boolean, not type integer
====

SELECT ARRAY[1, 'a']
----
ERROR 22P02 17
MESSAGE: invalid input syntax for type integer: "a"
====

SELECT coalesce(1, 'a')
----
ERROR 22P02 20
MESSAGE: invalid input syntax for type integer: "a"
====

SELECT -'a'
----
ERROR 42725 8
MESSAGE: operator is not unique: - unknown
HINT: Could not choose a best candidate operator. You might need to add explicit type casts.
====

SELECT NOT 1
----
ERROR 42804 12
MESSAGE: argument of NOT must be type boolean, not type integer
====

SELECT now() + 1
----
ERROR 42883 14
MESSAGE: operator does not exist: timestamp with time zone + integer
HINT: No operator matches the given name and argument types. You might need to add explicit type casts.
====

-- values
SELECT 1 / 0
----
ERROR 22012
MESSAGE: division by zero
====

SELECT 1.0 / 0
----
ERROR 22012
MESSAGE: division by zero
====

SELECT 1.0::float8 / 0
----
ERROR 22012
MESSAGE: division by zero
====

SELECT 5 % 0
----
ERROR 22012
MESSAGE: division by zero
====

SELECT 2147483647 + 1
----
ERROR 22003
MESSAGE: integer out of range
====

SELECT 9223372036854775807 + 1
----
ERROR 22003
MESSAGE: bigint out of range
====

SELECT 100000::smallint
----
ERROR 22003
MESSAGE: smallint out of range
====

SELECT 3000000000::int
----
ERROR 22003
MESSAGE: integer out of range
====

SELECT sqrt(-1)
----
ERROR 2201F
MESSAGE: cannot take square root of a negative number
====

SELECT ln(0)
----
ERROR 2201E
MESSAGE: cannot take logarithm of zero
====

SELECT (SELECT id FROM gold.orders)
----
ERROR 21000
MESSAGE: more than one row returned by a subquery used as an expression
====

SELECT substring('abc' from 1 for -1)
----
ERROR 22011
MESSAGE: negative substring length not allowed
====

SELECT repeat('x', -1)
----
repeat:text
""
====

SELECT 'a' ~ '('
----
ERROR 2201B
MESSAGE: invalid regular expression: parentheses () not balanced
====

SELECT '12:99'::time
----
ERROR 22008 8
MESSAGE: date/time field value out of range: "12:99"
====

SELECT INTERVAL 'foo'
----
ERROR 22007 17
MESSAGE: invalid input syntax for type interval: "foo"
====

SELECT extract(foo from now())
----
ERROR 22023
MESSAGE: unit "foo" not recognized for type timestamp with time zone
====

SELECT date_trunc('foo', now())
----
ERROR 22023
MESSAGE: unit "foo" not recognized for type timestamp with time zone
====

SELECT TIMESTAMP '2026-01-01' AT TIME ZONE 'Nowhere/City'
----
ERROR 22023
MESSAGE: time zone "Nowhere/City" not recognized
====

SELECT id FROM gold.orders LIMIT -1
----
ERROR 2201W
MESSAGE: LIMIT must not be negative
====

SELECT id FROM gold.orders OFFSET -1
----
ERROR 2201X
MESSAGE: OFFSET must not be negative
====

SELECT '{1,a}'::int[]
----
ERROR 22P02 8
MESSAGE: invalid input syntax for type integer: "a"
====

SELECT '{1'::int[]
----
ERROR 22P02 8
MESSAGE: malformed array literal: "{1"
DETAIL: Unexpected end of input.
====

SELECT to_timestamp('x', 'YYYY')
----
ERROR 22007
MESSAGE: invalid value "x" for "YYYY"
DETAIL: Value must be an integer.
====

-- settings
SET no_such_setting = 1
----
ERROR 42704
MESSAGE: unrecognized configuration parameter "no_such_setting"
====

SHOW no_such_setting
----
ERROR 42704
MESSAGE: unrecognized configuration parameter "no_such_setting"
====

SELECT current_setting('no_such_setting')
----
ERROR 42704
MESSAGE: unrecognized configuration parameter "no_such_setting"
====

SET TimeZone = 'Nowhere/City'
----
ERROR 22023
MESSAGE: invalid value for parameter "TimeZone": "Nowhere/City"
====

SET statement_timeout = 'abc'
----
ERROR 22023
MESSAGE: invalid value for parameter "statement_timeout": "abc"
====

-- cursors, transactions
FETCH 1 FROM nothing
----
ERROR 34000
MESSAGE: cursor "nothing" does not exist
====

CLOSE nothing
----
ERROR 34000
MESSAGE: cursor "nothing" does not exist
====

DEALLOCATE nothing
----
ERROR 26000
MESSAGE: prepared statement "nothing" does not exist
====

DECLARE c CURSOR FOR SELECT 1
----
ERROR 25P01
MESSAGE: DECLARE CURSOR can only be used in transaction blocks
====

RELEASE SAVEPOINT x
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT x
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

COMMIT
----
OK COMMIT
====

ROLLBACK
----
OK ROLLBACK
====
