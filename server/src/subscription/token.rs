//! The token a subscriber goes on from: an epoch of the query that feeds the table, its lineage, and whose epochs these are.

use crate::{
    error::{Error, Result, SqlState},
    table::Mark,
};

/// Tokens as text: `epoch-lineage-table`, the last two in hexadecimal.
pub(super) struct Token;

impl Token {
    /// The token of a mark in the epochs of a query.
    pub(super) fn of(mark: Mark, app_id: &str) -> String {
        // Before the first epoch there is nothing, however one says it.
        let epoch = mark.epoch.max(0);
        format!("{epoch}-{:016x}-{:08x}", mark.lineage, table_of(app_id))
    }

    /// The mark of a token.
    pub(super) fn parse(text: &str, app_id: &str) -> Result<Mark> {
        let mut parts = text.trim().split('-');
        let (mark, table) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(epoch), Some(lineage), Some(table), None) => (
                epoch.parse().ok().zip(hexadecimal(lineage)),
                hexadecimal(table),
            ),
            _ => (None, None),
        };
        let (Some((epoch, lineage)), Some(table)) = (mark, table) else {
            return Err(Error::user(
                SqlState::InvalidParameterValue,
                format!("\"{text}\" is not the token of a subscription"),
            )
            .with_hint(
                "Column _token of a subscription has them: take the last one that is not null.",
            ));
        };
        if table != u64::from(table_of(app_id)) {
            return Err(Error::user(
                SqlState::InvalidParameterValue,
                "the token is of another table, or of one of this name that was dropped",
            )
            .with_hint("Subscribe without AS OF to begin anew."));
        }
        Ok(Mark { epoch, lineage })
    }
}

fn table_of(app_id: &str) -> u32 {
    crc32fast::hash(app_id.as_bytes())
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}
