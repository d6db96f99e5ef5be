//! Roles, privileges and secrets: what each statement becomes, and that no password and no secret is in anything that prints.

use super::{becomes, one, printed};
use crate::{CreateRole, Grant, GrantOn, GrantRole, Hidden, Privilege, SetRole, Statement, parse};

#[test]
fn statements_about_roles() {
    for text in [
        "CREATE ROLE ann",
        "CREATE USER \"Ann B\" SUPERUSER NOLOGIN CONNECTION LIMIT 3 IN ROLE a, b",
        "CREATE ROLE ann NOSUPERUSER CREATEROLE NOINHERIT LOGIN VALID UNTIL '2027-01-01' CONNECTION LIMIT -1 ROLE a ADMIN b",
        "ALTER ROLE ann NOLOGIN PASSWORD NULL",
        "ALTER ROLE CURRENT_USER LOGIN",
        "DROP ROLE IF EXISTS ann, \"Ann B\"",
        "GRANT readers, writers TO ann, CURRENT_USER",
        "GRANT readers TO ann WITH ADMIN OPTION",
        "REVOKE ADMIN OPTION FOR readers FROM ann",
        "GRANT SELECT, INSERT ON TABLE gold.x, y TO ann, PUBLIC",
        "GRANT ALL ON ALL TABLES IN SCHEMA gold, silver TO ann WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON TABLE x FROM ann",
        "REVOKE USAGE, CREATE ON SCHEMA gold FROM PUBLIC",
        "GRANT CREATE ON DATABASE sluice TO ann",
        "GRANT USAGE ON SECRET broker TO ann",
        "GRANT EXECUTE ON FUNCTION f TO ann",
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pg_catalog FROM PUBLIC",
        "SET ROLE ann",
        "SET ROLE NONE",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION ann",
        "SET SESSION AUTHORIZATION DEFAULT",
        "RESET SESSION AUTHORIZATION",
        "ALTER TABLE gold.x OWNER TO ann",
        "ALTER SCHEMA gold OWNER TO CURRENT_USER",
        "ALTER TABLE gold.x RENAME TO y",
        "ALTER VIEW IF EXISTS \"X\" RENAME TO \"Y z\"",
        "DROP SECRET IF EXISTS broker",
        "COMMENT ON STREAM gold.clicks IS 'what Ann''s site sends'",
        "COMMENT ON STREAM clicks IS NULL",
        "COMMENT ON TABLE gold.x IS 'x'",
    ] {
        becomes(text, text);
    }
    becomes("ALTER USER ann WITH LOGIN", "ALTER ROLE ann LOGIN");
    becomes("CREATE GROUP g", "CREATE ROLE g");
    becomes(
        "COMMENT ON SOURCE clicks IS $$Ann's$$",
        "COMMENT ON STREAM clicks IS 'Ann''s'",
    );
    becomes(
        "GRANT SELECT ON gold.x TO GROUP ann",
        "GRANT SELECT ON TABLE gold.x TO ann",
    );
    becomes(
        "GRANT ALL PRIVILEGES ON STREAM s TO ann CASCADE",
        "GRANT ALL ON TABLE s TO ann",
    );
    becomes(
        "GRANT EXECUTE ON FUNCTION f(int, text) TO ann",
        "GRANT EXECUTE ON FUNCTION f TO ann",
    );
    becomes(
        "GRANT EXECUTE ON ROUTINE f(numeric(8, 2), text[]), pg_catalog.g() TO ann",
        "GRANT EXECUTE ON FUNCTION f, pg_catalog.g TO ann",
    );
    becomes(
        "GRANT ALL ON ALL ROUTINES IN SCHEMA pg_catalog TO ann",
        "GRANT ALL ON ALL FUNCTIONS IN SCHEMA pg_catalog TO ann",
    );
    becomes("set local role to 'ann'", "SET LOCAL ROLE \"ann\"");
    becomes("SET role = none", "SET ROLE NONE");
}

#[test]
fn a_password_is_in_the_tree_and_in_nothing_that_prints() {
    for text in [
        "CREATE ROLE ann LOGIN PASSWORD 'hunter2'",
        "CREATE USER ann ENCRYPTED PASSWORD 'hunter2'",
        "ALTER ROLE ann PASSWORD 'hunter2'",
        "CREATE SECRET s AS 'hunter2'",
        "CREATE SECRET IF NOT EXISTS s WITH (backend = 'meta') AS 'hunter2'",
        "ALTER SECRET s AS 'hunter2'",
    ] {
        let statement = one(text);
        assert!(printed(text).contains("'***'"), "{statement}");
        assert!(!format!("{statement:?} {statement}").contains("hunter2"));
    }
    let Statement::CreateRole(CreateRole { options, .. }) =
        one("CREATE ROLE ann PASSWORD 'hunter2'")
    else {
        panic!("it makes a role");
    };
    assert_eq!(options.password, Some(Some(Hidden("hunter2".into()))));
}

#[test]
fn an_error_does_not_repeat_what_may_be_a_secret() {
    for text in [
        "CREATE ROLE ann 'hunter2'",
        "CREATE ROLE ann PASSWORD hunter2",
        "CREATE ROLE ann PASSWORD 'a' 'hunter2'",
        "ALTER ROLE ann LOGIN 'hunter2'",
        "CREATE SECRET s = 'hunter2'",
        "CREATE SECRET s 'hunter2'",
        "CREATE SECRET s AS hunter2",
        "CREATE SECRET s AS 'a' 'hunter2'",
        "CREATE STREAM s (a INT) WITH (connector = 'kafka', 'sasl.password' = 'a' 'hunter2')",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn an_option_takes_its_value_from_a_secret() {
    let text = "CREATE STREAM s (a INT) WITH (connector = 'kafka', 'properties.sasl.password' = SECRET Broker, topic = 't')";
    becomes(
        text,
        "CREATE STREAM s (a INT) WITH (connector = 'kafka', topic = 't', \"kafka.sasl.password\" = SECRET broker)",
    );
    let Statement::CreateStream(stream) = one(text) else {
        panic!("it makes a stream");
    };
    assert_eq!(stream.options.secret("kafka.sasl.password"), Some("broker"));
    assert_eq!(stream.options.bare_secrets().count(), 0);
    let twice = "CREATE STREAM s (a INT) WITH (\"a.password\" = SECRET b, 'a.password' = 'x')";
    let error = parse(twice).unwrap_err();
    assert!(error.message.contains("more than once"), "{error}");
}

#[test]
fn secrets_that_are_written_out_are_found_and_what_lies_beside_them_is_not() {
    let bare = |options: &str| {
        let text = format!("CREATE STREAM s (a INT) WITH ({options})");
        let Statement::CreateStream(stream) = one(&text) else {
            panic!("it makes a stream");
        };
        stream.options.bare_secrets().count()
    };
    assert_eq!(bare("'kafka.sasl.password' = 'x'"), 1);
    assert_eq!(
        bare("'kafka.ssl.key.pem' = 'x', url = 'http://me:pw@host/'"),
        2
    );
    assert_eq!(bare("'kafka.ssl.key.location' = '/etc/key'"), 0);
    assert_eq!(bare("topic = 'secret', bootstrap_servers = 'a:1'"), 0);
}

#[test]
fn refusals_say_what_to_write() {
    for (text, says) in [
        ("CREATE ROLE public", "role name \"public\" is reserved"),
        (
            "CREATE ROLE a LOGIN NOLOGIN",
            "conflicting or redundant options",
        ),
        ("CREATE ROLE a REPLICATION", "REPLICATION is not supported"),
        (
            "GRANT FLY ON TABLE x TO a",
            "unrecognized privilege type \"fly\"",
        ),
        (
            "GRANT SELECT (a) ON TABLE x TO a",
            "privileges on columns are not supported",
        ),
        (
            "ALTER ROLE a RENAME TO b",
            "ALTER ROLE … RENAME is not supported",
        ),
        ("ALTER ROLE a", "syntax error at end of input"),
        ("COMMENT ON STREAM s", "syntax error at end of input"),
        ("COMMENT ON STREAM s IS 1", "syntax error at or near \"1\""),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.message.contains(says), "{text}: {error}");
        assert!(error.hint.is_some(), "{text}");
    }
}

#[test]
fn what_only_looks_like_ours_stays_sql() {
    for text in [
        "SET TimeZone = 'UTC'",
        "RESET ALL",
        "ALTER TABLE x ADD COLUMN a INT",
    ] {
        assert!(matches!(one(text), Statement::Sql(_)), "{text}");
    }
    assert!(matches!(
        one("SET ROLE a"),
        Statement::SetRole(SetRole::Role {
            name: Some(_),
            local: false
        })
    ));
    let Statement::Grant(Grant { privileges, on, .. }) = one("GRANT SELECT ON x TO a") else {
        panic!("it gives a privilege");
    };
    assert_eq!(privileges, Some(vec![Privilege::Select]));
    assert!(matches!(on, GrantOn::Relations(_)));
    let Statement::GrantRole(GrantRole { roles, .. }) = one("GRANT a, b TO c") else {
        panic!("it gives roles");
    };
    assert_eq!(roles.len(), 2);
}
