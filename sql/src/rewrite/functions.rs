use sqlparser::ast::Expr;
use crate::error::ParseError;
pub(super) fn rewrite(_expr: &mut Expr) -> Result<(), ParseError> { Ok(()) }
