//! What a transaction block means to a session: what its statements read, and whether they may write.
//!
//! Statements take effect at once, whatever block they stand in; a block groups what is read. The door that has blocks tells the session
//! where they begin and end.

use sluice_sql::{Statement, ast};

use super::{Planned, Prepared, Session};
use crate::{
    catalog::{QualifiedName, TEMP_SCHEMA},
    error::{Error, Result, SqlState},
    execute::dml::Dml,
};

/// What statements of a block read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each what is newest.
    ReadCommitted,
    /// All of them each table as the first of them read it.
    RepeatableRead,
}

/// How a block was begun; `None` where nothing was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// ISOLATION LEVEL.
    pub isolation: Option<Isolation>,
    /// READ ONLY, or READ WRITE.
    pub read_only: Option<bool>,
}

impl Isolation {
    /// As SHOW says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
        }
    }

    /// The level of this name.
    pub(super) fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "read committed" | "read uncommitted" => Self::ReadCommitted,
            _ => Self::RepeatableRead,
        }
    }
}

impl Modes {
    /// With what `later` says in its place.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            isolation: later.isolation.or(self.isolation),
            read_only: later.read_only.or(self.read_only),
        }
    }
}

impl Session {
    /// A block begins.
    pub fn begin(&self, modes: Modes) {
        let isolation = {
            let mut settings = self.settings.lock();
            settings.begin(modes);
            settings.isolation()
        };
        match isolation {
            Isolation::RepeatableRead => self.snapshot.begin(),
            Isolation::ReadCommitted => self.snapshot.end(),
        }
    }

    /// The block, which has just begun, is of these modes.
    pub fn set_transaction(&self, modes: Modes) -> Result<()> {
        let read = self.snapshot.has_read();
        let late = |what: &str| {
            let message = format!("{what} must be set before any query");
            Err(Error::user(SqlState::ActiveSqlTransaction, message))
        };
        let (isolation, read_only, before) = {
            let settings = self.settings.lock();
            let before = settings.transaction();
            (settings.isolation(), settings.read_only(), before)
        };
        if read && modes.isolation.is_some_and(|level| level != isolation) {
            return late("transaction isolation level");
        }
        if read && read_only && modes.read_only == Some(false) {
            return late("transaction read-write mode");
        }
        let modes = before.unwrap_or_default().then(modes);
        self.settings.lock().begin(modes);
        if !read {
            self.begin(modes);
        }
        Ok(())
    }

    /// The block is over, by COMMIT or by ROLLBACK; its modes. Parameters go back to what they were where it was rolled back, and those
    /// set for the block alone do in any case.
    pub fn end(&self, committed: bool) -> Result<Modes> {
        self.snapshot.end();
        self.transaction_over();
        let (modes, changed) = self.settings.lock().end(committed);
        if changed {
            self.settings_changed()?;
        }
        Ok(modes)
    }

    /// A savepoint is set behind the first `before` of the block.
    pub fn savepoint(&self, before: usize) {
        self.settings.lock().savepoint(before);
    }

    /// Parameters and the role go back to what they were at the savepoint behind the first `before` of the block.
    pub fn roll_back_to(&self, before: usize) -> Result<()> {
        let changed = self.settings.lock().roll_back_to(before);
        if changed {
            self.settings_changed()?;
        }
        Ok(())
    }

    /// Lets advisory locks go that were taken until the end of the transaction.
    pub(crate) fn unlock_transaction(&self) {
        let pid = self.activity.pid();
        self.engine.advisory_locks().transaction_over(pid);
    }

    /// Lets advisory locks go that were taken until the end of the session.
    pub(crate) fn unlock_all(&self) {
        self.engine.advisory_locks().unlock_all(self.activity.pid());
    }

    /// What LOCK TABLE may ask for: locks that only keep others from locking more, for a block's snapshot keeps what they are taken for.
    pub(super) fn lock_tables(&self, lock: &ast::Lock) -> Result<()> {
        let settings = self.settings.lock();
        if settings.transaction().is_none() {
            return Err(Error::user(
                SqlState::NoActiveSqlTransaction,
                "LOCK TABLE can only be used in transaction blocks",
            ));
        }
        drop(settings);
        for table in &lock.tables {
            let name = QualifiedName::from_sql(&table.name)?;
            let is_temp = name.schema == TEMP_SCHEMA && self.temp.has(&name.name);
            if !is_temp && self.engine.catalog().get(&name).is_none() {
                return Err(self.engine.catalog().undefined(&name));
            }
        }
        use ast::LockTableMode::{AccessShare, RowExclusive, RowShare};
        match lock.lock_mode {
            Some(AccessShare | RowShare | RowExclusive) => Ok(()),
            _ => Err(Error::user(
                SqlState::FeatureNotSupported,
                "a lock that keeps others from writing is not supported",
            )
            .with_hint(
                "A transaction block reads one snapshot without a lock: leave LOCK TABLE out, or write IN ACCESS SHARE MODE.",
            )),
        }
    }

    /// Refuses what changes something where a transaction only reads.
    pub(super) fn admit(&self, prepared: &Prepared) -> Result<()> {
        match prepared.writes() && self.settings.lock().read_only() {
            true => Err(read_only(prepared)),
            false => Ok(()),
        }
    }

    /// As for a statement that a door carries out by itself: `COPY FROM`.
    pub(crate) fn admit_writing(&self, command: &str) -> Result<()> {
        match self.settings.lock().read_only() {
            true => Err(refused(command)),
            false => Ok(()),
        }
    }

    /// A table was written to by this session: its transaction reads what is newest there.
    pub(crate) fn wrote(&self, path: &str) {
        self.snapshot.wrote(path);
    }

    /// After a statement that may have changed something.
    pub(super) fn has_written(&self, prepared: &Prepared) {
        let names = match &prepared.plan {
            Some(Planned::Write(Dml::Insert(name, _))) => vec![name],
            Some(Planned::Write(Dml::Change(rewritten))) => vec![rewritten.table()],
            Some(Planned::Write(Dml::Truncate(names))) => names.iter().collect(),
            Some(Planned::Temp(_)) => return,
            _ if prepared.writes() => return self.snapshot.forget(),
            _ => return,
        };
        for table in names.into_iter().filter_map(|name| self.engine.table(name)) {
            self.wrote(table.tables.table.path());
        }
    }
}

impl Prepared {
    /// Whether it changes rows, what exists, or who may what.
    pub(crate) fn writes(&self) -> bool {
        match (&self.plan, &self.parsed.statement) {
            (Some(Planned::Write(_) | Planned::Define(_)), _) => true,
            (_, statement) => !matches!(
                statement,
                Statement::Sql(_)
                    | Statement::Show(_)
                    | Statement::Describe(_)
                    | Statement::Explain(_)
                    | Statement::ExplainQuery(_)
                    | Statement::Analyze(_)
                    | Statement::Subscribe(_)
                    | Statement::SetRole(_)
                    | Statement::Copy(_)
            ),
        }
    }
}

/// The command of a statement, by its first words, or by what it does where WITH stands before it.
fn read_only(prepared: &Prepared) -> Error {
    match &prepared.plan {
        Some(Planned::Write(Dml::Insert(..))) => return refused("INSERT"),
        Some(Planned::Write(Dml::Change(rewritten))) => {
            return refused(&rewritten.action().to_string());
        }
        _ => {}
    }
    let text = &prepared.parsed.text;
    let mut words = text.split_whitespace().map(str::to_uppercase);
    let verb = words.next().unwrap_or_default();
    let two = ["CREATE", "ALTER", "DROP", "REBUILD", "PAUSE", "RESUME"];
    match words.next() {
        Some(object) if two.contains(&verb.as_str()) => refused(&format!("{verb} {object}")),
        _ => refused(&verb),
    }
}

fn refused(command: &str) -> Error {
    Error::user(
        SqlState::ReadOnlySqlTransaction,
        format!("cannot execute {command} in a read-only transaction"),
    )
}
