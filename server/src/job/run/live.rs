//! Open windows at a moment between two epochs.

use super::super::{JobParts, LiveRows};

/// A job at rest has no open windows in memory: what is committed, and nothing provisional.
pub(super) fn at_rest(parts: &JobParts) -> LiveRows {
    LiveRows {
        open: Vec::new(),
        cut: parts.tables.table.cut(),
    }
}
