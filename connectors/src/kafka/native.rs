//! One of two files with unsafe code (the other is `queue.rs`): librdkafka's calls about a client that the `rdkafka` crate has no safe
//! face for.
//!
//! Assignments carry leader epochs, topics have their ids, and a client's log and error events are polled apart from its messages: the
//! crate's own consumer would mix the two queues, and the batch call drops whatever is not a message.

use std::{
    ffi::{CStr, CString, c_char},
    ptr,
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as rd,
    client::{Client, DefaultClientContext},
    error::KafkaResult,
    types::{RDKafkaErrorCode, RDKafkaType},
};

/// A librdkafka client and its main queue, usable from every thread.
pub(super) struct Handle {
    client: Client<DefaultClientContext>,
    main: *mut rd::rd_kafka_queue_t,
}

// SAFETY: librdkafka's client and queue objects are thread-safe ("The library is completely thread-safe", rdkafka.h); the pointer is
// only passed to such calls.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// What a call of librdkafka says went wrong.
#[derive(Clone, Debug)]
pub(super) struct NativeError {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
}

/// Something a client reports by itself.
#[derive(Debug)]
pub(super) enum ClientEvent {
    /// A log line with its syslog level.
    Log { level: i32, text: String },
    /// An error, and whether the client is unusable after it.
    Error { error: NativeError, fatal: bool },
}

/// Where to begin in a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) leader_epoch: Option<i32>,
}

impl Handle {
    /// A consumer client that reports errors and logs through its main queue.
    pub(super) fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let native = config.create_native_config()?;
        // SAFETY: the configuration is alive and not yet given to a client.
        unsafe { rd::rd_kafka_conf_set_events(native.ptr(), rd::RD_KAFKA_EVENT_ERROR) };
        let client = Client::new(
            config,
            native,
            RDKafkaType::RD_KAFKA_CONSUMER,
            DefaultClientContext,
        )?;
        // SAFETY: the client is alive; the reference that this takes is given back in `drop`.
        let main = unsafe { rd::rd_kafka_queue_get_main(client.native_ptr()) };
        Ok(Self { client, main })
    }

    /// The safe client, for metadata and watermarks.
    pub(super) fn client(&self) -> &Client<DefaultClientContext> {
        &self.client
    }

    /// The next thing the client reports, without waiting.
    pub(super) fn poll_event(&self) -> Option<ClientEvent> {
        loop {
            // SAFETY: the queue is alive as long as self; the event is destroyed below, after its texts have been copied.
            let event = unsafe { rd::rd_kafka_queue_poll(self.main, 0) };
            if event.is_null() {
                return None;
            }
            // SAFETY: the event is not null and not yet destroyed.
            let kind = unsafe { rd::rd_kafka_event_type(event) };
            let told = match kind {
                rd::RD_KAFKA_EVENT_LOG => log_event(event),
                rd::RD_KAFKA_EVENT_ERROR => Some(error_event(event)),
                _ => None,
            };
            // SAFETY: destroyed exactly once, and nothing borrows from it any more.
            unsafe { rd::rd_kafka_event_destroy(event) };
            if told.is_some() {
                return told;
            }
        }
    }

    /// Adds partitions to what is read.
    pub(super) fn assign(&self, topic: &str, starts: &[Start]) -> Result<(), NativeError> {
        let list = List::new(topic, starts)?;
        // SAFETY: client and list are alive; librdkafka copies the list.
        check(unsafe { rd::rd_kafka_incremental_assign(self.client.native_ptr(), list.0) })
    }

    /// Takes partitions out of what is read.
    pub(super) fn unassign(&self, topic: &str, partitions: &[i32]) -> Result<(), NativeError> {
        let starts: Vec<Start> = partitions.iter().copied().map(Start::anywhere).collect();
        let list = List::new(topic, &starts)?;
        // SAFETY: client and list are alive; librdkafka copies the list.
        check(unsafe { rd::rd_kafka_incremental_unassign(self.client.native_ptr(), list.0) })
    }

    /// For each partition the first offset whose message is at or after a time; `None` when all are older.
    pub(super) fn offsets_for_time(
        &self,
        topic: &str,
        partitions: &[i32],
        time_ms: i64,
        timeout: Duration,
    ) -> Result<Vec<(i32, Option<i64>)>, NativeError> {
        let starts: Vec<Start> = partitions
            .iter()
            .map(|partition| Start {
                partition: *partition,
                offset: time_ms,
                leader_epoch: None,
            })
            .collect();
        let list = List::new(topic, &starts)?;
        // SAFETY: client and list are alive; the answers are written into the list.
        let code = unsafe {
            rd::rd_kafka_offsets_for_times(self.client.native_ptr(), list.0, millis(timeout))
        };
        check_code(code)?;
        list.elements()
            .map(|element| {
                check_code(element.err)?;
                Ok((
                    element.partition,
                    (element.offset >= 0).then_some(element.offset),
                ))
            })
            .collect()
    }

    /// Commits next offsets to the client's consumer group and waits for the answer.
    pub(super) fn commit(&self, topic: &str, starts: &[Start]) -> Result<(), NativeError> {
        let list = List::new(topic, starts)?;
        // SAFETY: client and list are alive; 0 means to wait.
        check_code(unsafe { rd::rd_kafka_commit(self.client.native_ptr(), list.0, 0) })
    }

    /// The topic's id in base64; `None` from a broker that has no ids.
    pub(super) fn topic_id(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<Option<String>, NativeError> {
        let rk = self.client.native_ptr();
        let name = c_string(topic)?;
        let mut names = [name.as_ptr()];
        // SAFETY: every object made here is destroyed at the end of the function by its guard, in reverse order; names are copied.
        unsafe {
            let topics = Guard(
                rd::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1),
                rd::rd_kafka_TopicCollection_destroy,
            );
            let options = Guard(
                rd::rd_kafka_AdminOptions_new(
                    rk,
                    rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
                ),
                rd::rd_kafka_AdminOptions_destroy,
            );
            rd::rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                millis(timeout),
                ptr::null_mut(),
                0,
            );
            let queue = Guard(rd::rd_kafka_queue_new(rk), rd::rd_kafka_queue_destroy);
            rd::rd_kafka_DescribeTopics(rk, topics.0, options.0, queue.0);
            // The request has its own timeout; this one only guards against waiting for ever.
            let wait = millis(timeout.saturating_add(Duration::from_secs(1)));
            let event = Guard(
                rd::rd_kafka_queue_poll(queue.0, wait),
                rd::rd_kafka_event_destroy,
            );
            if event.0.is_null() {
                return Err(NativeError::of(RDKafkaErrorCode::OperationTimedOut));
            }
            check_code(rd::rd_kafka_event_error(event.0)).map_err(|error| NativeError {
                reason: text(rd::rd_kafka_event_error_string(event.0)),
                ..error
            })?;
            described_id(event.0)
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: gives back the reference taken in `new`, before the client goes.
        unsafe { rd::rd_kafka_queue_destroy(self.main) };
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Start {
    fn anywhere(partition: i32) -> Self {
        Self {
            partition,
            offset: -1001,
            leader_epoch: None,
        }
    }
}

impl NativeError {
    fn of(code: RDKafkaErrorCode) -> Self {
        Self {
            code,
            reason: code.to_string(),
        }
    }
}

/// # Safety
/// `event` is a result event of DescribeTopics, alive during the call.
unsafe fn described_id(event: *mut rd::rd_kafka_event_t) -> Result<Option<String>, NativeError> {
    // SAFETY: results, descriptions and ids belong to the event; what is kept is copied.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Ok(None);
        }
        let mut count = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count == 0 {
            return Ok(None);
        }
        let topic = *topics;
        let error = rd::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            check_code(rd::rd_kafka_error_code(error))?;
        }
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Ok(None);
        }
        let id = text(rd::rd_kafka_Uuid_base64str(id));
        // All zeros: the broker is older than topic ids.
        Ok((!id.is_empty() && id.bytes().any(|byte| byte != b'A')).then_some(id))
    }
}

/// Destroys a librdkafka object when it goes out of scope.
struct Guard<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the object was made by the call that belongs to this destructor and is destroyed once.
            unsafe { (self.1)(self.0) };
        }
    }
}

/// A list of partitions of one topic.
struct List(*mut rd::rd_kafka_topic_partition_list_t);

impl List {
    fn new(topic: &str, starts: &[Start]) -> Result<Self, NativeError> {
        let topic = c_string(topic)?;
        let size = i32::try_from(starts.len()).unwrap_or(i32::MAX);
        // SAFETY: the list is made here and owned by the value that is returned; `add` gives a valid element and copies the name.
        unsafe {
            let list = Self(rd::rd_kafka_topic_partition_list_new(size));
            for start in starts {
                let element =
                    rd::rd_kafka_topic_partition_list_add(list.0, topic.as_ptr(), start.partition);
                (*element).offset = start.offset;
                if let Some(epoch) = start.leader_epoch {
                    rd::rd_kafka_topic_partition_set_leader_epoch(element, epoch);
                }
            }
            Ok(list)
        }
    }

    fn elements(&self) -> impl Iterator<Item = &rd::rd_kafka_topic_partition_t> {
        // SAFETY: the list has `cnt` elements, alive as long as self.
        let elements = unsafe {
            let count = usize::try_from((*self.0).cnt).unwrap_or(0);
            if count == 0 {
                &[]
            } else {
                std::slice::from_raw_parts((*self.0).elems, count)
            }
        };
        elements.iter()
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list is ours and destroyed once.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.0) };
    }
}

fn log_event(event: *mut rd::rd_kafka_event_t) -> Option<ClientEvent> {
    let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
    // SAFETY: the event is alive; the texts belong to it and are copied.
    unsafe {
        let code = rd::rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut level);
        (code == 0).then(|| ClientEvent::Log {
            level,
            text: format!("{}: {}", text(facility), text(line)),
        })
    }
}

fn error_event(event: *mut rd::rd_kafka_event_t) -> ClientEvent {
    // SAFETY: the event is alive; the text belongs to it and is copied.
    unsafe {
        ClientEvent::Error {
            error: NativeError {
                code: rd::rd_kafka_event_error(event).into(),
                reason: text(rd::rd_kafka_event_error_string(event)),
            },
            fatal: rd::rd_kafka_event_error_is_fatal(event) != 0,
        }
    }
}

fn check(error: *mut rd::rd_kafka_error_t) -> Result<(), NativeError> {
    if error.is_null() {
        return Ok(());
    }
    let error = Guard(error, rd::rd_kafka_error_destroy);
    // SAFETY: the error is alive until its guard goes; the text is copied.
    unsafe {
        Err(NativeError {
            code: rd::rd_kafka_error_code(error.0).into(),
            reason: text(rd::rd_kafka_error_string(error.0)),
        })
    }
}

fn check_code(code: rd::rd_kafka_resp_err_t) -> Result<(), NativeError> {
    match code {
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(NativeError::of(code.into())),
    }
}

fn c_string(text: &str) -> Result<CString, NativeError> {
    CString::new(text).map_err(|_| NativeError {
        code: RDKafkaErrorCode::InvalidTopic,
        reason: "a topic's name cannot hold a null byte".into(),
    })
}

pub(super) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// # Safety
/// `text` is null or a C string that is alive during the call.
pub(super) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and a C string by this function's contract.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// # Safety
/// `bytes` is null or points to `length` bytes that live as long as `'a`.
pub(super) unsafe fn slice<'a>(bytes: *const std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: not null, and as long as said by this function's contract.
    (!bytes.is_null()).then(|| unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) })
}
