//! What `sluice serve` is told: flag over environment over file over default.
//!
//! A setting that nobody reads is worse than an error, so whatever is not known is refused by name, with the nearest known one: keys of
//! the file with their line, and variables of the environment that begin with `SLUICE_`.

mod entry;
mod lease;
mod storage;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use sluice_server::error::{Error, Result, SqlState};
use sluice_server::options::memory;
use sluice_server::root::RootOptions;

pub(crate) use self::entry::{Auth, entry};
pub(crate) use self::lease::Lease;
use self::storage::Setting;

#[cfg(test)]
mod tests;

/// Variables that are read elsewhere: where tests keep what they install, what is logged, the owner's first password.
const OTHER_VARIABLES: [&str; 4] = [
    "SLUICE_CONFIG",
    "SLUICE_CACHE",
    "SLUICE_LOG",
    "SLUICE_PASSWORD",
];
/// Where builds for tests are told to fail; others do not know it, so that nobody relies on it.
const FAILPOINTS: Option<&str> = match cfg!(debug_assertions) {
    true => Some(sluice_connectors::failpoint::VARIABLE),
    false => None,
};
/// Variables that tests may invent.
const TEST_PREFIX: &str = "SLUICE_TEST_";
const PREFIX: &str = "SLUICE_";

/// The settings, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder or URL under which everything durable lives.
    pub(crate) root: String,
    /// Where the Postgres door listens.
    pub(crate) pg_listen: Address,
    /// Where the Flight SQL door listens.
    pub(crate) flight_listen: Address,
    /// Where the HTTP door listens.
    pub(crate) http_listen: Address,
    /// Memory that queries of people may take, all together.
    pub(crate) query_memory: Memory,
    /// Folder on local disk for what need not outlive the machine.
    pub(crate) scratch: Option<PathBuf>,
    /// Silence after which another server may take a root on a store over.
    pub(crate) root_lease: Lease,
    /// Whether passwords are asked; by itself, where a door is open to other machines.
    pub(crate) auth: Option<Auth>,
    /// The doors' certificate.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key.
    pub(crate) tls_key: Option<PathBuf>,
    /// Whose certificates clients may come with.
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Whether the doors may be open to other machines without encryption, or without passwords.
    pub(crate) insecure: bool,
    /// Where the owner's first password stands.
    pub(crate) owner_password_file: Option<PathBuf>,
    /// Settings of the root's store; secrets among them.
    #[serde(default)]
    pub(crate) storage: BTreeMap<String, Setting>,
}

/// Its keys that have a variable in the environment.
const KEYS: [&str; 13] = [
    "root",
    "pg_listen",
    "flight_listen",
    "http_listen",
    "query_memory",
    "scratch",
    "root_lease",
    "auth",
    "tls_cert",
    "tls_key",
    "tls_client_ca",
    "insecure",
    "owner_password_file",
];

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| Address(format!("127.0.0.1:{port}"));
        Self {
            root: "./sluice-data".to_owned(),
            pg_listen: loopback(5455),
            flight_listen: loopback(5456),
            http_listen: loopback(5457),
            query_memory: Memory::default(),
            scratch: None,
            root_lease: Lease::default(),
            auth: None,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            insecure: false,
            owner_password_file: None,
            storage: BTreeMap::new(),
        }
    }
}

impl Config {
    /// How the root is opened.
    pub(crate) fn root_options(&self) -> RootOptions {
        RootOptions {
            storage: self
                .storage
                .iter()
                .map(|(name, setting)| (name.clone(), setting.as_str().to_owned()))
                .collect(),
            scratch: self.scratch.clone(),
            lease: self.root_lease.time,
        }
    }
}

/// What flags and environment say; they win over the file.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Overrides {
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pg_listen: Option<Address>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flight_listen: Option<Address>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_listen: Option<Address>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query_memory: Option<Memory>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scratch: Option<PathBuf>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root_lease: Option<Lease>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth: Option<Auth>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) insecure: Option<bool>,
    /// As in [`Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner_password_file: Option<PathBuf>,
}

/// `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address(String);

impl Address {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self(text)),
            _ => Err(format!(
                "\"{text}\" is not an address; write HOST:PORT, such as 127.0.0.1:5455"
            )),
        }
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount of memory: `1 GB`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Memory {
    text: String,
    pub(crate) bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            text: "1 GB".to_owned(),
            bytes: 1 << 30,
        }
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match memory("query_memory", &text) {
            Ok(bytes) => Ok(Self { text, bytes }),
            Err(_) => Err(format!(
                "\"{text}\" is not an amount of memory of 1 MB or more; write such as 512 MB or 2 GB"
            )),
        }
    }
}

impl std::str::FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.text
    }
}

/// The settings, from a file (if any) and what wins over it.
pub(crate) fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    let mut source = None;
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|e| {
            user(format!(
                "cannot read configuration file {}: {e}",
                path.display()
            ))
        })?;
        figment = figment.merge(Toml::string(&text));
        source = Some((path, text));
    }
    figment
        .merge(Serialized::defaults(overrides))
        .extract()
        .map_err(|e| {
            explain(
                &e,
                source.as_ref().map(|(path, text)| (*path, text.as_str())),
            )
        })
}

/// Refuses variables that look like ours and are not.
pub(crate) fn check_environment(names: impl IntoIterator<Item = String>) -> Result<()> {
    let known = || {
        let settings = KEYS.map(|key| format!("{PREFIX}{}", key.to_ascii_uppercase()));
        settings
            .into_iter()
            .chain(OTHER_VARIABLES.map(str::to_owned))
    };
    let unknown = names.into_iter().find(|name| {
        name.starts_with(PREFIX)
            && !name.starts_with(TEST_PREFIX)
            && known().all(|known| known != *name)
            && FAILPOINTS != Some(name.as_str())
    });
    match unknown {
        None => Ok(()),
        Some(name) => {
            let error = user(format!("unknown environment variable {name}"));
            Err(error.with_hint(did_you_mean(&name, known())))
        }
    }
}

/// "Did you mean …?" where something is near, else everything there is.
pub(crate) fn did_you_mean(
    wrong: &str,
    known: impl IntoIterator<Item = impl Into<String>>,
) -> String {
    let known: Vec<String> = known.into_iter().map(Into::into).collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => format!("Did you mean {name}?"),
        _ => format!("There are: {}.", known.join(", ")),
    }
}

fn user(message: String) -> Error {
    Error::user(SqlState::InvalidParameterValue, message)
}

fn explain(error: &figment::Error, source: Option<(&Path, &str)>) -> Error {
    let key = error.path.join(".");
    let at = |line: Option<usize>| match (source, line) {
        (Some((path, _)), Some(line)) => format!("{}:{line}: ", path.display()),
        (Some((path, _)), None) => format!("{}: ", path.display()),
        (None, _) => String::new(),
    };
    let line_of = |key: &str| source.and_then(|(_, text)| line_of_key(text, key));
    match &error.kind {
        Kind::UnknownField(field, known) => user(format!(
            "{}unknown configuration key \"{field}\"",
            at(line_of(field))
        ))
        .with_hint(did_you_mean(field, known.iter().copied())),
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            user(format!(
                "{}configuration key \"{key}\" must be {expected}, not {actual}",
                at(line_of(&key))
            ))
        }
        Kind::Message(message) if key.is_empty() => {
            let line = line_of_syntax_error(message);
            let reason = message.lines().last().unwrap_or(message).trim();
            user(format!("{}{reason}", at(line)))
        }
        Kind::Message(message) => user(format!(
            "{}configuration key \"{key}\": {message}",
            at(line_of(&key))
        )),
        other => user(format!("{}{other}", at(line_of(&key)))),
    }
}

/// Where a key stands in a flat TOML file, from 1.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let is_key = |line: &str| {
        let line = line.trim_start();
        let (name, _) = line.split_once(['=', ']']).unwrap_or((line, ""));
        name.trim_matches(|c: char| c.is_whitespace() || "\"'[".contains(c)) == key
    };
    text.lines().position(is_key).map(|at| at + 1)
}

/// The TOML parser says where, but only in its prose: `TOML parse error at line 2, column 6`.
fn line_of_syntax_error(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("at line ")?;
    rest.split(',').next()?.parse().ok()
}
