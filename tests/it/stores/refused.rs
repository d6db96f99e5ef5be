//! Stores that cannot be used, or must not be: told by name, with what to do, and with the right exit code.

use std::time::Duration;

use sluice_tests::{fault_proxy::FaultProxy, parts::stores::Kind, server::Server};

use super::start;

/// Starts a server that cannot; its exit code, and what it said.
fn refused(root: &str, environment: &[(&'static str, String)]) -> (i32, String) {
    let mut server = Server::idle_at(root, environment);
    server.launch();
    let status = server.wait_ended(Duration::from_secs(60));
    (status.code().unwrap_or(-1), server.log_text())
}

fn a_store_without_conditions(kind: Kind) {
    let store = start(kind);
    let proxy = FaultProxy::start(store.port);
    proxy.ignore_conditions();
    let (code, said) = refused(&store.url("x"), &store.environment(proxy.port));
    assert_eq!(code, 3, "{said}");
    for part in [
        "cannot hold a root: it accepted a second put-if-absent of the same name",
        &store.url("x/"),
        "If-None-Match",
        "docs/stores.md",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    // and it left nothing there
    assert!(
        !store
            .files()
            .iter()
            .any(|file| file.ends_with("FORMAT") || file.ends_with("LEASE")),
        "{:?}",
        store.files()
    );
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn an_s3_server_that_ignores_conditions_is_refused() {
    a_store_without_conditions(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn an_azure_server_that_ignores_conditions_is_refused() {
    a_store_without_conditions(Kind::Azure);
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn wrong_keys_buckets_and_addresses_are_told_apart() {
    let store = start(Kind::S3);
    let with = |name: &str, value: &str| {
        let mut environment = store.environment(store.port);
        for (known, old) in &mut environment {
            if *known == name {
                *old = value.to_owned();
            }
        }
        environment
    };
    let url = store.url("x");
    for (root, environment, code, parts) in [
        (
            url.as_str(),
            with("AWS_SECRET_ACCESS_KEY", "not/this/canary"),
            3,
            vec![
                "the store refuses us",
                "SignatureDoesNotMatch",
                "AWS_ACCESS_KEY_ID",
            ],
        ),
        (
            "s3://no-such-bucket/x",
            store.environment(store.port),
            1,
            vec!["there is no bucket \"no-such-bucket\"", "NoSuchBucket"],
        ),
        (
            url.as_str(),
            with("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            3,
            vec!["does not answer", "endpoint"],
        ),
        (
            url.as_str(),
            with("AWS_ALLOW_HTTP", "false"),
            3,
            vec!["allow_http"],
        ),
        (
            "s3://key:canary@bucket/x",
            store.environment(store.port),
            1,
            vec!["has a user or password in it"],
        ),
        (
            "hdfs://name/x",
            vec![],
            1,
            vec!["a root cannot lie on hdfs://"],
        ),
    ] {
        let (found, said) = refused(root, &environment);
        assert_eq!(found, code, "{root}: {said}");
        for part in parts {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
        assert!(!said.contains("canary"), "{said}");
    }
}
