//! `CREATE SCHEMA [IF NOT EXISTS] name`.

use std::fmt;

use sqlparser::ast::ObjectName;

use super::CreateHead;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write CREATE SCHEMA [IF NOT EXISTS] name";

/// A schema.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSchema {
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: ObjectName,
}

impl fmt::Display for CreateSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists {
            "IF NOT EXISTS "
        } else {
            ""
        };
        write!(f, "CREATE SCHEMA {if_not_exists}{}", self.name)
    }
}

/// Reads what follows CREATE SCHEMA.
pub(super) fn parse(reader: &mut Reader<'_>, head: CreateHead) -> Result<CreateSchema, ParseError> {
    let name = reader.name(SHAPE)?;
    reader.finish(SHAPE)?;
    Ok(CreateSchema {
        if_not_exists: head.if_not_exists,
        name,
    })
}
