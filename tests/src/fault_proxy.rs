//! A proxy in front of an object store: it counts the requests, and lets those go wrong that it was told to.
//!
//! What is hard about stores is not that they refuse, but that they do what was asked and the answer is lost. So a fault is not only a
//! status that the store never gave: the request may go through and the connection be reset, or the answer be replaced by an error.
//! Requests are passed on unchanged, for they are signed; each has a connection of its own.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What a request is about, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A Parquet file of a table.
    Data,
    /// An entry of a Delta log.
    Log,
    /// A manifest of a query or of a stream's dead letters.
    Manifest,
    /// A segment of state.
    State,
    /// The lease.
    Lease,
    /// Anything else: listings, the catalog, the probe.
    Other,
}

impl About {
    fn of(path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let is = |text: &str| path.contains(text);
        if query.contains("list") {
            Self::Other
        } else if is("/_delta_log/") && path.ends_with(".json") {
            Self::Log
        } else if path.ends_with(".parquet") {
            Self::Data
        } else if is("/manifests/") {
            Self::Manifest
        } else if is("/state/") {
            Self::State
        } else if path.ends_with("/LEASE") {
            Self::Lease
        } else {
            Self::Other
        }
    }
}

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store is not asked; this is the answer.
    Status(u16),
    /// The store is asked, and this is the answer all the same.
    DoneButStatus(u16),
    /// The connection is reset before the store is asked.
    Reset,
    /// The store is asked, and the connection is reset instead of an answer.
    LostReply,
    /// Nothing is answered until the client has lost its patience.
    Hang,
    /// The store is asked, and nothing is answered until the client has lost its patience.
    DoneButHang,
}

/// What is to go wrong: the next `times` requests of this method about this.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `PUT`, `GET` …
    pub method: &'static str,
    /// About what.
    pub about: About,
    /// How.
    pub fault: Fault,
    /// How often.
    pub times: usize,
}

/// A request that went through, or did not.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `PUT`, `GET` …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// About what.
    pub about: About,
    /// The fault it met.
    pub fault: Option<Fault>,
    /// The status that was answered; 0 where none was.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    /// What the store refuses for its condition is answered as if it had been done: a store that does not know conditions. (They cannot
    /// be taken out of a request, which is signed.)
    ignores_conditions: AtomicBool,
    /// Nothing is answered by anybody.
    down: AtomicBool,
    /// The credentials expire with the next put about this.
    expiring: Mutex<Option<About>>,
    /// They have expired: everything is refused.
    expired: AtomicBool,
    over: AtomicBool,
}

/// The proxy; it ends when dropped.
pub struct FaultProxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Starts one before the server at `upstream`.
    pub fn start(upstream: u16) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the fault proxy");
        let port = listener.local_addr().expect("our own address").port();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(client, upstream, &shared));
            }
        });
        Self { port, shared }
    }

    /// Adds what is to go wrong.
    pub fn add(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }

    /// Faults that have not been met yet.
    pub fn left(&self) -> usize {
        lock(&self.shared.rules).iter().map(|rule| rule.times).sum()
    }

    /// Answers as a server that ignores conditions.
    pub fn ignore_conditions(&self) {
        self.shared
            .ignores_conditions
            .store(true, Ordering::Relaxed);
    }

    /// The store goes away, or comes back.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }

    /// The credentials expire with the next put about this: from then on everything is refused.
    pub fn expire_at_put(&self, about: About) {
        *lock(&self.shared.expiring) = Some(about);
    }

    /// Whether they have.
    pub fn has_expired(&self) -> bool {
        self.shared.expired.load(Ordering::Relaxed)
    }

    /// The store takes the credentials again.
    pub fn renew(&self) {
        *lock(&self.shared.expiring) = None;
        self.shared.expired.store(false, Ordering::Relaxed);
    }

    /// Every request so far; they are forgotten.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.shared.seen))
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // wakes the one who listens
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

/// Requests by what they are about and their method.
pub fn count(seen: &[Seen]) -> BTreeMap<(About, String), usize> {
    let mut counts = BTreeMap::new();
    for one in seen {
        *counts.entry((one.about, one.method.clone())).or_default() += 1;
    }
    counts
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request as it came.
struct Request {
    method: String,
    target: String,
    head: Vec<u8>,
    body: Vec<u8>,
}

fn serve(client: TcpStream, upstream: u16, shared: &Shared) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(client.try_clone().ok()?);
    // One request a connection: the answer says so.
    let request = read(&mut reader)?;
    let began = Instant::now();
    let about = About::of(&request.target);
    if request.method == "PUT" && *lock(&shared.expiring) == Some(about) {
        shared.expired.store(true, Ordering::Relaxed);
    }
    let fault = if shared.down.load(Ordering::Relaxed) {
        Some(Fault::Reset)
    } else if shared.expired.load(Ordering::Relaxed) {
        Some(Fault::Status(403))
    } else {
        next_fault(&mut lock(&shared.rules), &request.method, about)
    };
    let lies = shared.ignores_conditions.load(Ordering::Relaxed);
    let status = answer(client, upstream, &request, fault, lies).unwrap_or(0);
    lock(&shared.seen).push(Seen {
        method: request.method,
        target: request.target,
        about,
        fault,
        status,
        took: began.elapsed(),
    });
    Some(())
}

fn next_fault(rules: &mut Vec<Rule>, method: &str, about: About) -> Option<Fault> {
    let at = rules
        .iter()
        .position(|rule| rule.method == method && rule.about == about)?;
    rules[at].times -= 1;
    let fault = rules[at].fault;
    rules.retain(|rule| rule.times > 0);
    Some(fault)
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut head = line.into_bytes();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let lower = header.to_ascii_lowercase();
        if lower.trim().is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        if !lower.starts_with("connection:") {
            head.extend_from_slice(header.as_bytes());
        }
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    assert!(!chunked, "the store's client sends whole bodies");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        target,
        head,
        body,
    })
}

/// Answers, or does not; the status.
fn answer(
    mut client: TcpStream,
    upstream: u16,
    request: &Request,
    fault: Option<Fault>,
    lies: bool,
) -> io::Result<u16> {
    match fault {
        Some(Fault::Reset) => {
            reset(&client);
            return Ok(0);
        }
        Some(Fault::Hang) => {
            until_gone(&mut client);
            return Ok(0);
        }
        Some(Fault::Status(status)) => {
            write_status(&mut client, status)?;
            return Ok(status);
        }
        _ => {}
    }
    let said = ask(upstream, request)?;
    match fault {
        Some(Fault::LostReply) => {
            reset(&client);
            Ok(0)
        }
        Some(Fault::DoneButHang) => {
            until_gone(&mut client);
            Ok(0)
        }
        Some(Fault::DoneButStatus(status)) => {
            write_status(&mut client, status)?;
            Ok(status)
        }
        _ => {
            let status = status_of(&said);
            if lies && matches!(status, 409 | 412) {
                client.write_all(b"HTTP/1.1 200 OK\r\nETag: \"done\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            } else {
                client.write_all(&said)?;
            }
            client.shutdown(Shutdown::Write)?;
            Ok(status)
        }
    }
}

/// The status of an answer; 0 where it has none.
fn status_of(said: &[u8]) -> u16 {
    said.get(9..12)
        .and_then(|code| std::str::from_utf8(code).ok()?.parse().ok())
        .unwrap_or(0)
}

/// Asks the store; the whole answer.
fn ask(upstream: u16, request: &Request) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
    let mut store = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    store.set_nodelay(true)?;
    store.set_read_timeout(Some(Duration::from_secs(120)))?;
    store.write_all(&request.head)?;
    store.write_all(&request.body)?;
    let mut said = Vec::new();
    store.read_to_end(&mut said)?;
    Ok(said)
}

fn write_status(client: &mut TcpStream, status: u16) -> io::Result<()> {
    let code = match status {
        403 => "ExpiredToken",
        _ => "Injected",
    };
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a fault on purpose</Message></Error>"
    );
    write!(
        client,
        "HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    client.shutdown(Shutdown::Write)
}

/// Ends the connection with RST.
fn reset(client: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the option's value lives through the call and has the size that is said.
    unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        );
    }
}

/// Waits until the other side has gone.
fn until_gone(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_secs(300))).ok();
    let mut byte = [0];
    while client.read(&mut byte).is_ok_and(|read| read > 0) {}
}
