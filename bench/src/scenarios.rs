//! What is measured. Each scenario checks its answers before it gives figures; a wrong answer is an error, and no figures.

mod baseline;
mod bronze;
mod doors;
mod drain;
mod freshness;
mod idle;
mod keys;
mod many;
mod outside;
mod profile;
mod recovery;
mod serving;

use std::{collections::BTreeMap, fmt::Display};

use sluice_tests::parts::kafka::Broker;

use crate::{results::Line, settings::Settings, topic::Mix};

/// Every scenario, in the order in which they are run.
pub const ALL: [&str; 17] = [
    "drain",
    "drain-dirty",
    "baseline",
    "freshness-10000",
    "freshness-116",
    "freshness-200000",
    "trickle",
    "idle",
    "many",
    "keys",
    "bronze",
    "recovery",
    "serving",
    "doors",
    "profile",
    "decode",
    "commits",
];

/// Those of `make bench`.
pub const QUICK: [&str; 9] = [
    "drain",
    "drain-dirty",
    "freshness-10000",
    "trickle",
    "many",
    "bronze",
    "recovery",
    "serving",
    "doors",
];

/// What scenarios share.
pub struct Bench {
    /// One broker for all.
    pub broker: Broker,
    /// How long and how often.
    pub settings: Settings,
}

/// What a scenario found.
pub struct Outcome {
    /// How its answers were checked.
    pub checked: String,
    /// What it was run with.
    pub given: BTreeMap<String, String>,
    /// What it measured.
    pub lines: Vec<Line>,
}

impl Outcome {
    fn new(checked: &str) -> Self {
        Self {
            checked: checked.to_owned(),
            given: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    fn given(mut self, name: &str, value: impl Display) -> Self {
        self.given.insert(name.to_owned(), value.to_string());
        self
    }

    fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }
}

/// Runs one by its name.
pub fn run(name: &str, bench: &Bench) -> Result<Outcome, String> {
    match name {
        "drain" => drain::measure(bench, Mix::Clean),
        "drain-dirty" => drain::measure(bench, Mix::Dirty),
        "baseline" => baseline::measure(bench),
        "freshness-116" => freshness::measure(bench, 116),
        "freshness-10000" => freshness::measure(bench, 10_000),
        "freshness-200000" => freshness::measure(bench, 200_000),
        "trickle" => idle::trickle(bench),
        "idle" => idle::idle(bench),
        "many" => many::measure(bench),
        "keys" => keys::measure(bench),
        "bronze" => bronze::measure(bench),
        "recovery" => recovery::measure(bench),
        "serving" => serving::measure(&bench.settings),
        "doors" => doors::measure(&bench.settings),
        "profile" => profile::measure(bench),
        "commits" => outside::commits(&bench.settings),
        "decode" => outside::decode(&bench.settings),
        other => Err(format!("no scenario is called {other}")),
    }
}
