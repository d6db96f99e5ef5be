//! Objects whose files cannot be read. The server starts without them, and everything else runs.
//!
//! Nothing is known of such an object but where its file lies, which says its name and kind. So its name stays taken: who asks for it hears
//! why it is not there (XX001), what reads it cannot be planned for the same reason, and nothing new gets its name or could get its folder
//! (`Catalog::broken`). While there is one, no folder of a dropped table is deleted, for the folder may be the one's that cannot be
//! read. Files that say who may do what (roles, secrets, schemas, `database.sql`, `functions.sql`) are none of these: without one of them
//! somebody could get in, or be let do more than was meant, so the server refuses to start and says which it is.

use super::QualifiedName;
use crate::error::{Error, SqlState};

#[cfg(test)]
mod tests;

/// An object whose file cannot be read.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its name.
    pub name: QualifiedName,
    /// `stream`, `view` or `table`; `object` where the file's name does not tell.
    pub kind: String,
    /// Its file, under the root.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

impl Broken {
    /// Of a file in the folder of a schema.
    pub(super) fn new(schema: &str, file: &str, path: String, why: String) -> Self {
        let stem = file.strip_suffix(".sql").unwrap_or(file);
        let (name, kind) = match stem.rsplit_once('.') {
            Some((name, kind @ ("stream" | "view" | "table"))) => (name, kind),
            _ => (stem, "object"),
        };
        Self {
            name: QualifiedName::new(schema, name),
            kind: kind.to_owned(),
            path,
            why,
        }
    }

    /// What whoever asks for it hears.
    pub fn error(&self) -> Error {
        Error::outside(
            SqlState::DataCorrupted,
            format!("{} \"{}\" is damaged and cannot be read", self.kind, self.name),
        )
        .with_detail(format!("The {}.", self.why))
        .with_hint(format!(
            "Restore {} from a backup of the root, or move it away to go on without that object; then start the server again.",
            self.path
        ))
    }
}
