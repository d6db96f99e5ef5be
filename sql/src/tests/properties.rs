//! Printed statements parse back to themselves, whatever the names, values and types in them.

use proptest::prelude::*;
use proptest::sample::select;
use sqlparser::ast::{Ident, ObjectName};

use super::one;
use crate::{
    ColumnDef, CreateSchema, CreateStream, CreateTable, CreateView, Describe, Described, Drop,
    Emit, Explain, ExplainFormat, ExplainQuery, Fill, FillWith, MOST_FILL_WINDOWS, ObjectKind,
    Optimize, Options, PartitionColumn, RebuildFrom, RebuildQuery, Replay, Show, ShowFilter,
    Statement, Subscribe, SubscribedTo, Vacuum, Watermark, parse,
};

fn ident() -> impl Strategy<Value = Ident> {
    prop_oneof![
        "[a-z_][a-z0-9_]{0,8}"
            .prop_filter("no word of ours", |word| !RESERVED.contains(&word.as_str()))
            .prop_map(Ident::new),
        "[ -~é😀]{1,8}"
            .prop_filter("printable", |text| !text.contains("\\\"")
                && !text.contains("\"\""))
            .prop_map(|text| Ident::with_quote('"', text)),
    ]
}

const RESERVED: [&str; 24] = [
    "add", "alter", "and", "as", "case", "create", "cross", "drop", "except", "exists", "from",
    "if", "in", "is", "join", "like", "not", "null", "on", "or", "then", "union", "with", "when",
];

fn name() -> impl Strategy<Value = ObjectName> {
    prop::collection::vec(ident(), 1..3).prop_map(ObjectName::from)
}

fn options() -> impl Strategy<Value = Options> {
    let key = prop_oneof![
        "[a-z_]{1,10}",
        "[ -~]{1,10}",
        Just("kafka.sasl.password".to_owned())
    ];
    let key = key.prop_filter("canonical keys that can be quoted", |key| {
        !key.contains("\"\"")
            && !key.contains("\\\"")
            && ![
                "type",
                "format",
                "brokers",
                "bad_data",
                "value_format",
                "data_format",
                "kafka_topic",
            ]
            .contains(&key.as_str())
    });
    prop::collection::btree_map(key, "[ -~é\n']{0,12}", 0..4)
        .prop_map(|map| Options(map.into_iter().collect(), Vec::new()))
}

/// Types as they are printed.
fn type_name() -> impl Strategy<Value = &'static str> {
    select(vec![
        "TEXT",
        "VARCHAR(10)",
        "INT",
        "BIGINT",
        "SMALLINT",
        "DOUBLE",
        "REAL",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMPTZ",
        "TIMESTAMPTZ(3)",
        "DECIMAL(10,2)",
        "BYTEA",
        "INT[]",
        "TEXT[][]",
        "STRUCT<a INT, b STRUCT<c TEXT>>",
        "STRUCT<a INT[], b STRUCT<c TEXT>[]>[]",
        "MAP<TEXT, MAP<TEXT, INT>>",
        "UUID",
        "JSON",
    ])
}

/// A type in its tree.
fn data_type() -> impl Strategy<Value = sqlparser::ast::DataType> {
    type_name().prop_map(|name| match one(&format!("CREATE TABLE t (a {name})")) {
        Statement::CreateTable(create) => create.columns[0].data_type.clone(),
        other => panic!("{other}"),
    })
}

fn columns() -> impl Strategy<Value = Vec<ColumnDef>> {
    prop::collection::vec((data_type(), any::<bool>()), 0..4).prop_map(|columns| {
        let column = |(i, (data_type, not_null))| ColumnDef {
            name: Ident::new(format!("c{i}")),
            data_type,
            not_null,
        };
        columns.into_iter().enumerate().map(column).collect()
    })
}

fn query() -> impl Strategy<Value = Box<sqlparser::ast::Query>> {
    let text = select(vec![
        "SELECT 1",
        "SELECT * FROM TUMBLE(bronze.events, ts, INTERVAL '1 minute') AS t",
        "SELECT window.start, count(*) FROM e GROUP BY window(ts, '1m') HAVING count(*) > 1 ORDER BY 1 LIMIT 3",
        "WITH a AS (SELECT 'x\ny' AS b) SELECT a.b, p95(c) FROM a JOIN d USING (b) WHERE b LIKE 'it''s' UNION ALL SELECT 1, 2",
        "SELECT CASE WHEN a THEN (SELECT max(b) FROM c) ELSE INTERVAL '1' DAY END, e['k'], f[1] FROM STREAM s WATERMARK ts DELAY OF INTERVAL 1 HOUR",
        "SELECT 1 - -1 AS a, - - 1 AS b, @ -5 AS c, ~ ~5 AS d, ||/ -8 AS e, - -2 ^ 2 AS f FROM g WHERE h > - -i",
        "SELECT DISTINCT a::string, sum(b) OVER (PARTITION BY c ORDER BY d) FROM e, LATERAL (SELECT 1) AS l",
    ]);
    text.prop_map(|text| match one(&format!("CREATE VIEW v AS {text}")) {
        Statement::CreateView(view) => view.query,
        other => panic!("{other}"),
    })
}

fn filter() -> impl Strategy<Value = ShowFilter> {
    (prop::option::of(name()), prop::option::of("[ -~é]{0,8}"))
        .prop_map(|(schema, like)| ShowFilter { schema, like })
}

fn kind() -> impl Strategy<Value = ObjectKind> {
    select(vec![
        ObjectKind::Stream,
        ObjectKind::View,
        ObjectKind::Table,
    ])
}

fn partitions() -> impl Strategy<Value = Vec<PartitionColumn>> {
    prop::collection::vec(prop::option::of(data_type()), 0..3).prop_map(|types| {
        let column = |(i, data_type)| PartitionColumn {
            name: Ident::new(format!("p{i}")),
            data_type,
        };
        types.into_iter().enumerate().map(column).collect()
    })
}

fn create_stream() -> impl Strategy<Value = Statement> {
    (
        any::<bool>(),
        any::<bool>(),
        name(),
        columns(),
        any::<bool>(),
        options(),
    )
        .prop_map(
            |(or_replace, if_not_exists, name, columns, watermark, options)| {
                let watermark = watermark.then(|| {
                    match one("CREATE STREAM s (WATERMARK FOR c0 AS c0 - INTERVAL '1s') WITH ()") {
                        Statement::CreateStream(CreateStream {
                            watermark: Some(watermark),
                            ..
                        }) => watermark,
                        other => panic!("{other}"),
                    }
                });
                let watermark: Option<Watermark> = watermark;
                Statement::CreateStream(CreateStream {
                    or_replace,
                    if_not_exists,
                    name,
                    columns,
                    watermark,
                    options,
                })
            },
        )
}

fn emit() -> impl Strategy<Value = Emit> {
    let with = prop_oneof![
        Just(FillWith::Null),
        Just(FillWith::Zero),
        Just(FillWith::Previous),
    ];
    prop_oneof![
        Just(Emit::OnWindowClose),
        (with, 1..=MOST_FILL_WINDOWS)
            .prop_map(|(with, windows)| Emit::OnWindowCloseFill(Fill { with, windows })),
    ]
}

fn create_table() -> impl Strategy<Value = Statement> {
    (
        any::<bool>(),
        any::<bool>(),
        name(),
        columns(),
        partitions(),
        options(),
        query(),
        emit(),
    )
        .prop_map(
            |(or_replace, if_not_exists, name, columns, partitioned_by, options, query, emit)| {
                Statement::CreateTable(CreateTable {
                    or_replace,
                    temporary: false,
                    if_not_exists,
                    name,
                    columns,
                    like: Vec::new(),
                    on_commit: Default::default(),
                    partitioned_by,
                    options,
                    renamed: Vec::new(),
                    query: Some(query),
                    data: Default::default(),
                    emit,
                })
            },
        )
}

fn statement() -> impl Strategy<Value = Statement> {
    let plain = prop_oneof![
        create_stream(),
        create_table(),
        (
            any::<[bool; 3]>(),
            name(),
            prop::collection::vec(ident(), 0..3),
            query()
        )
            .prop_map(
                |([or_replace, temporary, if_not_exists], name, columns, query)| {
                    Statement::CreateView(CreateView {
                        or_replace,
                        temporary,
                        if_not_exists,
                        name,
                        columns,
                        query,
                    })
                }
            ),
        (any::<bool>(), name()).prop_map(|(if_not_exists, name)| Statement::CreateSchema(
            CreateSchema {
                if_not_exists,
                name
            }
        )),
        (
            kind(),
            any::<bool>(),
            prop::collection::vec(name(), 1..3),
            any::<bool>()
        )
            .prop_map(|(kind, if_exists, names, cascade)| Statement::Drop(Drop {
                kind,
                if_exists,
                names,
                cascade
            })),
        (filter(), 0..6_usize).prop_map(|(filter, which)| {
            let show = [
                Show::Streams,
                Show::Tables,
                Show::Views,
                Show::Queries,
                Show::Schemas,
                Show::Secrets,
            ][which];
            Statement::Show(show(filter))
        }),
        (kind(), name()).prop_map(|(kind, name)| Statement::Show(Show::Create { kind, name })),
        (name(), described()).prop_map(|(name, what)| Statement::Describe(Describe { name, what })),
        name().prop_map(|name| Statement::Optimize(Optimize {
            name,
            condition: None
        })),
        (name(), prop::option::of(0..1_000_000_u64), any::<bool>()).prop_map(
            |(name, seconds, dry_run)| Statement::Vacuum(Vacuum {
                name,
                retain: seconds.map(std::time::Duration::from_secs),
                dry_run
            })
        ),
        (
            name(),
            prop::option::of("[ -~é]{0,12}"),
            prop::option::of(any::<bool>()),
            any::<bool>()
        )
            .prop_map(|(name, as_of, snapshot, progress)| Statement::Subscribe(
                Subscribe {
                    to: SubscribedTo::Relation(name),
                    as_of,
                    snapshot,
                    progress
                }
            )),
        name().prop_map(Statement::PauseQuery),
        name().prop_map(Statement::ResumeQuery),
        name().prop_map(|name| Statement::Replay(Replay {
            name,
            selection: None
        })),
        name().prop_map(Statement::SkipLost),
        (name(), 0..3_usize, "[ -~é\n']{0,12}").prop_map(|(name, which, text)| {
            let from = [
                RebuildFrom::LastCommit,
                RebuildFrom::Beginning,
                RebuildFrom::Timestamp(text),
            ][which]
                .clone();
            Statement::RebuildQuery(RebuildQuery { name, from })
        }),
    ];
    let explained =
        (any::<bool>(), any::<bool>(), create_table()).prop_map(|(analyze, verbose, statement)| {
            Statement::Explain(Explain {
                analyze,
                verbose,
                format: ExplainFormat::default(),
                statement: Box::new(statement),
            })
        });
    let query = (any::<bool>(), any::<bool>(), name()).prop_map(|(analyze, json, name)| {
        let format = match json {
            true => ExplainFormat::Json,
            false => ExplainFormat::Text,
        };
        Statement::ExplainQuery(ExplainQuery {
            analyze,
            format,
            name,
        })
    });
    prop_oneof![9 => plain, 1 => explained, 1 => query]
}

fn described() -> impl Strategy<Value = Described> {
    prop_oneof![
        Just(Described::Columns),
        Just(Described::Extended),
        Just(Described::Detail),
        prop::option::of(any::<u64>()).prop_map(Described::History),
    ]
}

proptest! {
    // A failure prints its smallest input; nothing is written beside the sources.
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_back(statement in statement()) {
        let text = statement.to_string();
        let parsed = parse(&text);
        prop_assert!(parsed.is_ok(), "{}\n{text}", parsed.unwrap_err());
        let parsed = parsed.unwrap();
        prop_assert_eq!(parsed.len(), 1, "{}", text);
        prop_assert_eq!(&parsed[0].statement, &statement, "{}", text);
    }

    #[test]
    fn literals_print_as_they_are_read(text in "['\\\\\"a\n]{0,6}") {
        let statement = one(&format!("CREATE VIEW v AS SELECT '{}' AS a", text.replace('\'', "''")));
        let printed = statement.to_string();
        let again = parse(&printed);
        prop_assert!(again.is_ok(), "{printed}");
        prop_assert_eq!(&again.unwrap()[0].statement, &statement, "{}", printed);
    }

    #[test]
    fn redaction_leaves_no_secret(options in options()) {
        let shown = options.redacted();
        for ((key, value), (_, shown)) in options.0.iter().zip(&shown.0) {
            prop_assert!(!crate::is_secret(key) || shown == crate::REDACTED, "{key} = {value}");
        }
    }

    #[test]
    fn any_text_is_answered(text in "[ -~é\n]{0,200}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.line >= 1 && error.column >= 1, "{error}");
            prop_assert!(error.offset <= text.chars().count(), "{error}");
        }
    }

    #[test]
    fn any_words_are_answered(words in prop::collection::vec(select(WORDS.to_vec()), 0..30)) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(parsed) => for parsed in parsed {
                let long = parsed.statement.to_string();
                let again = parse(&long);
                prop_assert!(again.is_ok(), "{text}\nprints as\n{long}\n{}", again.unwrap_err());
            },
            Err(error) => prop_assert!(error.line == 1 && error.offset <= text.chars().count(), "{error}"),
        }
    }
}

const WORDS: [&str; 75] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "CREATE",
    "STREAM",
    "TABLE",
    "VIEW",
    "WITH",
    "AS",
    "(",
    ")",
    "(",
    ")",
    ",",
    ";",
    "a",
    "b",
    "e",
    "w",
    "*",
    ".",
    "1",
    "'x'",
    "'1 minute'",
    "INTERVAL",
    "SECONDS",
    "WATERMARK",
    "FOR",
    "DELAY",
    "OF",
    "TUMBLE",
    "window",
    "start",
    "end",
    "EMIT",
    "ON",
    "CLOSE",
    "FINAL",
    "FILL",
    "NULL",
    "PREVIOUS",
    "WINDOWS",
    "PARTITIONED BY",
    "OR REPLACE",
    "IF NOT EXISTS",
    "DROP",
    "SHOW",
    "TABLES",
    "LIKE",
    "DESCRIBE",
    "EXPLAIN",
    "PAUSE",
    "REPLAY",
    "QUERY",
    "=",
    "-",
    "::",
    "STRING",
    "ARRAY",
    "<",
    ">",
    "STRUCT",
    "CASE",
    "WHEN",
    "THEN",
    "NOT",
    "AND",
    "JOIN",
    "from_json",
    "p95",
    "TABLE(",
    "DESCRIPTOR(",
    "e.*",
];
