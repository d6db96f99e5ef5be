//! Values that statements name: `secrets/<name>.json` under the root, readable by the server's user alone where the root is a folder.
//!
//! Nothing in here may print a value; who gets one gets it to hand it to a connector.

use std::{collections::BTreeMap, fmt, sync::Arc};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sluice_connectors::store::Root;
use sluice_sql::{Options, REDACTED};

use super::Roles;
use crate::{
    error::{Error, Result, SqlState},
    root::storage_error,
};

const FOLDER: &str = "secrets";
/// Made once for a root: what made-up verifiers come from. No secret's name has a point at its head.
const MOCK: &str = "secrets/.mock";

/// One secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    /// Who made it.
    pub owner: String,
    /// Who else may name it in a statement.
    #[serde(default)]
    pub usage: Vec<String>,
    /// When it was made, in microseconds; `None` for one of an earlier version.
    #[serde(default)]
    pub created_us: Option<i64>,
    value: String,
}

impl Secret {
    /// A secret of this owner, made now.
    pub fn new(owner: &str, value: &str, now_us: i64) -> Self {
        Self {
            owner: owner.to_owned(),
            usage: Vec::new(),
            created_us: Some(now_us),
            value: value.to_owned(),
        }
    }

    /// The same with another value.
    pub fn with_value(&self, value: &str) -> Self {
        Self {
            value: value.to_owned(),
            ..self.clone()
        }
    }

    /// Whether a role may name it in a statement.
    pub fn may_be_named_by(&self, roles: &Roles, role: &str) -> bool {
        roles.is_superuser(role)
            || std::iter::once(&self.owner)
                .chain(&self.usage)
                .any(|of| roles.has_privileges_of(role, of))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret of {}", self.owner)
    }
}

/// All secrets of a root.
#[derive(Debug, Default)]
pub struct Secrets {
    all: RwLock<BTreeMap<String, Arc<Secret>>>,
    mock: RwLock<Vec<u8>>,
}

impl Secrets {
    /// Reads them.
    pub async fn load(root: &Root, plan_only: bool) -> Result<Self> {
        let mut all = BTreeMap::new();
        for file in root.list(FOLDER).await.map_err(storage_error)? {
            let Some(name) = file.strip_suffix(".json") else {
                continue;
            };
            let text = root.read_text(&format!("{FOLDER}/{file}")).await;
            let text = text.map_err(storage_error)?.unwrap_or_default();
            let secret = serde_json::from_str(&text).map_err(|_| {
                Error::outside(
                    SqlState::DataException,
                    format!("secret \"{name}\" cannot be read: {FOLDER}/{file} is damaged"),
                )
                .with_hint("Restore the file from a backup of the root, or move it away and make the secret again.")
            })?;
            all.insert(name.to_owned(), Arc::new(secret));
        }
        let mock = match root.read_text(MOCK).await.map_err(storage_error)? {
            Some(text) => text.into_bytes(),
            None => {
                let made = rand::random::<[u8; 32]>();
                let text: String = made.iter().map(|byte| format!("{byte:02x}")).collect();
                if !plan_only {
                    put(root, MOCK, &text).await?;
                }
                text.into_bytes()
            }
        };
        Ok(Self {
            all: RwLock::new(all),
            mock: RwLock::new(mock),
        })
    }

    /// What made-up verifiers come from.
    pub fn mock(&self) -> Vec<u8> {
        self.mock.read().clone()
    }

    /// A secret.
    pub fn get(&self, name: &str) -> Option<Arc<Secret>> {
        self.all.read().get(name).cloned()
    }

    /// A secret, or the error.
    pub fn require(&self, name: &str) -> Result<Arc<Secret>> {
        self.get(name).ok_or_else(|| {
            Error::user(
                SqlState::UndefinedObject,
                format!("secret \"{name}\" does not exist"),
            )
            .with_hint(format!("Make it first: CREATE SECRET {name} AS '…';"))
        })
    }

    /// Names and owners.
    pub fn names(&self) -> Vec<(String, Arc<Secret>)> {
        let all = self.all.read();
        all.iter()
            .map(|(name, secret)| (name.clone(), Arc::clone(secret)))
            .collect()
    }

    /// Keeps one; with no root, in memory alone.
    pub async fn put(&self, root: Option<&Root>, name: &str, secret: Secret) -> Result<()> {
        if let Some(root) = root {
            let text = serde_json::to_string(&secret)
                .map_err(|error| Error::internal(format!("secret: {error}")))?;
            put(root, &format!("{FOLDER}/{name}.json"), &text).await?;
        }
        self.all.write().insert(name.to_owned(), Arc::new(secret));
        Ok(())
    }

    /// Forgets one.
    pub async fn remove(&self, root: Option<&Root>, name: &str) -> Result<()> {
        if let Some(root) = root {
            let path = format!("{FOLDER}/{name}.json");
            root.delete(&path).await.map_err(storage_error)?;
        }
        self.all.write().remove(name);
        Ok(())
    }

    /// The options with the values of their secrets, for a connector.
    pub fn resolve(&self, options: &Options) -> Result<Options> {
        let mut resolved = options.0.clone();
        for (key, name) in &options.1 {
            resolved.push((key.clone(), self.require(name)?.value.clone()));
        }
        Ok(Options(resolved, Vec::new()))
    }
}

/// The options with `***` where a secret is named: for what only decodes and does not connect.
pub(crate) fn without_values(options: &Options) -> Options {
    let struck = options.1.iter();
    let struck = struck.map(|(key, _)| (key.clone(), REDACTED.to_owned()));
    Options(
        options.0.iter().cloned().chain(struck).collect(),
        Vec::new(),
    )
}

/// Writes a file that only the server's user may read.
async fn put(root: &Root, path: &str, text: &str) -> Result<()> {
    root.put_private(path, text).await.map_err(storage_error)
}
