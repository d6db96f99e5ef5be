//! Texts meant to break us: deep, long, and both. An answer within seconds on a small stack is all that is asked.

use std::time::{Duration, Instant};

use crate::{MAX_CHAIN, MAX_DOUBLINGS, MAX_NESTING, ParseErrorKind, parse};

/// Runs on a stack of four mebibytes, a quarter of what a worker of the server has.
fn small_stack(
    text: String,
    look: impl FnOnce(Result<Vec<crate::Parsed>, crate::ParseError>) + Send + 'static,
) {
    let start: String = text.chars().take(60).collect();
    let began = Instant::now();
    let run = std::thread::Builder::new()
        .stack_size(4 << 20)
        .spawn(move || {
            let answer = parse(&text);
            if let Ok(parsed) = &answer {
                for parsed in parsed {
                    // What the server does with a statement: print, copy, compare, drop.
                    let copy = parsed.statement.clone();
                    assert!(copy == parsed.statement);
                    assert!(!copy.to_string().is_empty());
                }
            }
            look(answer);
        });
    run.unwrap().join().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{start}… took {:?}",
        began.elapsed()
    );
}

fn too_deep(text: String) {
    small_stack(text, |answer| {
        assert_eq!(answer.unwrap_err().kind, ParseErrorKind::TooDeep);
    });
}

fn accepted(text: String) {
    small_stack(text, |answer| {
        answer.unwrap();
    });
}

/// Any answer will do.
fn answered(text: String) {
    small_stack(text, |_| {});
}

#[test]
fn nested_ten_thousand_deep() {
    let n = 10_000;
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("f(", "1", ")"),
        ("(SELECT ", "1", ")"),
        ("ARRAY[", "1", "]"),
        ("CASE WHEN a THEN ", "1", " ELSE 2 END"),
        ("NOT ", "a", ""),
        ("- ", "1", ""),
        ("CAST(", "1", " AS INT)"),
        ("EXISTS (SELECT ", "1", ")"),
        ("1 IN (", "1", ")"),
        ("{", "", "}"),
        ("INTERVAL ", "'1'", ""),
        ("x.", "y", ""),
        ("ARRAY ", "[1]", ""),
        ("1 = ANY (", "a", ")"),
        ("a[", "1", "]"),
        ("~", "1", ""),
    ] {
        let text = format!("SELECT {}{middle}{}", open.repeat(n), close.repeat(n));
        small_stack(text, |answer| {
            assert!(answer.is_err());
        });
    }
    too_deep(format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n)));
    too_deep(format!("SELECT * FROM {}t{}", "(".repeat(n), ")".repeat(n)));
    too_deep(format!(
        "SELECT * FROM {}t{}",
        "(SELECT * FROM ".repeat(n),
        ")".repeat(n)
    ));
    too_deep(format!(
        "CREATE STREAM x (a {}INT{}) WITH (c = 1)",
        "ARRAY<".repeat(n),
        ">".repeat(n)
    ));
    too_deep(format!(
        "SELECT CAST(1 AS {}INT{})",
        "ARRAY<".repeat(n),
        ">".repeat(n)
    ));
    answered(format!("{}SELECT 1", "EXPLAIN ".repeat(n)));
    answered(format!("SELECT {}", "(".repeat(n)));
    answered(format!("SELECT {}", ")".repeat(n)));
    answered("WITH a AS (".repeat(n));
}

#[test]
fn chains_of_a_hundred_thousand() {
    let n = 100_000;
    too_deep(format!("SELECT 1{}", " + 1".repeat(n)));
    too_deep(format!(
        "SELECT * FROM t WHERE a = 1{}",
        " OR a = 1".repeat(n)
    ));
    too_deep(format!("SELECT 1{}", "::int".repeat(n)));
    too_deep(format!("SELECT 1{}", " UNION SELECT 1".repeat(n)));
    too_deep(format!("SELECT 1{}", " IS NULL".repeat(n)));
    too_deep(format!("SELECT * FROM t{}", " JOIN t ON true".repeat(n)));
    too_deep(format!("SELECT CAST(a AS int{})", "[]".repeat(n)));
    answered(format!("SELECT a{}", ".a".repeat(n)));
    answered(format!("SELECT a{}", " a".repeat(n)));
    answered("SELECT ".repeat(n));
    answered("CASE ".repeat(n));
    answered("SELECT INTERVAL ".repeat(n));
    answered(format!("SELECT 1 {}", "COLLATE x ".repeat(n)));
}

#[test]
fn wide_is_not_deep() {
    let n = 50_000;
    accepted(format!("SELECT * FROM t WHERE a IN (1{})", ", 1".repeat(n)));
    accepted(format!("SELECT '{}'", "x".repeat(1 << 20)));
    accepted(format!(
        "SELECT CASE {} END",
        "WHEN a = 1 AND b = 2 THEN 1 ".repeat(5_000)
    ));
    accepted(format!("-- {}\nSELECT 1", "x".repeat(1 << 20)));
}

#[test]
fn many_rows() {
    accepted(format!(
        "INSERT INTO t VALUES (1, 'a'){}",
        ", (1, 'a')".repeat(50_000)
    ));
}

#[test]
fn many_columns() {
    accepted(format!("SELECT a{}", ", a + 1".repeat(50_000)));
}

#[test]
fn many_statements() {
    accepted("SELECT 1;".repeat(50_000));
}

#[test]
fn what_the_limits_allow_works_on_a_small_stack() {
    let terms = MAX_CHAIN;
    accepted(format!("SELECT 1{}", " + 1".repeat(terms)));
    accepted(format!("SELECT a{}", " AND a".repeat(terms)));
    accepted(format!("SELECT 1{}", "::int".repeat(terms)));
    accepted(format!("SELECT 1{}", " UNION SELECT 1".repeat(terms / 3)));
    accepted(format!("SELECT {}a", "NOT ".repeat(terms)));
    let deep = MAX_NESTING;
    for (open, close) in [
        ("(", ")"),
        ("f(", ")"),
        ("CASE WHEN a THEN ", " END"),
        ("CAST(", " AS INT)"),
    ] {
        accepted(format!(
            "SELECT {}1{}",
            open.repeat(deep),
            close.repeat(deep)
        ));
    }
    let deep = MAX_DOUBLINGS;
    accepted(format!(
        "SELECT {}1{}",
        "(SELECT ".repeat(deep),
        ")".repeat(deep)
    ));
    let deep = 40;
    accepted(format!(
        "SELECT * FROM {}t{}",
        "(SELECT * FROM ".repeat(deep),
        ")".repeat(deep)
    ));
    let deep = 35;
    accepted(format!(
        "CREATE VIEW v AS SELECT * FROM {}t{}",
        "TUMBLE((SELECT * FROM ".repeat(deep),
        "), ts, '1m')".repeat(deep)
    ));
    let deep = 80;
    let mixed = "(1 + 1 + 1 + 1 + ".repeat(deep);
    accepted(format!("SELECT {mixed}1{}", ")".repeat(deep)));
}

#[test]
fn statements_of_upkeep_and_versions() {
    let n = 10_000;
    too_deep(format!(
        "OPTIMIZE t WHERE {}a{}",
        "(".repeat(n),
        ")".repeat(n)
    ));
    too_deep(format!("OPTIMIZE t WHERE a = 1{}", " OR a = 1".repeat(n)));
    too_deep(format!(
        "SELECT * FROM t TIMESTAMP AS OF {}now(){}",
        "(".repeat(n),
        ")".repeat(n)
    ));
    answered(format!("OPTIMIZE {}", "t.".repeat(n)));
    answered(format!("VACUUM t {}", "RETAIN 1 HOURS ".repeat(n)));
    answered(format!("VACUUM t RETAIN {} HOURS", "9".repeat(n)));
    answered(format!("SELECT * FROM t VERSION AS OF {}", "9".repeat(n)));
    answered(format!(
        "SELECT * FROM t {}",
        "FOR SYSTEM_TIME AS OF ".repeat(n)
    ));
    answered(format!("SELECT * FROM t {}1", "VERSION AS OF ".repeat(n)));
    answered(format!("DESCRIBE HISTORY {}", "LIMIT ".repeat(n)));
    answered(format!("DESCRIBE {}", "HISTORY ".repeat(n)));
    accepted(format!(
        "SELECT * FROM t{}",
        " JOIN t VERSION AS OF 3 ON true".repeat(100)
    ));
}

#[test]
fn malformed_nesting_does_not_explode() {
    for n in [30, 60, MAX_NESTING - 1] {
        answered(format!("SELECT {}1", "CAST(".repeat(n)));
        answered(format!("SELECT {}1, {}", "CAST(".repeat(n), ")".repeat(n)));
        answered(format!(
            "SELECT {}1 x y{}",
            "NOT (".repeat(n),
            ")".repeat(n)
        ));
        answered(format!("SELECT {}1 x y{}", "f(".repeat(n), ")".repeat(n)));
        answered(format!(
            "SELECT {}1 x y{}",
            "EXTRACT(".repeat(n),
            ")".repeat(n)
        ));
        answered(format!(
            "SELECT {}1 x y{}",
            "CASE WHEN ".repeat(n),
            " END".repeat(n)
        ));
        answered(format!(
            "SELECT {}1 x y{}",
            "INTERVAL (".repeat(n),
            ")".repeat(n)
        ));
        answered(format!(
            "SELECT {}1 x y{}",
            "1 IN ((".repeat(n / 2),
            "))".repeat(n / 2)
        ));
        answered(format!(
            "SELECT * FROM {}t x y{}",
            "(".repeat(n),
            ")".repeat(n)
        ));
        answered(format!(
            "SELECT {}",
            "SUBSTRING(TRIM(POSITION(".repeat(n / 3)
        ));
    }
}

#[test]
fn odd_bytes_are_answered() {
    for text in [
        "\0",
        "SELECT \0",
        "\u{feff}SELECT 1",
        "SELECT '\u{1F600}",
        "😀",
        "SELECT 1 -- \r\n + 1",
        "'",
        "\"",
        "`",
        "$",
        "$$",
        "E'\\",
        "U&'\\zzzz'",
        "x'zz'",
        "/*",
        "--",
        ";;;",
        "\\d",
        "@",
        "#",
        "?",
        ":",
        "::",
        "1e",
        "1.",
        ".",
        "0x",
    ] {
        answered(text.to_owned());
    }
}
