//! Where a root on an object store is, from its URL.
//!
//! A URL is shown everywhere (logs, errors, listings), so it must not hold a secret: one with a password, a query or a fragment is
//! refused, and the refusal shows the scheme alone.

use object_store::path::Path;
use url::Url;

use crate::error::{ConnectorError, Result};

/// Which protocol a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Azure Blob Storage and Data Lake Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

/// A bucket or container, and a folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) kind: StoreKind,
    /// The bucket or container.
    pub(super) bucket: String,
    /// The storage account, where the URL names one (Azure alone).
    pub(super) account: Option<String>,
    /// The whole of it, with a slash at its end.
    pub(super) url: Url,
    /// The folder in the bucket.
    pub(super) prefix: Path,
}

impl StoreKind {
    /// By the scheme of a URL.
    pub(super) fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" | "s3a" => Some(Self::S3),
            "az" | "abfs" | "abfss" => Some(Self::Azure),
            "gs" => Some(Self::Google),
            _ => None,
        }
    }

    /// What a bucket is called there.
    pub(super) fn bucket(self) -> &'static str {
        match self {
            Self::S3 | Self::Google => "bucket",
            Self::Azure => "container",
        }
    }

    /// Prefix of the environment variables that hold its settings.
    pub(super) fn variables(self) -> &'static str {
        match self {
            Self::S3 => "AWS_",
            Self::Azure => "AZURE_",
            Self::Google => "GOOGLE_",
        }
    }

    /// How to give it credentials.
    pub(super) fn credentials(self) -> &'static str {
        match self {
            Self::S3 => {
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them (web identity, container or instance)."
            }
            Self::Azure => {
                "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_SAS_TOKEN, or the AZURE_CLIENT_ID … of a principal), or run where a managed identity gives them."
            }
            Self::Google => {
                "Set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to a key file, or run where a service account is attached."
            }
        }
    }
}

impl Address {
    /// From a URL of a scheme that [`StoreKind::of`] knows.
    ///
    /// # Errors
    /// `Option` for one that names no bucket, or that has more in it than a place.
    pub(super) fn parse(kind: StoreKind, text: &str) -> Result<Self> {
        // Nothing of the text is shown before it is known to hold no secret.
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let wrong = |what: &str| {
            ConnectorError::Option {
            message: format!("the root's URL ({scheme}://…) {what}"),
            hint: Some(match kind {
                StoreKind::S3 => "Write s3://bucket/folder; credentials come from the environment or from [storage] in the configuration file.".into(),
                StoreKind::Azure => "Write az://container/folder or abfss://container@account.dfs.core.windows.net/folder; credentials come from the environment or from [storage] in the configuration file.".into(),
                StoreKind::Google => "Write gs://bucket/folder; credentials come from the environment or from [storage] in the configuration file.".into(),
            }),
        }
        };
        let mut url =
            Url::parse(text).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if url.password().is_some() || (kind != StoreKind::Azure && !url.username().is_empty()) {
            return Err(wrong(
                "has a user or password in it, where everybody would see it",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "has a query or fragment, where a token would be seen by everybody",
            ));
        }
        if url.port().is_some() {
            return Err(wrong(
                "has a port; another server than the usual one is named by the setting \"endpoint\"",
            ));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(wrong(&format!("names no {}", kind.bucket())));
        }
        let (bucket, account) = match (url.username(), host.split_once('.')) {
            ("", Some(_)) if kind == StoreKind::Azure => {
                return Err(wrong("names an account and no container"));
            }
            ("", _) => (host, None),
            (container, Some((account, "dfs.core.windows.net" | "blob.core.windows.net"))) => {
                (container.to_owned(), Some(account.to_owned()))
            }
            _ => return Err(wrong("names no account that could be understood")),
        };
        let path = url.path().trim_matches('/').to_owned();
        let prefix = Path::from_url_path(&path)
            .map_err(|error| wrong(&format!("has an unusable folder in it: {error}")))?;
        url.set_path(&match path.as_str() {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        });
        Ok(Self {
            kind,
            bucket,
            account,
            url,
            prefix,
        })
    }
}
