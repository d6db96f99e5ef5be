//! PostgreSQL's dialect of SQL: what a statement says otherwise than the engine has it, the functions and operators that only PostgreSQL
//! has, and the relations of `pg_catalog` and `information_schema`.
//!
//! A session plans with it, and so are the definitions of views and tables planned, continuous queries among them. Hard about it: it is a
//! translation of syntax trees before anything is known of relations and types, so a rule must be right whatever the names stand for. It
//! plans nothing and knows no protocol; what a value looks like as text, and which of PostgreSQL's types an Arrow type is, the Postgres
//! door's tables say.

mod catalog;
mod mode;
mod operators;
mod refused;
mod single;
mod spelling;

pub use self::catalog::{
    Definition, Facts, Size, definition, definition_state, empty_answer, expression, has_relation,
    install, install_functions, install_relations, plain_definition, rewrite, settled, shown,
    shown_rows, type_name,
};
pub(crate) use self::catalog::{
    ambiguous, array_oid, check_json, format_type, jsonb, rewrite_cells, shown_label, shown_oid,
    twice, type_oid, without_marks,
};
pub(crate) use self::operators::{is_jsonb, key_of_jsonb};
pub use self::refused::check;
pub(crate) use self::refused::check_no_parameter;
pub(crate) use self::spelling::list_of;

/// The function by which a value is looked for in a list that is a parameter.
pub(crate) const LIST_TEST: &str = catalog::ANY;
