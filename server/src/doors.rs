//! The doors people come in by. A door knows a protocol and nothing of the engine: it takes text to a
//! [`Session`](crate::session::Session) and carries the answer back.

pub mod flight;
pub mod guard;
pub mod http;
pub mod pg;
mod strangers;
pub mod tls;

#[cfg(test)]
mod tests;
