//! One connection to one broker: requests out, whole answers in. It blocks, and is used by one thread.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse,
        RequestHeader, ResponseHeader,
    },
    protocol::{Decodable, Encodable, HeaderVersion, StrBytes},
};

use super::Settings;

/// The newest form of a fetch that is used, and the oldest; topics have ids in them since 13.
const FETCH_VERSIONS: std::ops::RangeInclusive<i16> = 4..=16;
const VERSION_WITH_IDS: i16 = 13;
/// How often a waiting read looks whether it should stop: while it greets the broker, and once it can be interrupted.
const GLANCE: Duration = Duration::from_millis(250);
const LONG_GLANCE: Duration = Duration::from_secs(5);
/// An answer is as large as was asked for, or as one batch; more than this is not an answer.
const ANSWER_MAX: usize = 1 << 30;
/// Answers whose memory may be used again once nobody reads them.
const KEPT: usize = 4;

/// A connection, with one fetch on its way at most.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    client_id: StrBytes,
    correlation: i32,
    fetch_version: i16,
    answers: Vec<Bytes>,
}

impl Connection {
    /// Connects and asks which requests the broker understands.
    pub(super) fn open(
        host: &str,
        port: u16,
        settings: &Settings,
        stop: &AtomicBool,
    ) -> io::Result<Self> {
        let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
        let addresses = (host, port).to_socket_addrs()?;
        for address in addresses.filter(|address| settings.family.allows(address)) {
            match TcpStream::connect_timeout(&address, settings.patience) {
                Ok(stream) => return Self::over(stream, settings, stop),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn over(stream: TcpStream, settings: &Settings, stop: &AtomicBool) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GLANCE))?;
        stream.set_write_timeout(Some(settings.patience))?;
        let mut connection = Self {
            stream,
            client_id: StrBytes::from_string(settings.client_id.clone()),
            correlation: 0,
            fetch_version: 0,
            answers: Vec::new(),
        };
        connection.send(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default())?;
        let known: ApiVersionsResponse = connection.receive(0, settings.patience, stop)?;
        let fetch = known
            .api_keys
            .iter()
            .find(|known| known.api_key == ApiKey::Fetch as i16);
        let newest = fetch.map(|known| known.max_version.min(*FETCH_VERSIONS.end()));
        match newest.filter(|newest| FETCH_VERSIONS.contains(newest)) {
            Some(newest) => connection.fetch_version = newest,
            None => {
                return Err(io::Error::new(
                    ErrorKind::Unsupported,
                    "the broker is older than Kafka 0.11; set the option fetch = 'librdkafka'",
                ));
            }
        }
        Ok(connection)
    }

    /// What ends a read that waits, from another thread: to shut it down.
    pub(super) fn interrupt(&self) -> io::Result<TcpStream> {
        self.stream.set_read_timeout(Some(LONG_GLANCE))?;
        self.stream.try_clone()
    }

    /// Sends a fetch; a topic that has no id is asked for by its name.
    pub(super) fn send_fetch(&mut self, request: &FetchRequest) -> io::Result<()> {
        let has_ids = request.topics.iter().all(|topic| !topic.topic_id.is_nil());
        if !has_ids {
            self.fetch_version = self.fetch_version.min(VERSION_WITH_IDS - 1);
        }
        self.send(ApiKey::Fetch, self.fetch_version, request)
    }

    /// The answer to the fetch that was sent; `patience` is counted from now.
    pub(super) fn receive_fetch(
        &mut self,
        patience: Duration,
        stop: &AtomicBool,
    ) -> io::Result<FetchResponse> {
        self.receive(self.fetch_version, patience, stop)
    }

    fn send<R: Encodable + HeaderVersion>(
        &mut self,
        api: ApiKey,
        version: i16,
        request: &R,
    ) -> io::Result<()> {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.client_id.clone()));
        let mut message = BytesMut::from(&[0; 4][..]);
        header
            .encode(&mut message, R::header_version(version))
            .and_then(|()| request.encode(&mut message, version))
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error.to_string()))?;
        let length = u32::try_from(message.len() - 4).unwrap_or(u32::MAX);
        if let Some(prefix) = message.first_chunk_mut() {
            *prefix = length.to_be_bytes();
        }
        self.stream.write_all(&message)
    }

    fn receive<R: Decodable + HeaderVersion>(
        &mut self,
        version: i16,
        patience: Duration,
        stop: &AtomicBool,
    ) -> io::Result<R> {
        let deadline = Instant::now() + patience;
        let mut length = Vec::with_capacity(4);
        read(&self.stream, &mut length, 4, deadline, stop)?;
        let length = length
            .first_chunk()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ANSWER_MAX {
            return Err(garbled(format!(
                "an answer of {length} bytes, which no Kafka broker sends"
            )));
        }
        let mut answer = self.room();
        answer.reserve(length);
        read(&self.stream, &mut answer, length, deadline, stop)?;
        let answer = Bytes::from(answer);
        let mut rest = answer.clone();
        let header = ResponseHeader::decode(&mut rest, R::header_version(version))
            .map_err(|error| garbled(error.to_string()))?;
        if header.correlation_id != self.correlation {
            return Err(garbled("an answer to another question".to_owned()));
        }
        let decoded = R::decode(&mut rest, version).map_err(|error| garbled(error.to_string()))?;
        drop(rest);
        if length > 4096 {
            self.answers.push(answer);
        }
        Ok(decoded)
    }

    /// Memory for an answer: that of an earlier one that nobody reads any more, where there is one.
    fn room(&mut self) -> Vec<u8> {
        let mut free = None;
        for answer in std::mem::take(&mut self.answers) {
            match answer.try_into_mut() {
                Ok(memory) if free.is_none() => free = Some(memory),
                Ok(_) => {}
                Err(answer) if self.answers.len() < KEPT => self.answers.push(answer),
                Err(_) => {}
            }
        }
        let mut room = free.map(Vec::from).unwrap_or_default();
        room.clear();
        room
    }
}

/// Reads until `bytes` holds `length` bytes.
fn read(
    stream: &TcpStream,
    bytes: &mut Vec<u8>,
    length: usize,
    deadline: Instant,
    stop: &AtomicBool,
) -> io::Result<()> {
    while bytes.len() < length {
        let left = (length - bytes.len()) as u64;
        let before = bytes.len();
        match stream.take(left).read_to_end(bytes) {
            Ok(_) if bytes.len() < length => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the broker closed the connection",
                ));
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::Acquire) {
                    return Err(io::Error::new(ErrorKind::Interrupted, "reading was ended"));
                }
                // whoever sends something is alive
                if bytes.len() == before && Instant::now() >= deadline {
                    return Err(io::Error::new(ErrorKind::TimedOut, "no answer in time"));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn garbled(reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
