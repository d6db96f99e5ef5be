--- What people and tools ask the catalog, one thing at a time. Answers are PostgreSQL's, written by tests/python/postgres_replay.py --write.

-- names and OIDs
SELECT 'gold.orders'::regclass::oid = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'gold' AND relname = 'orders')
----
?column?:bool
t
====

SELECT 'gold.orders'::regclass
----
regclass:regclass
gold.orders
====

SELECT 'kinds'::regclass, 'public.kinds'::regclass, 'pg_class'::regclass, 'pg_catalog.pg_class'::regclass::oid, 1259::regclass
----
regclass:regclass	regclass:regclass	regclass:regclass	oid:oid	regclass:regclass
kinds	kinds	pg_class	1259	pg_class
====

SELECT 'gold.orders'::regclass::text, 'int4'::regtype, 'integer'::regtype::oid, 'text[]'::regtype, 25::regtype, 'gold'::regnamespace, 'sluice'::regrole, 'now'::regproc
----
text:text	regtype:regtype	oid:oid	regtype:regtype	regtype:regtype	regnamespace:regnamespace	regrole:regrole	regproc:regproc
gold.orders	integer	23	text[]	text	gold	sluice	now
====

SELECT to_regclass('gold.orders') IS NOT NULL, to_regclass('gold.nothing'), to_regtype('int4'), to_regtype('nothing'), to_regnamespace('gold') IS NULL
----
?column?:bool	to_regclass:regclass	to_regtype:regtype	to_regtype:regtype	?column?:bool
t	\N	integer	\N	f
====

SELECT 'nowhere'::regclass
----
ERROR 42P01 8
MESSAGE: relation "nowhere" does not exist
====

SELECT 'gold.nowhere'::regclass
----
ERROR 42P01 8
MESSAGE: relation "gold.nowhere" does not exist
====

SELECT 'notype'::regtype
----
ERROR 42704 8
MESSAGE: type "notype" does not exist
====

SELECT 'nowhere'::regnamespace
----
ERROR 3F000 8
MESSAGE: schema "nowhere" does not exist
====

SELECT oid FROM pg_class WHERE relname = 'pg_type'
----
oid:oid
1247
====

SELECT relname, relkind FROM pg_class WHERE oid = 'gold.orders'::regclass
----
relname:name	relkind:"char"
orders	r
====

-- relations
SELECT relname, relkind, relnatts, relpersistence, reltuples, relhasindex, relispartition, reloptions, relacl FROM pg_class WHERE relnamespace = 'gold'::regnamespace ORDER BY 1
----
relname:name	relkind:"char"	relnatts:int2	relpersistence:"char"	reltuples:float4	relhasindex:bool	relispartition:bool	reloptions:text[]	relacl:aclitem[]
daily	v	2	p	-1	f	f	\N	\N
orders	r	9	p	-1	f	f	\N	\N
====

SELECT nspname, relname, relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname IN ('public', 'gold') ORDER BY 1, 2
----
nspname:name	relname:name	relkind:"char"
gold	daily	v
gold	orders	r
public	kinds	r
public	order_totals	v
====

SELECT attname, atttypid, atttypid::regtype, attlen, attnum, atttypmod, attnotnull, atthasdef, attbyval, attalign, attstorage, attcollation FROM pg_attribute WHERE attrelid = 'gold.orders'::regclass AND attnum > 0 ORDER BY attnum
----
attname:name	atttypid:oid	atttypid:regtype	attlen:int2	attnum:int2	atttypmod:int4	attnotnull:bool	atthasdef:bool	attbyval:bool	attalign:"char"	attstorage:"char"	attcollation:oid
id	20	bigint	8	1	-1	f	f	t	d	p	0
customer	25	text	-1	2	-1	f	f	f	i	x	100
amount	1700	numeric	-1	3	655366	f	f	f	i	m	0
weight	701	double precision	8	4	-1	f	f	t	d	p	0
pieces	23	integer	4	5	-1	f	f	t	i	p	0
paid	16	boolean	1	6	-1	f	f	t	c	p	0
placed_at	1184	timestamp with time zone	8	7	-1	f	f	t	d	p	0
day	1082	date	4	8	-1	f	f	t	i	p	0
status	25	text	-1	9	-1	f	f	f	i	x	100
====

SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'gold.orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
----
attname:name	format_type:text
id	bigint
customer	text
amount	numeric(10,2)
weight	double precision
pieces	integer
paid	boolean
placed_at	timestamp with time zone
day	date
status	text
====

SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pg_class'::regclass AND attnum > 0 ORDER BY attnum
----
attname:name	format_type:text
33 rows 623f6f87a19de48b cde16f5df5720619
====

SELECT schemaname, tablename, tableowner FROM pg_tables WHERE schemaname IN ('gold', 'public') ORDER BY 1, 2
----
schemaname:name	tablename:name	tableowner:name
gold	orders	sluice
public	kinds	sluice
====

SELECT schemaname, viewname, viewowner FROM pg_views WHERE schemaname IN ('gold', 'public') ORDER BY 1, 2
----
schemaname:name	viewname:name	viewowner:name
gold	daily	sluice
public	order_totals	sluice
====

SELECT * FROM pg_matviews
----
schemaname:name	matviewname:name	matviewowner:name	tablespace:name	hasindexes:bool	ispopulated:bool	definition:text
====

SELECT * FROM pg_indexes WHERE schemaname = 'gold'
----
schemaname:name	tablename:name	indexname:name	tablespace:name	indexdef:text
====

SELECT * FROM pg_sequences
----
schemaname:name	sequencename:name	sequenceowner:name	data_type:regtype	start_value:int8	min_value:int8	max_value:int8	increment_by:int8	cycle:bool	cache_size:int8	last_value:int8
====

SELECT * FROM pg_constraint WHERE conrelid = 'gold.orders'::regclass
----
oid:oid	conname:name	connamespace:oid	contype:"char"	condeferrable:bool	condeferred:bool	convalidated:bool	conrelid:oid	contypid:oid	conindid:oid	conparentid:oid	confrelid:oid	confupdtype:"char"	confdeltype:"char"	confmatchtype:"char"	conislocal:bool	coninhcount:int4	connoinherit:bool	conkey:int2[]	confkey:int2[]	conpfeqop:oid[]	conppeqop:oid[]	conffeqop:oid[]	confdelsetcols:int2[]	conexclop:oid[]	conbin:pg_node_tree
====

SELECT * FROM pg_index WHERE indrelid = 'gold.orders'::regclass
----
indexrelid:oid	indrelid:oid	indnatts:int2	indnkeyatts:int2	indisunique:bool	indnullsnotdistinct:bool	indisprimary:bool	indisexclusion:bool	indimmediate:bool	indisclustered:bool	indisvalid:bool	indcheckxmin:bool	indisready:bool	indislive:bool	indisreplident:bool	indkey:int2vector	indcollation:oidvector	indclass:oidvector	indoption:int2vector	indexprs:pg_node_tree	indpred:pg_node_tree
====

SELECT relname, n_live_tup >= 0 FROM pg_stat_user_tables ORDER BY 1
----
relname:name	?column?:bool
kinds	t
orders	t
====

-- namespaces, roles, databases
SELECT nspname, pg_get_userbyid(nspowner), nspacl FROM pg_namespace WHERE nspname NOT LIKE 'pg_t%' ORDER BY 1
----
nspname:name	pg_get_userbyid:name	nspacl:aclitem[]
bronze	sluice	\N
gold	sluice	\N
information_schema	sluice	{sluice=UC/sluice,=U/sluice}
pg_catalog	sluice	{sluice=UC/sluice,=U/sluice}
public	pg_database_owner	{pg_database_owner=UC/pg_database_owner,=U/pg_database_owner}
silver	sluice	\N
====

SELECT rolname, rolsuper, rolcanlogin, rolpassword, oid FROM pg_roles ORDER BY 1
----
rolname:name	rolsuper:bool	rolcanlogin:bool	rolpassword:text	oid:oid
pg_checkpoint	f	f	********	4544
pg_database_owner	f	f	********	6171
pg_execute_server_program	f	f	********	4571
pg_monitor	f	f	********	3373
pg_read_all_data	f	f	********	6181
pg_read_all_settings	f	f	********	3374
pg_read_all_stats	f	f	********	3375
pg_read_server_files	f	f	********	4569
pg_signal_backend	f	f	********	4200
pg_stat_scan_tables	f	f	********	3377
pg_write_all_data	f	f	********	6182
pg_write_server_files	f	f	********	4570
sluice	t	t	********	10
====

SELECT usename, usesysid, usesuper, passwd FROM pg_user
----
usename:name	usesysid:oid	usesuper:bool	passwd:text
sluice	10	t	********
====

SELECT datname, encoding, datistemplate, datallowconn, datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
----
datname:name	encoding:int4	datistemplate:bool	datallowconn:bool	datcollate:text	pg_encoding_to_char:name
sluice	6	f	t	C.UTF-8	UTF8
====

SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'server_version_num', 'TimeZone', 'max_identifier_length', 'standard_conforming_strings') ORDER BY 1
----
name:text	setting:text
TimeZone	UTC
max_identifier_length	63
search_path	"$user", public
server_version_num	150018
standard_conforming_strings	on
====

SELECT extname FROM pg_extension WHERE extname = 'timescaledb'
----
extname:name
====

SELECT spcname FROM pg_tablespace ORDER BY 1
----
spcname:name
pg_default
pg_global
====

SELECT amname FROM pg_am ORDER BY 1
----
amname:name
brin
btree
gin
gist
hash
heap
spgist
====

SELECT lanname FROM pg_language WHERE lanname = 'sql'
----
lanname:name
sql
====

SELECT oid, typname, typnamespace, typlen, typtype, typcategory, typelem, typarray, typdelim, typbasetype FROM pg_type WHERE typname IN ('int4', 'text', '_text', 'timestamptz', 'numeric', 'bool') ORDER BY oid
----
oid:oid	typname:name	typnamespace:oid	typlen:int2	typtype:"char"	typcategory:"char"	typelem:oid	typarray:oid	typdelim:"char"	typbasetype:oid
16	bool	11	1	b	B	0	1000	,	0
23	int4	11	4	b	N	0	1007	,	0
25	text	11	-1	b	S	0	1009	,	0
1009	_text	11	-1	b	A	25	0	,	0
1184	timestamptz	11	8	b	D	0	1185	,	0
1700	numeric	11	-1	b	N	0	1231	,	0
====

SELECT proname, prorettype::regtype, pronargs FROM pg_proc WHERE proname IN ('now', 'upper') AND prorettype <> 'anyelement'::regtype ORDER BY 1, 2, 3
----
proname:name	prorettype:regtype	pronargs:int2
now	timestamp with time zone	0
upper	text	1
====

SELECT oprname, oprleft::regtype, oprright::regtype FROM pg_operator WHERE oid = 96
----
oprname:name	oprleft:regtype	oprright:regtype
=	integer	integer
====

-- information_schema
SELECT * FROM information_schema.schemata WHERE schema_name IN ('gold', 'public') ORDER BY schema_name
----
catalog_name:name	schema_name:name	schema_owner:name	default_character_set_catalog:name	default_character_set_schema:name	default_character_set_name:name	sql_path:varchar
sluice	gold	sluice	\N	\N	\N	\N
sluice	public	pg_database_owner	\N	\N	\N	\N
====

SELECT * FROM information_schema.tables WHERE table_schema IN ('gold', 'public') ORDER BY table_schema, table_name
----
table_catalog:name	table_schema:name	table_name:name	table_type:varchar	self_referencing_column_name:name	reference_generation:varchar	user_defined_type_catalog:name	user_defined_type_schema:name	user_defined_type_name:name	is_insertable_into:varchar	is_typed:varchar	commit_action:varchar
sluice	gold	daily	VIEW	\N	\N	\N	\N	\N	NO	NO	\N
sluice	gold	orders	BASE TABLE	\N	\N	\N	\N	\N	YES	NO	\N
sluice	public	kinds	BASE TABLE	\N	\N	\N	\N	\N	YES	NO	\N
sluice	public	order_totals	VIEW	\N	\N	\N	\N	\N	NO	NO	\N
====

SELECT * FROM information_schema.columns WHERE table_schema = 'gold' AND table_name = 'orders' ORDER BY ordinal_position
----
table_catalog:name	table_schema:name	table_name:name	column_name:name	ordinal_position:int4	column_default:varchar	is_nullable:varchar	data_type:varchar	character_maximum_length:int4	character_octet_length:int4	numeric_precision:int4	numeric_precision_radix:int4	numeric_scale:int4	datetime_precision:int4	interval_type:varchar	interval_precision:int4	character_set_catalog:name	character_set_schema:name	character_set_name:name	collation_catalog:name	collation_schema:name	collation_name:name	domain_catalog:name	domain_schema:name	domain_name:name	udt_catalog:name	udt_schema:name	udt_name:name	scope_catalog:name	scope_schema:name	scope_name:name	maximum_cardinality:int4	dtd_identifier:name	is_self_referencing:varchar	is_identity:varchar	identity_generation:varchar	identity_start:varchar	identity_increment:varchar	identity_maximum:varchar	identity_minimum:varchar	identity_cycle:varchar	is_generated:varchar	generation_expression:varchar	is_updatable:varchar
sluice	gold	orders	id	1	\N	YES	bigint	\N	\N	64	2	0	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	int8	\N	\N	\N	\N	1	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	customer	2	\N	YES	text	\N	1073741824	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	text	\N	\N	\N	\N	2	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	amount	3	\N	YES	numeric	\N	\N	10	10	2	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	numeric	\N	\N	\N	\N	3	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	weight	4	\N	YES	double precision	\N	\N	53	2	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	float8	\N	\N	\N	\N	4	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	pieces	5	\N	YES	integer	\N	\N	32	2	0	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	int4	\N	\N	\N	\N	5	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	paid	6	\N	YES	boolean	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	bool	\N	\N	\N	\N	6	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	placed_at	7	\N	YES	timestamp with time zone	\N	\N	\N	\N	\N	6	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	timestamptz	\N	\N	\N	\N	7	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	day	8	\N	YES	date	\N	\N	\N	\N	\N	0	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	date	\N	\N	\N	\N	8	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
sluice	gold	orders	status	9	\N	YES	text	\N	1073741824	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sluice	pg_catalog	text	\N	\N	\N	\N	9	NO	NO	\N	\N	\N	\N	\N	NO	NEVER	\N	YES
====

SELECT table_name, is_updatable, check_option FROM information_schema.views WHERE table_schema = 'gold'
----
table_name:name	is_updatable:varchar	check_option:varchar
daily	NO	NONE
====

SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'information_schema' ORDER BY 1 LIMIT 5
----
table_name:name	table_type:varchar
_pg_foreign_data_wrappers	VIEW
_pg_foreign_servers	VIEW
_pg_foreign_table_columns	VIEW
_pg_foreign_tables	VIEW
_pg_user_mappings	VIEW
====

SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'pg_catalog' AND table_name = 'pg_namespace' ORDER BY ordinal_position
----
column_name:name	data_type:varchar	is_nullable:varchar
oid	oid	NO
nspname	name	NO
nspowner	oid	NO
nspacl	ARRAY	YES
====

SELECT * FROM information_schema.table_constraints WHERE table_schema = 'gold'
----
constraint_catalog:name	constraint_schema:name	constraint_name:name	table_catalog:name	table_schema:name	table_name:name	constraint_type:varchar	is_deferrable:varchar	initially_deferred:varchar	enforced:varchar	nulls_distinct:varchar
====

SELECT * FROM information_schema.key_column_usage WHERE table_schema = 'gold'
----
constraint_catalog:name	constraint_schema:name	constraint_name:name	table_catalog:name	table_schema:name	table_name:name	column_name:name	ordinal_position:int4	position_in_unique_constraint:int4
====

SELECT * FROM information_schema.referential_constraints
----
constraint_catalog:name	constraint_schema:name	constraint_name:name	unique_constraint_catalog:name	unique_constraint_schema:name	unique_constraint_name:name	match_option:varchar	update_rule:varchar	delete_rule:varchar
====

SELECT * FROM information_schema.routines WHERE routine_schema = 'gold'
----
specific_catalog:name	specific_schema:name	specific_name:name	routine_catalog:name	routine_schema:name	routine_name:name	routine_type:varchar	module_catalog:name	module_schema:name	module_name:name	udt_catalog:name	udt_schema:name	udt_name:name	data_type:varchar	character_maximum_length:int4	character_octet_length:int4	character_set_catalog:name	character_set_schema:name	character_set_name:name	collation_catalog:name	collation_schema:name	collation_name:name	numeric_precision:int4	numeric_precision_radix:int4	numeric_scale:int4	datetime_precision:int4	interval_type:varchar	interval_precision:int4	type_udt_catalog:name	type_udt_schema:name	type_udt_name:name	scope_catalog:name	scope_schema:name	scope_name:name	maximum_cardinality:int4	dtd_identifier:name	routine_body:varchar	routine_definition:varchar	external_name:varchar	external_language:varchar	parameter_style:varchar	is_deterministic:varchar	sql_data_access:varchar	is_null_call:varchar	sql_path:varchar	schema_level_routine:varchar	max_dynamic_result_sets:int4	is_user_defined_cast:varchar	is_implicitly_invocable:varchar	security_type:varchar	to_sql_specific_catalog:name	to_sql_specific_schema:name	to_sql_specific_name:name	as_locator:varchar	created:timestamptz	last_altered:timestamptz	new_savepoint_level:varchar	is_udt_dependent:varchar	result_cast_from_data_type:varchar	result_cast_as_locator:varchar	result_cast_char_max_length:int4	result_cast_char_octet_length:int4	result_cast_char_set_catalog:name	result_cast_char_set_schema:name	result_cast_char_set_name:name	result_cast_collation_catalog:name	result_cast_collation_schema:name	result_cast_collation_name:name	result_cast_numeric_precision:int4	result_cast_numeric_precision_radix:int4	result_cast_numeric_scale:int4	result_cast_datetime_precision:int4	result_cast_interval_type:varchar	result_cast_interval_precision:int4	result_cast_type_udt_catalog:name	result_cast_type_udt_schema:name	result_cast_type_udt_name:name	result_cast_scope_catalog:name	result_cast_scope_schema:name	result_cast_scope_name:name	result_cast_maximum_cardinality:int4	result_cast_dtd_identifier:name
====

SELECT * FROM information_schema.sequences
----
sequence_catalog:name	sequence_schema:name	sequence_name:name	data_type:varchar	numeric_precision:int4	numeric_precision_radix:int4	numeric_scale:int4	start_value:varchar	minimum_value:varchar	maximum_value:varchar	increment:varchar	cycle_option:varchar
====

SELECT * FROM information_schema.triggers
----
trigger_catalog:name	trigger_schema:name	trigger_name:name	event_manipulation:varchar	event_object_catalog:name	event_object_schema:name	event_object_table:name	action_order:int4	action_condition:varchar	action_statement:varchar	action_orientation:varchar	action_timing:varchar	action_reference_old_table:name	action_reference_new_table:name	action_reference_old_row:name	action_reference_new_row:name	created:timestamptz
====

SELECT grantor, grantee, table_name, privilege_type, is_grantable FROM information_schema.table_privileges WHERE table_schema = 'gold' ORDER BY table_name, privilege_type
----
grantor:name	grantee:name	table_name:name	privilege_type:varchar	is_grantable:varchar
sluice	sluice	daily	DELETE	YES
sluice	sluice	daily	INSERT	YES
sluice	sluice	daily	REFERENCES	YES
sluice	sluice	daily	SELECT	YES
sluice	sluice	daily	TRIGGER	YES
sluice	sluice	daily	TRUNCATE	YES
sluice	sluice	daily	UPDATE	YES
sluice	sluice	orders	DELETE	YES
sluice	sluice	orders	INSERT	YES
sluice	sluice	orders	REFERENCES	YES
sluice	sluice	orders	SELECT	YES
sluice	sluice	orders	TRIGGER	YES
sluice	sluice	orders	TRUNCATE	YES
sluice	sluice	orders	UPDATE	YES
====

SELECT * FROM information_schema.information_schema_catalog_name
----
catalog_name:name
sluice
====

-- functions
SELECT pg_table_is_visible('kinds'::regclass), pg_table_is_visible('gold.orders'::regclass), pg_table_is_visible('pg_class'::regclass), pg_table_is_visible(999999999), pg_type_is_visible('int4'::regtype), pg_function_is_visible('now'::regproc)
----
pg_table_is_visible:bool	pg_table_is_visible:bool	pg_table_is_visible:bool	pg_table_is_visible:bool	pg_type_is_visible:bool	pg_function_is_visible:bool
t	f	t	\N	t	t
====

SET search_path TO gold, public
----
OK SET
====

SELECT current_schema(), current_schemas(true), pg_table_is_visible('gold.orders'::regclass), 'orders'::regclass::text
----
current_schema:name	current_schemas:name[]	pg_table_is_visible:bool	text:text
gold	{pg_catalog,gold,public}	t	orders
====

RESET search_path
----
OK RESET
====

SELECT current_schema(), current_schemas(false), current_schemas(true)
----
current_schema:name	current_schemas:name[]	current_schemas:name[]
public	{public}	{pg_catalog,public}
====

SELECT obj_description('gold.orders'::regclass, 'pg_class'), col_description('gold.orders'::regclass, 1), obj_description('public'::regnamespace, 'pg_namespace'), shobj_description(1, 'pg_database')
----
obj_description:text	col_description:text	obj_description:text	shobj_description:text
\N	\N	standard public schema	default template for new databases
====

SELECT pg_get_userbyid(10), pg_get_userbyid(12345), pg_get_expr(NULL, 0), pg_get_constraintdef(0), pg_get_indexdef(0)
----
pg_get_userbyid:name	pg_get_userbyid:name	pg_get_expr:text	pg_get_constraintdef:text	pg_get_indexdef:text
sluice	unknown (OID=12345)	\N	\N	\N
====

SELECT has_table_privilege('gold.orders', 'SELECT'), has_schema_privilege('gold', 'USAGE'), has_database_privilege('sluice', 'CONNECT'), has_column_privilege('gold.orders', 'id', 'SELECT'), pg_has_role('sluice', 'USAGE')
----
has_table_privilege:bool	has_schema_privilege:bool	has_database_privilege:bool	has_column_privilege:bool	pg_has_role:bool
t	t	t	t	t
====

SELECT pg_relation_size('gold.orders') > 0, pg_total_relation_size('gold.orders'::regclass) > 0, pg_size_pretty(pg_table_size('gold.orders')) IS NOT NULL, pg_database_size('sluice') > 0, pg_size_pretty(123456789::bigint)
----
?column?:bool	?column?:bool	?column?:bool	?column?:bool	pg_size_pretty:text
t	t	t	t	a size
====

SELECT generate_subscripts(ARRAY[5,6,7], 1)
----
generate_subscripts:int4
1
2
3
====

SELECT json_build_object('a', 1)
----
json_build_object:json
{"a" : 1}
====

SELECT format_type(23, NULL), format_type(1700, 655366), format_type(1043, 14), format_type(1009, -1), format_type(0, NULL), format_type(1184, 3)
----
format_type:text	format_type:text	format_type:text	format_type:text	format_type:text	format_type:text
integer	numeric(10,2)	character varying(10)	text[]	-	timestamp(3) with time zone
====

SELECT txid_current() > 0, pg_postmaster_start_time() < now(), pg_is_other_temp_schema(0), pg_my_temp_schema(), inet_client_port() IS NULL
----
?column?:bool	?column?:bool	pg_is_other_temp_schema:bool	pg_my_temp_schema:oid	?column?:bool
t	t	f	0	f
====

SELECT quote_ident('a'), quote_ident('A'), quote_ident('select'), parse_ident('a.b'), (parse_ident('"A b".c'))[1]
----
quote_ident:text	quote_ident:text	quote_ident:text	parse_ident:text[]	parse_ident:text
a	"A"	"select"	{a,b}	A b
====

SELECT count(*) FROM pg_get_keywords() WHERE word = 'select'
----
count:int8
1
====

SELECT pg_advisory_unlock_all()
----
pg_advisory_unlock_all:void
""
====

SELECT pg_try_advisory_lock(1), pg_advisory_unlock(1)
----
pg_try_advisory_lock:bool	pg_advisory_unlock:bool
t	t
====
