//! How many sessions this door has room for, and for whom.
//!
//! A session costs whoever opens it one call, and may stay for hours. So some places are kept for superusers, and nobody else gets more than
//! half of the others: no role can keep everybody out, and none the owner.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::error::{Error, Result, SqlState};

#[cfg(test)]
mod tests;

/// How much room there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Sessions at a time,
    pub(super) sessions: usize,
    /// of these, kept for superusers,
    pub(super) reserved: usize,
    /// and of one role that is none.
    pub(super) of_a_role: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            reserved: 3,
            of_a_role: 500,
        }
    }
}

/// The places, and who has them.
#[derive(Debug, Default)]
pub(super) struct Places {
    limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_role: BTreeMap<String, usize>,
}

/// A session's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    role: String,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            taken: Mutex::default(),
        }
    }

    /// Takes a place for a role, or says why there is none.
    pub(super) fn take(self: &Arc<Self>, role: &str, superuser: bool) -> Result<Place> {
        let mut taken = self.taken.lock();
        let own = taken.by_role.get(role).copied().unwrap_or_default();
        self.limits.admit(taken.all, own, role, superuser)?;
        taken.all += 1;
        *taken.by_role.entry(role.to_owned()).or_default() += 1;
        Ok(Place {
            places: Arc::clone(self),
            role: role.to_owned(),
        })
    }
}

impl Limits {
    /// Whether one more session may begin beside so many, so many of them of the role.
    fn admit(&self, all: usize, own: usize, role: &str, superuser: bool) -> Result<()> {
        let message = if all >= self.sessions {
            "sorry, too many clients already".to_owned()
        } else if superuser {
            return Ok(());
        } else if all + self.reserved >= self.sessions {
            "remaining connection slots are reserved for superusers".to_owned()
        } else if own >= self.of_a_role {
            format!("too many connections for role \"{role}\"")
        } else {
            return Ok(());
        };
        Err(
            Error::user(SqlState::TooManyConnections, message).with_hint(format!(
                "Close Flight SQL sessions that are not used: {all} are open, {own} of them of role \"{role}\"."
            )),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_role.get_mut(&self.role) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_role.remove(&self.role);
            }
        }
    }
}
