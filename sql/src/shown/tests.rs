//! What of a text is shown.

use super::without_secrets;

#[test]
fn what_holds_no_secret_is_shown_as_it_was_written() {
    for text in [
        "SELECT 'a',  \"B\" -- and so on\n FROM t WHERE x = $1; SELECT 2",
        "INSERT INTO t VALUES ('täglich', 1.5)",
        "CREATE STREAM s (id BIGINT) WITH (connector = 'kafka', \"kafka.sasl.password\" = SECRET broker, topic = 'x')",
        "SELECT keys, token FROM t WHERE kind = 'a' AND key = 'b'",
        "SELECT 1 FROM a JOIN b ON a.order_key = b.order_key",
        "",
    ] {
        assert_eq!(without_secrets(text), text);
    }
}

#[test]
fn secrets_are_struck_out() {
    for (text, shown) in [
        (
            "CREATE SECRET broker AS 'hush'",
            "CREATE SECRET broker AS '***'",
        ),
        (
            "create or replace secret broker as $$hush$$; SELECT 'x'",
            "create or replace secret broker as '***'; SELECT 'x'",
        ),
        (
            "CREATE ROLE ann LOGIN PASSWORD 'hush' 'hush' VALID UNTIL 'x'",
            "CREATE ROLE ann LOGIN PASSWORD '***' '***' VALID UNTIL '***'",
        ),
        (
            "ALTER USER ann PASSWORD E'hu\\'sh'",
            "ALTER USER ann PASSWORD '***'",
        ),
        (
            "CREATE STREAM s (a INT) WITH (topic = 't', \"kafka.sasl.password\" = 'hush')",
            "CREATE STREAM s (a INT) WITH (topic = 't', \"kafka.sasl.password\" = '***')",
        ),
        (
            "CREATE STREAM s WITH (kafka.sasl.password = hush)",
            "CREATE STREAM s WITH (kafka.sasl.password = ***)",
        ),
        (
            "CREATE STREAM s WITH (\"schema.registry.url\" = 'https://me:hush@host/x')",
            "CREATE STREAM s WITH (\"schema.registry.url\" = 'https://me:***@host/x')",
        ),
        (
            "CREATE STREAM s WITH (password = 'hu' || 'sh' 'x', a = 'b')",
            "CREATE STREAM s WITH (password = '***' || '***' '***', a = 'b')",
        ),
        ("SET app.token TO 'hush'", "SET app.token TO '***'"),
        ("SET app.token = 4711", "SET app.token = '***'"),
        (
            "SELECT set_config('app.secret', 'hush', false)",
            "SELECT set_config('app.secret', '***', false)",
        ),
        (
            "EXPLAIN ALTER ROLE x PASSWORD 'hush'",
            "EXPLAIN ALTER ROLE x PASSWORD '***'",
        ),
    ] {
        assert_eq!(without_secrets(text), shown, "{text}");
    }
}

#[test]
fn from_where_a_text_cannot_be_read_on_nothing_is_shown() {
    assert_eq!(
        without_secrets("CREATE ROLE ann PASSWORD 'hus"),
        "CREATE ROLE ann PASSWORD ***"
    );
    assert_eq!(
        without_secrets("CREATE ROLE ann PASSWORD 'a' 'hus"),
        "CREATE ROLE ann PASSWORD '***' ***"
    );
    assert_eq!(without_secrets("SELECT 1 /* 'hus"), "SELECT 1 ***");
}
