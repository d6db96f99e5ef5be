//! Roots on object stores: what an address may be, that nothing shows a secret, and which servers are refused.
//!
//! The servers here are wrong on purpose. A right one is in the black-box tests.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
};

use object_store::Error as StoreError;
use parking_lot::Mutex;

use super::super::{
    StoreSettings,
    address::{Address, StoreKind},
    fault::condensed,
    guarded::honest,
    open_root, remote,
};
use crate::error::ConnectorError;

/// What must not be seen anywhere.
const SECRET: &str = "canary7Secret";

fn address(url: &str) -> Result<Address, ConnectorError> {
    Address::parse(StoreKind::of(url.split_once(':').unwrap().0).unwrap(), url)
}

#[test]
fn an_address_is_bucket_and_folder() {
    for (url, bucket, account, prefix, shown) in [
        ("s3://b", "b", None, "", "s3://b/"),
        ("s3://b/", "b", None, "", "s3://b/"),
        ("s3a://b/x/y/", "b", None, "x/y", "s3a://b/x/y/"),
        ("gs://b/x%20y", "b", None, "x y", "gs://b/x%20y/"),
        ("az://c/x", "c", None, "x", "az://c/x/"),
        (
            "abfss://c@a.dfs.core.windows.net/x",
            "c",
            Some("a"),
            "x",
            "abfss://c@a.dfs.core.windows.net/x/",
        ),
        ("abfs://c/x", "c", None, "x", "abfs://c/x/"),
    ] {
        let found = address(url).unwrap();
        assert_eq!(found.bucket, bucket, "{url}");
        assert_eq!(found.account.as_deref(), account, "{url}");
        assert_eq!(found.prefix.as_ref(), prefix, "{url}");
        assert_eq!(found.url.as_str(), shown, "{url}");
    }
}

#[test]
fn an_address_with_more_than_a_place_in_it_is_refused_and_not_shown() {
    for url in [
        "s3://",
        "s3:///x",
        &format!("s3://key:{SECRET}@b/x"),
        &format!("s3://{SECRET}@b/x"),
        &format!("az://c/x?sig={SECRET}"),
        &format!("gs://b/x#{SECRET}"),
        "s3://b:9000/x",
        "abfss://a.dfs.core.windows.net/x",
        &format!("abfss://c:{SECRET}@a.dfs.core.windows.net/x"),
        "abfss://c@a.example.org/x",
        "s3://b/../x",
        "s3://b/a//b",
    ] {
        let Err(error) = address(url) else {
            // What a URL parser makes plain is plain.
            assert!(url.contains(".."), "{url} was taken");
            continue;
        };
        let said = format!("{error} {error:?} {:?}", error.hint());
        assert!(!said.contains(SECRET), "{said}");
        assert!(said.contains("the root's URL"), "{said}");
    }
}

/// Settings with the secret under every name that holds one.
fn secrets(kind: StoreKind) -> StoreSettings {
    let names: &[&str] = match kind {
        StoreKind::S3 => &["access_key_id", "secret_access_key", "session_token"],
        StoreKind::Azure => &["account_key"],
        StoreKind::Google => &["service_account_key"],
    };
    let value = |name: &str| match name {
        // base64 and JSON are read when the client is made
        "account_key" => format!("{SECRET}AAA"),
        "service_account_key" => format!(
            r#"{{"disable_oauth":true,"client_email":"","private_key":"{SECRET}","private_key_id":"{SECRET}"}}"#
        ),
        _ => SECRET.to_owned(),
    };
    let mut settings: BTreeMap<String, String> = names
        .iter()
        .map(|name| ((*name).to_owned(), value(name)))
        .collect();
    settings.insert("timeout".into(), "2 seconds".into());
    settings.insert("connect_timeout".into(), "1 second".into());
    settings.insert("allow_http".into(), "true".into());
    match kind {
        StoreKind::S3 => settings.insert("endpoint".into(), "http://127.0.0.1:9".into()),
        StoreKind::Azure => {
            settings.insert("account_name".into(), "acct".into());
            settings.insert("endpoint".into(), "http://127.0.0.1:9".into())
        }
        StoreKind::Google => settings.insert("base_url".into(), "http://127.0.0.1:9".into()),
    };
    settings.into_iter().collect()
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    for (kind, url) in [
        (StoreKind::S3, "s3://b/x"),
        (StoreKind::Azure, "az://c/x"),
        (StoreKind::Google, "gs://b/x"),
    ] {
        let settings = secrets(kind);
        let mut said = format!("{settings:?}");
        let store = remote::connect(&address(url).unwrap(), &settings).unwrap();
        said += &format!("{store:?} {store}");
        // nobody listens there
        let error = open_root(url, &settings).await.unwrap_err();
        said += &format!("{error} {error:?} {:?}", error.hint());
        assert!(
            matches!(error, ConnectorError::Unreachable { .. }),
            "{said}"
        );
        assert!(!said.contains(SECRET), "{said}");
        assert!(said.contains(url), "{said}");
    }
}

#[tokio::test]
async fn settings_that_nobody_reads_are_refused() {
    let settings = |name: &str| StoreSettings::from_iter([(name.to_owned(), SECRET.to_owned())]);
    for (url, name, hint) in [
        (
            "s3://b",
            "secret_acces_key",
            "Did you mean secret_access_key?",
        ),
        ("az://c", "acount_key", "Did you mean account_key?"),
        ("s3://b", "account_key", "Did you mean access_key_id?"),
        ("gs://b", "qqq", "docs/stores.md"),
        ("gs://b", "bucket", "The root's URL names the bucket."),
        ("./x", "regoin", "Did you mean region?"),
    ] {
        let error = open_root(url, &settings(name)).await.unwrap_err();
        let told = error.hint().unwrap_or_default();
        assert!(
            error.to_string().contains(&format!("\"{name}\"")),
            "{error}"
        );
        assert!(told.contains(hint), "{name}: {told}");
        assert!(!format!("{error:?}").contains(SECRET));
    }
}

#[test]
fn a_page_of_an_answer_becomes_a_line() {
    let page = "Server returned 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code>\
                <Message>no match\nMAC abc</Message><StringToSign>AWS4 secret-ish</StringToSign></Error>";
    assert_eq!(
        condensed(page),
        "Server returned 403 Forbidden: SignatureDoesNotMatch: no match"
    );
    assert_eq!(condensed("plain   text\nhere"), "plain text here");
    assert_eq!(condensed(&"x".repeat(10_000)).chars().count(), 501);
}

#[test]
fn a_conflict_of_two_requests_is_not_an_object_that_exists() {
    let exists = |said: &str| {
        honest(StoreError::AlreadyExists {
            path: "x".into(),
            source: said.to_owned().into(),
        })
    };
    assert!(matches!(
        exists("409 Conflict: <Code>ConditionalRequestConflict</Code>"),
        StoreError::Generic { .. }
    ));
    assert!(matches!(
        exists("409 Conflict: <Code>BlobAlreadyExists</Code>"),
        StoreError::AlreadyExists { .. }
    ));
}

/// How a server is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Every put is accepted.
    IgnoresIfNoneMatch,
    /// Updates are accepted whatever they ask for.
    IgnoresIfMatch,
    /// The answer is right, and the object is replaced.
    WritesAnyway,
    /// It looks, waits, and writes then.
    ChecksThenWrites,
    /// 501 to whatever has a condition.
    KnowsNoConditions,
    /// The keys are not good.
    Denies,
    /// There is no such bucket.
    HasNoBucket,
    /// It does not list.
    ListsNothing,
    /// In nothing.
    Right,
}

type Objects = Arc<Mutex<BTreeMap<String, (Vec<u8>, u64)>>>;

/// As much of S3's protocol as the probe needs.
fn server(wrong: Wrong) -> StoreSettings {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let objects = Objects::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let objects = Arc::clone(&objects);
            std::thread::spawn(move || answer(stream, wrong, &objects));
        }
    });
    [
        ("endpoint", format!("http://127.0.0.1:{port}")),
        ("allow_http", "true".into()),
        ("access_key_id", "k".into()),
        ("secret_access_key", "s".into()),
        ("timeout", "10 seconds".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn answer(stream: TcpStream, wrong: Wrong, objects: &Objects) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers
            .get("content-length")
            .and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let (status, tag, said) = respond(wrong, objects, &method, &target, &headers, &body);
        let tag = tag.map_or_else(String::new, |tag| format!("ETag: \"{tag}\"\r\n"));
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nLast-Modified: Fri, 27 Nov 2026 10:00:00 GMT\r\n{tag}\r\n",
            said.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&said).ok()?;
    }
}

fn respond(
    wrong: Wrong,
    objects: &Objects,
    method: &str,
    target: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> (u16, Option<u64>, Vec<u8>) {
    let error = |status, code: &str| {
        let page = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>told</Message></Error>"
        );
        (status, None, page.into_bytes())
    };
    match wrong {
        Wrong::Denies => return error(403, "InvalidAccessKeyId"),
        Wrong::HasNoBucket => return error(404, "NoSuchBucket"),
        _ => {}
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if method == "GET" && query.contains("list-type=2") {
        return (200, None, listing(wrong, objects));
    }
    let if_absent = headers.contains_key("if-none-match") && wrong != Wrong::IgnoresIfNoneMatch;
    let if_match = headers
        .get("if-match")
        .filter(|_| wrong != Wrong::IgnoresIfMatch);
    match method {
        "PUT" if wrong == Wrong::KnowsNoConditions && (if_absent || if_match.is_some()) => {
            error(501, "NotImplemented")
        }
        "PUT" => {
            let found = objects.lock().get(path).map(|(_, tag)| *tag);
            let stale = if_match
                .is_some_and(|tag| found.is_none_or(|found| format!("\"{found}\"") != *tag));
            let refused = (if_absent && found.is_some()) || stale;
            if refused && wrong != Wrong::WritesAnyway {
                return error(412, "PreconditionFailed");
            }
            if wrong == Wrong::ChecksThenWrites && path.ends_with("/race") {
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            let mut objects = objects.lock();
            let held = matches!(wrong, Wrong::ChecksThenWrites | Wrong::WritesAnyway);
            if if_absent && !held && objects.contains_key(path) {
                return error(412, "PreconditionFailed");
            }
            let tag = found.unwrap_or(0) + 1;
            objects.insert(path.to_owned(), (body.to_vec(), tag));
            match refused {
                true => error(412, "PreconditionFailed"),
                false => (200, Some(tag), Vec::new()),
            }
        }
        "GET" => match objects.lock().get(path) {
            Some((bytes, tag)) => (200, Some(*tag), bytes.clone()),
            None => error(404, "NoSuchKey"),
        },
        _ => (200, None, b"<DeleteResult></DeleteResult>".to_vec()),
    }
}

fn listing(wrong: Wrong, objects: &Objects) -> Vec<u8> {
    let mut page =
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    if wrong != Wrong::ListsNothing {
        for (path, (bytes, tag)) in objects.lock().iter() {
            let key = path.trim_start_matches("/b/");
            page += &format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-27T10:00:00.000Z</LastModified><ETag>\"{tag}\"</ETag><Size>{}</Size></Contents>",
                bytes.len()
            );
        }
    }
    page += "</ListBucketResult>";
    page.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_keep_its_promises_is_refused() {
    for (wrong, told) in [
        (
            Wrong::IgnoresIfNoneMatch,
            "it accepted a second put-if-absent",
        ),
        (
            Wrong::IgnoresIfMatch,
            "it accepted an update of an object that had changed",
        ),
        (Wrong::WritesAnyway, "replaced the object all the same"),
        (Wrong::ChecksThenWrites, "at the same time it let 6 win"),
        (
            Wrong::KnowsNoConditions,
            "it does not know conditional puts",
        ),
        (Wrong::ListsNothing, "a listing did not have an object"),
    ] {
        let error = open_root("s3://b/x", &server(wrong)).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::Conflict { .. }),
            "{wrong:?}: {error}"
        );
        assert!(
            error
                .to_string()
                .contains("root s3://b/x/ cannot hold a root"),
            "{error}"
        );
        assert!(error.to_string().contains(told), "{wrong:?}: {error}");
        assert!(error.hint().unwrap().contains("If-None-Match"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_says_why() {
    let error = open_root("s3://b/x", &server(Wrong::Denies))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Denied { .. }), "{error}");
    assert!(
        error.to_string().contains("InvalidAccessKeyId: told"),
        "{error}"
    );
    let error = open_root("s3://b/x", &server(Wrong::HasNoBucket))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::NotFound { .. }), "{error}");
    assert!(
        error.to_string().contains("there is no bucket \"b\""),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_store_is_taken_and_versions_are_told_apart() {
    let root = open_root("s3://b/x", &server(Wrong::Right)).await.unwrap();
    assert!(root.is_remote());
    assert_eq!(
        root.url_of("tables/a").unwrap().as_str(),
        "s3://b/x/tables/a/"
    );
    assert!(root.put_if_absent("one", "1".into()).await.unwrap());
    assert!(!root.put_if_absent("one", "2".into()).await.unwrap());
    let first = root.read_versioned("one").await.unwrap().unwrap();
    assert_eq!(first.bytes, "1");
    let version = first.version.clone();
    let put = root
        .put_if_unchanged("one", "3".into(), version)
        .await
        .unwrap();
    assert!(matches!(put, super::super::Conditional::Put(_)));
    let again = root
        .put_if_unchanged("one", "4".into(), first.version)
        .await
        .unwrap();
    assert!(matches!(again, super::super::Conditional::Refused));
    assert_eq!(root.read_text("one").await.unwrap().as_deref(), Some("3"));
}
