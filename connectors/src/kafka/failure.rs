//! librdkafka's errors as ours: who is at fault, and what to do.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

use super::{native::NativeError, options::KafkaOptions};
use crate::error::ConnectorError;

/// Whether a code says that credentials or permissions were refused.
pub(super) fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

/// Whether a code says that topic or partition do not exist.
pub(super) fn is_missing(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopicId
            | Code::UnknownPartition
    )
}

/// Whether a code says that the position is not in the log.
pub(super) fn is_lost(code: Code) -> bool {
    matches!(
        code,
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation
    )
}

/// The code inside of an error of the `rdkafka` crate.
pub(super) fn native(error: &KafkaError) -> NativeError {
    NativeError::of(error.rdkafka_error_code().unwrap_or(Code::Fail))
}

/// An error of a call, as far as it is known; `reason` is what the client reported on its own, which says more than a timeout does.
pub(super) fn call_failed(
    options: &KafkaOptions,
    what: &str,
    error: &NativeError,
    reason: Option<&str>,
) -> ConnectorError {
    if is_refusal(error.code) {
        return denied(options, reason.unwrap_or(&error.reason));
    }
    if is_missing(error.code) {
        return topic_missing(options);
    }
    let told = options.redact(reason.unwrap_or(&error.reason));
    ConnectorError::Unreachable {
        message: format!(
            "no answer from Kafka at {} ({what}): {told}",
            options.bootstrap_servers
        ),
        hint: Some(format!(
            "check that the broker runs and that bootstrap_servers ('{}') is right",
            options.bootstrap_servers
        )),
    }
}

/// Credentials or permissions were refused.
pub(super) fn denied(options: &KafkaOptions, reason: &str) -> ConnectorError {
    ConnectorError::Denied {
        message: format!(
            "Kafka at {} refuses access to topic '{}': {}",
            options.bootstrap_servers,
            options.topic,
            options.redact(reason)
        ),
        hint: Some(
            "check \"kafka.security.protocol\", \"kafka.sasl.…\" and the topic's access rules"
                .into(),
        ),
    }
}

/// The topic does not exist.
pub(super) fn topic_missing(options: &KafkaOptions) -> ConnectorError {
    ConnectorError::NotFound {
        message: format!(
            "topic '{}' does not exist at {}",
            options.topic, options.bootstrap_servers
        ),
        hint: Some("create the topic, or correct the option topic".into()),
    }
}

/// The topic was deleted and made anew.
pub(super) fn topic_replaced(options: &KafkaOptions, was: &str, is: &str) -> ConnectorError {
    ConnectorError::DataLost {
        message: format!(
            "topic '{}' was deleted and made anew: its id was {was} and is {is}",
            options.topic
        ),
        hint: Some(
            "what was not yet read of the old topic is gone; drop and create the query to read the new topic from its start"
                .into(),
        ),
    }
}

/// The offset to go on at is not in the partition.
pub(super) fn offset_lost(
    options: &KafkaOptions,
    partition: i32,
    offset: i64,
    range: Option<(i64, i64)>,
    reason: &str,
) -> ConnectorError {
    let topic = &options.topic;
    let (message, hint) = match range {
        Some((first, _)) if offset < first => (
            format!(
                "offset {offset} of topic '{topic}' partition {partition} is no longer there: the first available offset is {first}, so {} offsets are lost",
                first - offset
            ),
            format!(
                "retention has deleted them; to go on without them, create the query anew over a stream with startup = 'earliest' or 'offsets:{partition}={first},…'"
            ),
        ),
        Some((first, end)) if offset > end => (
            format!(
                "offset {offset} of topic '{topic}' partition {partition} lies beyond its end: the partition has offsets {first} to {end}"
            ),
            "the topic was truncated or made anew; create the query anew to read what is there now".into(),
        ),
        _ => (
            format!(
                "topic '{topic}' partition {partition} cannot be read on from offset {offset}: {}",
                options.redact(reason)
            ),
            "the broker's log was cut back behind what was read; create the query anew to read what is there now".into(),
        ),
    };
    ConnectorError::DataLost {
        message,
        hint: Some(hint),
    }
}

/// What the broker sent cannot be read.
pub(super) fn corrupt(options: &KafkaOptions, partition: i32, reason: &str) -> ConnectorError {
    ConnectorError::Corrupt {
        message: format!(
            "topic '{}' partition {partition} has data that cannot be read: {}",
            options.topic,
            options.redact(reason)
        ),
    }
}

/// The broker keeps messages in a format of before Kafka 0.11.
pub(super) fn old_format(options: &KafkaOptions, partition: i32, format: u8) -> ConnectorError {
    ConnectorError::Option {
        message: format!(
            "topic '{}' partition {partition} has messages in the old format {format}, which direct fetching does not read",
            options.topic
        ),
        hint: Some("create the stream with fetch = 'librdkafka'".into()),
    }
}

/// A reason without the name of the connection that librdkafka puts before it (`host:port/1: …`, `GroupCoordinator: host:port: …`).
pub(super) fn plain_reason(reason: &str) -> &str {
    let reason = match reason.strip_prefix("GroupCoordinator: ") {
        Some(rest) => rest.split_once(": ").map_or(rest, |(_, rest)| rest),
        None => reason,
    };
    match reason.split_once(": ") {
        Some((connection, rest)) if connection.contains('/') && !connection.contains(' ') => rest,
        _ => reason,
    }
}
