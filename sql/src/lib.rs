//! Text to statements: Sluice's SQL dialect over `sqlparser`.
//!
//! PostgreSQL is the base. The streaming part has RisingWave's and Flink's form (`WATERMARK FOR`, window table
//! functions), and Spark's spellings are rewritten to it, so nobody behind this crate sees a synonym. It knows no table,
//! connector or engine: names are not resolved, options are not checked, types are only spelled alike.
//!
//! * [`parse`] gives the statements of a text, each with its own text and place.
//! * [`Statement`]'s `Display` prints the canonical form, which parses back to an equal statement; the catalog stores it.
//! * [`ParseError`] says what, where (line, column, character) and what to write instead; [`place_of`] finds the place for errors that
//!   come later.
//! * [`without_secrets`] is a text as others than its writer may see it.
//!
//! # Canonical trees
//! A window table function is `TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')` in the tree, always positional
//! and with its relation as a subquery; it prints as `TUMBLE(events, ts, INTERVAL '1 minute')`. The others are
//! `HOP(relation, time, slide, size)`, `CUMULATE(relation, time, step, size)`, `SESSION(relation, time, gap)` and, for a
//! watermark in a query, `WATERMARK(relation, time, delay)`. `SESSION(events PARTITION BY a, ts, gap)` is
//! `SESSION((SELECT * FROM events), ts, gap, PARTITION_BY(a))`. An interval is `INTERVAL '10 seconds'`. A percentile is
//! `approx_percentile(x, 0.95)`. What begins with an operator is in parentheses behind another: `-(-1)`.
//!
//! # Where a new statement goes
//! A file in `statement/` with its struct, `Display` and `parse`, a variant of [`Statement`], and a line in
//! `statement.rs`. A new spelling of something old goes into `rewrite/`.

mod canonical;
mod dialect;
mod error;
mod hints;
mod interval;
mod limits;
mod parser;
mod place;
mod placeholders;
mod reader;
mod rewrite;
mod shown;
mod spark_schema;
mod statement;
mod text;

pub use canonical::Canonical;
pub use error::{ParseError, ParseErrorKind};
pub use limits::{MAX_CHAIN, MAX_COMMAS, MAX_DOUBLINGS, MAX_NESTING, MAX_TEXT_BYTES};
pub use parser::{Parsed, parse};
pub use place::{place_of, place_of_literal, place_of_named};
pub use placeholders::numbered;
pub use rewrite::merge::does_nothing;
pub use rewrite::partition::partition_by;
pub use rewrite::time_zone::time_zone;
pub use shown::without_secrets;
pub use spark_schema::parse_spark_schema;
pub use statement::{
    AlterOwner, AlterRole, Analyze, AnalyzeKind, ColumnDef, CommentOnStream, Copy, CopyColumns,
    CopyDirection, CopyFormat, CopyHeader, CopyOptions, CopyWhat, CreateRole, CreateSchema,
    CreateStream, CreateTable, CreateView, DEFAULT_FILL_WINDOWS, Describe, Described, Drop,
    DropRole, DropSecret, Emit, Explain, ExplainFormat, ExplainQuery, Fill, FillWith, Grant,
    GrantOn, GrantRole, Grantee, Hidden, MOST_FILL_WINDOWS, ObjectKind, OnCommit, Optimize,
    Options, PartitionColumn, Privilege, PutSecret, REDACTED, RebuildFrom, RebuildQuery, Rename,
    Replay, RoleOptions, SetRole, Show, ShowFilter, Statement, Subscribe, SubscribedTo, Vacuum,
    Watermark, WithData, is_secret,
};

/// The parser's syntax tree, so that nobody else needs to name the parser's version.
pub use sqlparser::ast;

#[cfg(test)]
mod tests;
