//! The names in a folder behind a given one, without looking at each.

use std::{fs, io};

use object_store::{ObjectMeta, Result, local::LocalFileSystem, path::Path};

use super::fault;

/// The files of a folder behind a name in it, without tags; `None` where there is more to it than files with plain names.
///
/// A table's log has tens of thousands of entries, of which a reader wants the newest few: the plain store makes a path out of every name
/// before it looks whether that is behind the offset, which takes longer than all the rest of the listing.
pub(super) fn later(
    files: &LocalFileSystem,
    prefix: &Path,
    offset: &Path,
) -> Result<Option<Vec<ObjectMeta>>> {
    let behind = offset.as_ref().strip_prefix(prefix.as_ref());
    let Some(behind) = behind.and_then(|behind| behind.strip_prefix('/')) else {
        return Ok(None);
    };
    if behind.contains('/') {
        return Ok(None);
    }
    let folder = files.path_to_filesystem(prefix)?;
    let failed = |error| fault::generic(error, &folder);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Ok(None);
        };
        if is_unfinished(name) {
            continue;
        }
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !name.bytes().all(is_plain) || !entry.file_type().map_err(failed)?.is_file() {
            return Ok(None);
        }
        if name <= behind {
            continue;
        }
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // It went while the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        found.push(ObjectMeta {
            location: Path::parse(format!("{prefix}/{name}"))?,
            last_modified: meta.modified().map_err(failed)?.into(),
            size: meta.len(),
            e_tag: None,
            version: None,
        });
    }
    found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    Ok(Some(found))
}

/// Whether a file's name is one that listings hide: `#` and digits at its end.
fn is_unfinished(name: &str) -> bool {
    let digits = name.rsplit_once('#').map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}
