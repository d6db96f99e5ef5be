//! What a commit costs, from the first to the last, with everything on that keeps a table in order; beside delta-rs' own path.
//!
//! A table by date and hour gets a commit of 200 rows every 200 ms of event time, as fast as they go. As the server does, its reader is
//! refreshed for an eight-hundredth of that time at most, and its files are looked at then: full tiers are merged, an hour that is over is
//! sealed, every hundredth version (or later, where it holds much) the log gets a checkpoint and is cleaned up. Then the same rows go through delta-rs' writer and commit.
//!
//! An hour is sealed once, in the step after it; to say how even commits are, what that costs is spread over the commits whose rows it writes.
//!
//! `SLUICE_BENCH_COMMITS` (2,000) of ours, `SLUICE_BENCH_STOCK` (1,000) of delta-rs'; `SLUICE_BENCH_TABLE` keeps the table in that folder.
//! CPU is the process's own, user and system.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{fs, path::PathBuf, sync::Arc, time::Instant};

use arrow::{
    array::{
        Date32Array, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use serde_json::Map;
use sluice_connectors::{
    delta::{
        Compactor, DeltaReader, DeltaSink, PartitionValues, Standing, TableSpec, maintain_from,
        merges, next_checkpoint,
    },
    store::{Root, open_local},
};
use tokio::sync::Mutex;

/// The server's.
#[path = "../../server/src/allocator.rs"]
mod allocator;

const ROWS: i64 = 200;
const PACE_US: i64 = 200_000;
const HOUR_US: i64 = 3_600_000_000;
/// 2026-11-27T00:00:00Z.
const START_US: i64 = 1_795_737_600_000_000;
const STEPS: i64 = 10;
/// As the server's: a refresh takes this part of the time at most (of event time, here).
const REFRESH_SHARE: u32 = 800;

fn main() {
    let commits = setting("SLUICE_BENCH_COMMITS", 2_000);
    let stock = setting("SLUICE_BENCH_STOCK", 1_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ours = ours(commits).await;
        if stock > 0 {
            let theirs = theirs(stock).await;
            let last = format!("at {stock} files");
            ratio(
                "file and entry, at the first files",
                ours.first.path(),
                theirs.0,
            );
            ratio(
                &format!("file and entry, {last}"),
                ours.last.path(),
                theirs.1,
            );
            ratio(
                "with reader and upkeep, at the first files",
                ours.first.sum(),
                theirs.0,
            );
            ratio(
                &format!("with reader and upkeep, {last}"),
                ours.last.sum(),
                theirs.1,
            );
        }
    });
}

fn ratio(when: &str, ours: f64, theirs: f64) {
    println!(
        "commits: {when}: {ours:.2} ms of ours, {theirs:.2} ms of delta-rs': {:.0} times",
        theirs / ours
    );
}

fn setting(name: &str, default: i64) -> i64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.replace('_', "").parse().ok())
        .unwrap_or(default)
}

/// A commit of the first tenth, and of the last.
struct Ours {
    first: Spent,
    last: Spent,
}

/// CPU by what it went into, milliseconds.
#[derive(Clone, Copy, Default)]
struct Spent {
    write: f64,
    commit: f64,
    refresh: f64,
    merge: f64,
    checkpoint: f64,
    /// Of the commits whose rows were sealed, wherever that was done.
    seal: f64,
}

impl Spent {
    /// What stands between the rows and the version that has them.
    fn path(&self) -> f64 {
        self.write + self.commit
    }

    fn sum(&self) -> f64 {
        self.path() + self.refresh + self.merge + self.checkpoint + self.seal
    }
}

async fn ours(commits: i64) -> Ours {
    let kept = std::env::var("SLUICE_BENCH_TABLE").ok().map(PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    let root = open_local(folder.to_str().unwrap()).unwrap();
    let path = "tables/gold/commits";
    let mut sink = DeltaSink::create(&root, path, &spec(), &Map::new())
        .await
        .unwrap();
    let mut reader = DeltaReader::new(&root, path).unwrap();
    let queue = Mutex::new(());
    let order = ["window_start".to_owned(), "event_type".to_owned()];
    let (mut checkpoint, mut step, mut steps) = (None, Spent::default(), Vec::new());
    let (mut merges_done, mut most_files, mut next_refresh) = (0, 0, 0);
    let mut sealings = Vec::new();
    println!(
        "commits: of {ROWS} rows, CPU in ms each: data file, log entry, reader, merges, checkpoints"
    );
    let began = Instant::now();
    for n in 1..=commits {
        let batch = rows(n);
        let cpu = cpu_ms();
        let files = sink
            .write_files(&[batch], &format!("epoch-{n}"))
            .await
            .unwrap();
        let written = cpu_ms();
        let txn = Some(("sluice/bench", n));
        let version = sink.commit(&files, txn, &Map::new()).await.unwrap().version;
        let committed = cpu_ms();
        step.write += written - cpu;
        step.commit += committed - written;
        if n >= next_refresh {
            let wall = Instant::now();
            let snapshot = reader.refresh().await.unwrap();
            let wait_us = (wall.elapsed() * REFRESH_SHARE).as_micros() as i64;
            next_refresh = n + (wait_us / PACE_US).clamp(5, 300);
            let refreshed = cpu_ms();
            step.refresh += refreshed - committed;
            let files = snapshot.files();
            most_files = most_files.max(files.len());
            let open_us = START_US + n * PACE_US;
            let standing = |partition: &PartitionValues| match sealed(partition, open_us) {
                true => Standing::Sealed,
                false => Standing::Open,
            };
            let due = merges(&files, standing);
            if !due.is_empty() {
                let compactor = Compactor::of(&snapshot).unwrap();
                for merge in due {
                    let before = cpu_ms();
                    compactor
                        .merge(&merge, &order, true, &queue)
                        .await
                        .unwrap()
                        .unwrap();
                    merges_done += 1;
                    if merge.sealed {
                        let took = cpu_ms() - before;
                        step.merge -= took;
                        sealings.push(took);
                    }
                }
            }
            let merged = cpu_ms();
            step.merge += merged - refreshed;
            if version >= next_checkpoint(checkpoint) {
                let made = maintain_from(&snapshot).await.unwrap();
                checkpoint = made.checkpoint.or(checkpoint);
            }
            step.checkpoint += cpu_ms() - merged;
        }
        let size = (commits / STEPS).max(1);
        if n % size == 0 {
            let each = Spent {
                write: step.write / size as f64,
                commit: step.commit / size as f64,
                refresh: step.refresh / size as f64,
                merge: step.merge / size as f64,
                checkpoint: step.checkpoint / size as f64,
                seal: 0.0,
            };
            let log = log_size(&root, path);
            println!(
                "commits: {n:>6}: {:.2} + {:.2} + {:.2} + {:.2} + {:.2} = {:.2}; {:.0} MiB resident, {} live files, {} log entries, {} checkpoints, the newest of {} KiB",
                each.write,
                each.commit,
                each.refresh,
                each.merge,
                each.checkpoint,
                each.sum(),
                resident_mib(),
                reader.refresh().await.unwrap().size().0,
                log.entries,
                log.checkpoints,
                log.newest_bytes >> 10,
            );
            steps.push(each);
            step = Spent::default();
        }
    }
    let total: i64 = reader
        .refresh()
        .await
        .unwrap()
        .files()
        .iter()
        .filter_map(|file| file.num_records)
        .map(u64::cast_signed)
        .sum();
    assert_eq!(total, commits * ROWS, "rows were lost or doubled");
    let sealed = (commits * PACE_US / HOUR_US * (HOUR_US / PACE_US)).max(1);
    let sealing: f64 = sealings.iter().sum();
    for step in &mut steps {
        step.seal = sealing / sealed as f64;
    }
    println!(
        "commits: {} sealings, {sealing:.0} ms of CPU for the rows of {sealed} commits",
        sealings.len()
    );
    let sums: Vec<f64> = steps.iter().map(Spent::sum).collect();
    let mean = sums.iter().sum::<f64>() / sums.len() as f64;
    let off = sums
        .iter()
        .map(|each| (each / mean - 1.0).abs())
        .fold(0.0, f64::max);
    println!(
        "commits: {commits} in {:.0} s, {merges_done} merges, at most {most_files} live files, {mean:.2} ms of CPU each, no tenth of them off by more than {:.0} %",
        began.elapsed().as_secs_f64(),
        off * 100.0
    );
    Ours {
        first: steps.first().copied().unwrap_or_default(),
        last: steps.last().copied().unwrap_or_default(),
    }
}

/// CPU per commit of delta-rs' writer: the first ones, and the last ones.
async fn theirs(commits: i64) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let root = open_local(folder.path().to_str().unwrap()).unwrap();
    let path = "tables/gold/stock";
    DeltaSink::create(&root, path, &spec(), &Map::new())
        .await
        .unwrap();
    let mut table = deltalake::open_table(root.url_of(path).unwrap())
        .await
        .unwrap();
    let mut writer = RecordBatchWriter::for_table(&table).unwrap();
    let window = (commits / 10).clamp(1, 100);
    let (mut first, mut last) = (0.0, 0.0);
    for n in 1..=commits {
        let cpu = cpu_ms();
        writer.write(rows(n)).await.unwrap();
        writer.flush_and_commit(&mut table).await.unwrap();
        let spent = cpu_ms() - cpu;
        if n <= window {
            first += spent;
        }
        if n > commits - window {
            last += spent;
        }
    }
    (first / window as f64, last / window as f64)
}

fn sealed(partition: &PartitionValues, open_us: i64) -> bool {
    let hour = partition.get("hour").cloned().flatten();
    let hour = hour.and_then(|hour| hour.parse::<i64>().ok());
    let date = partition.get("date").cloned().flatten().unwrap_or_default();
    let open = chrono::DateTime::from_timestamp_micros(open_us).unwrap();
    let open_date = open.date_naive().to_string();
    (date, hour) < (open_date, Some(open_us.rem_euclid(24 * HOUR_US) / HOUR_US))
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("window_start", time, true),
        Field::new("event_type", DataType::Utf8, true),
        Field::new("event_count", DataType::Float64, true),
        Field::new("avg_value", DataType::Float64, true),
        Field::new("date", DataType::Date32, true),
        Field::new("hour", DataType::Int32, true),
    ]))
}

fn spec() -> TableSpec {
    // The whole run passes within minutes; in step with it, so do the hours that the log is kept.
    let kept = "interval 30 seconds".to_owned();
    TableSpec {
        schema: schema(),
        partition_columns: vec!["date".into(), "hour".into()],
        properties: [
            ("delta.logRetentionDuration".to_owned(), kept.clone()),
            ("delta.deletedFileRetentionDuration".to_owned(), kept),
        ]
        .into(),
        description: None,
        name: None,
    }
}

/// The rows of the n-th commit.
fn rows(n: i64) -> RecordBatch {
    let at = START_US + n * PACE_US;
    let rows = ROWS as usize;
    let texts = (0..rows).map(|row| format!("type {}", row % 50));
    let values = |salt: usize| {
        Float64Array::from_iter_values(
            (0..rows).map(move |row| ((row * salt + n as usize) % 9973) as f64 / 7.0),
        )
    };
    let time = TimestampMicrosecondArray::from(vec![at; rows]).with_timezone("UTC");
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(time),
            Arc::new(StringArray::from_iter_values(texts)),
            Arc::new(values(7919)),
            Arc::new(values(104_729)),
            Arc::new(Date32Array::from(vec![(at / (24 * HOUR_US)) as i32; rows])),
            Arc::new(Int32Array::from(vec![(at / HOUR_US % 24) as i32; rows])),
        ],
    )
    .unwrap()
}

struct LogSize {
    entries: usize,
    checkpoints: usize,
    newest_bytes: u64,
}

fn log_size(root: &Root, path: &str) -> LogSize {
    let folder = root
        .local_path
        .as_ref()
        .unwrap()
        .join(path)
        .join("_delta_log");
    let mut size = LogSize {
        entries: 0,
        checkpoints: 0,
        newest_bytes: 0,
    };
    let mut newest = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".checkpoint.parquet") {
            size.checkpoints += 1;
            if name > newest {
                size.newest_bytes = entry.metadata().unwrap().len();
                newest = name;
            }
        } else if name.ends_with(".json") {
            size.entries += 1;
        }
    }
    size
}

/// CPU of this process so far, user and system.
fn cpu_ms() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock is written to a place of ours that lives as long as the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn resident_mib() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / (1 << 20) as f64
}
