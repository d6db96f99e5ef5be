use sqlparser::ast::{Query, Select};
use crate::error::ParseError;
#[derive(Default)]
pub(super) struct Fields;
impl Fields { pub(super) fn enter(&mut self, _q: &Query) {} pub(super) fn leave(&mut self, _q: &Query) {} pub(super) fn expand(&mut self, _s: &mut Select) -> Result<(), ParseError> { Ok(()) } }
