//! The lease on a root that lies on a store: a small object that its owner rewrites every third of the lease's time.
//!
//! No clock of another machine is believed. A server that finds somebody's lease watches it for the lease's own time, by its own
//! clock: an owner that lives rewrites it meanwhile, and the newcomer is refused with the owner's name; one that does not is taken for
//! dead, and its lease is replaced by a conditional put that only one newcomer wins. Where the lease's owner used the very folder on
//! local disk whose lock we hold, it is dead for certain, and nothing is waited for.
//!
//! The lease keeps servers from getting in each other's way; it is not what keeps tables right. An owner that slept past its lease
//! finds out when it wakes, at its next renewal; what it writes until then is fenced by the manifest logs and by the Delta log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use sluice_connectors::store::{Conditional, Root, Versioned};
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
};

use super::storage_error;
use crate::{
    clock::{Clock, SystemClock, rfc3339},
    error::{Error, Result, SqlState},
};

#[cfg(test)]
mod tests;

/// Where it lies.
const PATH: &str = "LEASE";
/// A shorter lease would be lost to a slow request.
pub const MIN_LEASE: Duration = Duration::from_secs(1);
/// Renewals in a lease's time.
const RENEWALS: u32 = 3;
/// Looks in a lease's time, of one who waits for it to end.
const LOOKS: u32 = 12;
/// Times that a put whose outcome is open is tried.
const TRIES: usize = 5;

/// What the object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    /// Rises with every owner.
    generation: u64,
    /// The owner's process, by an id that no other process has.
    owner: String,
    /// Rises with every renewal.
    beat: u64,
    /// For people: its machine …
    host: String,
    /// … and its process there.
    pid: u32,
    /// The folder on local disk that it has locked.
    local: String,
    /// How long it lasts.
    lease_ms: u64,
    /// Nobody holds the root: the last owner has let go of it.
    released: bool,
    /// When it was written, for people.
    written_at: String,
}

/// What a newcomer does about the lease it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Approach {
    /// There is none: make it.
    Create,
    /// Its owner is gone: replace it.
    Replace,
    /// Its owner may live: see whether it is renewed.
    Watch,
}

/// Decides it; `local` is the folder whose lock the newcomer holds.
fn approach(found: Option<&Claim>, local: &str) -> Approach {
    match found {
        None => Approach::Create,
        Some(claim) if claim.released || claim.local == local => Approach::Replace,
        Some(_) => Approach::Watch,
    }
}

/// What the lease's object says after a put of ours that was refused or not answered.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It is the one that we were putting: the answer was lost.
    Ours,
    /// It is one of ours, before this put: try again.
    Before,
    /// It is somebody else's.
    Taken,
    /// It is gone.
    Gone,
}

/// Decides it.
fn judge(found: Option<&Claim>, put: &Claim) -> Found {
    match found {
        None => Found::Gone,
        Some(claim) if claim.owner != put.owner => Found::Taken,
        Some(claim) if claim.beat == put.beat && claim.released == put.released => Found::Ours,
        Some(_) => Found::Before,
    }
}

/// The lease, held.
#[derive(Debug)]
pub(super) struct Lease {
    held: Arc<Held>,
    renewing: JoinHandle<()>,
}

#[derive(Debug)]
struct Held {
    root: Root,
    time: Duration,
    state: Mutex<State>,
    lost: watch::Sender<Option<Error>>,
}

#[derive(Debug)]
struct State {
    claim: Claim,
    version: Versioned,
    renewed: Instant,
}

impl Lease {
    /// Takes the root's lease, or refuses because somebody else has it.
    pub(super) async fn take(
        root: &Root,
        time: Duration,
        owner: &str,
        local: &str,
    ) -> Result<Self> {
        let mut claim = Claim {
            generation: 1,
            owner: owner.to_owned(),
            beat: 0,
            host: host(),
            pid: std::process::id(),
            local: local.to_owned(),
            lease_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            released: false,
            written_at: String::new(),
        };
        let version = take(root, &mut claim).await?;
        let held = Arc::new(Held {
            root: root.clone(),
            time,
            state: Mutex::new(State {
                claim,
                version,
                renewed: Instant::now(),
            }),
            lost: watch::Sender::new(None),
        });
        let renewing = tokio::spawn(keep(Arc::clone(&held)));
        Ok(Self { held, renewing })
    }

    /// Resolves when it is lost.
    pub(super) async fn lost(&self) -> Error {
        let mut lost = self.held.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(error) => error
                .clone()
                .unwrap_or_else(|| Error::internal("the root was lost to nobody")),
            Err(_) => std::future::pending().await,
        }
    }

    /// Renews it unless that was done a moment ago.
    pub(super) async fn confirm(&self) -> Result<()> {
        if let Some(error) = self.held.lost.borrow().clone() {
            return Err(error);
        }
        self.held.renew(self.held.time / RENEWALS).await
    }

    /// Lets go of it.
    pub(super) async fn release(&self) {
        self.renewing.abort();
        if let Err(error) = self.held.put(true).await {
            tracing::info!("the root's lease was left to run out: {error}");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Renews a lease until it is lost.
async fn keep(held: Arc<Held>) {
    let pause = held.time / RENEWALS;
    let mut failing = false;
    loop {
        tokio::time::sleep(if failing { pause / 4 } else { pause }).await;
        // A request that hangs must not take the next one's time.
        let renewal = tokio::time::timeout(held.time, held.renew(Duration::ZERO)).await;
        let error = match renewal {
            Ok(Ok(())) => {
                if failing {
                    tracing::info!("the root's lease is renewed again");
                }
                failing = false;
                continue;
            }
            Ok(Err(error)) => error,
            Err(_) => Error::outside(SqlState::IoError, "the store does not answer"),
        };
        if held.lost.borrow().is_some() {
            return;
        }
        if !failing {
            tracing::warn!("the root's lease cannot be renewed, which is tried again: {error}");
        }
        failing = true;
    }
}

impl Held {
    /// Renews it unless that was done within `fresh`.
    async fn renew(&self, fresh: Duration) -> Result<()> {
        if self.state.lock().await.renewed.elapsed() < fresh {
            return Ok(());
        }
        self.put(false).await
    }

    async fn put(&self, released: bool) -> Result<()> {
        let mut state = self.state.lock().await;
        for _ in 0..TRIES {
            let claim = Claim {
                beat: state.claim.beat + 1,
                released,
                ..state.claim.clone()
            };
            let version = state.version.version.clone();
            // From before the request: what it takes is time in which another server may have been waiting.
            let began = Instant::now();
            let put = self
                .root
                .put_if_unchanged(PATH, text(&claim)?, version)
                .await;
            if let Ok(Conditional::Put(version)) = put {
                state.version.version = version;
                state.claim = claim;
                state.renewed = began;
                return Ok(());
            }
            // Refused or not answered: the object tells.
            let found = read(&self.root).await?;
            let verdict = judge(found.as_ref().map(|(claim, _)| claim), &claim);
            match (verdict, found) {
                (Found::Ours, Some((claim, version))) => {
                    state.version = version;
                    state.claim = claim;
                    state.renewed = began;
                    return Ok(());
                }
                (Found::Before, Some((claim, version))) => {
                    state.version = version;
                    state.claim = claim;
                }
                (_, found) => {
                    let error = self.taken(found.as_ref().map(|(claim, _)| claim));
                    self.lost.send_replace(Some(error.clone()));
                    return Err(error);
                }
            }
            if let Err(error) = put {
                return Err(storage_error(error));
            }
        }
        Err(Error::outside(
            SqlState::IoError,
            "the root's lease could not be renewed: the store refuses puts of what it says is there",
        ))
    }

    fn taken(&self, by: Option<&Claim>) -> Error {
        let error = Error::outside(
            SqlState::ObjectInUse,
            format!("root {} was taken over by another server", self.root.url),
        );
        let detail = match by {
            Some(claim) => format!(
                "It is held by {} since generation {}; this process was silent for longer than its lease of {} s.",
                claim.holder(),
                claim.generation,
                self.time.as_secs_f64()
            ),
            None => "Somebody has deleted its LEASE.".to_owned(),
        };
        error.with_detail(detail).with_hint(
            "Nothing is lost: the other server goes on where this one was. This one has stopped.",
        )
    }
}

impl Claim {
    fn holder(&self) -> String {
        format!("process {} on host {}", self.pid, self.host)
    }
}

/// Takes the lease for `claim`, whose generation is set.
async fn take(root: &Root, claim: &mut Claim) -> Result<Versioned> {
    for _ in 0..TRIES {
        let found = read(root).await?;
        claim.generation = found.as_ref().map_or(1, |(found, _)| found.generation + 1);
        let approach = approach(found.as_ref().map(|(claim, _)| claim), &claim.local);
        let put = match (approach, found) {
            (Approach::Create, _) | (_, None) => {
                root.put_if_absent(PATH, text(claim)?).await.map(drop)
            }
            (Approach::Replace, Some((_, seen))) => root
                .put_if_unchanged(PATH, text(claim)?, seen.version)
                .await
                .map(drop),
            (Approach::Watch, Some((holder, seen))) => {
                watch_for_life(root, &holder, claim.lease_ms).await?;
                root.put_if_unchanged(PATH, text(claim)?, seen.version)
                    .await
                    .map(drop)
            }
        };
        // Whatever the answer was, the object tells who has it.
        match read(root).await? {
            Some((now, version)) if now.owner == claim.owner => return Ok(version),
            _ => put.map_err(storage_error)?,
        }
    }
    Err(Error::outside(
        SqlState::ObjectInUse,
        format!("root {} is being taken by other servers", root.url),
    )
    .with_hint("Start one server on a root."))
}

/// Watches somebody's lease for its time; an error when its owner lives.
async fn watch_for_life(root: &Root, holder: &Claim, ours_ms: u64) -> Result<()> {
    let time = Duration::from_millis(holder.lease_ms.max(ours_ms));
    tracing::info!(
        "root {} has a lease of {}: waiting {} s to see whether that is alive",
        root.url,
        holder.holder(),
        time.as_secs_f64()
    );
    let began = Instant::now();
    while began.elapsed() < time {
        tokio::time::sleep(time / LOOKS).await;
        let Some((now, _)) = read(root).await? else {
            return Ok(());
        };
        if now.released {
            return Ok(());
        }
        if (&now.owner, now.beat) != (&holder.owner, holder.beat) {
            return Err(Error::outside(
                SqlState::ObjectInUse,
                format!("root {} is in use by another server", root.url),
            )
            .with_detail(format!(
                "It is held by {} (generation {}), which renewed its lease at {}.",
                now.holder(),
                now.generation,
                now.written_at
            ))
            .with_hint("Stop that server, or give this one another root with --root."));
        }
    }
    tracing::warn!(
        "{} has not renewed its lease on root {} for {} s: taking it over",
        holder.holder(),
        root.url,
        time.as_secs_f64()
    );
    Ok(())
}

async fn read(root: &Root) -> Result<Option<(Claim, Versioned)>> {
    let Some(found) = root.read_versioned(PATH).await.map_err(storage_error)? else {
        return Ok(None);
    };
    let claim = serde_json::from_slice(&found.bytes).map_err(|error| {
        Error::outside(
            SqlState::DataCorrupted,
            format!("{PATH} of root {} cannot be read: {error}", root.url),
        )
        .with_hint(
            "Make sure that no server uses the root, then delete that object and start again.",
        )
    })?;
    Ok(Some((claim, found)))
}

fn text(claim: &Claim) -> Result<bytes::Bytes> {
    let claim = Claim {
        written_at: rfc3339(SystemClock.now_us()),
        ..claim.clone()
    };
    serde_json::to_vec_pretty(&claim)
        .map(Into::into)
        .map_err(|error| Error::internal(format!("the root's lease: {error}")))
}

/// What this machine is called.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
