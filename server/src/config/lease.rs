//! How long a lease on a root lasts: `15 s`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_server::root::{MIN_LEASE, RootOptions};

/// A time between a second and an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Lease {
    text: String,
    pub(crate) time: Duration,
}

/// A longer one would keep the next server waiting for nothing.
const MAX_LEASE: Duration = Duration::from_secs(3600);

impl Default for Lease {
    fn default() -> Self {
        let time = RootOptions::default().lease;
        Self {
            text: format!("{} s", time.as_secs()),
            time,
        }
    }
}

impl TryFrom<String> for Lease {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim() {
            "s" | "second" | "seconds" => Some(1),
            "min" | "minute" | "minutes" => Some(60),
            _ => None,
        };
        let seconds = number.parse::<u64>().ok().zip(unit);
        let time = seconds.and_then(|(number, unit)| number.checked_mul(unit));
        match time.map(Duration::from_secs) {
            Some(time) if (MIN_LEASE..=MAX_LEASE).contains(&time) => Ok(Self { text, time }),
            _ => Err(format!(
                "\"{text}\" is not a time from 1 s to 60 min; write such as 15 s or 1 min"
            )),
        }
    }
}

impl std::str::FromStr for Lease {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl From<Lease> for String {
    fn from(lease: Lease) -> Self {
        lease.text
    }
}
