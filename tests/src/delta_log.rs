//! A table's Delta log read as what it is: numbered JSON files. No Delta library, so that it can disagree with one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The log of one table folder.
#[derive(Debug)]
pub struct DeltaLog {
    /// Its folder; `None` where only the log was read.
    table: Option<PathBuf>,
    /// Actions by table version.
    pub versions: BTreeMap<u64, Vec<Value>>,
}

impl DeltaLog {
    /// A log that was read elsewhere: its entries' texts by version; the files they add are not looked at.
    pub fn of_texts(texts: &BTreeMap<u64, String>) -> Result<Self, String> {
        let parse = |(version, text): (&u64, &String)| {
            actions(text)
                .map(|actions| (*version, actions))
                .map_err(|e| format!("version {version} is not JSON: {e}"))
        };
        Ok(Self {
            table: None,
            versions: texts.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// Reads every `_delta_log/*.json`.
    pub fn read(table: &Path) -> Result<Self, String> {
        let folder = table.join("_delta_log");
        let mut versions = BTreeMap::new();
        let entries =
            fs::read_dir(&folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".json")?.parse::<u64>().ok());
            let Some(version) = number else { continue };
            let text = fs::read_to_string(&path).map_err(|e| format!("version {version}: {e}"))?;
            let actions =
                actions(&text).map_err(|e| format!("version {version} is not JSON: {e}"))?;
            versions.insert(version, actions);
        }
        Ok(Self {
            table: Some(table.to_owned()),
            versions,
        })
    }

    /// The log of a table that is being written, from its first entry on: nothing is read yet. [`DeltaLog::follow`] reads it, so that entries
    /// are known that are cleaned away later.
    pub fn of_growing(table: &Path) -> Self {
        Self {
            table: Some(table.to_owned()),
            versions: BTreeMap::new(),
        }
    }

    /// Reads the entries behind those that are known.
    pub fn follow(&mut self) -> Result<(), String> {
        let Some(table) = &self.table else {
            return Ok(());
        };
        let mut next = self.versions.keys().next_back().map_or(0, |last| last + 1);
        while let Ok(text) = fs::read_to_string(table.join(entry(next))) {
            let actions = actions(&text).map_err(|e| format!("version {next} is not JSON: {e}"))?;
            self.versions.insert(next, actions);
            next += 1;
        }
        Ok(())
    }

    /// Whether the table's first entry is there, or cleaned away.
    pub fn has_first(&self) -> bool {
        let first = self.table.as_ref().map(|table| table.join(entry(0)));
        first.is_some_and(|path| path.exists())
    }

    /// The files that are live after the newest entry, by path, each with its partition as `column=value/…`; and how many there were at most.
    pub fn live(&self) -> (BTreeMap<String, String>, usize) {
        let mut live = BTreeMap::new();
        let mut most = 0;
        for actions in self.versions.values() {
            for file in actions.iter().filter_map(|action| action.get("remove")) {
                live.remove(file["path"].as_str().unwrap_or_default());
            }
            for file in actions.iter().filter_map(|action| action.get("add")) {
                let path = file["path"].as_str().unwrap_or_default();
                live.insert(path.to_owned(), partition(file));
            }
            most = most.max(live.len());
        }
        (live, most)
    }

    /// Of the versions that change no data, the partition that each rewrites.
    pub fn rewritten(&self) -> Vec<String> {
        let of_actions = |actions: &Vec<Value>| {
            let mut removed = actions.iter().filter_map(|action| action.get("remove"));
            let file = removed.find(|file| file["dataChange"] == false)?;
            Some(partition(file))
        };
        self.versions.values().filter_map(of_actions).collect()
    }

    fn actions<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (u64, &'a Value)> + 'a {
        self.versions.iter().flat_map(move |(version, actions)| {
            actions
                .iter()
                .filter_map(move |action| Some((*version, action.get(kind)?)))
        })
    }

    /// `txn` versions by application id, in commit order.
    pub fn txns(&self) -> BTreeMap<String, Vec<i64>> {
        let mut txns: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (_, txn) in self.actions("txn") {
            let app = txn["appId"].as_str().unwrap_or_default().to_owned();
            txns.entry(app)
                .or_default()
                .push(txn["version"].as_i64().unwrap_or(i64::MIN));
        }
        txns
    }

    /// Paths of every file that any version added.
    pub fn added(&self) -> BTreeSet<String> {
        self.actions("add")
            .filter_map(|(_, add)| add["path"].as_str().map(decoded))
            .collect()
    }

    /// Partition columns of the newest metadata.
    pub fn partition_columns(&self) -> Vec<String> {
        self.actions("metaData")
            .last()
            .and_then(|(_, metadata)| metadata["partitionColumns"].as_array())
            .into_iter()
            .flatten()
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect()
    }

    /// Every application id commits strictly rising versions, at least one of them more than once, without a missing log version.
    pub fn check_txns(&self) -> Result<(), String> {
        let numbers: Vec<u64> = self.versions.keys().copied().collect();
        if numbers.windows(2).any(|pair| pair[1] != pair[0] + 1) {
            return Err(format!("versions missing in the log: {numbers:?}"));
        }
        let txns = self.txns();
        if txns.is_empty() {
            return Err("no txn action in the whole log".into());
        }
        for (app, versions) in &txns {
            if versions.windows(2).any(|pair| pair[1] <= pair[0]) {
                return Err(format!(
                    "txn of {app} does not strictly increase: {versions:?}"
                ));
            }
        }
        Ok(())
    }

    /// A version that changes no data removes files that were live, and adds as many rows as it removes; at least one does.
    pub fn check_rewrites(&self) -> Result<(), String> {
        let mut live: BTreeMap<&str, u64> = BTreeMap::new();
        let mut rewrites = 0;
        for (version, actions) in &self.versions {
            let (mut removed, mut added) = (0, 0);
            let of = |kind: &'static str| actions.iter().filter_map(move |action| action.get(kind));
            let rewrite = of("remove").any(|file| file["dataChange"] == false);
            for file in of("remove") {
                let path = file["path"].as_str().unwrap_or_default();
                removed += live.remove(path).ok_or_else(|| {
                    format!("version {version} removes {path}, which is not live")
                })?;
            }
            for file in of("add") {
                let stats: Value = file["stats"]
                    .as_str()
                    .and_then(|text| serde_json::from_str(text).ok())
                    .unwrap_or_default();
                let rows = stats["numRecords"].as_u64().unwrap_or_default();
                if (file["dataChange"] == false) != rewrite {
                    return Err(format!("version {version} changes data and does not"));
                }
                added += rows;
                live.insert(file["path"].as_str().unwrap_or_default(), rows);
            }
            if rewrite {
                rewrites += 1;
                if removed != added {
                    return Err(format!(
                        "version {version} takes {removed} rows and gives {added}"
                    ));
                }
            }
        }
        match rewrites {
            0 => Err("no version rewrites files".into()),
            _ => Ok(()),
        }
    }

    /// Every added file exists, is added once, and carries its partition values and statistics that agree with it.
    pub fn check_adds(&self, partition_columns: &[&str], stats_of: &[&str]) -> Result<(), String> {
        let removed: BTreeSet<&str> = self
            .actions("remove")
            .filter_map(|(_, remove)| remove["path"].as_str())
            .collect();
        let mut seen = BTreeSet::new();
        let mut adds = 0;
        for (version, add) in self.actions("add") {
            adds += 1;
            let path = add["path"].as_str().unwrap_or_default();
            if !seen.insert(path) {
                return Err(format!("{path} is added twice, again by version {version}"));
            }
            let values = add["partitionValues"].as_object();
            for column in partition_columns {
                if !values.is_some_and(|v| v.get(*column).is_some_and(Value::is_string)) {
                    return Err(format!("{path} has no partition value for {column}"));
                }
            }
            check_stats(path, add, stats_of)?;
            if let Some(table) = &self.table
                && !removed.contains(path)
            {
                let file = table.join(decoded(path));
                let size = fs::metadata(&file)
                    .map_err(|e| format!("version {version}: {}: {e}", file.display()))?
                    .len();
                if add["size"].as_u64() != Some(size) {
                    return Err(format!(
                        "{path}: size in the log {}, on disk {size}",
                        add["size"]
                    ));
                }
            }
        }
        if adds == 0 {
            return Err("no add action in the whole log".into());
        }
        Ok(())
    }
}

/// Where an entry lies below its table's folder.
fn entry(version: u64) -> String {
    format!("_delta_log/{version:020}.json")
}

/// The partition of a file as `column=value/…`, by the columns' names.
fn partition(file: &Value) -> String {
    let values = file["partitionValues"].as_object().into_iter().flatten();
    let values = values.map(|(column, value)| format!("{column}={}", value.as_str().unwrap_or("")));
    values.collect::<Vec<_>>().join("/")
}

/// The actions of an entry, one a line.
fn actions(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(serde_json::from_str)
        .collect()
}

fn check_stats(path: &str, add: &Value, columns: &[&str]) -> Result<(), String> {
    let stats: Value = add["stats"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| format!("{path} has no statistics"))?;
    if stats["numRecords"].as_u64().is_none_or(|n| n == 0) {
        return Err(format!("{path}: numRecords is {}", stats["numRecords"]));
    }
    for column in columns {
        let (min, max) = (&stats["minValues"][column], &stats["maxValues"][column]);
        if min.is_null() || max.is_null() || stats["nullCount"][column].is_null() {
            return Err(format!("{path} has no statistics of {column}: {stats}"));
        }
    }
    Ok(())
}

/// Paths in the log are URL-encoded.
fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = path
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
