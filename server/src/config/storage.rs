//! A setting of the root's store, in the `[storage]` table of the file: text, a number or a switch, and perhaps a secret.
//!
//! Which names there are is the store's to know; here it only matters that no value is ever shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Its value as text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "String")]
pub(crate) struct Setting(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Switch(bool),
    Number(i64),
    Text(String),
}

impl From<Written> for Setting {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::Switch(on) => on.to_string(),
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        })
    }
}

impl From<Setting> for String {
    fn from(setting: Setting) -> Self {
        setting.0
    }
}

impl Setting {
    /// The value; not to be shown.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
