//! The owner's first password: taken from where it was put, or made up and shown once.

use std::path::Path;
use std::sync::Arc;

use sluice_server::engine::Engine;
use sluice_server::error::{Error, Result, SqlState};

/// Where it may stand instead of in a file.
const VARIABLE: &str = "SLUICE_PASSWORD";
/// Letters that nobody takes for one another.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 24 of them are 137 bits.
const LENGTH: usize = 24;

/// Gives the owner a password unless it has one; what to print of one that was made up.
pub(super) async fn first_password(
    engine: &Arc<Engine>,
    file: Option<&Path>,
) -> Result<Option<String>> {
    if engine.owner_has_password() {
        return Ok(None);
    }
    let given = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::user(
                    SqlState::InvalidParameterValue,
                    format!(
                        "cannot read the owner's password from {}: {error}",
                        path.display()
                    ),
                )
            })?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => std::env::var(VARIABLE).ok(),
    };
    let (password, shown) = match given {
        Some(password) if password.is_empty() => {
            return Err(Error::user(
                SqlState::InvalidParameterValue,
                "the owner's password is empty",
            )
            .with_hint("Put one line into the file, or leave file and SLUICE_PASSWORD out to have one made up."));
        }
        Some(password) => (password, None),
        None => {
            let made = made_up();
            let line = format!(
                "password    {made}  (of user sluice; shown this once, ALTER ROLE sluice PASSWORD '…' changes it)"
            );
            (made, Some(line))
        }
    };
    engine.set_owner_password(&password).await?;
    Ok(shown)
}

fn made_up() -> String {
    let mut password = String::new();
    while password.len() < LENGTH {
        // Beyond the last whole round of letters some would come more often.
        let byte = usize::from(rand::random::<u8>());
        if byte < 256 - 256 % LETTERS.len()
            && let Some(letter) = LETTERS.get(byte % LETTERS.len())
        {
            password.push(char::from(*letter));
        }
    }
    password
}
