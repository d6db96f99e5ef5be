//! One open session: the time of its last row, and its partial states.

use std::{collections::BTreeMap, iter::once};

/// A partial state: which batch, and where in it.
pub(super) type StateRef = (u64, usize);

/// What distinguishes the groups of a session, as comparable bytes: the GROUP BY keys that are not its own.
pub(super) type Group = Box<[u8]>;

/// An open session of one key.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Time of the last row.
    pub(super) last: i64,
    /// Where its first piece that is not final begins: at the first row, as long as none is.
    pub(super) cut: i64,
    pub(super) states: States,
}

impl Session {
    /// The watermark at which it, or its next piece, is final. A row at the very end of a session that is not cut still belongs to it.
    pub(super) fn due(&self, gap_us: i64, max_us: Option<i64>) -> i64 {
        let end = self.last.saturating_add(gap_us);
        match max_us {
            None => end.saturating_add(1),
            Some(max_us) => end
                .min(self.cut.saturating_add(max_us))
                .saturating_add(gap_us),
        }
    }
}

/// Where the piece of a time begins, of a session from `start` on.
pub(super) fn piece(start: i64, time: i64, max_us: i64) -> i64 {
    time.saturating_sub(time.saturating_sub(start).rem_euclid(max_us))
}

/// The partial states of a session, in the order in which they came, group by group.
#[derive(Clone, Debug)]
pub(super) enum States {
    /// The session is one group.
    One(Vec<StateRef>),
    ByGroup(BTreeMap<Group, Vec<StateRef>>),
}

impl States {
    /// Adds a state; gives how many its group has.
    pub(super) fn push(&mut self, group: Group, state: StateRef) -> usize {
        let states = match self {
            Self::One(states) => states,
            Self::ByGroup(groups) => groups.entry(group).or_default(),
        };
        states.push(state);
        states.len()
    }

    /// Adds the states of another session, which come after these.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::ByGroup(groups), Self::ByGroup(others)) => {
                for (group, states) in others {
                    groups.entry(group).or_default().extend(states);
                }
            }
            (Self::One(states), other) => states.extend(other.all()),
            (Self::ByGroup(groups), Self::One(others)) => {
                groups.entry(Group::default()).or_default().extend(others);
            }
        }
    }

    /// The states of each group.
    pub(super) fn groups(&self) -> Box<dyn Iterator<Item = (&[u8], &[StateRef])> + '_> {
        match self {
            Self::One(states) => Box::new(once((&[][..], states.as_slice()))),
            Self::ByGroup(groups) => Box::new(
                groups
                    .iter()
                    .map(|(group, states)| (group.as_ref(), states.as_slice())),
            ),
        }
    }

    /// The states of a group.
    pub(super) fn of_group(&mut self, group: &[u8]) -> Option<&mut Vec<StateRef>> {
        match self {
            Self::One(states) => Some(states),
            Self::ByGroup(groups) => groups.get_mut(group),
        }
    }

    /// Every state, group by group.
    pub(super) fn all(&self) -> Vec<StateRef> {
        let groups = self.groups();
        groups.flat_map(|(_, states)| states).copied().collect()
    }

    /// How many the largest group has.
    pub(super) fn most(&self) -> usize {
        let groups = self.groups();
        groups.map(|(_, states)| states.len()).max().unwrap_or(0)
    }

    /// Keeps those of which it holds; says whether any is left.
    pub(super) fn retain(&mut self, keep: impl Fn(&StateRef) -> bool) -> bool {
        match self {
            Self::One(states) => {
                states.retain(keep);
                !states.is_empty()
            }
            Self::ByGroup(groups) => {
                groups.retain(|_, states| {
                    states.retain(&keep);
                    !states.is_empty()
                });
                !groups.is_empty()
            }
        }
    }
}
