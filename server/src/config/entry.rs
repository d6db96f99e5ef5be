//! What the settings ask of those who come in, and what is refused before a port is opened.
//!
//! On loopback nothing is asked. Beyond it passwords are, over TLS; to do without either takes a word that says so.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sluice_server::{
    doors::{guard::Passwords, tls::TlsFiles},
    error::{Error, Result, SqlState},
};

use super::{Address, Config};

/// Whether passwords are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    /// Who says he is somebody is believed.
    Trust,
    /// A password or a certificate must show it.
    Password,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Whether passwords are asked.
    pub(crate) passwords: Passwords,
    /// Where certificates are.
    pub(crate) tls: Option<TlsFiles>,
}

impl Address {
    /// Whether only this machine can reach it. A name is looked at, not looked up.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.as_str().rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// What the settings ask, or why they are refused.
pub(crate) fn entry(config: &Config) -> Result<Entry> {
    let tls = tls(config)?;
    let doors = [
        ("--pg-listen", &config.pg_listen),
        ("--flight-listen", &config.flight_listen),
    ];
    let open = doors.iter().find(|(_, address)| !address.is_loopback());
    let auth = config.auth.unwrap_or(match open {
        None => Auth::Trust,
        Some(_) => Auth::Password,
    });
    if let Some((flag, address)) = open.filter(|_| !config.insecure) {
        let elsewhere = format!("{flag} {address} is open to other machines");
        if auth == Auth::Trust {
            return Err(refused(format!("{elsewhere}, and --auth trust lets anybody in"))
                .with_hint("Leave --auth trust out, listen on 127.0.0.1, or say --insecure to let everybody who can reach it do everything."));
        }
        if tls.is_none() {
            return Err(refused(format!("{elsewhere} without encryption"))
                .with_hint("Give it a certificate with --tls-cert FILE and --tls-key FILE, listen on 127.0.0.1, or say --insecure to have statements and rows (and passwords at the Flight SQL door) readable on the way."));
        }
    }
    Ok(Entry {
        passwords: match auth {
            Auth::Trust => Passwords::Trusted,
            Auth::Password => Passwords::Asked,
        },
        tls,
    })
}

fn tls(config: &Config) -> Result<Option<TlsFiles>> {
    let missing = |given: &str, missing: &str| {
        Err(refused(format!("{given} is given and {missing} is not"))
            .with_hint("A certificate and its private key belong together."))
    };
    let files = |cert: &PathBuf, key: &PathBuf| TlsFiles {
        cert: cert.clone(),
        key: key.clone(),
        client_ca: config.tls_client_ca.clone(),
    };
    match (&config.tls_cert, &config.tls_key) {
        (Some(cert), Some(key)) => Ok(Some(files(cert, key))),
        (Some(_), None) => missing("--tls-cert", "--tls-key"),
        (None, Some(_)) => missing("--tls-key", "--tls-cert"),
        (None, None) if config.tls_client_ca.is_some() => missing("--tls-client-ca", "--tls-cert"),
        (None, None) => Ok(None),
    }
}

fn refused(message: String) -> Error {
    Error::user(SqlState::InvalidParameterValue, message)
}
