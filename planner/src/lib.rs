//! Statements to continuous plans: binding, streaming rewrite, incremental operators and their state.

pub mod api;
pub mod functions;
