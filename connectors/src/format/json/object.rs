//! Objects to rows: fields are found by the order in which the last messages had them, and by name where that fails.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::ArrayRef,
    datatypes::{FieldRef, Fields},
    error::ArrowError,
};

use super::{
    JsonOptions,
    column::Column,
    cursor::Cursor,
    order::Order,
    plain,
    problem::Problem,
    value::{read_any, read_plain},
};
use crate::{error::Result, format::plain_fields};

/// The members of one object type, and the order in which they come.
#[derive(Debug)]
pub(super) struct Object {
    fields: Fields,
    members: Vec<Member>,
    order: Order,
    /// Counts objects, so that a member knows whether this one has had it.
    stamp: u64,
    rows: usize,
    /// Whether there are members that are checked and not kept.
    checked_only: bool,
    options: JsonOptions,
}

#[derive(Debug)]
struct Member {
    column: Column,
    /// Whether the values are kept; a member that is not wanted is checked all the same.
    wanted: bool,
    seen: u64,
}

/// What comes after a value, or after the opening brace.
enum Next {
    /// The value of this place.
    Value(usize),
    /// The end of the object.
    End,
}

impl Object {
    /// An object with these fields; `wanted` names those that are kept (all of them without it).
    pub(super) fn new(
        fields: &Fields,
        wanted: Option<&[usize]>,
        options: &JsonOptions,
    ) -> Result<Self> {
        let mut members = Vec::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            members.push(Member {
                column: Column::new(field, options)?,
                wanted: wanted.is_none_or(|wanted| wanted.contains(&position)),
                seen: 0,
            });
        }
        Ok(Self {
            fields: plain_fields(fields),
            order: Order::new(fields.iter().map(|field| field.name().as_str())),
            stamp: 0,
            rows: 0,
            checked_only: members.iter().any(|member| !member.wanted),
            members,
            options: options.clone(),
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Reads the object that begins here and appends one row; on error the caller truncates.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Problem> {
        cursor.require(b'{', "an object")?;
        self.stamp += 1;
        let mut missing = self.members.len();
        let mut place = self.order.start();
        // What is left of the message; the cursor follows where something unusual stands.
        let mut rest = cursor.rest();
        loop {
            if let Some((next, behind)) = self.order.step(place, rest) {
                (place, rest) = (next, behind);
            } else {
                cursor.go_to(rest);
                match self.next_key(cursor, place)? {
                    Next::Value(next) => place = next,
                    Next::End => break,
                }
                rest = cursor.rest();
            }
            let Some(member) = self.members.get_mut(place) else {
                if let Some(behind) = plain::behind_string(rest) {
                    rest = behind;
                } else {
                    cursor.go_to(rest);
                    cursor.skip_value()?;
                    rest = cursor.rest();
                }
                continue;
            };
            if member.seen == self.stamp {
                // The same key again: the last one counts, as in most readers.
                let rows = member.column.len().saturating_sub(1);
                member.column.truncate(rows);
            } else {
                member.seen = self.stamp;
                missing -= 1;
            }
            if let Some(behind) = read_plain(&mut member.column, rest, &self.options) {
                rest = behind;
            } else {
                cursor.go_to(rest);
                read_member(member, cursor, &self.options)?;
                rest = cursor.rest();
            }
        }
        self.end_row(missing, cursor.at())
    }

    fn end_row(&mut self, missing: usize, at: usize) -> Result<(), Problem> {
        if missing > 0 {
            for member in &mut self.members {
                if member.seen == self.stamp {
                    continue;
                }
                if !member.column.nullable() {
                    let name = member.column.field().name();
                    return Err(
                        Problem::new("missing, and the column is NOT NULL", at).within(name)
                    );
                }
                member.column.append_null();
            }
        }
        if self.checked_only {
            for member in &mut self.members {
                if !member.wanted {
                    member.column.truncate(0);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Steps over what stands between two values, and says whose value comes next.
    fn next_key(&mut self, cursor: &mut Cursor<'_>, place: usize) -> Result<Next, Problem> {
        let from = cursor.at();
        cursor.skip_space();
        match cursor.peek() {
            Some(b'}') => {
                cursor.require(b'}', "'}'")?;
                return Ok(Next::End);
            }
            _ if place == self.order.start() => {}
            Some(b',') => {
                cursor.require(b',', "','")?;
                cursor.skip_space();
            }
            _ => return Err(cursor.unexpected("',' or '}'")),
        }
        if cursor.peek() != Some(b'"') {
            return Err(cursor.unexpected("a field name in quotes"));
        }
        let key = cursor.string()?;
        cursor.skip_space();
        cursor.require(b':', "':' after a field name")?;
        cursor.skip_space();
        let next = if key.escaped {
            let mut name = Vec::new();
            key.resolve(&mut name)?;
            self.order.place(&name)
        } else {
            self.order.place(key.raw.as_bytes())
        };
        let literal = cursor.between(from, cursor.at());
        self.order.learn(place, literal.as_bytes(), next);
        Ok(Next::Value(next))
    }

    pub(super) fn append_null(&mut self) {
        for member in &mut self.members {
            member.column.append_null();
            if !member.wanted {
                member.column.truncate(0);
            }
        }
        self.rows += 1;
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        for member in &mut self.members {
            member.column.truncate(if member.wanted { rows } else { 0 });
        }
        self.rows = rows;
    }

    /// All columns; empty afterwards.
    pub(super) fn finish(&mut self) -> Result<(Fields, Vec<ArrayRef>, usize), ArrowError> {
        let arrays = self
            .members
            .iter_mut()
            .map(|member| member.column.finish())
            .collect::<Result<_, _>>()?;
        let rows = std::mem::take(&mut self.rows);
        self.order.earn(rows);
        Ok((self.fields.clone(), arrays, rows))
    }

    /// Some columns, in the order given; empty afterwards.
    pub(super) fn finish_some(&mut self, wanted: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.order.earn(std::mem::take(&mut self.rows));
        let mut done: HashMap<usize, ArrayRef> = HashMap::with_capacity(wanted.len());
        let mut arrays = Vec::with_capacity(wanted.len());
        for position in wanted {
            let array = match done.get(position) {
                Some(array) => Arc::clone(array),
                None => match self.members.get_mut(*position) {
                    Some(member) => member.column.finish()?,
                    None => {
                        return Err(ArrowError::SchemaError(format!("no column {position}")));
                    }
                },
            };
            done.insert(*position, Arc::clone(&array));
            arrays.push(array);
        }
        Ok(arrays)
    }
}

fn read_member(
    member: &mut Member,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Problem> {
    cursor.skip_space();
    match read_any(&mut member.column, cursor, options) {
        Ok(()) => Ok(()),
        Err(problem) => Err(problem.within(member.column.field().name())),
    }
}

/// The fields of a list of columns, for the decoder's schema.
pub(super) fn fields_of(fields: &Fields, wanted: &[usize]) -> Vec<FieldRef> {
    wanted
        .iter()
        .filter_map(|position| fields.get(*position).cloned())
        .collect()
}
