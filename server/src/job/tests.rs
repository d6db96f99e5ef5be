//! Replay identity: a thousand kills of a query, without a process, a broker or a store, so that they take seconds.
//!
//! A life restores the newest checkpoint, replays the journal, runs new epochs cut at random offsets, and is dropped at a random moment:
//! after an epoch was written to the journal and before it ran, in the middle of that write, after its rows were shown, or around a
//! checkpoint. Every row that any life showed must come again byte for byte; and all of it must be what one query that nobody killed
//! gives for the same epochs.
#![expect(clippy::unwrap_used, reason = "tests")]

mod simulation;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    path::Path,
};

use arrow::{array::RecordBatch, ipc::writer::StreamWriter};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sluice_connectors::source::{ReadRequest, SourceEvent, SplitBatch, SplitId};
use sluice_planner::{
    ContinuousPlan, ContinuousQuery, StateSnapshot,
    api::{EpochInput, EpochOutput, SplitInput},
};
use sluice_sql::Statement;

use super::journal::{self, EpochRecord, Journal, JournalHead, SplitSets};
use crate::{
    catalog::QualifiedName,
    engine::{Engine, fresh_for_tests},
    execute,
    session::{Door, Session},
    table::Freshness,
};

const KILLS: usize = 1_000;
/// 2026-01-01T00:00:00Z, when the generated events begin.
const START_US: i64 = 1_767_225_600_000_000;

const STREAM: &str = r#"CREATE STREAM events (
  "timestamp" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '10 seconds'
) WITH (connector = 'generator', rows = '60000', seed = '7', splits = '3', event_interval = '30 ms',
        late_fraction = '0.02', null_time_fraction = '0.01')"#;

const TABLE: &str = r#"CREATE TABLE gold.replayed PARTITIONED BY (date DATE, hour INT) AS
SELECT window_start, window_end, event_type, count(*) AS n, avg(value) AS mean, sum(value) AS total,
       approx_percentile(value, 0.95) AS p95
FROM TUMBLE(events, "timestamp", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type"#;

#[tokio::test]
async fn a_thousand_kills_show_the_same_bytes() {
    let (engine, _root) = fresh_for_tests();
    let (plan, rows) = plan_and_rows(&engine).await;
    let mut rng = StdRng::seed_from_u64(20_261_126);
    let (mut kills, mut shown, mut replayed) = (0, 0, 0);
    while kills < KILLS {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(&plan, &rows, folder.path());
        while kills < KILLS && !run.all_is_read() {
            replayed += run.live(&mut rng).await;
            kills += 1;
        }
        shown += run.shown.len();
        run.check_against_one_that_lived().await;
    }
    assert!(replayed > KILLS, "only {replayed} epochs were replayed");
    assert!(shown > KILLS, "only {shown} epochs were shown");
}

/// What survives a kill, and what readers remember.
struct Run<'a> {
    plan: &'a ContinuousPlan,
    rows: &'a BTreeMap<SplitId, Vec<SplitBatch>>,
    folder: &'a Path,
    checkpoint: Checkpoint,
    /// Every epoch that anybody saw, as bytes.
    shown: BTreeMap<i64, Vec<u8>>,
    /// What decided every epoch that was ever run to its end.
    decided: BTreeMap<i64, EpochRecord>,
}

#[derive(Clone, Default)]
struct Checkpoint {
    epoch: i64,
    state: Option<StateSnapshot>,
    offsets: BTreeMap<SplitId, i64>,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a ContinuousPlan,
        rows: &'a BTreeMap<SplitId, Vec<SplitBatch>>,
        folder: &'a Path,
    ) -> Self {
        let offsets = rows.keys().map(|split| (split.clone(), 0)).collect();
        Self {
            plan,
            rows,
            folder,
            checkpoint: Checkpoint {
                offsets,
                ..Checkpoint::default()
            },
            shown: BTreeMap::new(),
            decided: BTreeMap::new(),
        }
    }

    fn end(&self, split: &SplitId) -> i64 {
        self.rows[split].last().map_or(0, |batch| batch.range.end)
    }

    fn all_is_read(&self) -> bool {
        let offsets = &self.checkpoint.offsets;
        offsets.iter().all(|(split, at)| *at >= self.end(split))
    }

    fn head(&self) -> JournalHead {
        JournalHead {
            fingerprint: self.plan.fingerprint.clone(),
            build: "this one".into(),
            definitions: Vec::new(),
            after_epoch: self.checkpoint.epoch,
        }
    }

    /// From a start to a kill; gives how many epochs were replayed.
    async fn live(&mut self, rng: &mut StdRng) -> usize {
        let Checkpoint {
            mut epoch,
            state,
            mut offsets,
        } = self.checkpoint.clone();
        let mut query = self.plan.start(state).unwrap();
        let records = journal::read(self.folder, &self.head(), epoch).unwrap();
        let records = records.unwrap();
        let mut journal = Journal::new(self.folder, self.head()).unwrap();
        let replayed = records.len();
        for record in records {
            assert_eq!(record.epoch, epoch + 1);
            epoch = record.epoch;
            let output = self.run(&mut query, &record, &mut offsets).await;
            self.show(record, &output);
        }
        if replayed > 0 {
            journal.rotate(epoch);
        }
        for _ in 0..rng.random_range(0..8) {
            let record = self.decide(epoch + 1, &offsets, rng);
            journal
                .append(
                    record.epoch,
                    record.now_us,
                    record.ends.clone(),
                    record.sets.clone().unwrap(),
                )
                .unwrap();
            match rng.random_range(0..20) {
                0 => return replayed,
                1 => {
                    tear(self.folder, rng);
                    return replayed;
                }
                _ => {}
            }
            epoch = record.epoch;
            let output = self.run(&mut query, &record, &mut offsets).await;
            self.show(record, &output);
            if rng.random_range(0..6) == 0 {
                let checkpoint = Checkpoint {
                    epoch,
                    state: Some(query.snapshot().unwrap()),
                    offsets: offsets.clone(),
                };
                journal.rotate(epoch);
                if rng.random_range(0..8) == 0 {
                    // Killed before the checkpoint was durable.
                    return replayed;
                }
                self.checkpoint = checkpoint;
                if rng.random_range(0..8) == 0 {
                    return replayed;
                }
                journal.forget_before(epoch).unwrap();
            }
        }
        replayed
    }

    /// Where an epoch ends, what the clock says, and who is left out.
    fn decide(
        &self,
        epoch: i64,
        offsets: &BTreeMap<SplitId, i64>,
        rng: &mut StdRng,
    ) -> EpochRecord {
        let mut ends = Vec::new();
        let mut excluded = BTreeSet::new();
        for (split, at) in offsets {
            match rng.random_range(0..4) {
                0 => {}
                _ => ends.push((
                    split.clone(),
                    (at + rng.random_range(0..400)).min(self.end(split)),
                )),
            }
            if rng.random_range(0..40) == 0 {
                excluded.insert(split.clone());
            }
        }
        EpochRecord {
            epoch,
            // The clock of a real epoch decides which rows are in the future, so it has to come out of the journal.
            now_us: START_US + rng.random_range(0..1_800_000_000),
            ends,
            sets: Some(SplitSets {
                known: offsets.keys().cloned().collect(),
                excluded,
                finished: BTreeSet::new(),
            }),
        }
    }

    async fn run(
        &self,
        query: &mut ContinuousQuery,
        record: &EpochRecord,
        offsets: &mut BTreeMap<SplitId, i64>,
    ) -> EpochOutput {
        let mut splits = Vec::new();
        for (split, end) in &record.ends {
            let from = offsets.insert(split.clone(), *end).unwrap();
            let batches = self.rows[split].iter();
            splits.push(SplitInput {
                split: split.clone(),
                batches: batches
                    .filter_map(|batch| batch.slice(from, *end))
                    .collect(),
            });
        }
        let sets = record.sets.clone().unwrap();
        let input = EpochInput {
            now_us: record.now_us,
            splits,
            known: sets.known,
            excluded: sets.excluded,
            finished: sets.finished,
        };
        query.run_epoch(input).await.unwrap()
    }

    /// Readers see the epoch; if they have before, it must be the same.
    fn show(&mut self, record: EpochRecord, output: &EpochOutput) {
        let bytes = bytes_of(output);
        if let Some(before) = self.shown.get(&record.epoch) {
            assert!(*before == bytes, "epoch {} changed", record.epoch);
        }
        self.shown.insert(record.epoch, bytes);
        self.decided.insert(record.epoch, record);
    }

    async fn check_against_one_that_lived(&self) {
        let mut query = self.plan.start(None).unwrap();
        let offsets = self.rows.keys().map(|split| (split.clone(), 0));
        let mut offsets: BTreeMap<SplitId, i64> = offsets.collect();
        for (epoch, record) in &self.decided {
            let output = self.run(&mut query, record, &mut offsets).await;
            assert!(self.shown[epoch] == bytes_of(&output), "epoch {epoch}");
        }
    }
}

fn bytes_of(output: &EpochOutput) -> Vec<u8> {
    let mut bytes = format!("{:?} {:?}", output.counts, output.watermark_us).into_bytes();
    for batches in [&output.rows, &output.late, &output.dead] {
        bytes.extend(ipc(batches));
    }
    bytes
}

fn ipc(batches: &[RecordBatch]) -> Vec<u8> {
    let Some(first) = batches.first() else {
        return Vec::new();
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &first.schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

/// The last line is cut: the process died while it was being written, before anything of its epoch was shown.
fn tear(folder: &Path, rng: &mut StdRng) {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let newest = files.last().unwrap();
    let text = fs::read(newest).unwrap();
    let last = text
        .trim_ascii_end()
        .iter()
        .rposition(|byte| *byte == b'\n');
    let line = last.map_or(0, |at| at + 1);
    let file = OpenOptions::new().write(true).open(newest).unwrap();
    file.set_len(rng.random_range(line..text.len()) as u64)
        .unwrap();
}

async fn plan_and_rows(
    engine: &std::sync::Arc<Engine>,
) -> (ContinuousPlan, BTreeMap<SplitId, Vec<SplitBatch>>) {
    let session = Session::new(std::sync::Arc::clone(engine), "sluice", Door::Embedded).unwrap();
    let parsed = session.parse(STREAM).unwrap().remove(0);
    let prepared = session.prepare(&parsed, &[]).await.unwrap();
    session.execute(&prepared, Vec::new()).await.unwrap();
    let parsed = session.parse(TABLE).unwrap().remove(0);
    let Statement::CreateTable(create) = parsed.statement else {
        unreachable!("it is a CREATE TABLE");
    };
    let context = engine.context(Freshness::Latest);
    let name = QualifiedName::new("gold", "replayed");
    let plan = execute::continuous_plan(&context, &name, &create).await;
    let plan = plan.unwrap().unwrap();

    let stream = engine.stream(&QualifiedName::new("public", "events"));
    let mut reader = stream
        .unwrap()
        .source
        .read(ReadRequest {
            columns: plan.streams[0].columns.clone(),
            positions: Vec::new(),
            until: BTreeMap::new(),
            inbox_bytes: usize::MAX / 2,
            batch_rows: 700,
        })
        .unwrap();
    let mut rows: BTreeMap<SplitId, Vec<SplitBatch>> = BTreeMap::new();
    let mut open = 3;
    while open > 0 {
        match reader.events.recv().await.unwrap() {
            SourceEvent::Batch(batch) => {
                reader.release(&batch);
                rows.entry(batch.split.clone()).or_default().push(batch);
            }
            SourceEvent::Finished { .. } => open -= 1,
            SourceEvent::Failed(error) => unreachable!("{error}"),
            _ => {}
        }
    }
    assert_eq!(rows.len(), 3);
    (plan, rows)
}
