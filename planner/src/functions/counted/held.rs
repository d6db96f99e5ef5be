//! Arrays that give back the memory they are counted with when the last of whoever has them is done.

use std::sync::Arc;

use arrow::{array::ArrayData, buffer::Buffer};
use datafusion::{common::Result, execution::memory_pool::MemoryReservation};

/// Bytes of an array, and the memory that they are counted with.
struct Held {
    bytes: Buffer,
    _memory: Arc<MemoryReservation>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

/// The same data, whose largest buffer gives the memory back when it goes.
pub(super) fn held(data: ArrayData, memory: Arc<MemoryReservation>) -> Result<ArrayData> {
    let children = data.child_data().iter().enumerate();
    let child = children.max_by_key(|(_, child)| child.get_buffer_memory_size());
    let buffers = data.buffers().iter().enumerate();
    let buffer = buffers.max_by_key(|(_, buffer)| buffer.len());
    if let Some((at, child)) = child {
        let mut children = data.child_data().to_vec();
        children[at] = held(child.clone(), memory)?;
        return Ok(data.into_builder().child_data(children).build()?);
    }
    let Some((at, buffer)) = buffer else {
        return Ok(data);
    };
    let owner = Held {
        bytes: buffer.clone(),
        _memory: memory,
    };
    let mut buffers = data.buffers().to_vec();
    buffers[at] = Buffer::from(bytes::Bytes::from_owner(owner));
    Ok(data.into_builder().buffers(buffers).build()?)
}
