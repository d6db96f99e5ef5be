--- What psycopg 3.3.9 sends, captured from PostgreSQL 15.18 with its answers. Written by tests/python/capture.py.

-- a transaction and a savepoint
BEGIN
----
OK BEGIN
====

SELECT 1
----
?column?:int4
1
====

SAVEPOINT "_pg3_2"
----
OK SAVEPOINT
====

-- $1 = 2
SELECT $1::int
----
int4:int4
2
====

RELEASE "_pg3_2"
----
OK RELEASE
====

COMMIT
----
OK COMMIT
====

-- a cursor on the server
BEGIN
----
OK BEGIN
====

-- extended
DECLARE "some" CURSOR FOR SELECT id FROM gold.orders ORDER BY id
----
OK DECLARE CURSOR
====

FETCH FORWARD 2 FROM "some"
----
id:int8
1
2
====

FETCH FORWARD ALL FROM "some"
----
id:int8
3
4
5
====

CLOSE "some"
----
OK CLOSE CURSOR
====

COMMIT
----
OK COMMIT
====

-- COPY out
BEGIN
----
OK BEGIN
====

COPY (SELECT id FROM gold.orders) TO STDOUT
----
COPY OUT
1
2
3
4
5
OK COPY 5
====

-- types by name
SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = hstore
SELECT
    typname AS name, oid, typarray AS array_oid,
    oid::regtype::text AS regtype, typdelim AS delimiter
FROM pg_type t
WHERE t.oid = to_regtype($1)
ORDER BY t.oid
----
name:name	oid:oid	array_oid:oid	regtype:text	delimiter:"char"
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = int4
SELECT
    typname AS name, oid, typarray AS array_oid,
    oid::regtype::text AS regtype, typdelim AS delimiter
FROM pg_type t
WHERE t.oid = to_regtype($1)
ORDER BY t.oid
----
name:name	oid:oid	array_oid:oid	regtype:text	delimiter:"char"
int4	23	1007	integer	,
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = hstore
SELECT
    t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    coalesce(a.fnames, '{}') AS field_names,
    coalesce(a.ftypes, '{}') AS field_types
FROM pg_type t
LEFT JOIN (
    SELECT
        attrelid,
        array_agg(attname) AS fnames,
        array_agg(atttypid) AS ftypes
    FROM (
        SELECT a.attrelid, a.attname, a.atttypid
        FROM pg_attribute a
        JOIN pg_type t ON t.typrelid = a.attrelid
        WHERE t.oid = to_regtype($1)
        AND a.attnum > 0
        AND NOT a.attisdropped
        ORDER BY a.attnum
    ) x
    GROUP BY attrelid
) a ON a.attrelid = t.typrelid
WHERE t.oid = to_regtype($1)
----
name:name	oid:oid	array_oid:oid	regtype:text	field_names:name[]	field_types:oid[]
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = int4
SELECT
    t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    coalesce(a.fnames, '{}') AS field_names,
    coalesce(a.ftypes, '{}') AS field_types
FROM pg_type t
LEFT JOIN (
    SELECT
        attrelid,
        array_agg(attname) AS fnames,
        array_agg(atttypid) AS ftypes
    FROM (
        SELECT a.attrelid, a.attname, a.atttypid
        FROM pg_attribute a
        JOIN pg_type t ON t.typrelid = a.attrelid
        WHERE t.oid = to_regtype($1)
        AND a.attnum > 0
        AND NOT a.attisdropped
        ORDER BY a.attnum
    ) x
    GROUP BY attrelid
) a ON a.attrelid = t.typrelid
WHERE t.oid = to_regtype($1)
----
name:name	oid:oid	array_oid:oid	regtype:text	field_names:name[]	field_types:oid[]
int4	23	1007	integer	{}	{}
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = hstore
SELECT name, oid, array_oid, regtype, array_agg(label) AS labels
FROM (
    SELECT
        t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
        t.oid::regtype::text AS regtype, e.enumlabel AS label
    FROM pg_type t
    LEFT JOIN  pg_enum e
    ON e.enumtypid = t.oid
    WHERE t.oid = to_regtype($1)
    ORDER BY e.enumsortorder
) x
GROUP BY name, oid, array_oid, regtype
----
name:name	oid:oid	array_oid:oid	regtype:text	labels:name[]
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = int4
SELECT name, oid, array_oid, regtype, array_agg(label) AS labels
FROM (
    SELECT
        t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
        t.oid::regtype::text AS regtype, e.enumlabel AS label
    FROM pg_type t
    LEFT JOIN  pg_enum e
    ON e.enumtypid = t.oid
    WHERE t.oid = to_regtype($1)
    ORDER BY e.enumsortorder
) x
GROUP BY name, oid, array_oid, regtype
----
name:name	oid:oid	array_oid:oid	regtype:text	labels:name[]
int4	23	1007	integer	{NULL}
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = hstore
SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    r.rngsubtype AS subtype_oid
FROM pg_type t
JOIN pg_range r ON t.oid = r.rngtypid
WHERE t.oid = to_regtype($1)
----
name:name	oid:oid	array_oid:oid	regtype:text	subtype_oid:oid
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = int4
SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    r.rngsubtype AS subtype_oid
FROM pg_type t
JOIN pg_range r ON t.oid = r.rngtypid
WHERE t.oid = to_regtype($1)
----
name:name	oid:oid	array_oid:oid	regtype:text	subtype_oid:oid
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = hstore
SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    r.rngtypid AS range_oid, r.rngsubtype AS subtype_oid
FROM pg_type t
JOIN pg_range r ON t.oid = r.rngmultitypid
WHERE t.oid = to_regtype($1)
----
name:name	oid:oid	array_oid:oid	regtype:text	range_oid:oid	subtype_oid:oid
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

SAVEPOINT "_pg3_1"
----
ERROR 25P01
MESSAGE: SAVEPOINT can only be used in transaction blocks
====

-- $1 = int4
SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid,
    t.oid::regtype::text AS regtype,
    r.rngtypid AS range_oid, r.rngsubtype AS subtype_oid
FROM pg_type t
JOIN pg_range r ON t.oid = r.rngmultitypid
WHERE t.oid = to_regtype($1)
----
name:name	oid:oid	array_oid:oid	regtype:text	range_oid:oid	subtype_oid:oid
====

RELEASE "_pg3_1"
----
ERROR 25P01
MESSAGE: RELEASE SAVEPOINT can only be used in transaction blocks
====

-- a prepared statement
-- $1 = 1
SELECT status FROM gold.orders WHERE id = $1
----
status:text
new
====

-- $1 = 2
SELECT status FROM gold.orders WHERE id = $1
----
status:text
new
====
