//! Tests of options: see the module beside for what is promised.

use super::{Options, is_secret, without_password};

#[test]
fn secrets_are_whole_words_of_the_key() {
    for key in [
        "password",
        "kafka.sasl.password",
        "ssl.key.password",
        "kafka.ssl.key.pem",
        "secret",
        "aws.secret_access_key",
        "token",
        "api_token",
        "access-key",
        "KAFKA.SASL.PASSWORD",
        "kafka.sasl.jaas.config",
        "basic.auth.user.info",
        "sasl.oauthbearer.client.secret",
    ] {
        assert!(is_secret(key), "{key}");
    }
    for key in [
        "topic",
        "_key",
        "tokens_per_second",
        "keyboard",
        "monkey",
        "passwordless",
        "kafka.group.id",
        "include._key",
    ] {
        assert!(!is_secret(key), "{key}");
    }
}

#[test]
fn redaction_keeps_order_and_length() {
    let secrets = vec![("c.password".to_owned(), "pw".to_owned())];
    let options = Options(
        vec![("a".into(), "1".into()), ("b.password".into(), "x".into())],
        secrets.clone(),
    );
    assert_eq!(
        options.redacted(),
        Options(
            vec![
                ("a".into(), "1".into()),
                ("b.password".into(), "***".into())
            ],
            secrets
        )
    );
}

#[test]
fn passwords_in_addresses() {
    assert_eq!(
        without_password("s3://me:pw@host/a@b"),
        "s3://me:***@host/a@b"
    );
    assert_eq!(without_password("s3://bucket/a:b@c"), "s3://bucket/a:b@c");
    assert_eq!(without_password("host:9092"), "host:9092");
}
