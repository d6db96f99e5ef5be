//! A client of an object store, from the root's URL, the environment and the settings.
//!
//! Hard about it: how long to be patient, and where. The client tries again by itself for some seconds, which carries a commit over a
//! refused request or a dropped connection; what lasts longer is told to the caller, which waits in the open (`system.queries` says
//! why). A conditional put that the client repeats after an answer of 500 may find its own first try there; whoever puts
//! conditionally must therefore read back who won, and both logs do.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Error as StoreError, ObjectStore, RetryConfig, aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder,
};

use super::{
    address::{Address, StoreKind},
    fault,
    guarded::Guarded,
    settings::StoreSettings,
};
use crate::error::{ConnectorError, Result};

/// How long one request may take, its body included: a data file of 64 MB at a megabyte a second.
const TIMEOUT: &str = "60 seconds";
/// How long connecting may take.
const CONNECT_TIMEOUT: &str = "5 seconds";

/// What the client does by itself about a request that failed.
fn patience() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(20),
    }
}

/// Makes the client; asks nothing yet.
pub(super) fn connect(address: &Address, settings: &StoreSettings) -> Result<Arc<dyn ObjectStore>> {
    settings.check(Some(address.kind))?;
    let store = build(address, settings).map_err(|error| ConnectorError::Option {
        message: format!(
            "the store of root {} cannot be used: {}",
            address.url,
            fault::condensed(&error.to_string())
        ),
        hint: Some(address.kind.credentials().to_owned()),
    })?;
    Ok(Arc::new(Guarded::new(store, address.url.to_string())))
}

fn build(address: &Address, settings: &StoreSettings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let kind = address.kind;
    let defaults = [("timeout", TIMEOUT), ("connect_timeout", CONNECT_TIMEOUT)];
    let defaults = defaults
        .into_iter()
        .filter(|(name, _)| !settings.has(kind, name));
    let settings = defaults.chain(settings.iter());
    match kind {
        StoreKind::S3 => {
            let mut builder = AmazonS3Builder::from_env();
            for (name, value) in settings {
                builder = builder.with_config(name.parse()?, value);
            }
            let store = builder
                .with_bucket_name(&address.bucket)
                .with_retry(patience())
                .build()?;
            Ok(Arc::new(store))
        }
        StoreKind::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env();
            for (name, value) in settings {
                builder = builder.with_config(name.parse()?, value);
            }
            if let Some(account) = &address.account {
                builder = builder.with_account(account);
            }
            let store = builder
                .with_container_name(&address.bucket)
                .with_retry(patience())
                .build()?;
            Ok(Arc::new(store))
        }
        StoreKind::Google => {
            let mut builder = GoogleCloudStorageBuilder::from_env();
            for (name, value) in settings {
                builder = builder.with_config(name.parse()?, value);
            }
            let store = builder
                .with_bucket_name(&address.bucket)
                .with_retry(patience())
                .build()?;
            Ok(Arc::new(store))
        }
    }
}

/// What the first request of all came to, told with what to do about it.
pub(super) fn first_failure(address: &Address, error: StoreError) -> ConnectorError {
    let kind = address.kind;
    let url = &address.url;
    let text = fault::condensed(&error.to_string());
    let lower = text.to_ascii_lowercase();
    let from_metadata = [
        "169.254.169.254",
        "169.254.170.2",
        "metadata.google",
        "/identity/",
    ]
    .iter()
    .any(|sign| lower.contains(sign));
    if from_metadata {
        return ConnectorError::Denied {
            message: format!("there are no credentials for root {url}: {text}"),
            hint: Some(kind.credentials().to_owned()),
        };
    }
    match error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            ConnectorError::Denied {
                message: format!("the store refuses us at root {url}: {text}"),
                hint: Some(format!(
                    "Sluice needs to read, write, list and delete there. {}",
                    kind.credentials()
                )),
            }
        }
        StoreError::NotFound { .. } => ConnectorError::NotFound {
            message: format!(
                "there is no {} \"{}\" for root {url}: {text}",
                kind.bucket(),
                address.bucket
            ),
            hint: Some(format!(
                "Make the {} first, or check its name and the endpoint.",
                kind.bucket()
            )),
        },
        _ => ConnectorError::Unreachable {
            message: format!("the store of root {url} does not answer as it should: {text}"),
            hint: Some(format!(
                "Check the network, the setting \"endpoint\" ({}ENDPOINT…) and, for a server without TLS, \"allow_http\".",
                kind.variables()
            )),
        },
    }
}
