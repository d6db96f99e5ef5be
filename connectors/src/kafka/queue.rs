//! The other file with unsafe code (see `native.rs`): messages in librdkafka's own memory.
//!
//! They come from the raw batch queue (about 200 ns a message less than `BaseConsumer::poll`), are borrowed while they are decoded and
//! destroyed together.
//!
//! Traps: `rd_kafka_consume_batch_queue` waits until it has *all* the messages asked for or the time is over, so waiting is done for one
//! message and the rest is taken without waiting. A client must outlive its queues and messages: they share or borrow it.

use std::{ffi::CStr, marker::PhantomData, ptr, sync::Arc, time::Duration};

use rdkafka::bindings as rd;

use super::{
    lane::Message,
    native::{Handle, NativeError, millis, slice, text},
};

/// The messages of all assigned partitions of a client.
pub(super) struct MessageQueue {
    queue: *mut rd::rd_kafka_queue_t,
    /// The client, which must outlive its queue.
    _handle: Arc<Handle>,
}

// SAFETY: as for Handle; the shared handle keeps the client alive.
unsafe impl Send for MessageQueue {}
// SAFETY: as above; taking and waking may happen at the same time.
unsafe impl Sync for MessageQueue {}

impl MessageQueue {
    /// The queue of a client that has a group id; `None` without one.
    pub(super) fn new(handle: &Arc<Handle>) -> Option<Self> {
        // SAFETY: the client is alive; the reference that this takes is given back in `drop`.
        let queue = unsafe { rd::rd_kafka_queue_get_consumer(handle.client().native_ptr()) };
        (!queue.is_null()).then(|| Self {
            queue,
            _handle: Arc::clone(handle),
        })
    }

    /// Up to `max` messages: waits at most `wait` for the first, takes the others if they are there already.
    pub(super) fn take(&self, max: usize, wait: Duration) -> Messages<'_> {
        let mut messages = Messages {
            taken: Vec::new(),
            queue: PhantomData,
        };
        if self.fill(&mut messages, 1, millis(wait)) == 1 {
            self.fill(&mut messages, max.saturating_sub(1), 0);
        }
        messages
    }

    fn fill(&self, messages: &mut Messages<'_>, max: usize, wait_ms: i32) -> usize {
        let room = &mut messages.taken;
        room.reserve(max);
        // SAFETY: there is room for `max` pointers behind the vector's length, and librdkafka writes at most that many.
        let count = unsafe {
            rd::rd_kafka_consume_batch_queue(
                self.queue,
                wait_ms,
                room.as_mut_ptr().add(room.len()),
                max,
            )
        };
        let count = usize::try_from(count).unwrap_or(0).min(max);
        // SAFETY: `count` pointers have just been written there.
        unsafe { room.set_len(room.len() + count) };
        count
    }

    /// Ends a wait in `take` that goes on in another thread.
    pub(super) fn wake(&self) {
        // SAFETY: the queue is alive; the call is made for being called from other threads.
        unsafe { rd::rd_kafka_queue_yield(self.queue) };
    }
}

impl std::fmt::Debug for MessageQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageQueue").finish_non_exhaustive()
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        // SAFETY: gives back the reference taken in `new`; the client is still alive through the handle.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) };
    }
}

/// Messages taken from a queue; they are destroyed together.
pub(super) struct Messages<'q> {
    taken: Vec<*mut rd::rd_kafka_message_t>,
    queue: PhantomData<&'q MessageQueue>,
}

impl Messages<'_> {
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = MessageRef<'_>> {
        // SAFETY: librdkafka gave these pointers, not null, and they stay valid until `drop`.
        self.taken.iter().map(|raw| MessageRef(unsafe { &**raw }))
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        for raw in &self.taken {
            // SAFETY: each message is ours and destroyed exactly once; no MessageRef outlives self.
            unsafe { rd::rd_kafka_message_destroy(*raw) };
        }
    }
}

/// One message, or one error of a partition, in librdkafka's memory.
#[derive(Clone, Copy)]
pub(super) struct MessageRef<'a>(&'a rd::rd_kafka_message_t);

impl MessageRef<'_> {
    #[inline]
    pub(super) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// The error this is, if it is not a message.
    #[inline]
    pub(super) fn error(&self) -> Option<NativeError> {
        if self.0.err == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: the message is alive, and its error text with it.
        let reason = unsafe { text(rd::rd_kafka_message_errstr(self.0)) };
        Some(NativeError {
            code: self.0.err.into(),
            reason,
        })
    }

    /// The leader's epoch, where the broker tells it.
    pub(super) fn leader_epoch(&self) -> Option<i32> {
        // SAFETY: the message is alive.
        let epoch = unsafe { rd::rd_kafka_message_leader_epoch(self.0) };
        (epoch >= 0).then_some(epoch)
    }
}

impl Message for MessageRef<'_> {
    #[inline]
    fn offset(&self) -> i64 {
        self.0.offset
    }

    #[inline]
    fn timestamp_ms(&self) -> i64 {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        unsafe { rd::rd_kafka_message_timestamp(self.0, &raw mut kind) }
    }

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        // SAFETY: pointer and length describe the key, which lives as long as the message.
        unsafe { slice(self.0.key, self.0.key_len) }
    }

    #[inline]
    fn payload(&self) -> Option<&[u8]> {
        // SAFETY: pointer and length describe the payload, which lives as long as the message.
        unsafe { slice(self.0.payload, self.0.len) }
    }

    fn headers(&self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: headers, names and values belong to the message, which is alive.
        unsafe {
            let code = rd::rd_kafka_message_headers(self.0, &raw mut headers);
            if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            for index in 0..rd::rd_kafka_header_cnt(headers) {
                let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
                rd::rd_kafka_header_get_all(
                    headers,
                    index,
                    &raw mut name,
                    &raw mut value,
                    &raw mut length,
                );
                if !name.is_null() {
                    each(CStr::from_ptr(name).to_bytes(), slice(value, length));
                }
            }
        }
    }
}
