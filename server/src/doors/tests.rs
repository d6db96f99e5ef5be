//! What clients send, damaged: for the property tests of each door.

use proptest::{collection::vec, option, prelude::*, sample::Index};

/// Bytes of which some are changed, fewer than so many, and which may be cut.
pub(super) fn changed(
    whole: impl Strategy<Value = Vec<u8>>,
    most: usize,
) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..most);
    let cut = option::weighted(0.3, any::<Index>());
    (whole, changes, cut).prop_map(|(mut bytes, changes, cut)| {
        if !bytes.is_empty() {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let left = cut.map_or(bytes.len(), |cut| cut.index(bytes.len()));
            bytes.truncate(left);
        }
        bytes
    })
}
