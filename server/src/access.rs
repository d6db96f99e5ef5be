//! Who may do what: roles, privileges, owners, secrets.
//!
//! Roles and privileges are part of the catalog's one value, so a statement sees one state of both. What decides is here and pure
//! ([`check`]); where it is asked is where names become relations (`engine::provider`) and where statements of ours begin (`execute`).
//! Logins are the doors' ([`crate::doors`]); what they check a password against is the [`Verifier`] here.
//!
//! It must never keep a password: a verifier is made of it and the text goes.

mod check;
mod failed_logins;
mod file;
mod functions;
mod rights;
mod roles;
mod secrets;
mod verifier;
mod viewer;

#[cfg(test)]
mod tests;

pub use check::{Signal, Target};
pub use failed_logins::{FailedLogin, FailedLogins};
pub(crate) use file::{apply_grants, grant_lines, role_name_usable, roles_time};
pub use functions::Functions;
pub use rights::{Acl, Rights};
pub use roles::{OWNER, OWNER_OID, Role, Roles};
pub(crate) use secrets::without_values;
pub use secrets::{Secret, Secrets};
pub use verifier::Verifier;
pub use viewer::{Actor, Viewer};
