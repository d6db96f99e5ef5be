//! Options that the server takes out of `WITH (…)`; what is left belongs to the connector.

use std::{collections::BTreeMap, fmt, time::Duration};

use sluice_planner::api::{Sketches, TimeRules};
use sluice_sql::Options;

use crate::{
    error::{Error, Result, SqlState},
    job::{JobOptions, OnError},
};

/// Options of a stream that are not the connector's.
#[derive(Clone)]
pub struct StreamOptions {
    /// Which connector.
    pub connector: String,
    /// Rules of event time.
    pub time: TimeRules,
    /// What to do with messages that do not decode.
    pub on_error: OnError,
    /// The connector's own options.
    pub connector_options: BTreeMap<String, String>,
}

impl fmt::Debug for StreamOptions {
    /// Without the connector's own: secrets are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamOptions")
            .field("connector", &self.connector)
            .field("time", &self.time)
            .field("on_error", &self.on_error)
            .finish_non_exhaustive()
    }
}

/// Takes a stream's options apart.
pub fn stream_options(options: &Options) -> Result<StreamOptions> {
    let mut rest: BTreeMap<String, String> = options.0.iter().cloned().collect();
    let connector = rest.remove("connector").ok_or_else(|| {
        Error::user(
            SqlState::InvalidParameterValue,
            "option \"connector\" is missing",
        )
        .with_hint("Add connector = 'kafka' or connector = 'generator' to WITH (…).")
    })?;
    let idle_timeout = match rest.remove("idle_timeout") {
        Some(text) => duration("idle_timeout", &text)?,
        None => Duration::from_secs(60),
    };
    let max_future_skew = match rest.remove("max_future_skew").as_deref() {
        Some("off") => None,
        Some(text) => Some(duration("max_future_skew", text)?),
        None => Some(Duration::from_secs(300)),
    };
    let on_error = match rest.remove("on_error") {
        Some(text) => text.parse().map_err(|()| {
            Error::user(
                SqlState::InvalidParameterValue,
                format!("option \"on_error\" cannot be '{text}'"),
            )
            .with_hint("Use 'dead_letter', 'skip' or 'fail'.")
        })?,
        None => OnError::DeadLetter,
    };
    Ok(StreamOptions {
        connector,
        time: TimeRules {
            max_future_skew_us: max_future_skew.map(micros),
            idle_timeout_us: micros(idle_timeout),
        },
        on_error,
        connector_options: rest,
    })
}

const TABLE_OPTIONS: [&str; 5] = [
    "commit_interval",
    "history",
    "maintenance",
    "sketches",
    "state_memory",
];

/// The versions that a table keeps by itself: so many, within these bounds of time.
const HISTORY_VERSIONS: u32 = 20_000;
const LEAST_HISTORY: Duration = Duration::from_secs(3_600);
const MOST_HISTORY: Duration = Duration::from_secs(7 * 86_400);

impl StreamOptions {
    /// Silence after which a split may be idle.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.time.idle_timeout_us).unwrap_or_default())
    }
}

/// A table's options, over the defaults.
pub fn table_options(options: &Options) -> Result<JobOptions> {
    let mut job = JobOptions::default();
    check_table_options(options)?;
    for (key, value) in &options.0 {
        if key == "commit_interval" {
            job.commit_interval = duration(key, value)?;
        } else if key == "state_memory" {
            job.state_memory = memory(key, value)?;
        }
    }
    job.history = match options.get("history") {
        Some(text) => duration("history", text)?,
        None => default_history(job.commit_interval),
    };
    Ok(job)
}

/// How long the versions of a table are kept whose query commits so often: the log has some 20,000 entries at most, at any interval down to
/// 180 milliseconds; and there is always an hour for a reader to come to its end.
pub fn default_history(commit_interval: Duration) -> Duration {
    commit_interval
        .saturating_mul(HISTORY_VERSIONS)
        .clamp(LEAST_HISTORY, MOST_HISTORY)
}

/// How long the versions of a table are kept that nothing commits to by itself.
pub fn plain_history(options: &Options) -> Result<Duration> {
    match options.get("history") {
        Some(text) => duration("history", text),
        None => Ok(MOST_HISTORY),
    }
}

/// The table properties that say so, to every engine.
pub fn history_properties(history: Duration) -> BTreeMap<String, String> {
    let text = format!("interval {} seconds", history.as_secs().max(1));
    BTreeMap::from([
        ("delta.logRetentionDuration".to_owned(), text.clone()),
        ("delta.deletedFileRetentionDuration".to_owned(), text),
    ])
}

/// Whether a table keeps sketches.
pub fn sketches_option(options: &Options) -> Result<Sketches> {
    match options.get("sketches") {
        None | Some("false") => Ok(Sketches::Dropped),
        Some("true") => Ok(Sketches::Kept),
        Some(other) => Err(Error::user(
            SqlState::InvalidParameterValue,
            format!("option \"sketches\" cannot be '{other}'"),
        )
        .with_hint("Use true or false.")),
    }
}

/// Who looks after a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// The server, by itself.
    ByItself,
    /// People, by OPTIMIZE and VACUUM.
    ByHand,
}

/// Whether the server looks after a table by itself.
pub fn maintenance_option(options: &Options) -> Result<Upkeep> {
    match options.get("maintenance") {
        None | Some("on") => Ok(Upkeep::ByItself),
        Some("off") => Ok(Upkeep::ByHand),
        Some(other) => Err(Error::user(
            SqlState::InvalidParameterValue,
            format!("option \"maintenance\" cannot be '{other}'"),
        )
        .with_hint("Use 'on' or 'off'.")),
    }
}

/// Refuses unknown options of a table by name.
pub fn check_table_options(options: &Options) -> Result<()> {
    match options
        .0
        .iter()
        .find(|(key, _)| !TABLE_OPTIONS.contains(&key.as_str()))
    {
        Some((key, _)) => Err(unknown_option(key, &TABLE_OPTIONS)),
        None => Ok(()),
    }
}

/// `unknown option "x"`, with the nearest known one.
pub fn unknown_option(key: &str, known: &[&str]) -> Error {
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, key), *known))
        .min();
    let error = Error::user(
        SqlState::InvalidParameterValue,
        format!("unknown option \"{key}\""),
    );
    match nearest {
        Some((distance, known)) if distance <= 4 => {
            error.with_hint(format!("Perhaps you meant \"{known}\"."))
        }
        _ => error.with_hint(format!("Known options: {}.", known.join(", "))),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A positive length of time as SQL writes it: `10 seconds`, `500 milliseconds`, `1 minute 30 seconds`.
pub fn duration(option: &str, text: &str) -> Result<Duration> {
    let wrong = || {
        Error::user(
            SqlState::InvalidParameterValue,
            format!("option \"{option}\" cannot be '{text}'"),
        )
        .with_hint("Write a length of time such as '10 seconds', '500 milliseconds' or '1 minute'.")
    };
    let interval = arrow::compute::kernels::cast_utils::parse_interval_month_day_nano(text)
        .map_err(|_| wrong())?;
    let nanos = i128::from(interval.days) * 86_400_000_000_000 + i128::from(interval.nanoseconds);
    let nanos = u64::try_from(nanos).map_err(|_| wrong())?;
    if interval.months != 0 || nanos == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_nanos(nanos))
}

/// State below this would be on disk more than in memory.
const LEAST_MEMORY: usize = 1 << 20;

/// An amount of memory as PostgreSQL writes it: `512 MB`, `2GB`; a unit is 1024 of the one below.
pub fn memory(option: &str, text: &str) -> Result<usize> {
    let wrong = |why: &str| {
        Error::user(
            SqlState::InvalidParameterValue,
            format!("option \"{option}\" cannot be '{text}'{why}"),
        )
        .with_hint("Write an amount of memory such as '256 MB' or '2 GB'.")
    };
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (amount, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "kb" | "kib" => 10,
        "mb" | "mib" => 20,
        "gb" | "gib" => 30,
        "tb" | "tib" => 40,
        _ => return Err(wrong("")),
    };
    let bytes = amount
        .parse::<usize>()
        .ok()
        .and_then(|amount| amount.checked_mul(1 << shift))
        .ok_or_else(|| wrong(""))?;
    match bytes < LEAST_MEMORY {
        true => Err(wrong(": the least is 1 MB")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests;
