//! `WITH (key = 'value', …)`: options in one canonical spelling, and which of them are secret.
//!
//! Keys may be bare words, dotted (`properties.group.id`) or quoted; bare ones are lower-cased, quoted ones kept. The
//! spellings of Flink, RisingWave, ksqlDB, Arroyo and Timeplus are brought to ours, so that two of them for one thing
//! are seen as the duplicate they are. Which options exist is the connector's business, not this crate's.

use std::fmt;

use sqlparser::ast::Expr;
use sqlparser::tokenizer::{Span, Token};

use crate::error::ParseError;
use crate::interval;
use crate::reader::Reader;

/// What stands in place of a secret.
pub const REDACTED: &str = "***";

/// Options in the order they were written, each key once; then those whose value is a secret's: key and name of the secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(pub Vec<(String, String)>, pub Vec<(String, String)>);

impl Options {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_empty()
    }

    /// The secret that a key takes its value from.
    pub fn secret(&self, key: &str) -> Option<&str> {
        self.1
            .iter()
            .find(|(found, _)| found == key)
            .map(|(_, secret)| secret.as_str())
    }

    /// Keys whose values are secret and written out: what redaction would strike out.
    pub fn bare_secrets(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(key, value)| holds_secret(key) || *value != without_password(value))
            .map(|(key, _)| key.as_str())
    }

    /// The same options with `***` for every secret.
    pub fn redacted(&self) -> Self {
        let redact = |(key, value): &(String, String)| {
            let value = if is_secret(key) {
                REDACTED.to_owned()
            } else {
                without_password(value)
            };
            (key.clone(), value)
        };
        Self(self.0.iter().map(redact).collect(), self.1.clone())
    }

    /// Each option as it is printed.
    pub(crate) fn items(&self) -> Vec<String> {
        let item = |(key, value): &(String, String)| {
            format!("{} = '{}'", Key(key), value.replace('\'', "''"))
        };
        let secret =
            |(key, name): &(String, String)| format!("{} = SECRET {}", Key(key), Key(name));
        let items = self.0.iter().map(item);
        items.chain(self.1.iter().map(secret)).collect()
    }

    fn add(&mut self, key: String, value: Value, at: Span) -> Result<(), ParseError> {
        if self.get(&key).is_some() || self.secret(&key).is_some() {
            return Err(ParseError::invalid(
                format!("option \"{key}\" is given more than once"),
                at,
            )
            .offending(key)
            .hint("keep one of them; other spellings of the same option count as the same"));
        }
        match value {
            Value::Text(text) => self.0.push((key, text)),
            Value::Secret(name) => self.1.push((key, name)),
        }
        Ok(())
    }
}

/// What stands after the equals sign.
enum Value {
    Text(String),
    Secret(String),
}

/// A key, quoted where it is not a plain word.
struct Key<'a>(&'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        let plain = letters
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
            && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain {
            f.write_str(self.0)
        } else {
            write!(f, "\"{}\"", self.0.replace('"', "\"\""))
        }
    }
}

/// Whether an option's value is never shown: a word of its key says so. `_key`, the metadata column, does not.
pub fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "secrets",
        "token",
        "key",
        "credential",
        "credentials",
        "jaas",
    ];
    let lower = key.to_ascii_lowercase();
    lower
        .split(['.', '-', ':'])
        .filter(|segment| *segment != "_key")
        .flat_map(|segment| segment.split('_'))
        .any(|word| WORDS.contains(&word))
        || lower.ends_with("auth.user.info")
}

/// Whether an option's value is a secret itself: not where it lies, nor what it is called.
pub(crate) fn holds_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let beside = [
        "location", "format", "type", "alias", "url", "endpoint", "method",
    ];
    let last = lower.rsplit(['.', '_', '-']).next().unwrap_or_default();
    is_secret(key) && lower != "key" && !beside.contains(&last)
}

/// `scheme://user:password@host` with the password struck out.
pub(crate) fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority
        .rsplit_once('@')
        .and_then(|(user, host)| Some((user.split_once(':')?.0, host)))
    {
        Some((user, host)) => format!("{scheme}://{user}:{REDACTED}@{host}{path}"),
        None => value.to_owned(),
    }
}

const SHAPE: &str = "write options as WITH (key = 'value', …)";

/// Reads `WITH (…)`; the reader stands on WITH, SETTINGS or TBLPROPERTIES. SETTINGS (Timeplus) has no parentheses.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Options, ParseError> {
    let bare = reader.word_is(0, "SETTINGS");
    reader.skip(1);
    let mut written = Written::default();
    if !bare {
        reader.expect_token(&Token::LParen, SHAPE)?;
        if reader.take_token(&Token::RParen) {
            return Ok(Options::default());
        }
    }
    loop {
        if reader.at_token(&Token::RParen) {
            return Err(reader.unexpected("remove the comma before )"));
        }
        let secret = option(reader, &mut written)?;
        if reader.take_token(&Token::Comma) {
            continue;
        }
        let ends = bare || reader.at_token(&Token::RParen);
        if secret && !ends && !matches!(reader.peek(0).token, Token::EOF | Token::Word(_)) {
            // It may be the other half of the secret.
            return Err(ParseError::invalid(
                "syntax error after the value of a secret option",
                reader.span(),
            )
            .hint("separate options with a comma and close the list with )"));
        }
        if !bare {
            reader.expect_token(
                &Token::RParen,
                "separate options with a comma and close the list with )",
            )?;
        }
        return written.canonical();
    }
}

/// Reads RisingWave's `FORMAT PLAIN ENCODE JSON [(…)]`.
pub(super) fn format_tail(
    reader: &mut Reader<'_>,
    options: &mut Options,
) -> Result<(), ParseError> {
    const TAIL: &str = "write FORMAT PLAIN ENCODE JSON, or format = 'json' in WITH (…)";
    let at = reader.span();
    reader.skip(1);
    if !reader.take(&["PLAIN"]) {
        return Err(
            ParseError::unsupported("only FORMAT PLAIN is supported", reader.span()).hint(TAIL),
        );
    }
    reader.expect(&["ENCODE"], TAIL)?;
    let Some(encoding) = reader.word(0).map(str::to_ascii_lowercase) else {
        return Err(reader.unexpected(TAIL));
    };
    reader.skip(1);
    let encoding = if encoding == "bytes" {
        "raw".to_owned()
    } else {
        encoding
    };
    options.add("format".to_owned(), Value::Text(encoding), at)?;
    if reader.take_token(&Token::LParen) {
        reader.expect_token(
            &Token::RParen,
            "write the options of the format in WITH (…)",
        )?;
    }
    Ok(())
}

/// Options before their spellings are brought to ours.
#[derive(Default)]
struct Written(Vec<(String, Value, Span)>);

/// Reads one option; whether its value is secret.
fn option(reader: &mut Reader<'_>, written: &mut Written) -> Result<bool, ParseError> {
    let at = reader.span();
    let key = key(reader)?;
    let secret = is_secret(&key);
    let untold = |error| match secret {
        // What stands there may be the secret itself.
        true => ParseError::invalid(format!("syntax error in the value of option \"{key}\""), at)
            .offending(key.clone())
            .hint("write SECRET name, of a secret made with CREATE SECRET name AS 'value'"),
        false => error,
    };
    if !reader.take_token(&Token::Eq) {
        let error = reader.unexpected(&format!("write {} = 'value'", Key(&key)));
        return Err(untold(error));
    }
    let value = value(reader).map_err(untold)?;
    written.0.push((key, value, at));
    Ok(secret)
}

fn key(reader: &mut Reader<'_>) -> Result<String, ParseError> {
    let mut key = String::new();
    loop {
        match &reader.peek(0).token {
            Token::Word(word) if word.quote_style.is_some() => key.push_str(&word.value),
            Token::Word(word) => key.push_str(&word.value.to_ascii_lowercase()),
            Token::SingleQuotedString(text) if key.is_empty() => key.push_str(text),
            _ => return Err(reader.unexpected(SHAPE)),
        }
        reader.skip(1);
        match reader.peek(0).token {
            Token::Period => key.push('.'),
            Token::Minus => key.push('-'),
            _ => break,
        }
        reader.skip(1);
    }
    if key.is_empty() {
        return Err(reader.unexpected(SHAPE));
    }
    Ok(key)
}

fn value(reader: &mut Reader<'_>) -> Result<Value, ParseError> {
    if reader.word_is(0, "SECRET") && matches!(reader.peek(1).token, Token::Word(_)) {
        reader.skip(1);
        let name = reader.ident("write SECRET name")?;
        let name = match name.quote_style {
            Some(_) => name.value,
            None => name.value.to_lowercase(),
        };
        return Ok(Value::Secret(name));
    }
    text(reader).map(Value::Text)
}

fn text(reader: &mut Reader<'_>) -> Result<String, ParseError> {
    const VALUE: &str = "write the value in single quotes: key = 'value'";
    if reader.word_is(0, "INTERVAL") {
        let at = reader.span();
        let expr: Expr = reader.expr()?;
        return interval::text_of(&expr)
            .map(|(text, _)| text.to_owned())
            .ok_or_else(|| ParseError::invalid("an option must be a constant", at).hint(VALUE));
    }
    let sign = if reader.take_token(&Token::Minus) {
        "-"
    } else {
        ""
    };
    let text = match &reader.peek(0).token {
        Token::Number(number, _) => format!("{sign}{number}"),
        Token::Word(word)
            if word.quote_style.is_none()
                && sign.is_empty()
                && !word.value.eq_ignore_ascii_case("null") =>
        {
            word.value.to_ascii_lowercase()
        }
        _ if sign.is_empty() => return reader.string(VALUE),
        _ => return Err(reader.unexpected(VALUE)),
    };
    reader.skip(1);
    let next = &reader.peek(0).token;
    if matches!(next, Token::Comma | Token::RParen | Token::EOF) || reader.at(&["FORMAT"]) {
        Ok(text)
    } else {
        Err(reader.unexpected(VALUE))
    }
}

impl Written {
    fn canonical(self) -> Result<Options, ParseError> {
        let has_connector = self.0.iter().any(|(key, ..)| key == "connector");
        let millis = self
            .0
            .iter()
            .find(|(key, ..)| key == "scan.startup.timestamp-millis")
            .and_then(|found| match &found.1 {
                Value::Text(text) => Some(text.clone()),
                Value::Secret(_) => None,
            });
        let mut options = Options::default();
        let mut implied_kafka = false;
        for (key, value, at) in self.0 {
            let value = match value {
                Value::Text(text) => text,
                Value::Secret(name) => {
                    let key = match key.strip_prefix("properties.") {
                        Some(property) => format!("kafka.{property}"),
                        None => key,
                    };
                    options.add(key, Value::Secret(name), at)?;
                    continue;
                }
            };
            let (key, value) = match key.as_str() {
                "bootstrap.servers"
                | "properties.bootstrap.servers"
                | "properties.bootstrap.server"
                | "brokers"
                | "kafka.bootstrap.servers" => ("bootstrap_servers".to_owned(), value),
                "kafka_topic" => {
                    implied_kafka = true;
                    ("topic".to_owned(), value)
                }
                "value_format" | "value.format" | "data_format" => {
                    ("format".to_owned(), format_name(&value))
                }
                "scan.startup.mode" | "source.offset" => {
                    ("startup".to_owned(), startup(&value, millis.as_deref()))
                }
                "scan.startup.timestamp-millis" => continue,
                "scan.watermark.idle-timeout" => ("idle_timeout".to_owned(), value),
                "idle_micros" => ("idle_timeout".to_owned(), format!("{value} microseconds")),
                "bad_data" => (
                    "on_error".to_owned(),
                    if value == "drop" {
                        "skip".to_owned()
                    } else {
                        value
                    },
                ),
                "json.ignore-parse-errors" => (
                    "on_error".to_owned(),
                    if value == "true" {
                        "dead_letter"
                    } else {
                        "fail"
                    }
                    .to_owned(),
                ),
                // Arroyo's, Flink's and Spark's.
                "timestamp_format"
                | "json.timestamp_format"
                | "json.timestamp-format.standard"
                | "timestampformat"
                | "timestampFormat" => ("timestamp_format".to_owned(), timestamp_format(&value)),
                "type" if value == "source" => continue,
                "type" if !has_connector => ("connector".to_owned(), value),
                "format" => ("format".to_owned(), format_name(&value)),
                _ => match key.strip_prefix("properties.") {
                    Some(property) => (format!("kafka.{property}"), value),
                    None => (key, value),
                },
            };
            options.add(key, Value::Text(value), at)?;
        }
        if implied_kafka && options.get("connector").is_none() {
            options
                .0
                .insert(0, ("connector".to_owned(), "kafka".to_owned()));
        }
        Ok(options)
    }
}

fn format_name(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "jsoneachrow" => "json".to_owned(),
        lower @ ("json" | "raw" | "csv" | "avro") => lower.to_owned(),
        _ => value.to_owned(),
    }
}

/// The forms of a timestamp that have a name; a pattern stays what it is, to be refused with all that there are.
fn timestamp_format(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "iso" | "iso8601" | "iso-8601" | "rfc3339" | "sql" => "iso",
        "epoch_seconds" | "unix_seconds" | "epoch" | "unix" => "epoch_seconds",
        "epoch_millis" | "epoch_milliseconds" | "unix_millis" => "epoch_millis",
        "epoch_micros" | "epoch_microseconds" | "unix_micros" => "epoch_micros",
        "epoch_nanos" | "epoch_nanoseconds" | "unix_nanos" => "epoch_nanos",
        "auto" => "auto",
        _ => value,
    }
    .to_owned()
}

fn startup(value: &str, millis: Option<&str>) -> String {
    match (value, millis) {
        ("earliest-offset", _) => "earliest".to_owned(),
        ("latest-offset", _) => "latest".to_owned(),
        ("timestamp", Some(millis)) => format!("timestamp:{millis}"),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;
