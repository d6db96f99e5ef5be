//! The start of a connection: encryption asked for and given or declined, a cancel request, or a session's parameters.
//!
//! Everything here comes before any login, so packets are small, few and awaited for a limited time.

use bytes::{Buf, Bytes};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    failure::{Failure, Severity, Trouble, without_nul},
    wire::Wire,
};
use crate::session::Session;

/// The longest packet before login, as in PostgreSQL.
const LONGEST: usize = 10_000;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The PostgreSQL whose behaviour clients may expect, then who we are.
pub(crate) const SERVER_VERSION: &str = concat!("15.18 (Sluice ", env!("CARGO_PKG_VERSION"), ")");

/// What a connection is for.
#[derive(Debug)]
pub(super) enum Start {
    Session(Opening),
    /// It has been told that it may encrypt, and will.
    Encrypt,
    Cancel {
        process: i32,
        key: Bytes,
    },
    Nothing,
}

/// What a client asks for in its startup message.
#[derive(Debug, Default)]
pub(super) struct Opening {
    minor: u16,
    pub(super) user: String,
    pub(super) database: String,
    settings: Vec<(String, String)>,
    unknown_options: Vec<String>,
}

/// Reads up to the startup message, or up to a request for encryption where it is on offer.
pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    offer: bool,
) -> Result<Start, Trouble> {
    // Each kind of encryption may be asked for once.
    for _ in 0..3 {
        let Some(mut packet) = wire.start_packet(LONGEST).await? else {
            return Ok(Start::Nothing);
        };
        match packet.get_u32() {
            SSL if offer => {
                wire.put_byte(b'S');
                wire.flush().await?;
                return Ok(Start::Encrypt);
            }
            SSL | GSS => {
                wire.put_byte(b'N');
                wire.flush().await?;
            }
            CANCEL => {
                return Ok(match packet.try_get_i32() {
                    Ok(process) => Start::Cancel {
                        process,
                        key: packet,
                    },
                    Err(_) => Start::Nothing,
                });
            }
            version if version >> 16 == 3 => {
                let opening = Opening::read((version & 0xffff) as u16, packet)?;
                return Ok(Start::Session(opening));
            }
            version => {
                let (major, minor) = (version >> 16, version & 0xffff);
                return Err(Failure::fatal(
                    "0A000",
                    format!(
                        "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"
                    ),
                )
                .into());
            }
        }
    }
    Err(Failure::fatal("08P01", "too many encryption requests").into())
}

impl Opening {
    fn read(minor: u16, packet: Bytes) -> Result<Self, Failure> {
        let invalid = || Failure::fatal("08P01", "invalid startup packet layout");
        let text = std::str::from_utf8(&packet)
            .map_err(|_| Failure::fatal("22021", "startup packet is not in UTF-8"))?;
        // Name, value, name, value, …, and an empty name at the end.
        let body = text.strip_suffix("\0\0").or(text.strip_suffix('\0'));
        let mut parts = body.ok_or_else(invalid)?.split('\0');
        let mut opening = Self {
            minor,
            ..Self::default()
        };
        while let Some(name) = parts.next().filter(|name| !name.is_empty()) {
            let value = parts.next().ok_or_else(invalid)?;
            opening.take(name, value)?;
        }
        if opening.user.is_empty() {
            return Err(Failure::fatal(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            ));
        }
        if opening.database.is_empty() {
            opening.database.clone_from(&opening.user);
        }
        Ok(opening)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "user" => value.clone_into(&mut self.user),
            "database" => value.clone_into(&mut self.database),
            "replication" if matches!(value, "false" | "off" | "no" | "0") => {}
            "replication" => {
                return Err(Failure::fatal("0A000", "replication is not supported"));
            }
            "client_encoding" => {
                let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
                if !["utf8", "unicode", "auto"].contains(&plain.to_ascii_lowercase().as_str()) {
                    return Err(Failure::fatal(
                        "22023",
                        format!("client_encoding {value} is not supported"),
                    )
                    .with_hint("Set client_encoding to UTF8."));
                }
            }
            "options" => self.options(value),
            name if name.starts_with("_pq_.") => self.unknown_options.push(name.to_owned()),
            name => self.settings.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// `-c name=value` and `--name=value`, with spaces escaped by backslashes.
    fn options(&mut self, text: &str) {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => word.extend(chars.next()),
                c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
                c => word.push(c),
            }
        }
        words.push(word);
        for word in words {
            let setting = word.strip_prefix("--").or(word.strip_prefix("-c"));
            if let Some((name, value)) = setting.unwrap_or(&word).split_once('=') {
                let name = name.replace('-', "_");
                self.settings.push((name, value.to_owned()));
            }
        }
    }

    /// Length of the cancel key this client can keep.
    pub(super) fn key_length(&self) -> usize {
        if self.minor >= 2 { 32 } else { 4 }
    }

    /// Sets what the client asked for. A setting that cannot be made is a warning: clients send many, and few depend on them.
    pub(super) async fn apply(&self, session: &Session) -> Vec<Failure> {
        let mut warnings = Vec::new();
        for (name, value) in &self.settings {
            let statement = format!(
                "SET {} = '{}'",
                quoted_name(name),
                value.replace('\'', "''")
            );
            let done = match name.eq_ignore_ascii_case("search_path") {
                true => session.set_search_path(value),
                false => run(session, &statement).await,
            };
            if let Err(error) = done {
                let mut failure = Failure::from(error).with_severity(Severity::Warning);
                failure.message = format!("{name} was not set: {}", failure.message);
                failure.position = None;
                warnings.push(failure);
            }
        }
        warnings
    }

    /// Everything a client hears after its login, up to ReadyForQuery.
    pub(super) fn welcome<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<S>,
        session: &Session,
        process: i32,
        key: &[u8],
    ) {
        if self.minor == 1 || self.minor > 2 || !self.unknown_options.is_empty() {
            let newest = 0x0003_0000 | if self.minor >= 2 { 2 } else { 0 };
            let unknown = self.unknown_options.clone();
            wire.put(&NegotiateProtocolVersion::new(newest, unknown));
        }
        wire.put(&Authentication::Ok);
        for (name, value) in session.take_changed_parameters() {
            wire.put(&parameter_status(name, &value));
        }
        let key = match <[u8; 4]>::try_from(key) {
            Ok(short) => SecretKey::I32(i32::from_be_bytes(short)),
            Err(_) => SecretKey::Bytes(Bytes::copy_from_slice(key)),
        };
        wire.put(&BackendKeyData::new(process, key));
    }
}

/// Runs a statement of our own that gives no rows.
pub(super) async fn run(session: &Session, statement: &str) -> crate::error::Result<()> {
    for parsed in session.parse(statement)? {
        let prepared = session.prepare(&parsed, &[]).await?;
        session.execute(&prepared, Vec::new()).await?;
    }
    Ok(())
}

/// One run-time parameter's new value.
pub(super) fn parameter_status(name: &str, value: &str) -> ParameterStatus {
    ParameterStatus::new(without_nul(name), without_nul(value))
}

/// A setting's name as it can stand in SET: `a.b` are two names.
fn quoted_name(name: &str) -> String {
    let parts = name
        .split('.')
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    parts.collect::<Vec<_>>().join(".")
}
