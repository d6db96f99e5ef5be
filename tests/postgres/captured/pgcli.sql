--- What pgcli 4.7.1 sends, captured from PostgreSQL 15.18 with its answers. Written by tests/python/capture.py.

-- connect
SELECT 1
----
?column?:int4
1
====

-- schemata

        SELECT  nspname
        FROM    pg_catalog.pg_namespace
        ORDER BY 1
----
nspname:name
bronze
gold
information_schema
pg_catalog
pg_toast
public
silver
====

-- search_path

        SELECT * FROM unnest(current_schemas(true))
----
unnest:name
pg_catalog
public
====

-- tables
-- $1 = {r,p,f}

        SELECT  n.nspname schema_name,
                c.relname table_name
        FROM    pg_catalog.pg_class c
                LEFT JOIN pg_catalog.pg_namespace n
                    ON n.oid = c.relnamespace
        WHERE   c.relkind = ANY($1)
        ORDER BY 1,2;
----
schema_name:name	table_name:name
70 rows d8a0215d97477bfa d8a0215d97477bfa
====

-- table_columns
-- $1 = {r,p,f}

                SELECT  nsp.nspname schema_name,
                        cls.relname table_name,
                        att.attname column_name,
                        att.atttypid::regtype::text type_name,
                        att.atthasdef AS has_default,
                        pg_catalog.pg_get_expr(def.adbin, def.adrelid, true) as default
                FROM    pg_catalog.pg_attribute att
                        INNER JOIN pg_catalog.pg_class cls
                            ON att.attrelid = cls.oid
                        INNER JOIN pg_catalog.pg_namespace nsp
                            ON cls.relnamespace = nsp.oid
                        LEFT OUTER JOIN pg_attrdef def
                            ON def.adrelid = att.attrelid
                            AND def.adnum = att.attnum
                WHERE   cls.relkind = ANY($1)
                        AND NOT att.attisdropped
                        AND att.attnum  > 0
                ORDER BY 1, 2, att.attnum
----
schema_name:name	table_name:name	column_name:name	type_name:text	has_default:bool	default:text
620 rows 46c82acdac28c1aa 1374903c0145ebd9
====

-- views
-- $1 = {v,m}

        SELECT  n.nspname schema_name,
                c.relname table_name
        FROM    pg_catalog.pg_class c
                LEFT JOIN pg_catalog.pg_namespace n
                    ON n.oid = c.relnamespace
        WHERE   c.relkind = ANY($1)
        ORDER BY 1,2;
----
schema_name:name	table_name:name
142 rows 5c2c8ea91047f903 5c2c8ea91047f903
====

-- view_columns
-- $1 = {v,m}

                SELECT  nsp.nspname schema_name,
                        cls.relname table_name,
                        att.attname column_name,
                        att.atttypid::regtype::text type_name,
                        att.atthasdef AS has_default,
                        pg_catalog.pg_get_expr(def.adbin, def.adrelid, true) as default
                FROM    pg_catalog.pg_attribute att
                        INNER JOIN pg_catalog.pg_class cls
                            ON att.attrelid = cls.oid
                        INNER JOIN pg_catalog.pg_namespace nsp
                            ON cls.relnamespace = nsp.oid
                        LEFT OUTER JOIN pg_attrdef def
                            ON def.adrelid = att.attrelid
                            AND def.adnum = att.attnum
                WHERE   cls.relkind = ANY($1)
                        AND NOT att.attisdropped
                        AND att.attnum  > 0
                ORDER BY 1, 2, att.attnum
----
schema_name:name	table_name:name	column_name:name	type_name:text	has_default:bool	default:text
1401 rows 0baf33891462d898 89bbd879a30910a2
====

-- databases

        SELECT d.datname
        FROM pg_catalog.pg_database d
        ORDER BY 1
----
datname:name
postgres
sluice
template0
template1
====

-- full_databases

        SELECT d.datname as "Name",
            pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
            pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
            d.datcollate as "Collate",
            d.datctype as "Ctype",
            pg_catalog.array_to_string(d.datacl, E'
') AS "Access privileges"
        FROM pg_catalog.pg_database d
        ORDER BY 1
----
Name:name	Owner:name	Encoding:name	Collate:text	Ctype:text	Access privileges:text
postgres	sluice	UTF8	C.UTF-8	C.UTF-8	\N
sluice	sluice	UTF8	C.UTF-8	C.UTF-8	\N
template0	sluice	UTF8	C.UTF-8	C.UTF-8	=c/sluice\nsluice=CTc/sluice
template1	sluice	UTF8	C.UTF-8	C.UTF-8	=c/sluice\nsluice=CTc/sluice
====

-- functions

                SELECT n.nspname schema_name,
                        p.proname func_name,
                        p.proargnames,
                        COALESCE(proallargtypes::regtype[], proargtypes::regtype[])::text[],
                        p.proargmodes,
                        prorettype::regtype::text return_type,
                        p.prokind = 'a' is_aggregate,
                        p.prokind = 'w' is_window,
                        p.proretset is_set_returning,
                        d.deptype = 'e' is_extension,
                        pg_get_expr(proargdefaults, 0) AS arg_defaults
                FROM pg_catalog.pg_proc p
                        INNER JOIN pg_catalog.pg_namespace n
                            ON n.oid = p.pronamespace
                LEFT JOIN pg_depend d ON d.objid = p.oid and d.deptype = 'e'
                WHERE p.prorettype::regtype != 'trigger'::regtype
                ORDER BY 1, 2
----
schema_name:name	func_name:name	proargnames:text[]	coalesce:text[]	proargmodes:"char"[]	return_type:text	is_aggregate:bool	is_window:bool	is_set_returning:bool	is_extension:bool	arg_defaults:text
3227 rows 434fbbd2671e9814 93280a4d9f315f54
====

-- datatypes

                    SELECT n.nspname schema_name,
                           t.typname type_name
                    FROM   pg_catalog.pg_type t
                           INNER JOIN pg_catalog.pg_namespace n
                              ON n.oid = t.typnamespace
                    WHERE ( t.typrelid = 0  -- non-composite types
                            OR (  -- composite type, but not a table
                                  SELECT c.relkind = 'c'
                                  FROM pg_catalog.pg_class c
                                  WHERE c.oid = t.typrelid
                                )
                          )
                          AND NOT EXISTS( -- ignore array types
                                SELECT  1
                                FROM    pg_catalog.pg_type el
                                WHERE   el.oid = t.typelem AND el.typarray = t.oid
                              )
                          AND n.nspname <> 'pg_catalog'
                          AND n.nspname <> 'information_schema'
                    ORDER BY 1, 2;
----
schema_name:name	type_name:name
====

-- foreignkeys

                SELECT s_p.nspname AS parentschema,
                       t_p.relname AS parenttable,
                       unnest((
                        select
                            array_agg(attname ORDER BY i)
                        from
                            (select unnest(confkey) as attnum, generate_subscripts(confkey, 1) as i) x
                            JOIN pg_catalog.pg_attribute c USING(attnum)
                            WHERE c.attrelid = fk.confrelid
                        )) AS parentcolumn,
                       s_c.nspname AS childschema,
                       t_c.relname AS childtable,
                       unnest((
                        select
                            array_agg(attname ORDER BY i)
                        from
                            (select unnest(conkey) as attnum, generate_subscripts(conkey, 1) as i) x
                            JOIN pg_catalog.pg_attribute c USING(attnum)
                            WHERE c.attrelid = fk.conrelid
                        )) AS childcolumn
                FROM pg_catalog.pg_constraint fk
                JOIN pg_catalog.pg_class      t_p ON t_p.oid = fk.confrelid
                JOIN pg_catalog.pg_namespace  s_p ON s_p.oid = t_p.relnamespace
                JOIN pg_catalog.pg_class      t_c ON t_c.oid = fk.conrelid
                JOIN pg_catalog.pg_namespace  s_c ON s_c.oid = t_c.relnamespace
                WHERE fk.contype = 'f';
----
parentschema:name	parenttable:name	parentcolumn:name	childschema:name	childtable:name	childcolumn:name
====

-- get_timezone
show time zone
----
TimeZone:text
UTC
====

-- view_definition
-- $1 = order_totals

        WITH v AS (SELECT $1::pg_catalog.regclass::pg_catalog.oid AS v_oid)
        SELECT nspname, relname, relkind,
               pg_catalog.pg_get_viewdef(c.oid, true),
               array_remove(array_remove(c.reloptions,'check_option=local'),
                            'check_option=cascaded') AS reloptions,
               CASE
                 WHEN 'check_option=local' = ANY (c.reloptions) THEN 'LOCAL'::text
                 WHEN 'check_option=cascaded' = ANY (c.reloptions) THEN 'CASCADED'::text
                 ELSE NULL
               END AS checkoption
        FROM pg_catalog.pg_class c
        LEFT JOIN pg_catalog.pg_namespace n ON (c.relnamespace = n.oid)
        JOIN v ON (c.oid = v.v_oid)
----
nspname:name	relname:name	relkind:"char"	pg_get_viewdef:text	reloptions:text[]	checkoption:text
public	order_totals	v	 SELECT orders.customer,\n    count(*) AS orders,\n    sum(orders.amount) AS total\n   FROM gold.orders\n  GROUP BY orders.customer;	\N	\N
====
