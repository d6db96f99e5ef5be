//! `PAUSE QUERY name` and `RESUME QUERY name [SKIP LOST]`; a query is called like its table.

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;

/// Reads a whole PAUSE or RESUME.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    let pause = reader.word_is(0, "PAUSE");
    let shape = if pause {
        "write PAUSE QUERY name"
    } else {
        "write RESUME QUERY name [SKIP LOST]"
    };
    reader.skip(1);
    reader.expect(&["QUERY"], shape)?;
    let name = reader.name(shape)?;
    let skip_lost = !pause && reader.take(&["SKIP", "LOST"]);
    reader.finish(shape)?;
    Ok(match (pause, skip_lost) {
        (true, _) => Statement::PauseQuery(name),
        (false, false) => Statement::ResumeQuery(name),
        (false, true) => Statement::SkipLost(name),
    })
}
