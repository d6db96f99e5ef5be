//! Lists of any number of dimensions, as PostgreSQL's `array_in` and `array_recv` read them.
//!
//! An array there knows its dimensions itself and its type does not; in the engine a list of lists is another type. So a value is read with
//! the dimensions that it has, and [`in_shape`] refuses one that the statement has no place for.

use std::{iter, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field},
};
use datafusion::scalar::ScalarValue;
use postgres_types::Type;

use super::{list, text::decode, to_arrow};
use crate::{
    doors::pg::failure::Failure,
    error::{Error, SqlState},
};

/// PostgreSQL's `MAXDIM`.
const MOST_DIMENSIONS: usize = 6;

/// Refuses the text of a list of too many dimensions (54000), before anything goes into them.
pub(crate) fn check_dimensions(text: &str) -> crate::error::Result<()> {
    let (mut depth, mut deepest, mut quoted) = (0_usize, 0, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '"' => quoted = !quoted,
            '{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    match deepest > MOST_DIMENSIONS {
        true => Err(Error::user(
            SqlState::ProgramLimitExceeded,
            format!(
                "number of array dimensions ({deepest}) exceeds the maximum allowed ({MOST_DIMENSIONS})"
            ),
        )),
        false => Ok(()),
    }
}

/// What a text has in its braces.
#[derive(Default)]
struct Read {
    /// The elements, the last dimension first; `None` is NULL.
    items: Vec<Option<String>>,
    /// The dimension that the elements are in.
    depth: Option<usize>,
    lengths: [Option<usize>; MOST_DIMENSIONS],
}

/// What is left of a list's text.
pub(crate) type Letters<'a> = iter::Peekable<std::str::Chars<'a>>;

pub(crate) fn skip_blanks(letters: &mut Letters<'_>) {
    while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
}

impl Read {
    /// Reads a list whose brace is passed; `None` for a malformed one.
    fn braces(&mut self, letters: &mut Letters<'_>, depth: usize) -> Option<()> {
        let mut length = 0;
        skip_blanks(letters);
        while letters.next_if_eq(&'}').is_none() {
            if length > 0 {
                letters.next_if_eq(&',')?;
                skip_blanks(letters);
            }
            match letters.next_if_eq(&'{') {
                Some(_) => self.braces(letters, depth + 1)?,
                None => {
                    let deeper = self.lengths.get(depth + 1).copied().flatten();
                    if deeper.is_some() || self.depth.is_some_and(|known| known != depth) {
                        return None;
                    }
                    self.depth = Some(depth);
                    self.items.push(item(letters)?);
                }
            }
            length += 1;
            skip_blanks(letters);
        }
        let known = self.lengths.get_mut(depth)?;
        if known.is_some_and(|known| known != length) {
            return None;
        }
        *known = Some(length);
        Some(())
    }
}

/// One element: in quotes, or up to the next comma; the inner `None` is NULL.
pub(crate) fn item(letters: &mut Letters<'_>) -> Option<Option<String>> {
    let mut written = String::new();
    let (mut quoted, mut open, mut escaped) = (false, false, false);
    loop {
        match letters.peek()? {
            '"' => {
                // Quotes are around all of an element.
                if !open && (quoted || !written.trim().is_empty()) {
                    return None;
                }
                if !open {
                    written.clear();
                }
                open = !open;
                quoted = true;
                letters.next();
            }
            '\\' => {
                letters.next();
                written.push(letters.next()?);
                escaped = true;
            }
            ',' | '}' if !open => break,
            '{' if !open => return None,
            letter if quoted && !open && !letter.is_whitespace() => return None,
            letter => {
                // Blanks around quotes are none of the element.
                if open || !quoted {
                    written.push(*letter);
                }
                letters.next();
            }
        }
    }
    if quoted {
        return Some(Some(written));
    }
    let written = written.trim();
    if written.is_empty() {
        return None;
    }
    let null = !escaped && written.eq_ignore_ascii_case("null");
    Some((!null).then(|| written.to_owned()))
}

/// The list that a text stands for.
pub(super) fn from_text(element: &Type, text: &str) -> Result<ScalarValue, Failure> {
    let malformed = || {
        Failure::error("22P02", format!("malformed array literal: \"{text}\""))
            .with_detail("An array is written with braces, such as {1,2,NULL} or {{1,2},{3,4}}.")
    };
    check_dimensions(text)?;
    let mut letters = text.trim().chars().peekable();
    let mut read = Read::default();
    letters
        .next_if_eq(&'{')
        .and_then(|_| read.braces(&mut letters, 0))
        .filter(|()| letters.next().is_none())
        .ok_or_else(malformed)?;
    let null = ScalarValue::try_from(&to_arrow(element).ok_or_else(malformed)?)?;
    let values = read.items.iter().map(|item| match item {
        Some(text) => decode(element, text),
        None => Ok(null.clone()),
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let lengths = read.lengths.iter().map_while(|length| *length);
    let lengths: Vec<usize> = lengths.collect();
    shaped(values, element, &lengths).ok_or_else(malformed)
}

/// The list that these bytes are; `None` where they are none.
pub(super) fn from_binary(
    element: &Type,
    bytes: &[u8],
    decode: fn(&Type, &[u8]) -> Option<ScalarValue>,
) -> Option<ScalarValue> {
    let mut rest = bytes;
    let mut int4 = || {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        Some(i32::from_be_bytes(*head))
    };
    let (dimensions, _flags, oid) = (int4()?, int4()?, int4()?.cast_unsigned());
    let dimensions = usize::try_from(dimensions).ok()?;
    if oid != element.oid() || dimensions > MOST_DIMENSIONS {
        return None;
    }
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(usize::try_from(int4()?).ok()?);
        int4()?;
    }
    let count = match lengths.as_slice() {
        [] => 0,
        lengths => lengths
            .iter()
            .try_fold(1_usize, |all, length| all.checked_mul(*length))?,
    };
    let mut values = Vec::new();
    for _ in 0..count {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        values.push(match i32::from_be_bytes(*head) {
            -1 => ScalarValue::try_from(&to_arrow(element)?).ok()?,
            length => {
                let (value, tail) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                rest = tail;
                decode(element, value)?
            }
        });
    }
    if !rest.is_empty() {
        return None;
    }
    shaped(values, element, &lengths)
}

/// The elements, the last dimension first, as lists in lists of these lengths.
fn shaped(values: Vec<ScalarValue>, element: &Type, lengths: &[usize]) -> Option<ScalarValue> {
    let flat = list(values, element)?;
    let ScalarValue::List(all) = &flat else {
        return None;
    };
    if lengths.len() < 2 || lengths.contains(&0) {
        return Some(flat);
    }
    let mut inside: ArrayRef = Arc::clone(all.values());
    for length in lengths.iter().rev() {
        let rows = inside.len() / length;
        let field = Field::new_list_field(inside.data_type().clone(), true);
        let offsets = OffsetBuffer::from_lengths(iter::repeat_n(*length, rows));
        inside = Arc::new(ListArray::try_new(field.into(), offsets, inside, None).ok()?);
    }
    let whole = inside.as_list_opt::<i32>()?.clone();
    Some(ScalarValue::List(Arc::new(whole)))
}

/// How many dimensions a type has.
fn dimensions(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            1 + dimensions(item.data_type())
        }
        _ => 0,
    }
}

/// A list where one of this type is wanted: an empty one has any number of dimensions, others those of the type alone.
pub(super) fn in_shape(value: ScalarValue, wanted: &DataType) -> Result<ScalarValue, Failure> {
    let (has, wants) = (dimensions(&value.data_type()), dimensions(wanted));
    if has == wants || has == 0 || wants == 0 {
        return Ok(value);
    }
    match &value {
        ScalarValue::List(list) if list.is_null(0) => Ok(ScalarValue::try_from(wanted)?),
        ScalarValue::List(list) if list.value_length(0) == 0 => match wanted {
            DataType::List(item) => Ok(ScalarValue::List(ScalarValue::new_list(
                &[],
                item.data_type(),
                true,
            ))),
            _ => Ok(value),
        },
        _ => Err(Failure::error(
            "0A000",
            format!("an array of {has} dimensions stands where one of {wants} is expected"),
        )
        .with_detail("Here the number of dimensions is part of an array's type.")
        .with_hint("Write the cast with as many brackets as it has dimensions, such as int[][].")),
    }
}

#[cfg(test)]
mod tests;
