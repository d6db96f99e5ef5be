//! COPY in both spellings of its options.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::becomes;
use crate::{ParseErrorKind, parse};

#[test]
fn both_spellings_become_the_new_one() {
    becomes("copy t from stdin", "COPY t FROM STDIN");
    becomes(
        "COPY gold.t (a, \"B\") TO STDOUT;",
        "COPY gold.t (a, \"B\") TO STDOUT",
    );
    becomes(
        "COPY (SELECT a FROM t WHERE a > 1) TO STDOUT (FORMAT \"binary\")",
        "COPY (SELECT a FROM t WHERE a > 1) TO STDOUT WITH (FORMAT binary)",
    );
    becomes(
        "COPY t FROM STDIN WITH (FORMAT 'csv', HEADER, DELIMITER E'\\t', NULL 'it''s', FORCE_NULL (a, b))",
        "COPY t FROM STDIN WITH (FORMAT csv, DELIMITER ' ', NULL 'it''s', HEADER, FORCE_NULL (a, b))",
    );
    becomes(
        "COPY t TO STDOUT WITH CSV HEADER DELIMITER AS ';' QUOTE '''' FORCE QUOTE *",
        "COPY t TO STDOUT WITH (FORMAT csv, DELIMITER ';', QUOTE '''', HEADER, FORCE_QUOTE *)",
    );
    becomes(
        "COPY BINARY t FROM STDIN",
        "COPY t FROM STDIN WITH (FORMAT binary)",
    );
    becomes(
        "COPY t FROM STDIN BINARY",
        "COPY t FROM STDIN WITH (FORMAT binary)",
    );
    becomes(
        "COPY t FROM STDIN (HEADER match, FORMAT csv, ENCODING 'UTF8', FREEZE false)",
        "COPY t FROM STDIN WITH (FORMAT csv, HEADER match)",
    );
}

#[test]
fn what_is_not_ours_is_refused_where_it_stands() {
    for (text, kind, message, near) in [
        (
            "COPY t FROM '/etc/passwd'",
            ParseErrorKind::Unsupported,
            "COPY to or from a file or program of the server is not supported",
            "'/etc/passwd'",
        ),
        (
            "COPY t TO PROGRAM 'rm'",
            ParseErrorKind::Unsupported,
            "COPY to or from a file or program of the server is not supported",
            "PROGRAM",
        ),
        (
            "COPY (SELECT 1) FROM STDIN",
            ParseErrorKind::Syntax,
            "COPY FROM needs a table",
            "FROM STDIN",
        ),
        (
            "COPY t FROM STDIN (FORMAT parquet)",
            ParseErrorKind::Syntax,
            "COPY format \"parquet\" not recognized",
            "parquet",
        ),
        (
            "COPY t FROM STDIN (COMPRESSION 1)",
            ParseErrorKind::Syntax,
            "option \"compression\" not recognized",
            "COMPRESSION",
        ),
        (
            "COPY t FROM STDIN (ENCODING 'latin1')",
            ParseErrorKind::Unsupported,
            "encoding latin1 is not supported",
            "'latin1'",
        ),
        (
            "COPY t FROM STDIN WHERE a > 1",
            ParseErrorKind::Unsupported,
            "WHERE is not supported in COPY FROM",
            "WHERE",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (kind, message),
            "{text}"
        );
        assert_eq!(error.offset, text.find(near).unwrap(), "{text}");
        assert!(error.hint.is_some(), "{text}");
    }
    for (options, message) in [
        (
            "FORMAT binary, HEADER",
            "cannot specify HEADER in BINARY mode",
        ),
        ("QUOTE 'x'", "COPY QUOTE requires CSV mode"),
        (
            "DELIMITER 'ab'",
            "COPY delimiter must be a single one-byte character",
        ),
        (
            "FORMAT csv, DELIMITER '\"', QUOTE '\"'",
            "COPY delimiter cannot be that character",
        ),
    ] {
        let error = parse(&format!("COPY t FROM STDIN ({options})")).unwrap_err();
        assert_eq!(error.message, message);
    }
}

#[test]
fn copy_of_a_subscription() {
    becomes(
        "copy (subscribe gold.t with progress) to stdout",
        "COPY (SUBSCRIBE gold.t WITH (progress = true)) TO STDOUT",
    );
    becomes(
        "COPY (SUBSCRIBE (SELECT a FROM t) AS OF 'x') TO STDOUT WITH (FORMAT csv)",
        "COPY (SUBSCRIBE (SELECT a FROM t) AS OF 'x') TO STDOUT WITH (FORMAT csv)",
    );
}
