//! Payload bytes to columns: one message is one row.
//!
//! A decoder is fed message by message and hands over a batch now and then. What is hard: a message that does not decode must cost
//! exactly itself. It leaves no trace in the batch, never takes a good neighbour with it, and its error says what is wrong and where.
//! Whether a message decodes is a pure function of its bytes and the declared columns: the projection decides what is kept, never
//! what is checked, because every query over a stream must agree on which messages are bad.

pub mod json;
pub mod raw;

use std::fmt::Debug;

use arrow::{array::RecordBatch, error::ArrowError};

/// Turns messages into rows.
///
/// # Contract
/// * `push` either adds exactly one row or, on error, none.
/// * `finish` gives the rows pushed since the last `finish`, in order, with the wanted columns in the wanted order.
pub trait RowDecoder: Debug + Send {
    /// Decodes one message; the error says what is wrong, and where in the payload.
    fn push(&mut self, key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<(), String>;

    /// Rows waiting for `finish`.
    fn rows(&self) -> usize;

    /// The rows pushed since the last call.
    fn finish(&mut self) -> Result<RecordBatch, ArrowError>;
}
