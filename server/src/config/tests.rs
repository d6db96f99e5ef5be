//! Tests of config: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use sluice_server::doors::guard::Passwords;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn refused(text: &str) -> (String, String) {
    let file = file(text);
    let error = load(Some(file.path()), &Overrides::default()).unwrap_err();
    let name = file.path().display().to_string();
    (
        error.message.replace(&name, "F"),
        error.hint.unwrap_or_default(),
    )
}

#[test]
fn flag_over_file_over_default() {
    let file = file("pg_listen = '0.0.0.0:1'\nroot = 'elsewhere' # why not\n");
    let overrides = Overrides {
        root: Some("here".to_owned()),
        ..Overrides::default()
    };
    let config = load(Some(file.path()), &overrides).unwrap();
    assert_eq!(config.root, "here");
    assert_eq!(config.pg_listen.as_str(), "0.0.0.0:1");
    assert_eq!(config.http_listen.as_str(), "127.0.0.1:5457");
    assert_eq!(
        load(None, &Overrides::default()).unwrap(),
        Config::default()
    );
}

#[test]
fn unknown_keys_are_refused_by_name_and_line() {
    let (message, hint) = refused("root = 'x'\n\npg_lisen = '127.0.0.1:1'\n");
    assert_eq!(message, "F:3: unknown configuration key \"pg_lisen\"");
    assert_eq!(hint, "Did you mean pg_listen?");
    let (message, hint) = refused("[kafka]\nx = 1\n");
    assert_eq!(message, "F:1: unknown configuration key \"kafka\"");
    assert_eq!(
        hint,
        "There are: root, pg_listen, flight_listen, http_listen, query_memory, scratch, root_lease, auth, tls_cert, tls_key, tls_client_ca, insecure, owner_password_file, storage."
    );
}

#[test]
fn wrong_values_and_broken_files_say_where() {
    let (message, _) = refused("\nroot = 5\n");
    assert!(
        message.starts_with("F:2: configuration key \"root\" must be a string"),
        "{message}"
    );
    let (message, _) = refused("root = 'x'\npg_listen = 'nowhere'\n");
    assert!(
        message.starts_with("F:2: configuration key \"pg_listen\": \"nowhere\" is not an address"),
        "{message}"
    );
    let (message, _) = refused("query_memory = 'much'\n");
    assert!(
        message.starts_with("F:1: configuration key \"query_memory\": \"much\" is not an amount"),
        "{message}"
    );
    let (message, _) = refused("root = 'x'\nroot = = 3\n");
    assert!(message.starts_with("F:2: "), "{message}");
    let missing = load(Some(Path::new("/no/such/file.toml")), &Overrides::default());
    let message = missing.unwrap_err().message;
    assert!(message.contains("/no/such/file.toml"), "{message}");
}

#[test]
fn addresses() {
    for good in ["127.0.0.1:5455", "localhost:0", "[::1]:5455"] {
        assert!(good.parse::<Address>().is_ok(), "{good}");
    }
    for bad in ["5455", ":5455", "host:", "host:70000", "host:x", ""] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[test]
fn unknown_variables_are_refused() {
    let check = |names: &[&str]| check_environment(names.iter().map(ToString::to_string));
    check(&[
        "PATH",
        "SLUICE_ROOT",
        "SLUICE_HTTP_LISTEN",
        "SLUICE_CONFIG",
        "SLUICE_CACHE",
        "SLUICE_LOG",
        "SLUICE_TEST_X",
    ])
    .unwrap();
    let error = check(&["SLUICE_ROOT", "SLUICE_PG_LISTENS"]).unwrap_err();
    assert_eq!(
        error.message,
        "unknown environment variable SLUICE_PG_LISTENS"
    );
    assert_eq!(
        error.hint.as_deref(),
        Some("Did you mean SLUICE_PG_LISTEN?")
    );
}

#[test]
fn the_store_of_the_root_has_settings_that_are_not_shown() {
    let file = file(
        "root = 's3://bucket/x'\nscratch = '/tmp/s'\nroot_lease = '1 min'\n\n[storage]\nallow_http = true\nsecret_access_key = 'canary'\ntimeout = '5 s'\n",
    );
    let config = load(Some(file.path()), &Overrides::default()).unwrap();
    let options = config.root_options();
    assert_eq!(options.scratch.as_deref(), Some(Path::new("/tmp/s")));
    assert_eq!(options.lease.as_secs(), 60);
    assert!(!options.storage.is_empty());
    assert!(!format!("{config:?} {options:?}").contains("canary"));
    let (message, hint) = refused("[storage]\nsecret_access_key = ['canary']\n");
    assert!(!format!("{message} {hint}").contains("canary"), "{message}");
    assert!(message.contains("secret_access_key"), "{message}");
    for wrong in ["0 s", "15", "2 h", "61 min", "", "s"] {
        let (message, _) = refused(&format!("root_lease = '{wrong}'\n"));
        assert!(
            message.contains("is not a time from 1 s to 60 min"),
            "{message}"
        );
    }
}

#[test]
fn the_file_in_the_page_about_stores_is_one() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/stores.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let file = file(text);
    let config = load(Some(file.path()), &Overrides::default()).unwrap();
    assert_eq!(config.root, "s3://bucket/sluice");
    assert_eq!(config.storage.len(), 6);
    assert_eq!(config.root_options().lease, RootOptions::default().lease);
}

#[test]
fn what_is_asked_of_those_who_come_follows_from_where_the_doors_are() {
    let config = |text: &str| load(Some(file(text).path()), &Overrides::default()).unwrap();
    let asked = |text: &str| entry(&config(text)).unwrap().passwords == Passwords::Asked;
    let refused = |text: &str| entry(&config(text)).unwrap_err().to_string();
    assert!(!asked(""));
    assert!(!asked(
        "pg_listen = 'localhost:1'\nflight_listen = '[::1]:1'\nhttp_listen = '0.0.0.0:1'"
    ));
    assert!(asked("auth = 'password'"));
    let tls = "tls_cert = 'c'\ntls_key = 'k'\n";
    assert!(asked(&format!("{tls}pg_listen = '0.0.0.0:1'")));
    assert!(asked("insecure = true\nflight_listen = 'db.example.org:1'"));
    assert!(!asked(
        "insecure = true\nauth = 'trust'\npg_listen = '0.0.0.0:1'"
    ));
    assert!(refused("pg_listen = '0.0.0.0:1'").contains("without encryption"));
    assert!(refused("flight_listen = '[::]:1'").contains("--flight-listen [::]:1"));
    assert!(
        refused(&format!("{tls}auth = 'trust'\npg_listen = '0.0.0.0:1'"))
            .contains("lets anybody in")
    );
    assert!(refused("tls_key = 'k'").contains("--tls-cert is not"));
    assert!(refused("tls_client_ca = 'k'").contains("--tls-cert is not"));
}
