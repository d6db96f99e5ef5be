//! Which sessions are open: by key and time, and by when they close. All of this stays in memory, whatever goes to disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use super::session::Session;

/// The key of a session as comparable bytes; a session's entries share them.
pub(super) type Key = Arc<[u8]>;

/// Bytes of a session beside its key and its list of states. The trees' nodes are half full where sessions come in the order of time.
const SESSION_BYTES: usize =
    2 * (size_of::<((Key, i64), Session)>() + size_of::<(i64, i64, Key)>());

/// Bytes of a key beside its own: two counts.
const KEY_BYTES: usize = 2 * size_of::<usize>();

/// The open sessions of a stage.
#[derive(Clone, Debug)]
pub(super) struct Open {
    gap_us: i64,
    max_us: Option<i64>,
    /// By key and time of the first row.
    sessions: BTreeMap<(Key, i64), Session>,
    /// By the watermark at which each, or its next piece, closes: the order in which they do.
    due: BTreeSet<(i64, i64, Key)>,
    key_bytes: usize,
}

impl Open {
    pub(super) fn new(gap_us: i64, max_us: Option<i64>) -> Self {
        Self {
            gap_us,
            max_us,
            sessions: BTreeMap::new(),
            due: BTreeSet::new(),
            key_bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.key_bytes + self.len() * (SESSION_BYTES + KEY_BYTES)
    }

    /// When each session of a key begins that rows of these times touch.
    pub(super) fn touched(&self, key: &Key, rows: &Range<i64>) -> Vec<i64> {
        let reach = rows.end.saturating_add(self.gap_us);
        let of_key = (Arc::clone(key), i64::MIN)..=(Arc::clone(key), reach);
        let mut touched: Vec<i64> = self
            .sessions
            .range(of_key)
            .rev()
            // Sessions of a key are a gap apart and more: the first that ends too early is the last to look at.
            .take_while(|(_, session)| session.last.saturating_add(self.gap_us) >= rows.start)
            .map(|((_, start), _)| *start)
            .collect();
        touched.reverse();
        touched
    }

    pub(super) fn get(&self, key: &Key, start: i64) -> Option<&Session> {
        self.sessions.get(&(Arc::clone(key), start))
    }

    /// A session whose times stay what they are.
    pub(super) fn get_mut(&mut self, key: &Key, start: i64) -> Option<&mut Session> {
        self.sessions.get_mut(&(Arc::clone(key), start))
    }

    /// Changes a session that begins when it began.
    pub(super) fn change<T>(
        &mut self,
        key: &Key,
        start: i64,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        let place = (Arc::clone(key), start);
        let ((key, _), session) = self.sessions.range_mut(&place..=&place).next()?;
        let before = session.due(self.gap_us, self.max_us);
        let changed = change(session);
        let after = session.due(self.gap_us, self.max_us);
        if before != after {
            self.due.remove(&(before, start, Arc::clone(key)));
            self.due.insert((after, start, Arc::clone(key)));
        }
        Some(changed)
    }

    pub(super) fn insert(&mut self, key: Key, start: i64, session: Session) {
        let due = session.due(self.gap_us, self.max_us);
        self.key_bytes += key.len();
        self.due.insert((due, start, Arc::clone(&key)));
        self.sessions.insert((key, start), session);
    }

    pub(super) fn remove(&mut self, key: &Key, start: i64) -> Option<Session> {
        let session = self.sessions.remove(&(Arc::clone(key), start))?;
        let due = session.due(self.gap_us, self.max_us);
        self.due.remove(&(due, start, Arc::clone(key)));
        self.key_bytes -= key.len();
        Some(session)
    }

    /// The watermark at which the next closes.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _, _)| *due)
    }

    /// Takes out the next that closes at the watermark.
    pub(super) fn pop(&mut self, watermark: i64) -> Option<(Key, i64, Session)> {
        let (due, start, key) = self.due.first()?.clone();
        if due > watermark {
            return None;
        }
        let session = self.remove(&key, start)?;
        Some((key, start, session))
    }

    /// Every session, by its key.
    pub(super) fn all(&self) -> impl Iterator<Item = (i64, &Session)> {
        let sessions = self.sessions.iter();
        sessions.map(|((_, start), session)| (*start, session))
    }

    /// Every session, in the order in which they close.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (i64, &Session)> {
        self.due
            .iter()
            .filter_map(|(_, start, key)| Some((*start, self.get(key, *start)?)))
    }

    /// The same, to be changed but for its times.
    pub(super) fn each_in_order<E>(
        &mut self,
        mut change: impl FnMut(i64, &mut Session) -> Result<(), E>,
    ) -> Result<(), E> {
        for (_, start, key) in &self.due {
            if let Some(session) = self.sessions.get_mut(&(Arc::clone(key), *start)) {
                change(*start, session)?;
            }
        }
        Ok(())
    }
}
