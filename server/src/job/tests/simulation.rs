//! Commit, recovery and fencing under a seeded simulation: the product's committer, manifest log, Delta sink, dead letters, journal and
//! query, over a store, a broker, a clock and processes that are simulated.
//!
//! A life recovers, replays, runs epochs cut at random offsets and commits, until it dies at a random write, which may be done, not done
//! or half done; or until it is frozen, and goes on with its commit after the next life has taken over. The store loses replies, refuses,
//! is full and answers late. A machine may be lost with its journal, and the newest checkpoint torn behind everybody's back. In the end the tables must have exactly what one query gives for the
//! epochs that were decided, and no epoch that was shown may have come differently. `make simulate SEEDS=n`; a failure names its seed.
#![expect(clippy::panic, reason = "tests")]

mod seeds;
mod store;
mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, prefix::PrefixStore};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Map;
use sluice_connectors::{
    delta::{DeltaSink, TableSpec},
    source::{ReadRequest, Source, SourceEvent, SplitBatch, SplitId, SplitPosition, StreamReaders},
    store::Root,
};
use sluice_planner::{
    ContinuousPlan, ContinuousQuery,
    api::{EpochInput, EpochOutput, SplitInput},
};
use sluice_sql::Statement;

use self::store::SimStore;
use super::super::{
    BadRange, DeadLetters, JobOptions, JobParts, JobStream, JobTables, OnError, QueryStatus,
    StatusCell,
    commit::{CommitPoint, Committer, is_transient},
    dead_letter_schema,
    journal::{self, EpochRecord, Journal, JournalHead, SplitSets},
    manifest::Totals,
    recovery::{Hidden, Restored, hidden},
};
use crate::{
    catalog::QualifiedName,
    clock::Clock,
    engine::{Engine, fresh_for_tests},
    error::{Error, SqlState},
    events::Events,
    execute,
    session::{Door, Session},
    table::{Freshness, TableState},
};

/// Seeds of a run that nobody asked to be longer.
const SEEDS: u64 = 60;
/// 2026-01-01T00:00:00Z, when the generated events begin.
const START_US: i64 = 1_767_225_600_000_000;

/// A life that takes this long goes round in circles.
const STUCK: std::time::Duration = std::time::Duration::from_secs(30);

/// Messages of a split in the longest epoch of a story, one of them for each story.
const LONGEST: [i64; 3] = [150, 300, 600];

/// Epochs see a clock by which every event is in the past, now and when it is read again.
const LATER_US: i64 = 86_400_000_000;

const STREAM: &str = r#"CREATE STREAM events (
  "timestamp" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '10 seconds'
) WITH (connector = 'generator', rows = '1000', seed = '11', splits = '2', event_interval = '1 s',
        late_fraction = '0.03', late_by = '5 minutes', null_time_fraction = '0.01', malformed_fraction = '0.02')"#;

/// Results that do not depend on the order of rows: read once more out of order, they must be the same to the bit.
const TABLE: &str = r#"CREATE TABLE gold.simulated PARTITIONED BY (date DATE, hour INT) AS
SELECT window_start, window_end, event_type, count(*) AS n, max(value) AS most, min(value) AS least
FROM TUMBLE(events, "timestamp", INTERVAL '1 minute')
GROUP BY window_start, window_end, event_type"#;

#[test]
fn every_seed_ends_with_exactly_the_rows_there_should_be() {
    let setting = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.replace('_', "").parse().unwrap(),
        Err(_) => default,
    };
    let seeds = setting("SLUICE_TEST_SEEDS", SEEDS);
    let first = setting("SLUICE_TEST_SEED", 1);
    let sum = seeds::run(first, seeds, simulate);
    // Nothing is proved by a simulation in which nothing happens.
    if seeds >= SEEDS {
        assert!(
            2 * sum.crashes > seeds && sum.faults > seeds && sum.commits > seeds,
            "{sum:?}"
        );
        assert!(
            sum.fenced > 0 && sum.replayed > 0 && sum.machines_lost > 0,
            "{sum:?}"
        );
        assert!(sum.hidden > 0 && sum.reread > 0 && sum.torn > 0, "{sum:?}");
    }
}

/// What happened, so that a run can be seen to have tried something.
#[derive(Clone, Debug, Default)]
struct Tally {
    lives: u64,
    crashes: u64,
    faults: u64,
    commits: u64,
    replayed: u64,
    hidden: u64,
    reread: u64,
    fenced: u64,
    machines_lost: u64,
    torn: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.crashes += other.crashes;
        self.faults += other.faults;
        self.commits += other.commits;
        self.replayed += other.replayed;
        self.hidden += other.hidden;
        self.reread += other.reread;
        self.fenced += other.fenced;
        self.machines_lost += other.machines_lost;
        self.torn += other.torn;
    }
}

/// What is the same for every seed.
struct World {
    plan: ContinuousPlan,
    rows: BTreeMap<SplitId, Vec<SplitBatch>>,
    source: Arc<dyn Source>,
    engine: Arc<Engine>,
    _root: tempfile::TempDir,
}

impl World {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<World> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (engine, root) = fresh_for_tests();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(Self::made(engine, root))
        })
    }

    async fn made(engine: Arc<Engine>, root: tempfile::TempDir) -> Self {
        let session = Session::new(Arc::clone(&engine), "sluice", Door::Embedded).unwrap();
        let parsed = session.parse(STREAM).unwrap().remove(0);
        let prepared = session.prepare(&parsed, &[]).await.unwrap();
        session.execute(&prepared, Vec::new()).await.unwrap();
        let parsed = session.parse(TABLE).unwrap().remove(0);
        let Statement::CreateTable(create) = parsed.statement else {
            unreachable!("it is a CREATE TABLE");
        };
        let context = engine.context(Freshness::Latest);
        let name = QualifiedName::new("gold", "simulated");
        let plan = execute::continuous_plan(&context, &name, &create).await;
        let plan = plan.unwrap().unwrap();
        let stream = engine.stream(&QualifiedName::new("public", "events"));
        let source = Arc::clone(&stream.unwrap().source);
        let rows = read_all(source.as_ref(), &plan).await;
        Self {
            plan,
            rows,
            source,
            engine,
            _root: root,
        }
    }
}

async fn read_all(
    source: &dyn Source,
    plan: &ContinuousPlan,
) -> BTreeMap<SplitId, Vec<SplitBatch>> {
    let request = ReadRequest {
        columns: plan.streams[0].columns.clone(),
        positions: Vec::new(),
        until: BTreeMap::new(),
        inbox_bytes: usize::MAX / 2,
        batch_rows: 100,
    };
    let mut reader = source.read(request).unwrap();
    let mut rows: BTreeMap<SplitId, Vec<SplitBatch>> = BTreeMap::new();
    let mut open = 2;
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
    rows
}

#[derive(Debug, Default)]
struct SimClock(AtomicI64);

impl Clock for SimClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn simulate(seed: u64) -> Tally {
    let world = World::shared();
    // As in the product: on a runtime of one thread, reading a Delta log starts a thread and a runtime each time.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut run = Run::new(world, seed, folder.path()).await;
            run.through().await
        })
    }));
    outcome.unwrap_or_else(|failed| {
        // What a life was at when a check failed may wait for something that does not come any more.
        runtime.shutdown_background();
        resume_unwind(failed)
    })
}

/// What survives, and what readers remember.
struct Run<'a> {
    world: &'a World,
    seed: u64,
    rng: StdRng,
    folder: &'a Path,
    disk: Arc<InMemory>,
    clock: Arc<SimClock>,
    lives: usize,
    /// Messages of a split in an epoch, at most: some stories are of many small epochs, others of few large ones.
    longest: i64,
    /// Every epoch that anybody saw.
    shown: BTreeMap<i64, String>,
    /// What decided every epoch that was run to its end.
    decided: BTreeMap<i64, EpochRecord>,
    /// A commit of a process that is frozen.
    frozen: Option<(Committer, CommitPoint, Arc<SimStore>)>,
    tally: Tally,
}

/// How a life ended that was not killed.
enum Ended {
    /// Everything is read and committed.
    Through,
    /// It failed and would try again, or was stopped.
    Again,
}

impl<'a> Run<'a> {
    async fn new(world: &'a World, seed: u64, folder: &'a Path) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let longest = *LONGEST.choose(&mut rng).unwrap();
        let run = Self {
            world,
            seed,
            rng,
            folder,
            disk: Arc::new(InMemory::new()),
            clock: Arc::new(SimClock(AtomicI64::new(START_US))),
            lives: 0,
            longest,
            shown: BTreeMap::new(),
            decided: BTreeMap::new(),
            frozen: None,
            tally: Tally::default(),
        };
        let root = run.root(SimStore::new(&run.disk, seed, 0, 0, None));
        let spec = TableSpec {
            schema: Arc::clone(&world.plan.output_schema),
            partition_columns: vec!["date".into(), "hour".into()],
            properties: BTreeMap::new(),
            description: None,
            name: None,
        };
        let path = execute::table_path(&QualifiedName::new("gold", "simulated"));
        DeltaSink::create(&root, &path, &spec, &Map::new())
            .await
            .unwrap();
        run
    }

    fn root(&self, store: Arc<SimStore>) -> Root {
        let base: Arc<dyn ObjectStore> = store;
        let prefix = object_store::path::Path::from("simulated");
        Root {
            url: "memory:///simulated/".parse().unwrap(),
            store: Arc::new(PrefixStore::new(Arc::clone(&base), prefix)),
            base,
            local_path: None,
        }
    }

    /// Lives until everything is read, and then one in which nothing goes wrong.
    async fn through(&mut self) -> Tally {
        let troubled = self.rng.random_range(1..5);
        let mut quiet = false;
        loop {
            self.lives += 1;
            self.tally.lives += 1;
            assert!(self.lives < 60, "it does not come to an end");
            let dies_at = self.rng.random_range(1..40);
            let per_mille = match quiet {
                true => 0,
                false => self.rng.random_range(0..120),
            };
            let store = SimStore::new(
                &self.disk,
                self.seed,
                self.lives,
                per_mille,
                (!quiet).then_some(dies_at),
            );
            let parts = self.parts(&store);
            let status = StatusCell::new(QueryStatus::starting(&parts));
            let died = Arc::clone(&store);
            let ended = tokio::select! {
                biased;
                () = died.crash.notified() => None,
                ended = self.live(&parts, &status, &store, quiet) => Some(ended),
                () = tokio::time::sleep(STUCK) => panic!("life {} is stuck: {:?}", self.lives, status.get().last_error),
            };
            self.tally.faults += store.faults.load(Ordering::Relaxed) as u64;
            match ended {
                None => {
                    self.tally.crashes += 1;
                    if self.rng.random_range(0..6) == 0 {
                        self.lose_machine();
                    }
                }
                Some(Ok(Ended::Through)) if quiet => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => assert!(is_transient(&error), "{error}"),
            }
            if self.rng.random_range(0..5) == 0 {
                self.tear_checkpoint().await;
            }
            quiet = self.lives >= troubled;
        }
        self.check().await;
        self.tally.clone()
    }

    /// Half of the newest manifest is gone, or of the segment of state that is last by name.
    async fn tear_checkpoint(&mut self) {
        let folder = format!("simulated/{}", super::super::checkpoint_folder("q"));
        let listed = self.disk.list(Some(&folder.into()));
        let mut paths: Vec<_> = listed
            .map_ok(|file| file.location)
            .try_collect()
            .await
            .unwrap();
        let manifests = self.rng.random_range(0..3) > 0;
        paths.retain(|path| path.as_ref().contains("/manifests/") == manifests);
        let Some(newest) = paths.iter().max() else {
            return;
        };
        self.tally.torn += 1;
        let bytes = self.disk.get(newest).await.unwrap().bytes().await.unwrap();
        let half = bytes.slice(..bytes.len() / 2);
        self.disk.put(newest, half.into()).await.unwrap();
    }

    /// The journal goes with the machine; what was shown and not committed may come differently.
    fn lose_machine(&mut self) {
        self.tally.machines_lost += 1;
        journal::clear(self.folder).unwrap();
        self.shown.clear();
    }

    fn parts(&self, store: &Arc<SimStore>) -> JobParts {
        let root = self.root(Arc::clone(store));
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let plan = &self.world.plan;
        let owner = format!("owner-{}", self.lives);
        let state = |name: QualifiedName, schema: &arrow::datatypes::SchemaRef| {
            let path = execute::table_path(&name);
            let app_id = Some(super::super::app_id("q"));
            Arc::new(TableState::new(
                name,
                Arc::clone(schema),
                root.clone(),
                path,
                app_id,
            ))
        };
        let named = |suffix: &str| QualifiedName::new("gold", format!("simulated{suffix}"));
        let tables = JobTables {
            table: state(named(""), &plan.output_schema),
            late: state(named("__late"), &plan.late_schema),
            dead: state(named("__dead_letter"), &plan.dead_letter_schema),
        };
        let letters = state(
            QualifiedName::new("public", "events__dead_letter"),
            &dead_letter_schema(),
        );
        let stream = JobStream {
            name: QualifiedName::new("public", "events"),
            definition: "as it is".into(),
            source_of: |_| unreachable!("no stream is mended here"),
            source: Arc::clone(&self.world.source),
            readers: StreamReaders::new(Arc::clone(&self.world.source)),
            dead_letters: Arc::new(DeadLetters::new(
                root.clone(),
                "s",
                &owner,
                "as it is",
                letters,
            )),
            on_error: OnError::DeadLetter,
            idle_timeout: std::time::Duration::from_secs(60),
        };
        JobParts {
            name: named(""),
            id: "q".into(),
            owner,
            build: "this one".into(),
            plan: plan.clone(),
            streams: [stream].into(),
            root,
            journal: self.folder.to_path_buf(),
            holding: self.world.engine.holding().clone(),
            tables,
            options: JobOptions::default(),
            events: Events::new(Arc::clone(&clock)),
            clock,
            metrics: self.world.engine.metrics().query("gold.simulated"),
            paused: false,
        }
    }

    fn head(&self, after_epoch: i64) -> JournalHead {
        JournalHead {
            fingerprint: self.world.plan.fingerprint.clone(),
            build: "this one".into(),
            definitions: Vec::new(),
            after_epoch,
        }
    }

    fn end(&self, split: &SplitId) -> i64 {
        self.world.rows[split]
            .last()
            .map_or(0, |batch| batch.range.end)
    }

    async fn live(
        &mut self,
        parts: &JobParts,
        status: &StatusCell,
        store: &Arc<SimStore>,
        quiet: bool,
    ) -> Result<Ended, Error> {
        let mut committer = Committer::new(parts, status);
        let restored = committer.recover(&parts.events).await?;
        let mut life = self.restore(restored).await;
        loop {
            let through = life
                .offsets
                .iter()
                .all(|(split, at)| *at >= self.end(split));
            if through && life.committed == life.epoch {
                return Ok(Ended::Through);
            }
            if !through {
                let record = self.decide(&life);
                life.journal
                    .append(
                        record.epoch,
                        record.now_us,
                        record.ends.clone(),
                        record.sets.clone().unwrap(),
                    )
                    .unwrap();
                let (output, bad) = run_epoch(self.world, &mut life, &record).await;
                self.show(record, &output);
                life.keep(output, bad);
            }
            if self.frozen.is_some() && (through || self.rng.random_range(0..4) == 0) {
                self.thaw().await;
            }
            if !quiet && self.rng.random_range(0..25) == 0 {
                return Ok(Ended::Again);
            }
            if through || self.rng.random_range(0..3) == 0 {
                let point = life.point();
                if !quiet && self.rng.random_range(0..12) == 0 {
                    // It stops here for a long while, its writes still to come.
                    self.frozen = Some((committer, point, Arc::clone(store)));
                    return Ok(Ended::Again);
                }
                let committed = committer.commit(point).await?;
                self.tally.commits += 1;
                life.committed = committed.epoch;
                life.journal.rotate(committed.epoch);
                life.kept.push(committed.epoch);
                let keep = life.kept.len().saturating_sub(3);
                life.journal.forget_before(life.kept[keep]).unwrap();
            }
        }
    }

    /// The process that was frozen goes on: it must find out that it has been followed, and change nothing.
    async fn thaw(&mut self) {
        let Some((mut committer, point, store)) = self.frozen.take() else {
            return;
        };
        let before = self.versions().await;
        let committed = tokio::select! {
            biased;
            () = store.crash.notified() => return,
            committed = committer.commit(point) => committed,
        };
        match committed {
            Err(error) if error.state == SqlState::ObjectInUse => self.tally.fenced += 1,
            Err(error) => assert!(is_transient(&error), "{error}"),
            Ok(committed) => panic!("a process that was followed has committed {committed:?}"),
        }
        assert_eq!(
            self.versions().await,
            before,
            "a fenced process has changed the table"
        );
    }

    /// Entries of the query's tables, without the stream's letters, which have no owner.
    async fn versions(&self) -> Vec<String> {
        let mut entries = Vec::new();
        for suffix in ["", "__late", "__dead_letter"] {
            let folder = format!("simulated/tables/gold/simulated{suffix}/_delta_log");
            let listed = self.disk.list_with_delimiter(Some(&folder.into())).await;
            let objects = listed.unwrap().objects.into_iter();
            let names = objects.map(|object| object.location.to_string());
            // That a companion is there, without rows, changes nothing.
            entries.extend(names.filter(|name| !name.ends_with("00.json")));
        }
        entries.sort();
        entries
    }

    /// State and journal, as a job takes them up.
    async fn restore(&mut self, mut restored: Restored) -> Life {
        let head = self.head(restored.epoch);
        let mut records = journal::read(self.folder, &head, restored.epoch)
            .unwrap()
            .unwrap();
        let mut hidden_until = restored.epoch;
        let mut reread = None;
        if let Some(discard) = restored.discard.take() {
            let last = records.last().map(|record| record.epoch);
            match hidden(
                discard.epoch,
                last,
                discard.rebuilding,
                !restored.fresh,
                true,
            ) {
                Hidden::Replay => hidden_until = discard.epoch,
                Hidden::Reread => {
                    journal::clear(self.folder).unwrap();
                    records.clear();
                    self.shown.retain(|epoch, _| *epoch <= discard.epoch);
                    restored.close_silently(discard.watermark_us);
                    reread = Some(discard);
                }
                // Only a rebuild helps where there is no checkpoint; the rows it reads are those of a reread from nothing.
                Hidden::Lost => {
                    journal::clear(self.folder).unwrap();
                    records.clear();
                    self.shown.retain(|epoch, _| *epoch <= discard.epoch);
                    restored.close_silently(discard.watermark_us);
                    reread = Some(discard);
                }
            }
        }
        let mut offsets: BTreeMap<SplitId, i64> = self
            .world
            .rows
            .keys()
            .map(|split| (split.clone(), 0))
            .collect();
        for position in &restored.positions {
            offsets.insert(position.split.clone(), position.next_offset);
        }
        let began = offsets.clone();
        let mut life = Life {
            query: self.world.plan.start(restored.state).unwrap(),
            journal: Journal::new(self.folder, head).unwrap(),
            epoch: restored.epoch,
            committed: restored.epoch,
            kept: vec![restored.epoch],
            offsets,
            began,
            totals: restored.totals,
            rows: Vec::new(),
            late: Vec::new(),
            dead: Vec::new(),
            bad: Vec::new(),
        };
        if let Some(discard) = reread {
            self.tally.reread += 1;
            let ends = discard.until.iter();
            let record = EpochRecord {
                epoch: discard.epoch,
                now_us: discard.now_us + LATER_US,
                ends: ends
                    .map(|end| (end.split.clone(), end.next_offset))
                    .collect(),
                sets: Some(SplitSets {
                    known: life.offsets.keys().cloned().collect(),
                    ..SplitSets::default()
                }),
            };
            let (_, bad) = run_epoch(self.world, &mut life, &record).await;
            life.bad.extend(bad);
            life.committed = discard.epoch - 1;
        }
        for record in records {
            let (output, bad) = run_epoch(self.world, &mut life, &record).await;
            self.tally.replayed += 1;
            let hidden = record.epoch <= hidden_until;
            self.show(record, &output);
            match hidden {
                true => {
                    self.tally.hidden += 1;
                    life.bad.extend(bad);
                }
                false => life.keep(output, bad),
            }
        }
        life.journal.rotate(life.epoch);
        // What was decided and is neither in a checkpoint nor in the journal never was.
        self.decided.retain(|epoch, _| *epoch <= life.epoch);
        self.shown.retain(|epoch, _| *epoch <= life.epoch);
        life
    }

    /// Where an epoch ends, and who is left out.
    fn decide(&mut self, life: &Life) -> EpochRecord {
        let mut ends = Vec::new();
        for (split, at) in &life.offsets {
            if self.rng.random_range(0..4) > 0 {
                let end = at + self.rng.random_range(0..self.longest);
                ends.push((split.clone(), end.min(self.end(split))));
            }
        }
        let now_us = self.clock.0.fetch_add(1_000_000, Ordering::Relaxed);
        let mut excluded = BTreeSet::new();
        if self.rng.random_range(0..20) == 0 {
            excluded.extend(life.offsets.keys().next().cloned());
        }
        EpochRecord {
            epoch: life.epoch + 1,
            now_us: now_us + LATER_US,
            ends,
            sets: Some(SplitSets {
                known: life.offsets.keys().cloned().collect(),
                excluded,
                finished: BTreeSet::new(),
            }),
        }
    }

    /// Readers see the epoch; if they have before, it must be the same.
    fn show(&mut self, record: EpochRecord, output: &EpochOutput) {
        let text = text_of(output);
        if let Some(before) = self.shown.get(&record.epoch) {
            assert_eq!(*before, text, "epoch {} changed", record.epoch);
        }
        self.shown.insert(record.epoch, text);
        self.decided.insert(record.epoch, record);
    }

    /// The tables have what one query gives for the epochs that were decided.
    async fn check(&self) {
        let life = &mut Life {
            query: self.world.plan.start(None).unwrap(),
            journal: Journal::new(&self.folder.join("unused"), self.head(0)).unwrap(),
            epoch: 0,
            committed: 0,
            kept: Vec::new(),
            offsets: self
                .world
                .rows
                .keys()
                .map(|split| (split.clone(), 0))
                .collect(),
            began: BTreeMap::new(),
            totals: Totals::default(),
            rows: Vec::new(),
            late: Vec::new(),
            dead: Vec::new(),
            bad: Vec::new(),
        };
        let epochs: Vec<i64> = self.decided.keys().copied().collect();
        assert_eq!(epochs, (1..=epochs.len() as i64).collect::<Vec<_>>());
        for record in self.decided.values() {
            let (output, bad) = run_epoch(self.world, life, record).await;
            life.keep(output, bad);
        }
        for (suffix, expected) in [
            ("", &life.rows),
            ("__late", &life.late),
            ("__dead_letter", &life.dead),
        ] {
            let folder = format!("simulated/tables/gold/simulated{suffix}");
            let found = tables::rows(&self.disk, &folder).await;
            let expected: Vec<RecordBatch> =
                expected.iter().map(|(_, batch)| batch.clone()).collect();
            let (found, expected) = (lines_of(&found, &expected), lines_of(&expected, &expected));
            assert!(
                found == expected,
                "{folder}: {}",
                difference(&found, &expected)
            );
        }
        let mut offsets = Vec::new();
        for batch in tables::rows(&self.disk, "simulated/tables/public/events__dead_letter").await {
            let schema = batch.schema();
            let column = |name| schema.index_of(name).unwrap();
            let place = batch.project(&[column("_partition"), column("_offset")]);
            offsets.extend(lines(&[place.unwrap()]));
        }
        let bad = life.bad.iter().flat_map(|range| &range.rows).count();
        let different: BTreeSet<&String> = offsets.iter().collect();
        assert_eq!(
            (offsets.len(), different.len()),
            (bad, bad),
            "dead letters of the stream"
        );
    }
}

/// A query between two epochs, and what waits for its commit.
struct Life {
    query: ContinuousQuery,
    journal: Journal,
    epoch: i64,
    committed: i64,
    kept: Vec<i64>,
    offsets: BTreeMap<SplitId, i64>,
    began: BTreeMap<SplitId, i64>,
    totals: Totals,
    rows: Vec<(i64, RecordBatch)>,
    late: Vec<(i64, RecordBatch)>,
    dead: Vec<(i64, RecordBatch)>,
    bad: Vec<BadRange>,
}

impl Life {
    fn keep(&mut self, output: EpochOutput, bad: Vec<BadRange>) {
        let epoch = self.epoch;
        let of_epoch = |rows: Vec<RecordBatch>| rows.into_iter().map(move |batch| (epoch, batch));
        self.rows.extend(of_epoch(output.rows));
        self.late.extend(of_epoch(output.late));
        self.dead.extend(of_epoch(output.dead));
        self.bad.extend(bad);
    }

    fn point(&mut self) -> CommitPoint {
        CommitPoint {
            epoch: self.epoch,
            positions: positions(&self.offsets),
            began: positions(&self.began),
            state: self.query.snapshot().unwrap(),
            totals: self.totals,
            decoders: Default::default(),
            earliest_start_us: None,
            rows: std::mem::take(&mut self.rows),
            late: std::mem::take(&mut self.late),
            dead: std::mem::take(&mut self.dead),
            bad: std::mem::take(&mut self.bad),
        }
    }
}

fn positions(offsets: &BTreeMap<SplitId, i64>) -> Vec<SplitPosition> {
    let position = |(split, at): (&SplitId, &i64)| SplitPosition {
        split: split.clone(),
        next_offset: *at,
        topic_id: None,
        leader_epoch: None,
    };
    offsets.iter().map(position).collect()
}

/// Runs an epoch as it was decided.
async fn run_epoch(
    world: &World,
    life: &mut Life,
    record: &EpochRecord,
) -> (EpochOutput, Vec<BadRange>) {
    let mut splits = Vec::new();
    let mut bad = Vec::new();
    for (split, end) in &record.ends {
        let from = life.offsets.insert(split.clone(), *end).unwrap();
        let batches = world.rows[split].iter();
        let batches: Vec<SplitBatch> = batches
            .filter_map(|batch| batch.slice(from, *end))
            .collect();
        for batch in batches.iter().filter(|batch| !batch.bad.is_empty()) {
            bad.push(BadRange {
                split: split.clone(),
                topic_id: None,
                range: batch.range.clone(),
                rows: batch.bad.clone(),
            });
        }
        splits.push(SplitInput {
            split: split.clone(),
            batches,
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
    life.epoch = record.epoch;
    (life.query.run_epoch(input).await.unwrap(), bad)
}

fn text_of(output: &EpochOutput) -> String {
    let parts = [&output.rows, &output.late, &output.dead].map(|batches| lines(batches).join("\n"));
    format!("{:?}\n{}", output.counts, parts.join("\n--\n"))
}

/// Rows as text, sorted.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        let columns: Vec<ArrayFormatter> = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let mut line = String::new();
            for column in &columns {
                write!(line, "{} | ", column.value(row)).unwrap();
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

/// As [`lines`], with the columns of `like` in their order.
fn lines_of(batches: &[RecordBatch], like: &[RecordBatch]) -> Vec<String> {
    let Some(schema) = like.first().map(RecordBatch::schema) else {
        return lines(batches);
    };
    let ordered: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| {
            let columns = schema.fields().iter().map(|field| {
                let column = batch.column_by_name(field.name()).unwrap();
                arrow::compute::cast(column, field.data_type()).unwrap()
            });
            RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
        })
        .collect();
    lines(&ordered)
}

fn difference(found: &[String], expected: &[String]) -> String {
    let only = |a: &[String], b: &[String]| {
        let b: BTreeSet<&String> = b.iter().collect();
        let only: Vec<&String> = a.iter().filter(|line| !b.contains(line)).take(5).collect();
        format!("{only:#?}")
    };
    format!(
        "{} rows found, {} expected; only found: {}; only expected: {}",
        found.len(),
        expected.len(),
        only(found, expected),
        only(expected, found)
    )
}
