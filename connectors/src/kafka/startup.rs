//! Where reading begins: `startup = 'earliest' | 'latest' | 'timestamp:…' | 'offsets:0=12,1=34'`.

use std::collections::BTreeMap;

use crate::{
    error::{ConnectorError, Result},
    format::json::parse_timestamp,
};

/// Where reading of splits without a position begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// At the first offset that is still there.
    #[default]
    Earliest,
    /// At the end.
    Latest,
    /// At the first message at or after a time, in milliseconds since the epoch; at the end if there is none.
    Timestamp(i64),
    /// At these offsets by partition; partitions that are not named begin at their first offset.
    Offsets(BTreeMap<i32, i64>),
}

impl Startup {
    /// Reads the option's value.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed = match text.split_once(':') {
            None if text == "earliest" => Some(Self::Earliest),
            None if text == "latest" => Some(Self::Latest),
            Some(("timestamp", time)) => time_ms(time.trim()).map(Self::Timestamp),
            Some(("offsets", list)) => offsets(list).map(Self::Offsets),
            _ => None,
        };
        parsed.ok_or_else(|| ConnectorError::Option {
            message: format!("option startup cannot be '{text}'"),
            hint: Some(
                "use 'earliest', 'latest', 'timestamp:2026-01-31T12:00:00Z' (or milliseconds since 1970), or 'offsets:0=12,1=34'"
                    .into(),
            ),
        })
    }
}

fn time_ms(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let ms = parse_timestamp(text)?.div_euclid(1000);
    // Negative times mean something else to the broker, and no message is older than 1970.
    Some(ms.max(0))
}

fn offsets(list: &str) -> Option<BTreeMap<i32, i64>> {
    let mut offsets = BTreeMap::new();
    for pair in list.split(',') {
        let (partition, offset) = pair.split_once('=')?;
        let partition: i32 = partition.trim().parse().ok()?;
        let offset: i64 = offset.trim().parse().ok()?;
        if partition < 0 || offset < 0 || offsets.insert(partition, offset).is_some() {
            return None;
        }
    }
    Some(offsets)
}
