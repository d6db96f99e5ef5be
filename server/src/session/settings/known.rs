//! The run-time parameters that there are, and what each may be.

use crate::{
    error::{Error, Result, SqlState},
    session::{running::duration, search_path},
};

/// Parameters with their defaults: (name, default, whether SET may change it, whether the client is told of changes).
const KNOWN: [(&str, &str, bool, bool); 31] = [
    ("application_name", "", true, true),
    ("bytea_output", "hex", true, false),
    ("client_encoding", "UTF8", true, true),
    ("client_min_messages", "notice", true, false),
    ("DateStyle", "ISO, MDY", true, true),
    (
        "default_transaction_isolation",
        "read committed",
        true,
        false,
    ),
    ("default_transaction_read_only", "off", true, true),
    ("extra_float_digits", "1", true, false),
    ("freshness", "latest", true, false),
    ("idle_in_transaction_session_timeout", "0", true, false),
    ("idle_session_timeout", "0", true, false),
    ("in_hot_standby", "off", false, true),
    ("integer_datetimes", "on", false, true),
    ("IntervalStyle", "postgres", true, true),
    ("is_superuser", "on", false, true),
    ("jit", "off", true, false),
    ("lc_collate", "C.UTF-8", false, false),
    ("lock_timeout", "0", true, false),
    ("max_identifier_length", "63", false, false),
    ("row_security", "on", true, false),
    ("search_path", "\"$user\", public", true, false),
    ("server_encoding", "UTF8", false, true),
    ("server_version", "15.18 (Sluice 0.1.0)", false, true),
    ("server_version_num", "150018", false, false),
    ("session_authorization", "", false, true),
    ("standard_conforming_strings", "on", true, true),
    ("statement_timeout", "0", true, false),
    ("synchronous_commit", "on", true, false),
    ("TimeZone", "UTC", true, true),
    ("transaction_isolation", "read committed", true, false),
    ("transaction_read_only", "off", true, false),
];

/// What may be said of isolation, PostgreSQL's four; what they mean here are two.
const LEVELS: [&str; 4] = [
    "read uncommitted",
    "read committed",
    "repeatable read",
    "serializable",
];

/// Parameters that the client is told of whenever they change.
pub(in crate::session) fn reported() -> impl Iterator<Item = &'static str> {
    let told = KNOWN.iter().filter(|(.., told)| *told);
    told.map(|(name, ..)| *name)
}

pub(super) fn find(name: &str) -> Option<&'static str> {
    let name = match name.to_lowercase().as_str() {
        "timezone" | "time zone" | "time.zone" => "TimeZone".to_owned(),
        "transaction isolation level" | "transaction.isolation.level" => {
            "transaction_isolation".to_owned()
        }
        _ => name.to_owned(),
    };
    KNOWN
        .iter()
        .map(|(known, ..)| *known)
        .find(|known| known.eq_ignore_ascii_case(&name))
}

/// Whether SET may change it.
pub(super) fn may_change(name: &str) -> bool {
    let mut known = KNOWN.iter();
    known.any(|(known, _, may, _)| *known == name && *may)
}

pub(super) fn default(name: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, default, ..)| *default)
}

pub(super) fn check(name: &str, value: &str) -> Result<()> {
    let refuse = |hint: &str| {
        Err(Error::user(
            SqlState::InvalidParameterValue,
            format!("invalid value for parameter \"{name}\": \"{value}\""),
        )
        .with_hint(hint))
    };
    match name {
        "statement_timeout"
        | "lock_timeout"
        | "idle_session_timeout"
        | "idle_in_transaction_session_timeout"
            if duration(value).is_none() =>
        {
            refuse(
                "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
            )
        }
        "search_path" if search_path::elements(value).is_none() => {
            refuse("Write names of schemas with commas between them.")
        }
        "freshness" if !["latest", "committed"].contains(&value) => {
            refuse("Use 'latest' or 'committed'.")
        }
        "TimeZone" if value.parse::<arrow::array::timezone::Tz>().is_err() => {
            refuse("Use a name such as 'Europe/Madrid' or an offset such as '+02:00'.")
        }
        "transaction_isolation" | "default_transaction_isolation"
            if !LEVELS.contains(&value.to_lowercase().as_str()) =>
        {
            refuse("Use 'read committed' or 'repeatable read'.")
        }
        "client_encoding"
            if !["utf8", "utf-8", "unicode"]
                .contains(&value.trim_matches('\'').to_lowercase().as_str()) =>
        {
            refuse("Text is UTF8 here.")
        }
        _ => Ok(()),
    }
}

pub(super) fn unknown(name: &str) -> Error {
    let error = Error::user(
        SqlState::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    );
    let nearest = KNOWN
        .iter()
        .map(|(known, ..)| (strsim::damerau_levenshtein(known, name), *known))
        .min();
    match nearest {
        Some((distance, known)) if distance <= 3 => {
            error.with_hint(format!("Perhaps you meant \"{known}\"."))
        }
        _ => error,
    }
}
