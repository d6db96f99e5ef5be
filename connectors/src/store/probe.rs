//! Whether a store does what commits rely on, found out before anything is trusted to it.
//!
//! Some servers that speak S3's protocol take `If-None-Match` and ignore it, others look first and write then: two writers would both
//! believe that they have made the same version of a table, and one of them would lose its rows without a word. So the store is put
//! to the test, alone and by several at once, and refused when it fails.

use bytes::Bytes;
use futures::future::join_all;
use object_store::{
    Error as StoreError, GetOptions, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, path::Path,
};
use uuid::Uuid;

use super::{Root, address::Address, remote::first_failure};
use crate::error::{ConnectorError, Result};

/// Puts that race for one name.
const RACERS: usize = 6;

/// What a store did that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    NoCreate,
    SecondCreate,
    CreateOverwrote,
    RaceWon(usize),
    NoUpdate,
    StaleUpdate,
    LostUpdate,
    NotListed,
}

impl Flaw {
    fn tell(self) -> String {
        match self {
            Self::NoCreate => "it does not know conditional puts (put-if-absent)".into(),
            Self::SecondCreate => "it accepted a second put-if-absent of the same name".into(),
            Self::CreateOverwrote => {
                "a put-if-absent that it refused replaced the object all the same".into()
            }
            Self::RaceWon(winners) => format!(
                "of {RACERS} put-if-absent of one name at the same time it let {winners} win"
            ),
            Self::NoUpdate => "it does not know conditional updates (If-Match)".into(),
            Self::StaleUpdate => "it accepted an update of an object that had changed since".into(),
            Self::LostUpdate => "it did not give back what an update had written".into(),
            Self::NotListed => "a listing did not have an object that had just been written".into(),
        }
    }
}

/// Puts the root's store to the test: a few small objects in `probe/`, removed again.
///
/// # Errors
/// `Denied`, `NotFound`, `Unreachable` when the store cannot be used at all; `Conflict` when it fails the test.
pub(super) async fn probe(root: &Root, address: &Address) -> Result<()> {
    let folder = format!("probe/{}", Uuid::new_v4().simple());
    let outcome = examine(root, &folder).await;
    // Best effort: whatever is left is a few bytes in a folder that says what it is.
    let _ = root.delete_all(&folder).await;
    match outcome {
        Ok(None) => Ok(()),
        Ok(Some(flaw)) => Err(ConnectorError::Conflict {
            message: format!(
                "the store of root {} cannot hold a root: {}",
                address.url,
                flaw.tell()
            ),
            hint: Some("Commits would be lost or doubled there. Use a store that honours If-None-Match and If-Match (Amazon S3, Azure, Google, and of other servers those named in docs/stores.md), or a newer version of this one.".into()),
        }),
        Err(error) => Err(first_failure(address, error)),
    }
}

async fn examine(root: &Root, folder: &str) -> Result<Option<Flaw>, StoreError> {
    let store = &root.store;
    let at = |name: &str| Path::from(format!("{folder}/{name}"));
    let create = |path: Path, text: &'static str| async move {
        let options = PutOptions::from(PutMode::Create);
        store.put_opts(&path, text.into(), options).await
    };
    let update = |path: Path, text: &'static str, version: UpdateVersion| async move {
        let options = PutOptions::from(PutMode::Update(version));
        store.put_opts(&path, text.into(), options).await
    };
    let unknown = |error: &StoreError| {
        matches!(
            error,
            StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }
        ) || error.to_string().contains("501 Not Implemented")
    };

    let path = at("one");
    match create(path.clone(), "first").await {
        Ok(_) => {}
        Err(error) if unknown(&error) => return Ok(Some(Flaw::NoCreate)),
        // A repeated request of the client may find its own first try; what is there tells, below.
        Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error),
    }
    match create(path.clone(), "second").await {
        Err(StoreError::AlreadyExists { .. }) => {}
        Ok(_) => return Ok(Some(Flaw::SecondCreate)),
        Err(error) => return Err(error),
    }
    let found = store.get_opts(&path, GetOptions::default()).await?;
    let first = UpdateVersion {
        e_tag: found.meta.e_tag.clone(),
        version: found.meta.version.clone(),
    };
    if found.bytes().await? != Bytes::from_static(b"first") {
        return Ok(Some(Flaw::CreateOverwrote));
    }

    let racing = join_all((0..RACERS).map(|_| create(at("race"), "racer"))).await;
    let winners = racing.iter().filter(|put| put.is_ok()).count();
    if winners > 1 {
        return Ok(Some(Flaw::RaceWon(winners)));
    }

    match update(path.clone(), "third", first.clone()).await {
        // As above: the client's own first try may be what it met.
        Ok(_) | Err(StoreError::Precondition { .. }) => {}
        Err(error) if unknown(&error) => return Ok(Some(Flaw::NoUpdate)),
        Err(error) => return Err(error),
    }
    match update(path.clone(), "fourth", first).await {
        Err(StoreError::Precondition { .. }) => {}
        Ok(_) => return Ok(Some(Flaw::StaleUpdate)),
        Err(error) => return Err(error),
    }
    if store.get(&path).await?.bytes().await? != Bytes::from_static(b"third") {
        return Ok(Some(Flaw::LostUpdate));
    }
    let listed = store.list_with_delimiter(Some(&Path::from(folder))).await?;
    if !listed.objects.iter().any(|object| object.location == path) {
        return Ok(Some(Flaw::NotListed));
    }
    Ok(None)
}
