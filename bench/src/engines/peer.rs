//! A peer as processes: started, watched, ended with all that came from it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{delta_log::DeltaLog, oracle::Gold, parts::kafka::Broker, process::Process};
use tempfile::TempDir;

use super::{Drained, Engine, Left, flink, parquet, parts, spark};
use crate::{topic::Mix, usage, usage::Watch};

const DRAIN_LIMIT: Duration = Duration::from_secs(1800);
const START_LIMIT: Duration = Duration::from_secs(180);

/// What a peer is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What the topic holds, then end.
    Drain,
    /// Until it is killed.
    Follow,
}

/// What a peer's command needs to know.
pub struct Order<'a> {
    /// The broker's address.
    pub bootstrap: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// Where the table goes.
    pub out: &'a Path,
    /// Where state and programs go.
    pub folder: &'a Path,
    /// What for.
    pub mode: Mode,
    /// Payloads.
    pub mix: Mix,
}

/// A running peer.
pub struct Peer {
    engine: Engine,
    process: Process,
    watch: Watch,
    started: Instant,
    broker_cpu_s: f64,
    dir: TempDir,
}

impl Peer {
    /// Starts it.
    pub fn start(
        engine: Engine,
        broker: &Broker,
        topic: &str,
        mode: Mode,
        mix: Mix,
    ) -> Result<Self, String> {
        let told = |e: std::io::Error| format!("{}: {e}", engine.name());
        let dir = tempfile::Builder::new()
            .prefix("sluice-peer-")
            .tempdir()
            .map_err(told)?;
        let order = Order {
            bootstrap: &broker.bootstrap(),
            topic,
            out: &dir.path().join("gold"),
            folder: dir.path(),
            mode,
            mix,
        };
        let mut command: Command = match engine {
            Engine::Flink => flink::command(&order)?,
            Engine::Spark => spark::command(&order)?,
            Engine::Sluice => return Err("ours is no peer".into()),
        };
        command.current_dir(dir.path());
        let broker_cpu_s = usage::cpu_s(broker.pid());
        let started = Instant::now();
        let process =
            Process::start(engine.name(), command, &dir.path().join("log")).map_err(told)?;
        Ok(Self {
            engine,
            watch: Watch::start(process.id()),
            process,
            started,
            broker_cpu_s,
            dir,
        })
    }

    /// Where its table is.
    pub fn out(&self) -> PathBuf {
        self.dir.path().join("gold")
    }

    /// Seconds of processor time so far.
    pub fn cpu_s(&self) -> f64 {
        self.watch.cpu_s()
    }

    /// Most that was resident so far.
    pub fn peak_mib(&self) -> f64 {
        self.watch.peak_mib()
    }

    /// Waits until its query runs.
    pub fn wait_running(&mut self) -> Result<(), String> {
        while !self.process.said("bench: running") {
            if let Some(status) = self.process.ended() {
                return Err(self.told(&format!("ended with {status}")));
            }
            if self.started.elapsed() > START_LIMIT {
                return Err(self.told("does not start"));
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Fails where it has ended.
    pub fn check_alive(&mut self) -> Result<(), String> {
        match self.process.ended() {
            Some(status) => Err(self.told(&format!("ended with {status}"))),
            None => Ok(()),
        }
    }

    /// Waits for the end of a drain.
    pub fn drained(mut self, broker: &Broker) -> Result<Drained, String> {
        let status = loop {
            if let Some(status) = self.process.ended() {
                break status;
            }
            if self.started.elapsed() > DRAIN_LIMIT {
                return Err(self.told("is not done after half an hour"));
            }
            thread::sleep(Duration::from_millis(10));
        };
        let wall_s = self.started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(self.told(&format!("ended with {status}")));
        }
        Ok(Drained {
            wall_s,
            cpu_s: self.watch.cpu_s(),
            broker_cpu_s: usage::cpu_s(broker.pid()) - self.broker_cpu_s,
            peak_mib: self.watch.peak_mib(),
            left: Left::of(self.dir.path()),
            gold: self.gold()?,
        })
    }

    /// The table as it is now.
    pub fn gold(&self) -> Result<Gold, String> {
        parquet::read_gold(&self.files()?)
    }

    /// The table's files as they are now.
    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let out = self.out();
        Ok(match self.engine {
            Engine::Flink => parts(&out).into_iter().collect(),
            _ => {
                let (live, _) = DeltaLog::read(&out)?.live();
                live.keys().map(|path| out.join(path)).collect()
            }
        })
    }

    fn told(&self, what: &str) -> String {
        format!(
            "{} {what}:\n{}",
            self.engine.name(),
            self.process.log_tail(30)
        )
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.watch.kill();
        self.process.kill();
        // what is killed may still write while its folder is removed
        thread::sleep(Duration::from_millis(100));
        fs::remove_dir_all(self.dir.path()).ok();
    }
}
