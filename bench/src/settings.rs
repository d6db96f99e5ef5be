//! The benchmark's settings: environment variables, each with a default, all of them kept beside the figures they made.

use std::{collections::BTreeMap, env};

/// How long and how often, from the environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scenarios to run; all where none is named.
    only: Vec<String>,
    /// Times each side-by-side measurement is made.
    pub runs: usize,
    /// The same of the dirty drain.
    pub dirty_runs: usize,
    /// Events of the longer topic that ours drains, and of the shorter one.
    pub events: [usize; 2],
    /// The same of the topics that all engines drain.
    pub peer_events: [usize; 2],
    /// Seconds of a paced measurement.
    pub seconds: u64,
    /// Seconds before it in which nothing is measured: JVMs compile meanwhile, the broker's too.
    pub warm_seconds: u64,
    /// Queries on one topic.
    pub queries: usize,
    /// Groups of the scenario of many keys.
    pub keys: usize,
    /// Open groups of the larger recovery.
    pub groups: usize,
    /// Commits of the scenario of commits.
    pub commits: usize,
    /// Compression of preloaded topics.
    pub codec: String,
    /// Percent of all processors that others may take.
    pub busy_limit: f64,
    /// Peers beside: `spark`, `flink`, `postgresql`; none where ours runs alone.
    peers: Vec<String>,
}

/// Names of settings; each with `SLUICE_BENCH_` before it.
const NAMES: [&str; 15] = [
    "ONLY",
    "RUNS",
    "DIRTY_RUNS",
    "EVENTS",
    "PEER_EVENTS",
    "SECONDS",
    "WARM_SECONDS",
    "QUERIES",
    "KEYS",
    "GROUPS",
    "COMMITS",
    "CODEC",
    "BUSY_LIMIT",
    "PEERS",
    "DIRTY_CHECKOUT",
];

impl Settings {
    /// What the environment says; `full` has the defaults of the side by side.
    pub fn from_env(full: bool) -> Result<Self, String> {
        let largest = number("EVENTS", 5_000_000)?;
        let peers_largest = number("PEER_EVENTS", 10_000_000)?;
        let runs = number("RUNS", if full { 5 } else { 1 })?.max(1);
        let peers = text("PEERS").unwrap_or_else(|| "spark,flink,postgresql".into());
        Ok(Self {
            only: list(&text("ONLY").unwrap_or_default()),
            runs,
            dirty_runs: number("DIRTY_RUNS", runs)?.max(1),
            events: [largest, largest / 2],
            peer_events: [peers_largest, peers_largest / 2],
            seconds: number("SECONDS", if full { 60 } else { 10 })? as u64,
            warm_seconds: number("WARM_SECONDS", 20)? as u64,
            queries: number("QUERIES", 10)?,
            keys: number("KEYS", 1_000_000)?,
            groups: number("GROUPS", if full { 6_000_000 } else { 1_000_000 })?,
            commits: number("COMMITS", if full { 20_000 } else { 2_000 })?,
            codec: text("CODEC").unwrap_or_else(|| "none".into()),
            busy_limit: number("BUSY_LIMIT", 10)? as f64,
            peers: if full { list(&peers) } else { Vec::new() },
        })
    }

    /// Whether a scenario is asked for.
    pub fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == scenario)
    }

    /// Whether scenarios are named.
    pub fn names_some(&self) -> bool {
        !self.only.is_empty()
    }

    /// Refuses a scenario that there is not.
    pub fn check_names(&self, known: &[&str]) -> Result<(), String> {
        match self
            .only
            .iter()
            .find(|name| !known.contains(&name.as_str()))
        {
            Some(name) => Err(format!(
                "no scenario is called {name}; there are {}",
                known.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// Whether peers are measured beside; a scenario that cannot have one of them then is wrong.
    pub fn with_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Whether a peer is measured beside.
    pub fn has_peer(&self, name: &str) -> bool {
        self.peers
            .iter()
            .any(|peer| peer.eq_ignore_ascii_case(name))
    }
}

/// The settings that were given, as they were given.
pub fn given() -> BTreeMap<String, String> {
    let name = |name: &str| format!("SLUICE_BENCH_{name}");
    let all = NAMES.iter().filter_map(|of| Some((name(of), text(of)?)));
    all.collect()
}

/// A setting's text, where it is given.
pub fn text(name: &str) -> Option<String> {
    env::var(format!("SLUICE_BENCH_{name}"))
        .ok()
        .filter(|text| !text.is_empty())
}

fn number(name: &str, default: usize) -> Result<usize, String> {
    match text(name) {
        None => Ok(default),
        Some(text) => text
            .replace('_', "")
            .parse()
            .map_err(|e| format!("SLUICE_BENCH_{name}={text}: {e}")),
    }
}

fn list(text: &str) -> Vec<String> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}
