//! What is kept of a password: PostgreSQL's SCRAM-SHA-256 verifier (RFC 5802, RFC 7677).
//!
//! From it a proof can be checked and not made. It is written as PostgreSQL writes it, so a verifier goes from one to the other:
//! `SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>`, each part in base64.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

/// How often the hash is repeated, as PostgreSQL does.
const ITERATIONS: u32 = 4096;
/// More repetitions than this are not for a server to make on request.
const MOST_ITERATIONS: u32 = 1_000_000;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const SCHEME: &str = "SCRAM-SHA-256$";

/// A verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    /// Of this password, with a salt of its own. Takes some milliseconds.
    pub fn make(password: &str) -> Self {
        Self::with_salt(
            password,
            rand::random::<[u8; SALT_BYTES]>().to_vec(),
            ITERATIONS,
        )
    }

    fn with_salt(password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let salted = gen_salted_password(password, &salt, iterations as usize);
        let made = ScramSecret::verifier_from_salted_password(salt, salted, iterations as usize);
        match made {
            ScramSecret::Verifier {
                salt,
                stored_key,
                server_key,
                ..
            } => Self {
                iterations,
                salt,
                stored_key,
                server_key,
            },
            // It says that it makes a verifier; what cannot be checked lets nobody in.
            ScramSecret::SaltedPassword { salt, .. } => Self {
                iterations,
                salt,
                stored_key: rand::random::<[u8; KEY_BYTES]>().to_vec(),
                server_key: rand::random::<[u8; KEY_BYTES]>().to_vec(),
            },
        }
    }

    /// For a user who does not exist or has no password: looks like another's, always the same, and no password fits.
    pub fn mock(secret: &[u8], user: &str) -> Self {
        let part = |what: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&key, format!("{what}\0{user}").as_bytes());
            tag.as_ref().to_vec()
        };
        let mut salt = part("salt");
        salt.truncate(SALT_BYTES);
        Self {
            iterations: ITERATIONS,
            salt,
            stored_key: part("stored key"),
            server_key: part("server key"),
        }
    }

    /// Reads one as PostgreSQL writes it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, keys) = text.strip_prefix(SCHEME)?.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| {
            STANDARD
                .decode(text)
                .ok()
                .filter(|key| key.len() == KEY_BYTES)
        };
        Some(Self {
            iterations: iterations
                .parse()
                .ok()
                .filter(|count| (1..=MOST_ITERATIONS).contains(count))?,
            salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }

    /// As it is written into the catalog.
    pub fn text(&self) -> String {
        format!(
            "{SCHEME}{}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(&self.stored_key),
            STANDARD.encode(&self.server_key),
        )
    }

    /// Whether this is the password. Takes some milliseconds, whatever the answer.
    pub fn accepts(&self, password: &str) -> bool {
        let other = Self::with_salt(password, self.salt.clone(), self.iterations);
        verify_slices_are_equal(&other.stored_key, &self.stored_key).is_ok()
    }

    /// For the exchange of the Postgres door.
    pub fn scram(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.clone(),
            iterations: self.iterations as usize,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(***)")
    }
}
