//! Paths into JSON, and what is set or inserted at one: `jsonb_set`, `jsonb_insert`.

use datafusion::error::Result;
use sluice_planner::functions::Json;

use crate::{
    error::{Error, SqlState},
    table::external,
};

/// The steps of a path: `{a,"b c",0}`.
pub(super) fn path_of(written: &str) -> Result<Vec<String>> {
    let malformed = || {
        external(Error::user(
            SqlState::InvalidTextRepresentation,
            format!("malformed array literal: \"{written}\""),
        ))
    };
    let inside = written.trim().strip_prefix('{');
    let inside = inside.and_then(|rest| rest.strip_suffix('}'));
    let inside = inside.ok_or_else(malformed)?;
    if inside.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut steps = Vec::new();
    let (mut step, mut quoted, mut was_quoted) = (String::new(), false, false);
    let mut letters = inside.chars();
    loop {
        let letter = letters.next();
        match letter {
            Some('\\') => step.extend(letters.next()),
            Some('"') => {
                quoted = !quoted;
                was_quoted = true;
            }
            Some(letter) if quoted || letter != ',' => step.push(letter),
            None if quoted => return Err(malformed()),
            end => {
                let done = std::mem::take(&mut step);
                steps.push(match std::mem::take(&mut was_quoted) {
                    true => done,
                    false if done.trim().is_empty() => return Err(malformed()),
                    false => done.trim().to_owned(),
                });
                if end.is_none() {
                    return Ok(steps);
                }
            }
        }
    }
}

/// The value with another at a path, of which so many steps were gone; one that is not there is added where `create` says so.
pub(super) fn set(
    value: Json,
    (path, at): (&[String], usize),
    new: Json,
    create: bool,
) -> Result<Json> {
    let Some(step) = path.get(at) else {
        return Ok(new);
    };
    let last = at + 1 == path.len();
    match value {
        Json::Object(mut members) => {
            match members.iter_mut().find(|(name, _)| name == step) {
                Some((_, member)) => {
                    let inner = std::mem::replace(member, Json::Null);
                    *member = set(inner, (path, at + 1), new, create)?;
                }
                None if last && create => members.push((step.clone(), new)),
                None => {}
            }
            Ok(Json::Object(members))
        }
        Json::Array(mut elements) => {
            let place = place_of(step, at, elements.len())?;
            let found = usize::try_from(place).ok();
            match found.and_then(|place| elements.get_mut(place)) {
                Some(element) => {
                    let inner = std::mem::replace(element, Json::Null);
                    *element = set(inner, (path, at + 1), new, create)?;
                }
                None if last && create && place < 0 => elements.insert(0, new),
                None if last && create => elements.push(new),
                None => {}
            }
            Ok(Json::Array(elements))
        }
        other => Ok(other),
    }
}

/// The place in an array of so many elements that a step names, from its end where it is negative; it may be outside of it.
fn place_of(step: &str, at: usize, length: usize) -> Result<i64> {
    let place: i64 = step.parse().map_err(|_| {
        external(Error::user(
            SqlState::InvalidTextRepresentation,
            format!(
                "path element at position {} is not an integer: \"{step}\"",
                at + 1
            ),
        ))
    })?;
    Ok(match place < 0 {
        true => place.saturating_add(length as i64),
        false => place,
    })
}

/// The value with another put in at a path, of which so many steps were gone: before the element there, or `after` it. A member that is
/// there already is refused.
pub(super) fn insert(
    value: Json,
    (path, at): (&[String], usize),
    new: Json,
    after: bool,
) -> Result<Json> {
    let Some(step) = path.get(at) else {
        return Ok(value);
    };
    let last = at + 1 == path.len();
    match value {
        Json::Object(mut members) => {
            match members.iter_mut().find(|(name, _)| name == step) {
                Some(_) if last => {
                    return Err(external(
                        Error::user(
                            SqlState::InvalidParameterValue,
                            "cannot replace existing key",
                        )
                        .with_hint("Try using the function jsonb_set to replace key value."),
                    ));
                }
                Some((_, member)) => {
                    let inner = std::mem::replace(member, Json::Null);
                    *member = insert(inner, (path, at + 1), new, after)?;
                }
                None if last => members.push((step.clone(), new)),
                None => {}
            }
            Ok(Json::Object(members))
        }
        Json::Array(mut elements) => {
            let place = place_of(step, at, elements.len())?;
            let found = usize::try_from(place).ok();
            match found.filter(|place| *place < elements.len()) {
                Some(place) if last => elements.insert(place + usize::from(after), new),
                Some(place) => {
                    if let Some(element) = elements.get_mut(place) {
                        let inner = std::mem::replace(element, Json::Null);
                        *element = insert(inner, (path, at + 1), new, after)?;
                    }
                }
                None if last && place < 0 => elements.insert(0, new),
                None if last => elements.push(new),
                None => {}
            }
            Ok(Json::Array(elements))
        }
        other => Ok(other),
    }
}
