//! Names and types: what a stream is to the engine, which Arrow type a SQL type means, and the session both are planned in.

mod in_order;
mod metadata;
mod names;
mod ordered_lists;
mod session;
mod size;
mod sketches;
mod stream_table;
mod time_travel;
mod types;
mod unions;
mod whole_rows;
mod yielding;

pub use metadata::expose_metadata;
pub(crate) use metadata::take_mark;
pub use session::{bound_plan, logical_plan, new_session_state, parse_expr, session_config};
pub use sketches::keep_sketches;
pub use stream_table::{StreamPeek, StreamTable};
pub use time_travel::AsOf;
pub use types::{SqlTypes, arrow_type, declared_field, sql_type};
pub use whole_rows::WHOLE_ROW;
