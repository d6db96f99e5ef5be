//! Paths as text.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{elements, named, quoted};

#[test]
fn a_list_of_names_is_read_as_postgres_reads_it() {
    for (text, names) in [
        ("", &[] as &[&str]),
        ("gold", &["gold"]),
        ("Gold , public", &["gold", "public"]),
        ("\"Gold\", public", &["Gold", "public"]),
        ("\"a,b\",\"c\"\"d\"", &["a,b", "c\"d"]),
        ("\"\"", &[""]),
        ("\"$user\", public", &["$user", "public"]),
        ("\"é\"\"\", x", &["é\"", "x"]),
    ] {
        assert_eq!(elements(text).unwrap(), names, "{text}");
    }
    for text in ["gold,", ",gold", "gold public", "\"gold", "\"a\"b", "'a'"] {
        assert_eq!(elements(text), None, "{text}");
    }
}

#[test]
fn names_are_quoted_where_they_must_be() {
    for (name, text) in [
        ("gold", "gold"),
        ("Gold", "\"Gold\""),
        ("$user", "\"$user\""),
        ("", "\"\""),
    ] {
        assert_eq!(quoted(name), text);
    }
}

#[test]
fn the_user_is_a_schema() {
    assert_eq!(named("\"$user\", public", "ann"), ["ann", "public"]);
    assert_eq!(named("\"\"", "ann"), Vec::<String>::new());
}
