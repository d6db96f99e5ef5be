//! What a local root promises: one winner, no torn file, nothing reported that the disk may have lost.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod remote;

use std::{
    env, fs,
    io::{self, BufRead},
    path::Path as FsPath,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutPayload, path::Path};

use super::{DurableLocal, Root, durable, is_unsynced, open_local, scheme_of, storage_error};
use crate::error::ConnectorError;

/// Where a test that starts itself as another process finds what to do.
const CHILD: &str = "SLUICE_STORE_TEST_ROOT";

fn root() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = open_local(folder.path().to_str().unwrap()).unwrap();
    (folder, root)
}

/// Every path below a folder, unfinished files included.
fn on_disk(folder: &FsPath) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(on_disk(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_scheme_is_told_from_a_path() {
    assert_eq!(scheme_of("s3://bucket/x"), Some("s3"));
    assert_eq!(scheme_of("file:///x"), Some("file"));
    assert_eq!(scheme_of("./sluice-data"), None);
    assert_eq!(scheme_of("C://x"), None);
    assert_eq!(scheme_of("/a b://c"), None);
}

#[test]
fn a_scheme_that_is_none_of_ours_is_refused_by_name() {
    for url in ["hdfs://name/x", "https://bucket.s3.amazonaws.com/x"] {
        let error = open_local(url).unwrap_err();
        let scheme = url.split_once(':').unwrap().0;
        assert_eq!(
            error.to_string(),
            format!("a root cannot lie on {scheme}://")
        );
        assert!(error.hint().unwrap().contains("s3://"));
    }
    assert!(open_local("").is_err());
}

#[tokio::test]
async fn texts_come_back_and_folders_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("with space/100%/a#b");
    let root = open_local(below.to_str().unwrap()).unwrap();
    root.put_text("catalog/one.sql", "select 1").await.unwrap();
    root.put_text("catalog/one.sql", "select 2").await.unwrap();
    root.put_text("catalog/deep/two.sql", "").await.unwrap();
    assert_eq!(
        root.read_text("catalog/one.sql").await.unwrap().as_deref(),
        Some("select 2")
    );
    assert_eq!(root.read_text("catalog/none.sql").await.unwrap(), None);
    assert_eq!(root.list("catalog").await.unwrap(), ["one.sql"]);
    assert_eq!(root.list_folders("catalog").await.unwrap(), ["deep"]);
    assert!(root.list("nowhere").await.unwrap().is_empty());
    assert!(below.join("catalog/one.sql").is_file());
    root.delete("catalog/one.sql").await.unwrap();
    root.delete("catalog/one.sql").await.unwrap();
    assert!(root.list("catalog").await.unwrap().is_empty());
    assert_eq!(root.delete_all("catalog").await.unwrap(), 1);
    assert!(!below.join("catalog").exists());
    // The same folder by its URL.
    let again = open_local(root.url.as_str()).unwrap();
    assert_eq!(again.local_path, root.local_path);
}

#[tokio::test]
async fn a_path_cannot_leave_the_root() {
    let (_folder, root) = root();
    for path in ["../x", "a/../../x", "a//b"] {
        assert!(root.put_text(path, "x").await.is_err(), "{path}");
    }
}

#[test]
fn of_racing_threads_one_creates() {
    let (_folder, root) = root();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    for round in 0..20 {
        let path = format!("manifests/{round}");
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let (root, path) = (root.clone(), path.clone());
                runtime.spawn(async move {
                    let text = racer.to_string().repeat(10_000);
                    root.put_text_if_absent(&path, &text)
                        .await
                        .unwrap()
                        .then_some(text)
                })
            })
            .collect();
        let winners: Vec<String> = runtime.block_on(async {
            let mut winners = Vec::new();
            for racer in racers {
                winners.extend(racer.await.unwrap());
            }
            winners
        });
        let there = runtime.block_on(root.read_text(&path)).unwrap();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(there.as_ref(), winners.first());
    }
}

/// Starts this test binary again, to run one test of it as another process.
fn child(test: &str, root: &FsPath) -> std::process::Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn of_racing_processes_one_creates() {
    const ROUNDS: usize = 100;
    let name = "store::tests::of_racing_processes_one_creates";
    if let Ok(folder) = env::var(CHILD) {
        let root = open_local(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for round in 0..ROUNDS {
            let text = format!("{}", std::process::id());
            let won = runtime.block_on(root.put_text_if_absent(&format!("r/{round}"), &text));
            if won.unwrap() {
                println!("won {round} {text}");
            }
        }
        return;
    }
    let (folder, root) = root();
    let children: Vec<_> = (0..4).map(|_| child(name, folder.path())).collect();
    let mut won = Vec::new();
    for mut child in children {
        let lines = io::BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines {
            let line = line.unwrap();
            if let Some(("", rest)) = line.split_once("won ") {
                let (round, who) = rest.split_once(' ').unwrap();
                won.push((round.to_owned(), who.to_owned()));
            }
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(won.len(), ROUNDS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (round, who) in won {
        let there = runtime
            .block_on(root.read_text(&format!("r/{round}")))
            .unwrap();
        assert_eq!(there, Some(who));
    }
}

#[test]
fn a_killed_writer_leaves_no_torn_file() {
    const BYTES: usize = 3 << 20;
    let name = "store::tests::a_killed_writer_leaves_no_torn_file";
    if let Ok(folder) = env::var(CHILD) {
        let root = open_local(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for number in 0_u64.. {
            let bytes = vec![(number % 251) as u8; BYTES];
            let path = format!("data/{}", number % 7);
            runtime.block_on(root.put(&path, bytes.into())).unwrap();
            println!("put {number}");
        }
    }
    let (folder, root) = root();
    let mut leftovers = 0;
    for round in 0..8 {
        let mut child = child(name, folder.path());
        let mut lines = io::BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().contains("put ")),
            "it never got to write"
        );
        std::thread::sleep(Duration::from_millis(5 + 7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let names = runtime.block_on(root.list("data")).unwrap();
        assert!(!names.is_empty());
        for name in names {
            assert!(!name.contains('#'), "{name} is listed");
            let bytes = runtime
                .block_on(root.read(&format!("data/{name}")))
                .unwrap()
                .unwrap();
            assert_eq!(bytes.len(), BYTES);
            assert!(bytes.iter().all(|byte| Some(byte) == bytes.first()));
        }
        leftovers += runtime.block_on(root.remove_leftovers()).unwrap();
        assert!(
            on_disk(folder.path())
                .iter()
                .all(|path| !path.contains('#'))
        );
    }
    // Killed while a file of three megabytes was being written, at least once of eight times.
    assert!(leftovers > 0);
}

#[test]
fn leftovers_are_those_of_the_dead() {
    let target = FsPath::new("/x/part-0.parquet");
    let ours = durable::staged_name(target);
    let ours = ours.file_name().unwrap().to_str().unwrap();
    assert!(!durable::is_leftover(ours, |_| panic!(
        "we know that we live"
    )));
    let before = format!(
        "part-0.parquet#{:010}{:010}{:010}",
        std::process::id(),
        7,
        1
    );
    assert!(
        durable::is_leftover(&before, |_| true),
        "our predecessor with the same id"
    );
    let other = format!("part-0.parquet#{:010}{:010}{:010}", 4_000_000_000_u32, 7, 1);
    assert!(durable::is_leftover(&other, |_| false));
    assert!(!durable::is_leftover(&other, |_| true));
    for foreign in ["part-0.parquet", "part-0.parquet#1", "a#b", "x#"] {
        assert!(!durable::is_leftover(foreign, |_| false), "{foreign}");
    }
}

#[tokio::test]
async fn parts_are_one_file_when_complete_and_none_before() {
    let (folder, root) = root();
    let path = Path::from("big/file");
    let mut upload = root.store.put_multipart(&path).await.unwrap();
    let first = upload.put_part(PutPayload::from_static(b"one "));
    let second = upload.put_part(PutPayload::from_static(b"two"));
    // Parts may come in any order.
    second.await.unwrap();
    first.await.unwrap();
    assert!(root.list("big").await.unwrap().is_empty());
    assert_eq!(on_disk(folder.path()).len(), 1);
    upload.complete().await.unwrap();
    assert_eq!(
        root.read_text("big/file").await.unwrap().as_deref(),
        Some("one two")
    );

    let mut aborted = root
        .store
        .put_multipart(&Path::from("big/other"))
        .await
        .unwrap();
    aborted
        .put_part(PutPayload::from_static(b"x"))
        .await
        .unwrap();
    aborted.abort().await.unwrap();
    let mut dropped = root
        .store
        .put_multipart(&Path::from("big/third"))
        .await
        .unwrap();
    dropped
        .put_part(PutPayload::from_static(b"x"))
        .await
        .unwrap();
    drop(dropped);
    assert_eq!(on_disk(folder.path()).len(), 1);
}

/// Locations and sizes, sorted.
async fn listed(store: &dyn ObjectStore, prefix: &str, offset: &str) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = store
        .list_with_offset(Some(&Path::from(prefix)), &Path::from(offset))
        .map_ok(|meta| (meta.location.to_string(), meta.size))
        .try_collect()
        .await
        .unwrap();
    found.sort();
    found
}

#[tokio::test]
async fn what_lies_behind_a_name_is_what_the_plain_store_lists_there() {
    let (folder, root) = root();
    let at = fs::canonicalize(folder.path()).unwrap();
    let plain = object_store::local::LocalFileSystem::new_with_prefix(&at).unwrap();
    for number in [0, 1, 9, 10, 11] {
        let path = format!("t/_delta_log/{number:020}.json");
        root.put_text(&path, &"x".repeat(number)).await.unwrap();
    }
    root.put_text("t/_delta_log/_last_checkpoint", "{}")
        .await
        .unwrap();
    // A put under way, and a folder beside whose name begins alike.
    fs::write(at.join("t/_delta_log/a.json#0000000001"), "unfinished").unwrap();
    root.put_text("t/_delta_log2/00000000000000000011.json", "x")
        .await
        .unwrap();
    let offsets = [
        "t/_delta_log/00000000000000000000".to_owned(),
        format!("t/_delta_log/{:020}.json", 9),
        format!("t/_delta_log/{:020}.json", 11),
        "t/_delta_log/zzz".to_owned(),
        "t/_delta_log".to_owned(),
        "t/_delta_log/00000000000000000009.json/x".to_owned(),
        "a/b".to_owned(),
    ];
    for round in ["files alone", "an odd name", "a folder"] {
        for offset in &offsets {
            assert_eq!(
                listed(root.store.as_ref(), "t/_delta_log", offset).await,
                listed(&plain, "t/_delta_log", offset).await,
                "{round}: {offset}"
            );
        }
        match round {
            "files alone" => {
                let nine = listed(root.store.as_ref(), "t/_delta_log", &offsets[1]).await;
                assert_eq!(nine.len(), 3, "{nine:?}");
                root.put_text("t/_delta_log/00 odd.json", "x")
                    .await
                    .unwrap();
            }
            _ => root
                .put_text("t/_delta_log/_commits/00000000000000000012.json", "x")
                .await
                .unwrap(),
        }
    }
    assert_eq!(
        listed(root.store.as_ref(), "none/such", "none/such/a").await,
        []
    );
}

/// Syncs like the real one, but not in a folder called `sick`.
fn sick_sync(folder: &FsPath) -> io::Result<()> {
    if folder.ends_with("sick") {
        return Err(io::Error::from_raw_os_error(5));
    }
    fs::File::open(folder)?.sync_all()
}

#[tokio::test]
async fn a_folder_that_cannot_be_synced_is_no_success_and_ends_all_writing() {
    let folder = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(folder.path()).unwrap();
    let base: Arc<dyn ObjectStore> = Arc::new(DurableLocal::with_sync(&at, sick_sync));
    let root = Root::local(&at, base).unwrap();
    root.put_text("well/a", "a").await.unwrap();
    let error = root
        .store
        .put(&Path::from("sick/a"), "a".into())
        .await
        .unwrap_err();
    assert!(is_unsynced(&error), "{error}");
    assert!(matches!(
        storage_error("write sick/a", error),
        ConnectorError::Storage { retry: false, .. }
    ));
    let error = root.put_text("well/b", "b").await.unwrap_err();
    assert!(
        error.to_string().contains("until the server is restarted"),
        "{error}"
    );
    assert!(!error.is_transient());
    assert_eq!(root.read_text("well/b").await.unwrap(), None);
    assert_eq!(
        root.read_text("well/a").await.unwrap().as_deref(),
        Some("a")
    );
}

#[tokio::test]
async fn a_folder_removed_behind_our_back_is_made_again() {
    let (folder, root) = root();
    root.put_text("a/b/c", "1").await.unwrap();
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    root.put_text("a/b/c", "2").await.unwrap();
    assert_eq!(root.read_text("a/b/c").await.unwrap().as_deref(), Some("2"));
}

#[test]
fn what_the_disk_says_is_told() {
    let told = |code: i32| {
        let error = super::fault::generic(io::Error::from_raw_os_error(code), FsPath::new("/r/x"));
        let error = storage_error("write tables/gold/x", error);
        (error.to_string(), error.is_transient())
    };
    // ENOSPC, EDQUOT, EROFS, EIO, EACCES
    let (text, transient) = told(28);
    assert!(
        text.starts_with("cannot write tables/gold/x: disk full ("),
        "{text}"
    );
    assert!(transient);
    assert!(told(122).0.contains("disk quota exceeded"));
    assert!(told(30).0.contains("read-only"));
    assert!(!told(30).1);
    assert!(told(5).0.contains("input/output error"));
    assert!(!told(5).1);
    assert!(told(13).0.contains("permission denied"));
    let missing = StoreError::NotFound {
        path: "x".into(),
        source: "gone".into(),
    };
    assert!(matches!(
        storage_error("read x", missing),
        ConnectorError::NotFound { .. }
    ));
}
