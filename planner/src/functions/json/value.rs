//! JSON as a tree, with numbers as they were written: a number of JSON is a `numeric` in PostgreSQL, and no float has all of these.
//!
//! Reading is recursive, and so is nearly everything else: a text that is nested deeper than [`MAX_JSON_DEPTH`] is refused before.

use std::{cmp::Ordering, fmt::Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deep a text may be nested.
pub const MAX_JSON_DEPTH: usize = 1_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// `[…]`
    Array(Vec<Json>),
    /// `{…}`, in the order of the text.
    Object(Vec<(String, Json)>),
}

/// What is wrong with a text that is no JSON.
pub type JsonError = serde_json::Error;

/// Whether a text is nested deeper than a thread's stack should be asked to follow.
pub fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return true;
        }
    }
    false
}

impl Json {
    /// The value that a text holds.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        if is_too_deep(text) {
            let told = format!("nested more than {MAX_JSON_DEPTH} deep");
            return Err(serde::de::Error::custom(told));
        }
        let raw: &RawValue = serde_json::from_str(text)?;
        Self::of(raw)
    }

    fn of(raw: &RawValue) -> Result<Self, JsonError> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text)?;
                let members = members
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::of(value)?)));
                Self::Object(members.collect::<Result<_, JsonError>>()?)
            }
            Some(b'[') => {
                let Elements(elements) = serde_json::from_str(text)?;
                Self::Array(
                    elements
                        .into_iter()
                        .map(Self::of)
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(text.to_owned()),
        })
    }

    /// What `json_typeof` calls it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// As PostgreSQL keeps `jsonb`: of two members of one name the last, shorter names first, and so in all that is inside.
    #[must_use]
    pub fn sorted(self) -> Self {
        match self {
            Self::Array(elements) => Self::Array(elements.into_iter().map(Self::sorted).collect()),
            Self::Object(members) => {
                let mut kept: Vec<(String, Self)> = Vec::with_capacity(members.len());
                let mut members: Vec<_> = members.into_iter().enumerate().collect();
                // The last of one name comes first, and the others go.
                members.sort_by(|(i, (a, _)), (j, (b, _))| by_name(a, b).then(j.cmp(i)));
                for (_, (name, value)) in members {
                    if kept.last().is_none_or(|(last, _)| *last != name) {
                        kept.push((name, value.sorted()));
                    }
                }
                Self::Object(kept)
            }
            Self::Number(text) => Self::Number(plain(&text)),
            other => other,
        }
    }

    /// The text of a `jsonb`: `{"a": 1, "b": [1, 2]}`.
    pub fn spaced(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => {
                let _ = write!(out, "{truth}");
            }
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Array(elements) => {
                out.push('[');
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(&quoted(name));
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// `@>`: all that is in `part` is in this too. An array holds a bare value that is one of its elements, but only as a whole.
    pub fn contains(&self, part: &Self) -> bool {
        match (self, part) {
            (Self::Array(elements), bare) if !matches!(bare, Self::Array(_) | Self::Object(_)) => {
                elements.iter().any(|element| element.same(bare))
            }
            _ => self.holds(part),
        }
    }

    fn holds(&self, part: &Self) -> bool {
        match (self, part) {
            (Self::Object(members), Self::Object(parts)) => parts.iter().all(|(name, part)| {
                let member = members.iter().rev().find(|(known, _)| known == name);
                member.is_some_and(|(_, value)| value.holds(part))
            }),
            (Self::Array(elements), Self::Array(parts)) => parts
                .iter()
                .all(|part| elements.iter().any(|element| element.holds(part))),
            (one, other) => one.same(other),
        }
    }

    /// Whether two values that hold no others are equal.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                one == other
                    || match (one.parse::<f64>(), other.parse::<f64>()) {
                        (Ok(one), Ok(other)) => one.total_cmp(&other) == Ordering::Equal,
                        _ => false,
                    }
            }
            (Self::Array(_) | Self::Object(_), _) | (_, Self::Array(_) | Self::Object(_)) => false,
            (one, other) => one == other,
        }
    }
}

fn by_name(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// A number without exponent, where it has one that is small.
fn plain(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains(['e', 'E']) && number.abs() < 1e15 => number.to_string(),
        _ => text.to_owned(),
    }
}

/// A text as a value of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        json.deserialize_map(Read).map(Members)
    }
}

struct Elements<'t>(Vec<&'t RawValue>);

impl<'de: 't, 't> Deserialize<'de> for Elements<'t> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = items.next_element()? {
                    elements.push(element);
                }
                Ok(elements)
            }
        }
        json.deserialize_seq(Read).map(Elements)
    }
}
