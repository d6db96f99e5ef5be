//! What tools ask of the catalog. The queries are those the tools send; the answers are what makes them go on.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{client::connect, fixture::server};

/// Rows as texts, columns joined by `|`.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let answers = match client.simple_query(sql).await {
        Ok(answers) => answers,
        Err(error) => panic!("{sql}\n{error:?}"),
    };
    answers
        .iter()
        .filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL"));
                Some(values.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn psql_lists_and_describes() {
    let server = server().await;
    let client = connect(&server).await;
    let tables = r#"SELECT n.nspname as "Schema", c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;"#;
    // What is not on the search path is not listed until it is named.
    assert_eq!(rows(&client, tables).await, ["public|orders|table|sluice"]);
    let everywhere = tables.replace("AND pg_catalog.pg_table_is_visible(c.oid)", "");
    assert_eq!(
        rows(&client, &everywhere).await,
        [
            "gold|metrics|table|sluice",
            "public|orders|table|sluice",
            "silver|sessions|table|sluice",
        ]
    );
    let find = r"SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(metrics)$' COLLATE pg_catalog.default
  AND n.nspname OPERATOR(pg_catalog.~) '^(gold)$' COLLATE pg_catalog.default
ORDER BY 2, 3;";
    let found = rows(&client, find).await;
    let oid = found[0].split('|').next().unwrap();
    let more = format!(
        "SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', ')
, c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '{oid}';"
    );
    let more = rows(&client, &more).await;
    assert!(more[0].starts_with("0|r|f|f|f|f|f|f|f|"), "{more:?}");
    let columns = format!(
        "SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '{oid}' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;"
    );
    let columns = rows(&client, &columns).await;
    let types: Vec<_> = columns
        .iter()
        .map(|row| row.split('|').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        types,
        [
            "window_start timestamp with time zone",
            "event_type text",
            "event_count bigint",
            "avg_value double precision",
        ]
    );
}

#[tokio::test]
async fn there_is_one_database_and_one_role() {
    let server = server().await;
    let client = connect(&server).await;
    let databases = r#"SELECT d.datname as "Name",
       pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
       pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
       pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges"
FROM pg_catalog.pg_database d
ORDER BY 1;"#;
    assert_eq!(rows(&client, databases).await, ["sluice|sluice|UTF8|NULL"]);
    let roles = "SELECT r.rolname, r.rolsuper, r.rolinherit,
  r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
  r.rolconnlimit, r.rolvaliduntil,
  ARRAY(SELECT b.rolname
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
        WHERE m.member = r.oid) as memberof
, r.rolreplication
, r.rolbypassrls
FROM pg_catalog.pg_roles r
WHERE r.rolname !~ '^pg_'
ORDER BY 1;";
    let roles = rows(&client, roles).await;
    assert!(
        roles[0].starts_with("sluice|t|t|t|t|t|-1|NULL|"),
        "{roles:?}"
    );
}

#[tokio::test]
async fn grafana_builds_its_queries() {
    let server = server().await;
    let client = connect(&server).await;
    for (sql, expected) in [
        ("SELECT current_setting('server_version_num')::int / 100 AS version", &["1500"][..]),
        ("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", &[]),
        ("SELECT datname FROM pg_database WHERE datistemplate = false ORDER BY datname", &["sluice"]),
        (
            "SELECT schema_name AS \"name\" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_internal', 'timescaledb_information')
ORDER BY schema_name",
            &["bronze", "gold", "public", "silver"],
        ),
        (
            "SELECT quote_ident(table_name) AS \"table\" FROM information_schema.tables
WHERE quote_ident(table_schema) = quote_ident('gold') ORDER BY 1",
            &["metrics"],
        ),
        (
            "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\"
FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('gold.metrics'), 1) = 2
      THEN quote_ident(table_schema) = (parse_ident('gold.metrics'))[1] AND quote_ident(table_name) = (parse_ident('gold.metrics'))[2]
      ELSE quote_ident(table_name) = 'gold.metrics' END",
            &[
                "window_start|timestamp with time zone",
                "event_type|text",
                "event_count|bigint",
                "avg_value|double precision",
            ],
        ),
        (
            "SELECT floor(extract(epoch from window_start)/300)*300 AS \"time\", event_type AS metric, sum(event_count) AS amount
FROM gold.metrics WHERE window_start BETWEEN '2026-01-01T00:00:00Z' AND '2026-12-01T06:00:00.123Z' AND event_type IN ('click','it''s') GROUP BY 1, 2 ORDER BY 1",
            &["1795366800|click|7"],
        ),
    ] {
        assert_eq!(rows(&client, sql).await, expected, "{sql}");
    }
}

/// The whole of Grafana's look for a table: names on the search path bare, others with their schema.
#[tokio::test]
async fn grafana_finds_tables_by_the_search_path() {
    let server = server().await;
    let client = connect(&server).await;
    let path = "SELECT CASE WHEN trim(p[i]) = '\"$user\"' THEN user ELSE trim(p[i]) END
         FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                              array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
              string_to_array(current_setting('search_path'), ',') p";
    let sql = format!(
        "SELECT CASE WHEN quote_ident(table_schema) IN ({path})
       THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_internal')
ORDER BY CASE WHEN quote_ident(table_schema) IN ({path}) THEN 0 ELSE 1 END, 1"
    );
    assert_eq!(
        rows(&client, &sql).await,
        ["endless", "orders", "gold.metrics", "silver.sessions"]
    );
}

#[tokio::test]
async fn functions_that_drivers_call() {
    let server = server().await;
    let client = connect(&server).await;
    for (sql, expected) in [
        (
            "SELECT current_database(), current_schema(), current_user, session_user",
            "sluice|public|sluice|sluice",
        ),
        ("SELECT current_schemas(true)", "{pg_catalog,public}"),
        ("SELECT current_schemas(false)", "{public}"),
        (
            "SELECT pg_catalog.set_config('search_path', 'public', false)",
            "public",
        ),
        (
            "SELECT pg_is_in_recovery(), pg_size_pretty(20480)",
            "f|20 kB",
        ),
        (
            "SELECT obj_description(1, 'pg_class'), col_description(1, 2), shobj_description(1, 'pg_database')",
            "NULL|NULL|NULL",
        ),
        (
            "SELECT quote_ident('A b'), (parse_ident('a.b'))[2]",
            "\"A b\"|b",
        ),
        (
            "SELECT setting FROM pg_settings WHERE name = 'max_index_keys'",
            "32",
        ),
        ("SELECT 'gold.metrics'::regclass::oid > 0", "t"),
    ] {
        assert_eq!(rows(&client, sql).await, [expected], "{sql}");
    }
    let version = rows(&client, "select pg_catalog.version()").await;
    assert!(version[0].starts_with("PostgreSQL 15."), "{version:?}");
}

/// What cannot be planned has no rows of the right columns; a query of the user's own has its error.
#[tokio::test]
async fn an_unknown_question_about_the_catalog_has_an_empty_answer() {
    let server = server().await;
    let client = connect(&server).await;
    let unknown =
        "SELECT c.relname, pg_catalog.no_such_function(c.oid) AS x, 1 FROM pg_catalog.pg_class c";
    let statement = client.prepare(unknown).await.unwrap();
    let names: Vec<_> = statement.columns().iter().map(|c| c.name()).collect();
    assert_eq!(names, ["relname", "x", "?column?"]);
    assert!(client.query(&statement, &[]).await.unwrap().is_empty());
    for own in [
        "SELECT no_such_function(event_type) FROM gold.metrics",
        "SELECT no_such_function(1)",
        "SELECT m.nope FROM gold.metrics m, pg_catalog.pg_class c",
    ] {
        assert!(client.prepare(own).await.is_err(), "{own}");
    }
}

/// psql's `\dp`, which asks for policies too.
#[tokio::test]
async fn privileges_are_listed() {
    let server = server().await;
    let client = connect(&server).await;
    let privileges = r#"SELECT n.nspname as "Schema", c.relname as "Name",
  pg_catalog.array_to_string(ARRAY(
    SELECT attname || E':\n  ' || pg_catalog.array_to_string(attacl, E'\n  ')
    FROM pg_catalog.pg_attribute a
    WHERE attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL
  ), E'\n') AS "Column privileges",
  pg_catalog.array_to_string(ARRAY(
    SELECT polname
    || CASE WHEN polroles <> '{0}' THEN
           E'\n  to: ' || pg_catalog.array_to_string(
               ARRAY(
                   SELECT rolname
                   FROM pg_catalog.pg_roles
                   WHERE oid = ANY (polroles)
                   ORDER BY 1
               ), E', ')
       ELSE E''
       END
    FROM pg_catalog.pg_policy pol
    WHERE polrelid = c.oid), E'\n')
    AS "Policies"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r','v','m','S','f','p') AND n.nspname = 'gold'
ORDER BY 1, 2;"#;
    assert_eq!(rows(&client, privileges).await, ["gold|metrics||"]);
}
