use sqlparser::ast::Query;
use crate::error::ParseError;
pub(super) fn rewrite(_query: &mut Query) -> Result<(), ParseError> { Ok(()) }
