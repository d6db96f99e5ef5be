//! Rows that people write: into tables that no query feeds, by whatever statement or protocol.
//!
//! Two ways lead into a table. An [`Append`] takes rows for as long as they come, writes them as data files that no version names yet, and
//! makes them part of the table in one commit at the end: that is INSERT, COPY FROM and bulk ingest. A [`change`] finds rows, writes the
//! files they lie in anew, and commits the exchange: that is UPDATE, DELETE, MERGE and TRUNCATE. (A column gets
//! another name by [`rename_columns`], which exchanges all files.) Either commit is all of the statement:
//! before it there is nothing that anybody could read, and after it there is no way back.
//!
//! Both pass by [`Target`], which says what may be written to at all, and by [`as_declared`], which says what a column of a declared type takes.

mod append;
mod carried;
mod change;
mod declared;
mod destination;
mod errors;
mod rename;
mod target;
mod under_way;

pub(crate) use append::Append;
pub(crate) use carried::{
    as_declared, compared_with, declared_as, declared_field, rows_as_declared,
};
pub(crate) use change::{Changes, change, remove_all};
pub(crate) use declared::{declared_columns, ident};
pub(crate) use destination::Named;
pub(crate) use errors::{cast_error, column_error, commit_error, value_error};
pub(crate) use rename::rename_columns;
pub(crate) use target::{Action, Target};
pub(crate) use under_way::Writings;
