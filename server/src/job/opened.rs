//! From where on a topic must be read again to have the rows of the windows that are open: pure, kept from checkpoint to checkpoint.
//!
//! A pane that a checkpoint has and the one before had not got its first row between the two, so all its rows lie at or behind the
//! positions of the one before. The oldest open pane's positions are therefore enough for all of them. They go into every commit, so that
//! a query can be rebuilt from its table when its checkpoints are gone (docs/decisions/011-rebuild.md).

use std::collections::BTreeSet;

use sluice_connectors::source::SplitPosition;

use super::manifest::Opened;

/// Groups of panes kept apart; more are joined, oldest first, which only makes a rebuild read more.
const GROUPS: usize = 64;

/// What is open at a checkpoint, given what was at the one before, and where reading stood there.
pub(super) fn follow(
    known: &[Opened],
    before: &[SplitPosition],
    open: &BTreeSet<i64>,
) -> Vec<Opened> {
    let mut new = open.clone();
    let mut groups: Vec<Opened> = Vec::new();
    for group in known {
        let panes: BTreeSet<i64> = group.panes.intersection(open).copied().collect();
        new.retain(|pane| !panes.contains(pane));
        if !panes.is_empty() {
            let mut group = group.clone();
            group.panes = panes;
            groups.push(group);
        }
    }
    if !new.is_empty() {
        groups.push(Opened {
            before: before.to_vec(),
            panes: new,
        });
    }
    while groups.len() > GROUPS {
        let younger = groups.remove(1);
        if let Some(oldest) = groups.first_mut() {
            oldest.panes.extend(younger.panes);
        }
    }
    // A split that was found since then had no rows before it was found.
    for group in &mut groups {
        for position in before {
            if !group
                .before
                .iter()
                .any(|known| known.split == position.split)
            {
                group.before.push(position.clone());
            }
        }
    }
    groups
}

/// From where on the rows of everything open can be read; `positions` where nothing is.
pub(super) fn reread_from(opened: &[Opened], positions: &[SplitPosition]) -> Vec<SplitPosition> {
    let oldest = opened.first().map(|group| group.before.as_slice());
    oldest.unwrap_or(positions).to_vec()
}

/// Where reading stood before a checkpoint: at the one before, and in splits found since, where their reading began.
pub(super) fn stood(last: &[SplitPosition], began: &[SplitPosition]) -> Vec<SplitPosition> {
    let at_last = |position: &SplitPosition| {
        let known = last.iter().find(|known| known.split == position.split);
        known.unwrap_or(position).clone()
    };
    began.iter().map(at_last).collect()
}

#[cfg(test)]
mod tests;
