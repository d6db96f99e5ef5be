//! What the process counts, for `/metrics`.
//!
//! Every name starts with `sluice_` and ends with its unit. A query holds handles to its own series, so counting takes an atomic addition and
//! no lookup; its series go when it is dropped. Ages are computed when asked for: a gauge of seconds that nobody updates would look fresh for
//! ever.

mod process;
mod query;

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use crate::{
    error::{Error, Fault, SqlState},
    session::Door,
};
#[cfg(test)]
pub(crate) use process::resident_bytes;

use process::Process;
use query::QueryFamilies;

pub use query::QueryMetrics;

/// A gauge of seconds or another value that may be a fraction.
pub type FloatGauge = Gauge<f64, AtomicU64>;

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: QueryFamilies,
    queries: Mutex<BTreeMap<String, QueryMetrics>>,
    sessions: Family<DoorLabel, Gauge>,
    statements: Family<StatementLabels, Counter>,
    catalog_questions: Counter,
    logins: Family<LoginLabels, Counter>,
    row_cache: Gauge,
    ad_hoc: AdHocMetrics,
}

/// What is counted of ad-hoc statements.
#[derive(Clone, Debug, Default)]
pub struct AdHocMetrics {
    /// They have a turn.
    pub running: Gauge,
    /// They wait for one.
    pub waiting: Gauge,
    /// They have been at work for long.
    pub long: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabel {
    door: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabels {
    door: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    outcome: &'static str,
}

/// What is counted of logins.
#[derive(Clone, Debug, Default)]
pub struct LoginMetrics {
    /// A password, a proof or a certificate was right.
    pub admitted: Counter,
    /// One was wrong.
    pub failed: Counter,
    /// One was not looked at, for so many before it were wrong.
    pub held_back: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics of a process that starts now.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sluice");
        let version = env!("CARGO_PKG_VERSION");
        let build = Info::new(BuildLabels { version });
        registry.register("build", "Version of the server", build);
        let families = QueryFamilies::register(&mut registry);
        let sessions = Family::default();
        registry.register(
            "sessions_open",
            "Sessions that are open, by door",
            sessions.clone(),
        );
        let statements = Family::default();
        registry.register(
            "statements",
            "Statements that ended, by door and outcome (ok, cancelled, user_error, outside_error, internal_error)",
            statements.clone(),
        );
        let catalog_questions = Counter::default();
        registry.register(
            "catalog_questions_unanswered",
            "Questions of tools about the catalog that could not be planned and were answered with no rows",
            catalog_questions.clone(),
        );
        let logins = Family::default();
        registry.register(
            "logins",
            "Logins with a password, by outcome (admitted, failed, held_back after many that failed)",
            logins.clone(),
        );
        let row_cache = Gauge::default();
        registry.register(
            "row_cache_bytes",
            "Decoded rows of small tables that are kept for lookups",
            row_cache.clone(),
        );
        let ad_hoc = AdHocMetrics::default();
        registry.register(
            "ad_hoc_statements_running",
            "Ad-hoc statements that have a turn",
            ad_hoc.running.clone(),
        );
        registry.register(
            "ad_hoc_statements_waiting",
            "Ad-hoc statements that wait for a turn",
            ad_hoc.waiting.clone(),
        );
        registry.register(
            "ad_hoc_statements_long",
            "Ad-hoc statements that have been at work for more than a quarter of a second; while there are any, and some seconds longer, one processor is left to streams",
            ad_hoc.long.clone(),
        );
        registry.register_collector(Box::new(Process::new()));
        Self {
            registry,
            families,
            queries: Mutex::default(),
            sessions,
            statements,
            catalog_questions,
            logins,
            row_cache,
            ad_hoc,
        }
    }

    /// The gauges of ad-hoc statements.
    pub(crate) fn ad_hoc(&self) -> AdHocMetrics {
        self.ad_hoc.clone()
    }

    /// The counters of logins.
    pub fn logins(&self) -> LoginMetrics {
        let of = |outcome| self.logins.get_or_create(&LoginLabels { outcome }).clone();
        LoginMetrics {
            admitted: of("admitted"),
            failed: of("failed"),
            held_back: of("held_back"),
        }
    }

    /// Bytes of decoded rows that are kept.
    pub fn set_row_cache_bytes(&self, bytes: usize) {
        self.row_cache.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The series of a query, made when asked for the first time; keep them instead of asking again for each row.
    pub fn query(&self, name: &str) -> QueryMetrics {
        let mut queries = self.queries.lock();
        if let Some(query) = queries.get(name) {
            return query.clone();
        }
        let query = self.families.query(name);
        queries.insert(name.to_owned(), query.clone());
        query
    }

    /// Forgets the series of a dropped query; handles still held count into nothing.
    pub fn forget_query(&self, name: &str) {
        self.queries.lock().remove(name);
        self.families.remove(name);
    }

    /// A session was opened; it counts as open until [`Metrics::session_closed`].
    pub fn session_opened(&self, door: Door) {
        self.sessions.get_or_create(&label(door)).inc();
    }

    /// A session was closed.
    pub fn session_closed(&self, door: Door) {
        self.sessions.get_or_create(&label(door)).dec();
    }

    /// A statement ended, with an error or without.
    pub fn statement_ended(&self, door: Door, error: Option<&Error>) {
        let outcome = match error {
            None => "ok",
            Some(error) if error.state == SqlState::QueryCanceled => "cancelled",
            Some(error) => match error.fault {
                Fault::User => "user_error",
                Fault::Outside => "outside_error",
                Fault::Internal => "internal_error",
            },
        };
        let door = label(door).door;
        self.statements
            .get_or_create(&StatementLabels { door, outcome })
            .inc();
    }

    /// A question about the catalog could not be planned and was answered with no rows.
    pub fn catalog_question_unanswered(&self) {
        self.catalog_questions.inc();
    }

    /// Everything as OpenMetrics 1.0 text.
    pub fn encode(&self) -> String {
        for (name, query) in self.queries.lock().iter() {
            self.families.set_ages(name, query);
        }
        let mut out = String::new();
        // Writing to a String does not fail; a label that refuses to be written would, and then the rest is still worth having.
        if let Err(error) = text::encode(&mut out, &self.registry) {
            tracing::error!(%error, "metrics could not be written in full");
        }
        out
    }
}

fn label(door: Door) -> DoorLabel {
    let door = match door {
        Door::Postgres => "postgres",
        Door::FlightSql => "flight_sql",
        Door::Embedded => "embedded",
    };
    DoorLabel { door }
}

#[cfg(test)]
mod tests;
