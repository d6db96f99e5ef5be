//! The run-time parameters that there are, and what each may be.

use super::kind::Kind;
use crate::error::{Error, Result, SqlState};

/// A parameter.
struct Parameter {
    name: &'static str,
    default: &'static str,
    kind: Kind,
    /// Whether SET may change it.
    may: bool,
    /// Whether the client is told of changes.
    told: bool,
}

const fn own(name: &'static str, default: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        default,
        kind,
        may: true,
        told: false,
    }
}

const fn told(name: &'static str, default: &'static str, kind: Kind) -> Parameter {
    Parameter {
        told: true,
        ..own(name, default, kind)
    }
}

const fn fixed(name: &'static str, default: &'static str) -> Parameter {
    Parameter {
        may: false,
        ..own(name, default, Kind::Text)
    }
}

const fn fixed_and_told(name: &'static str, default: &'static str) -> Parameter {
    Parameter {
        told: true,
        ..fixed(name, default)
    }
}

/// The name of the parameter by which companions are listed.
pub(crate) const LIST_COMPANIONS: &str = "list_companions";
const MS: i64 = i32::MAX as i64;
const TIMEOUT: Kind = Kind::Time(0, MS);
const COST: Kind = Kind::Real(0.0, f64::MAX);
const COUNT: Kind = Kind::Int(0, MS);

/// Isolation as it may be asked for, PostgreSQL's four; what they mean here are two.
const LEVELS: Kind = Kind::Word(&[
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
]);
const LOUDNESS: Kind = Kind::Word(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error",
]);

/// Those that do something here, and those that say what is.
const KNOWN: [Parameter; 42] = [
    told("application_name", "", Kind::Text),
    own("bytea_output", "hex", Kind::Only(&["hex", "escape"])),
    told("client_encoding", "UTF8", Kind::Encoding),
    own("client_min_messages", "notice", LOUDNESS),
    told("DateStyle", "ISO, MDY", Kind::DateStyle),
    own("default_transaction_deferrable", "off", Kind::Bool),
    own("default_transaction_isolation", "read committed", LEVELS),
    told("default_transaction_read_only", "off", Kind::Bool),
    // Floating point is always written as short as it is still the same number.
    own("extra_float_digits", "1", Kind::Int(-15, 3)),
    own("freshness", "latest", Kind::Word(&["latest", "committed"])),
    own("idle_in_transaction_session_timeout", "0", TIMEOUT),
    own("idle_session_timeout", "0", TIMEOUT),
    fixed_and_told("in_hot_standby", "off"),
    fixed_and_told("integer_datetimes", "on"),
    // Ours: whether listings have what stands beside a table.
    own(LIST_COMPANIONS, "off", Kind::Bool),
    told(
        "IntervalStyle",
        "postgres",
        Kind::Only(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
    ),
    fixed_and_told("is_superuser", "on"),
    fixed("lc_collate", "C.UTF-8"),
    fixed("lc_ctype", "C.UTF-8"),
    own("lc_messages", "C.UTF-8", Kind::Text),
    own("lc_monetary", "C.UTF-8", Kind::Text),
    own("lc_numeric", "C.UTF-8", Kind::Text),
    own("lc_time", "C.UTF-8", Kind::Text),
    own("lock_timeout", "0", TIMEOUT),
    fixed("max_identifier_length", "63"),
    fixed("max_index_keys", "32"),
    own("row_security", "on", Kind::Bool),
    own("search_path", "\"$user\", public", Kind::Path),
    fixed_and_told("server_encoding", "UTF8"),
    fixed_and_told("server_version", "15.18 (Sluice 0.1.0)"),
    fixed("server_version_num", "150018"),
    fixed_and_told("session_authorization", ""),
    told("standard_conforming_strings", "on", Kind::Always(true)),
    own("statement_timeout", "0", TIMEOUT),
    own(
        "synchronous_commit",
        "on",
        Kind::WordOrBool(&["local", "remote_write", "remote_apply", "on", "off"]),
    ),
    told("TimeZone", "UTC", Kind::Zone),
    own("timezone_abbreviations", "Default", Kind::Text),
    own("transaction_deferrable", "off", Kind::Bool),
    own("transaction_isolation", "read committed", LEVELS),
    own("transaction_read_only", "off", Kind::Bool),
    fixed("block_size", "8192"),
    fixed("wal_block_size", "8192"),
];

/// Those of PostgreSQL's that have no meaning here and that tools set without asking: kept and shown again.
const KEPT: [Parameter; 68] = [
    own("array_nulls", "on", Kind::Always(true)),
    own(
        "backslash_quote",
        "safe_encoding",
        Kind::WordOrBool(&["safe_encoding"]),
    ),
    own("check_function_bodies", "on", Kind::Bool),
    own("client_connection_check_interval", "0", TIMEOUT),
    own(
        "constraint_exclusion",
        "partition",
        Kind::WordOrBool(&["partition"]),
    ),
    own("cpu_index_tuple_cost", "0.005", COST),
    own("cpu_operator_cost", "0.0025", COST),
    own("cpu_tuple_cost", "0.01", COST),
    own("cursor_tuple_fraction", "0.1", Kind::Real(0.0, 1.0)),
    own("deadlock_timeout", "1s", Kind::Time(1, MS)),
    own("default_statistics_target", "100", Kind::Int(1, 10_000)),
    own("default_table_access_method", "heap", Kind::Text),
    own("default_tablespace", "", Kind::Text),
    own(
        "default_toast_compression",
        "pglz",
        Kind::Word(&["pglz", "lz4"]),
    ),
    own("effective_cache_size", "4GB", Kind::Memory(8, 1)),
    own("effective_io_concurrency", "1", Kind::Int(0, 1000)),
    own("enable_async_append", "on", Kind::Bool),
    own("enable_bitmapscan", "on", Kind::Bool),
    own("enable_gathermerge", "on", Kind::Bool),
    own("enable_hashagg", "on", Kind::Bool),
    own("enable_hashjoin", "on", Kind::Bool),
    own("enable_incremental_sort", "on", Kind::Bool),
    own("enable_indexonlyscan", "on", Kind::Bool),
    own("enable_indexscan", "on", Kind::Bool),
    own("enable_material", "on", Kind::Bool),
    own("enable_memoize", "on", Kind::Bool),
    own("enable_mergejoin", "on", Kind::Bool),
    own("enable_nestloop", "on", Kind::Bool),
    own("enable_parallel_append", "on", Kind::Bool),
    own("enable_parallel_hash", "on", Kind::Bool),
    own("enable_partition_pruning", "on", Kind::Bool),
    own("enable_partitionwise_aggregate", "off", Kind::Bool),
    own("enable_partitionwise_join", "off", Kind::Bool),
    own("enable_seqscan", "on", Kind::Bool),
    own("enable_sort", "on", Kind::Bool),
    own("enable_tidscan", "on", Kind::Bool),
    own("escape_string_warning", "on", Kind::Bool),
    own("from_collapse_limit", "8", Kind::Int(1, MS)),
    own("geqo", "on", Kind::Bool),
    own("geqo_threshold", "12", Kind::Int(2, MS)),
    own("gin_fuzzy_search_limit", "0", COUNT),
    own("hash_mem_multiplier", "2", Kind::Real(1.0, 1000.0)),
    own("jit", "off", Kind::Bool),
    own("join_collapse_limit", "8", Kind::Int(1, MS)),
    own("lo_compat_privileges", "off", Kind::Bool),
    own("log_min_duration_statement", "-1", Kind::Time(-1, MS)),
    own(
        "log_statement",
        "none",
        Kind::Word(&["none", "ddl", "mod", "all"]),
    ),
    own("maintenance_work_mem", "64MB", Kind::Memory(1, 1024)),
    own("max_parallel_maintenance_workers", "2", Kind::Int(0, 1024)),
    own("max_parallel_workers", "8", Kind::Int(0, 1024)),
    own("max_parallel_workers_per_gather", "2", Kind::Int(0, 1024)),
    own("parallel_leader_participation", "on", Kind::Bool),
    own("parallel_setup_cost", "1000", COST),
    own("parallel_tuple_cost", "0.1", COST),
    own(
        "password_encryption",
        "scram-sha-256",
        Kind::Only(&["scram-sha-256", "md5"]),
    ),
    own(
        "plan_cache_mode",
        "auto",
        Kind::Word(&["auto", "force_generic_plan", "force_custom_plan"]),
    ),
    own("quote_all_identifiers", "off", Kind::Bool),
    own("random_page_cost", "4", COST),
    own("seq_page_cost", "1", COST),
    own(
        "session_replication_role",
        "origin",
        Kind::Word(&["origin", "replica", "local"]),
    ),
    own("tcp_keepalives_count", "0", COUNT),
    own("tcp_keepalives_idle", "0", COUNT),
    own("tcp_keepalives_interval", "0", COUNT),
    own("temp_buffers", "8MB", Kind::Memory(8, 100)),
    own("temp_tablespaces", "", Kind::Text),
    own("work_mem", "4MB", Kind::Memory(1, 64)),
    own("xmlbinary", "base64", Kind::Word(&["base64", "hex"])),
    own("xmloption", "content", Kind::Word(&["content", "document"])),
];

fn all() -> impl Iterator<Item = &'static Parameter> {
    const { &KNOWN }.iter().chain(const { &KEPT })
}

fn named(name: &str) -> Option<&'static Parameter> {
    all().find(|parameter| parameter.name == name)
}

/// Parameters that the client is told of whenever they change.
pub(in crate::session) fn reported() -> impl Iterator<Item = &'static str> {
    let told = all().filter(|parameter| parameter.told);
    told.map(|parameter| parameter.name)
}

/// Every parameter: name, default, and whether SET may change it.
pub(crate) fn parameters() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    all().map(|parameter| (parameter.name, parameter.default, parameter.may))
}

pub(super) fn find(name: &str) -> Option<&'static str> {
    let name = match name.to_lowercase().as_str() {
        "timezone" | "time zone" | "time.zone" => "TimeZone".to_owned(),
        "transaction isolation level" | "transaction.isolation.level" => {
            "transaction_isolation".to_owned()
        }
        "session authorization" | "session.authorization" => "session_authorization".to_owned(),
        "names" => "client_encoding".to_owned(),
        _ => name.to_owned(),
    };
    all()
        .map(|parameter| parameter.name)
        .find(|known| known.eq_ignore_ascii_case(&name))
}

/// Whether SET may change it.
pub(super) fn may_change(name: &str) -> bool {
    named(name).is_some_and(|parameter| parameter.may)
}

pub(super) fn default(name: &str) -> Option<&'static str> {
    named(name).map(|parameter| parameter.default)
}

/// The value as it is kept and shown; an error if the parameter cannot have it.
pub(super) fn take(name: &str, value: &str) -> Result<String> {
    match named(name) {
        Some(parameter) => parameter.kind.take(name, value),
        None => Err(unknown(name)),
    }
}

pub(super) fn unknown(name: &str) -> Error {
    let error = Error::user(
        SqlState::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    );
    let nearest = all()
        .map(|parameter| {
            let known = parameter.name;
            (strsim::damerau_levenshtein(known, name), known)
        })
        .min();
    match nearest {
        Some((distance, known)) if distance <= 3 => {
            error.with_hint(format!("Perhaps you meant \"{known}\"."))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value() {
        for parameter in all().filter(|parameter| parameter.may) {
            let taken = parameter.kind.take(parameter.name, parameter.default);
            let shown = taken.unwrap_or_else(|error| error.message);
            assert_eq!(shown, parameter.default, "{}", parameter.name);
            assert_eq!(
                all().filter(|other| other.name == parameter.name).count(),
                1
            );
        }
    }
}
