//! One open session: the time of its last row, and its partial states.

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
    /// In the order of the groups.
    ByGroup(Vec<(Group, Vec<StateRef>)>),
}

impl States {
    /// Adds a state; gives how many its group has.
    pub(super) fn push(&mut self, group: Group, state: StateRef) -> usize {
        let states = match self {
            Self::One(states) => states,
            Self::ByGroup(groups) => list(groups, group),
        };
        states.push(state);
        states.len()
    }

    /// Adds the states of another session, which come after these.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::ByGroup(groups), Self::ByGroup(others)) => {
                for (group, states) in others {
                    list(groups, group).extend(states);
                }
            }
            (Self::One(states), other) => states.extend(other.all()),
            (Self::ByGroup(groups), Self::One(others)) => {
                list(groups, Group::default()).extend(others);
            }
        }
    }

    /// The states of each group.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&[u8], &Vec<StateRef>)> {
        let (one, groups) = match self {
            Self::One(states) => (Some((&[][..], states)), &[][..]),
            Self::ByGroup(groups) => (None, groups.as_slice()),
        };
        let groups = groups
            .iter()
            .map(|(group, states)| (group.as_ref(), states));
        one.into_iter().chain(groups)
    }

    /// The same, to be changed.
    pub(super) fn lists_mut(&mut self) -> impl Iterator<Item = &mut Vec<StateRef>> {
        let (one, groups) = match self {
            Self::One(states) => (Some(states), &mut [][..]),
            Self::ByGroup(groups) => (None, groups.as_mut_slice()),
        };
        let groups = groups.iter_mut().map(|(_, states)| states);
        one.into_iter().chain(groups)
    }

    /// The states of a group.
    pub(super) fn of_group(&mut self, group: &[u8]) -> Option<&mut Vec<StateRef>> {
        match self {
            Self::One(states) => Some(states),
            Self::ByGroup(groups) => {
                let at = groups
                    .binary_search_by(|(known, _)| known.as_ref().cmp(group))
                    .ok()?;
                groups.get_mut(at).map(|(_, states)| states)
            }
        }
    }

    /// Every state, group by group.
    pub(super) fn all(&self) -> Vec<StateRef> {
        self.lists()
            .flat_map(|(_, states)| states)
            .copied()
            .collect()
    }

    /// How many the largest group has.
    pub(super) fn most(&self) -> usize {
        let lists = self.lists();
        lists.map(|(_, states)| states.len()).max().unwrap_or(0)
    }

    /// Keeps those of which it holds; says whether any is left.
    pub(super) fn retain(&mut self, keep: impl Fn(&StateRef) -> bool) -> bool {
        self.lists_mut().for_each(|states| states.retain(&keep));
        if let Self::ByGroup(groups) = self {
            groups.retain(|(_, states)| !states.is_empty());
        }
        self.lists().any(|(_, states)| !states.is_empty())
    }
}

/// The states of a group, which may have none yet.
fn list(groups: &mut Vec<(Group, Vec<StateRef>)>, group: Group) -> &mut Vec<StateRef> {
    let at = match groups.binary_search_by(|(known, _)| known.cmp(&group)) {
        Ok(at) => at,
        Err(at) => {
            groups.insert(at, (group, Vec::with_capacity(1)));
            at
        }
    };
    &mut groups[at].1
}
