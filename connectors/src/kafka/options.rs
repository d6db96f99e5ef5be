//! The options of a Kafka stream, checked by name and value before any broker is asked.
//!
//! Secrets pass through here: no message of this module, no `Debug` output and no error of the client repeats an option's value without
//! [`KafkaOptions::redact`].

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel, error::KafkaError};

use super::startup::Startup;
use crate::{
    error::{ConnectorError, Result},
    format::json::{self, JsonOptions},
    registry::{nearest, unknown_option},
};

/// Options of a Kafka stream besides its format's and `kafka.<librdkafka property>`.
pub const OPTIONS: [&str; 9] = [
    "bootstrap_servers",
    "connect_timeout",
    "connector",
    "fetch",
    "format",
    "group_id",
    "metadata_refresh",
    "startup",
    "topic",
];

/// Properties of librdkafka that are ours, and why.
const OWNED: [(&str, &str); 21] = [
    ("bootstrap.servers", "use the option bootstrap_servers"),
    ("metadata.broker.list", "use the option bootstrap_servers"),
    ("group.id", "use the option group_id"),
    ("group.instance.id", OFFSETS),
    ("group.protocol", OFFSETS),
    ("partition.assignment.strategy", OFFSETS),
    (
        "auto.offset.reset",
        "use the option startup; an offset that is gone is an error, never a jump",
    ),
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.method", OFFSETS),
    (
        "isolation.level",
        "only committed messages are read: what an aborted transaction wrote would come back in no replay",
    ),
    (
        "enable.partition.eof",
        "the end of a partition must be noticed",
    ),
    ("allow.auto.create.topics", "reading never makes a topic"),
    (
        "client.rack",
        "reads go to the leader, so that offsets and ends agree",
    ),
    ("log.queue", "logs go into the server's own log"),
    ("plugin.library.paths", LOADS),
    ("ssl.engine.location", LOADS),
    ("ssl.providers", LOADS),
    (
        "sasl.kerberos.kinit.cmd",
        "it would run a command on the server",
    ),
];
const OFFSETS: &str = "offsets are kept in checkpoints; the consumer group is only told of them";
const LOADS: &str = "it would load code into the server";

/// Parts of property names whose values are secret.
const SECRET: [&str; 6] = [
    "password",
    "secret",
    "token",
    "key.pem",
    "oauthbearer.config",
    "jaas",
];

/// How payloads are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Raw,
}

/// Who fetches messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// We do, over connections of our own.
    Direct,
    /// librdkafka, which can encrypt and log in.
    Library,
}

/// Everything the options say.
pub(super) struct KafkaOptions {
    pub(super) bootstrap_servers: String,
    pub(super) topic: String,
    pub(super) format: Format,
    pub(super) json: JsonOptions,
    pub(super) fetch: Fetch,
    pub(super) startup: Startup,
    pub(super) connect_timeout: Duration,
    pub(super) metadata_refresh: Duration,
    group_id: String,
    /// Properties for librdkafka, prefix off.
    properties: BTreeMap<String, String>,
}

impl KafkaOptions {
    /// Checks and reads all options.
    pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Self> {
        let format = match required(options, "format")?.as_str() {
            "json" => Format::Json,
            "raw" => Format::Raw,
            other => {
                return Err(ConnectorError::Option {
                    message: format!("unknown format '{other}'"),
                    hint: Some("use 'json' or 'raw'".into()),
                });
            }
        };
        let mut properties = BTreeMap::new();
        for (name, value) in options {
            match name.strip_prefix("kafka.") {
                Some(property) => {
                    check_property(property)?;
                    properties.insert(property.to_owned(), value.clone());
                }
                None => check_name(name, format)?,
            }
        }
        let topic = required(options, "topic")?;
        check_topic(&topic)?;
        let parsed = Self {
            bootstrap_servers: required(options, "bootstrap_servers")?,
            format,
            json: JsonOptions::parse(options)?,
            fetch: fetch(options)?,
            startup: match options.get("startup") {
                Some(text) => Startup::parse(text)?,
                None => Startup::default(),
            },
            connect_timeout: duration(options, "connect_timeout", 5_000)?,
            metadata_refresh: duration(options, "metadata_refresh", 5_000)?,
            group_id: match options.get("group_id") {
                Some(group) if !group.is_empty() => group.clone(),
                Some(_) => {
                    return Err(ConnectorError::Option {
                        message: "option group_id is empty".into(),
                        hint: None,
                    });
                }
                None => format!("sluice-{topic}"),
            },
            topic,
            properties,
        };
        // librdkafka checks names and values when the configuration is made, long before it connects.
        if let Err(error) = parsed.config().create_native_config() {
            return Err(parsed.config_error(&error));
        }
        Ok(parsed)
    }

    /// The configuration of a consumer client.
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (property, value) in DEFAULTS {
            config.set(property, value);
        }
        for (property, value) in &self.properties {
            config.set(property, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers);
        config.set("group.id", &self.group_id);
        for (property, value) in FIXED {
            config.set(property, value);
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// What a refused configuration says, without the refused value where that may be secret.
    pub(super) fn config_error(&self, error: &KafkaError) -> ConnectorError {
        let (message, hint) = match error {
            KafkaError::ClientConfig(_, reason, property, _) => {
                let option = format!("kafka.{property}");
                let hint = nearest(property, KNOWN).filter(|known| known != property);
                (
                    format!("option {option}: {}", self.redact(reason)),
                    Some(match hint {
                        Some(known) => format!("did you mean kafka.{known}?"),
                        None => "after kafka. stands a property of librdkafka, such as kafka.fetch.min.bytes".into(),
                    }),
                )
            }
            KafkaError::ClientCreation(reason) => {
                (format!("kafka options: {}", self.redact(reason)), None)
            }
            other => (self.redact(&other.to_string()), None),
        };
        ConnectorError::Option { message, hint }
    }

    /// A text of the client library with the values of secret options taken out.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (property, value) in &self.properties {
            if is_secret(property) && !value.is_empty() {
                text = text.replace(value.as_str(), "***");
            }
        }
        text
    }
}

impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<&String> = self.properties.keys().collect();
        f.debug_struct("KafkaOptions")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("topic", &self.topic)
            .field("format", &self.format)
            .field("startup", &self.startup)
            .field("group_id", &self.group_id)
            .field("properties", &properties)
            .finish_non_exhaustive()
    }
}

/// Values that an option may change.
const DEFAULTS: [(&str, &str); 10] = [
    ("client.id", "sluice"),
    ("check.crcs", "true"),
    // A trickle is fetched in gulps: each answer costs the same for one message as for a hundred, and 35 milliseconds are not felt.
    // No longer, because librdkafka's long poll holds its connection: metadata and offset questions to the same broker wait behind it.
    ("fetch.min.bytes", "16384"),
    ("fetch.wait.max.ms", "35"),
    // The default of a second is how long fetching sleeps whenever the queue was full for a moment.
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.error.backoff.ms", "100"),
    ("queued.min.messages", "200000"),
    ("queued.max.messages.kbytes", "24576"),
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.nagle.disable", "true"),
];

/// Values that nothing may change.
const FIXED: [(&str, &str); 6] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

/// Properties people set, to name the nearest one when a name is unknown.
const KNOWN: [&str; 24] = [
    "broker.address.family",
    "check.crcs",
    "client.id",
    "debug",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "max.partition.fetch.bytes",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
];

fn required(options: &BTreeMap<String, String>, name: &str) -> Result<String> {
    match options.get(name) {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        _ => Err(ConnectorError::Option {
            message: format!("connector kafka needs the option {name}"),
            hint: Some(format!("add {name} = '…' to WITH")),
        }),
    }
}

fn fetch(options: &BTreeMap<String, String>) -> Result<Fetch> {
    let protocol = options.get("kafka.security.protocol");
    let plain = protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"));
    match (options.get("fetch").map(String::as_str), protocol) {
        (None, _) if plain => Ok(Fetch::Direct),
        (Some("direct"), _) if plain => Ok(Fetch::Direct),
        (None | Some("librdkafka"), _) => Ok(Fetch::Library),
        (Some("direct"), protocol) => Err(ConnectorError::Option {
            message: format!(
                "option fetch cannot be 'direct' where kafka.security.protocol is '{}'",
                protocol.map_or("", String::as_str)
            ),
            hint: Some("leave fetch out: librdkafka then encrypts, logs in and fetches".into()),
        }),
        (Some(other), _) => Err(ConnectorError::Option {
            message: format!("option fetch cannot be '{other}'"),
            hint: Some("use 'direct' or 'librdkafka', or leave it out".into()),
        }),
    }
}

fn check_name(name: &str, format: Format) -> Result<()> {
    let mut known = OPTIONS.to_vec();
    if format == Format::Json {
        known.extend(json::OPTIONS);
    }
    if known.contains(&name) {
        return Ok(());
    }
    if rdkafka_property(name) {
        return Err(ConnectorError::Option {
            message: format!("unknown option {name} for connector kafka"),
            hint: Some(format!(
                "properties of librdkafka are written \"kafka.{name}\""
            )),
        });
    }
    Err(unknown_option(name, "connector kafka", &known))
}

fn rdkafka_property(name: &str) -> bool {
    KNOWN.contains(&name) || OWNED.iter().any(|(owned, _)| *owned == name)
}

fn check_property(property: &str) -> Result<()> {
    match OWNED.iter().find(|(owned, _)| *owned == property) {
        None => Ok(()),
        Some((_, reason)) => Err(ConnectorError::Option {
            message: format!("option kafka.{property} cannot be set"),
            hint: Some((*reason).to_owned()),
        }),
    }
}

fn check_topic(topic: &str) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if topic.len() <= 249 && topic.bytes().all(legal) {
        return Ok(());
    }
    Err(ConnectorError::Option {
        message: "option topic is not a name that Kafka allows".into(),
        hint: Some("up to 249 letters, digits, '.', '_' and '-'".into()),
    })
}

fn is_secret(property: &str) -> bool {
    SECRET.iter().any(|part| property.contains(part))
}

/// A duration like `500 ms`, `5 s`, `2 minutes`.
fn duration(options: &BTreeMap<String, String>, name: &str, default_ms: u64) -> Result<Duration> {
    let Some(text) = options.get(name) else {
        return Ok(Duration::from_millis(default_ms));
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" | "millisecond" | "milliseconds" => Some(1),
        "s" | "sec" | "second" | "seconds" => Some(1000),
        "m" | "min" | "minute" | "minutes" => Some(60_000),
        _ => None,
    };
    let ms = number
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|ms| (10..=3_600_000).contains(ms));
    ms.map(Duration::from_millis)
        .ok_or_else(|| ConnectorError::Option {
            message: format!("option {name} cannot be '{text}'"),
            hint: Some("write a time with its unit, like '500 ms' or '5 s', up to an hour".into()),
        })
}
