//! Settings of an object store beside its URL: where it is, who we are, how patient.
//!
//! Among them are secrets, so their values are never shown: not by `Debug`, not in an error.

use std::{collections::BTreeMap, fmt};

use object_store::{
    aws::AmazonS3ConfigKey, azure::AzureConfigKey, client::ClientConfigKey, gcp::GoogleConfigKey,
};

use super::address::StoreKind;
use crate::error::{ConnectorError, Result};

/// Settings by name, as `object_store` names them (`endpoint`, `allow_http`, `access_key_id` …); they win over the environment's.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreSettings(BTreeMap<String, String>);

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, String)> for StoreSettings {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(settings: T) -> Self {
        Self(settings.into_iter().collect())
    }
}

/// Settings that the root's URL has, or that would break the commit protocol.
const OURS: [(&str, &str); 9] = [
    ("bucket", "The root's URL names the bucket."),
    ("bucket_name", "The root's URL names the bucket."),
    ("aws_bucket", "The root's URL names the bucket."),
    ("aws_bucket_name", "The root's URL names the bucket."),
    ("google_bucket", "The root's URL names the bucket."),
    ("google_bucket_name", "The root's URL names the bucket."),
    ("container_name", "The root's URL names the container."),
    (
        "azure_container_name",
        "The root's URL names the container.",
    ),
    ("copy_if_not_exists", "It is not used here."),
];

/// Names a person is likely to have meant.
const USUAL: [&str; 22] = [
    "endpoint",
    "region",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "virtual_hosted_style_request",
    "server_side_encryption",
    "sse_kms_key_id",
    "account_name",
    "account_key",
    "sas_token",
    "client_id",
    "client_secret",
    "tenant_id",
    "federated_token_file",
    "use_emulator",
    "service_account",
    "application_credentials",
    "allow_http",
    "timeout",
    "connect_timeout",
    "proxy_url",
];

impl StoreSettings {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses names that the store does not know; of a local root (`None`), names that no store knows.
    pub(super) fn check(&self, kind: Option<StoreKind>) -> Result<()> {
        for name in self.0.keys() {
            if let Some((_, why)) = OURS.iter().find(|(ours, _)| ours == name) {
                return Err(ConnectorError::Option {
                    message: format!("storage setting \"{name}\" cannot be set"),
                    hint: Some((*why).to_owned()),
                });
            }
            let known = match kind {
                Some(kind) => is_known(kind, name),
                None => [StoreKind::S3, StoreKind::Azure, StoreKind::Google]
                    .into_iter()
                    .any(|kind| is_known(kind, name)),
            };
            if !known {
                return Err(ConnectorError::Option {
                    message: format!("unknown storage setting \"{name}\""),
                    hint: Some(near(kind, name)),
                });
            }
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether one of these names is set here, or its variable in the environment.
    pub(super) fn has(&self, kind: StoreKind, name: &str) -> bool {
        let variable = format!("{}{}", kind.variables(), name.to_ascii_uppercase());
        self.0.contains_key(name)
            || self.0.contains_key(&variable.to_ascii_lowercase())
            || std::env::var_os(variable).is_some()
    }
}

fn is_known(kind: StoreKind, name: &str) -> bool {
    match kind {
        StoreKind::S3 => name.parse::<AmazonS3ConfigKey>().is_ok(),
        StoreKind::Azure => name.parse::<AzureConfigKey>().is_ok(),
        StoreKind::Google => name.parse::<GoogleConfigKey>().is_ok(),
    }
}

fn near(kind: Option<StoreKind>, name: &str) -> String {
    let candidates = USUAL.iter().filter(|usual| {
        kind.is_none_or(|kind| is_known(kind, usual)) || usual.parse::<ClientConfigKey>().is_ok()
    });
    let nearest = candidates
        .map(|usual| (strsim::jaro_winkler(name, usual), usual))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, usual)) if likeness > 0.8 => format!("Did you mean {usual}?"),
        _ => "The settings of each store are listed in docs/stores.md.".to_owned(),
    }
}
