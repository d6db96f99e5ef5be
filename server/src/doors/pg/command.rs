//! Statements that belong to the conversation and not to the engine: transaction blocks, cursors, prepared statements, channels.
//!
//! They are read from their words here, not from the engine's syntax tree: the parser behind the engine lacks some (`MOVE`, `ABORT`,
//! `FETCH -1`), and none of them has anything in it but keywords, a name, and what is read by somebody else: a query, expressions.

use super::failure::Failure;
use crate::session::{Isolation, Modes};

mod fetch;
mod lists;
mod words;

pub(super) use fetch::Direction;
pub(super) use lists::statements;
use words::Words;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// BEGIN, or START TRANSACTION.
    Begin {
        tag: &'static str,
        modes: Modes,
    },
    /// COMMIT, or END.
    Commit {
        chain: bool,
    },
    /// ROLLBACK, or ABORT.
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION.
    SetTransaction(Modes),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetCharacteristics(Modes),
    Declare {
        name: String,
        binary: bool,
        hold: bool,
        scroll: bool,
        query: String,
        /// Characters before the query in the text that the client sent.
        offset: usize,
        /// All of it.
        text: String,
    },
    /// FETCH, or MOVE when `silent`.
    Fetch {
        name: String,
        direction: Direction,
        silent: bool,
    },
    Prepare {
        name: String,
        /// Types that were named, each with the characters before it.
        types: Vec<(String, usize)>,
        query: String,
        offset: usize,
        text: String,
    },
    Execute {
        name: String,
        /// Expressions, each with the characters before it.
        values: Vec<(String, usize)>,
    },
    /// EXPLAIN of an EXECUTE.
    ExplainExecute {
        /// EXPLAIN with its options.
        explain: String,
        name: String,
        values: Vec<(String, usize)>,
    },
    /// `None`: all.
    Close(Option<String>),
    /// `None`: all.
    Deallocate(Option<String>),
    DiscardAll,
    Discard(&'static str),
    Listen,
    Unlisten,
}

impl Command {
    /// The command of a statement that stands behind others.
    #[must_use]
    pub(super) fn after(mut self, skipped: usize) -> Self {
        match &mut self {
            Self::Declare { offset, .. } => *offset += skipped,
            Self::Prepare { types, offset, .. } => {
                *offset += skipped;
                types.iter_mut().for_each(|(_, at)| *at += skipped);
            }
            Self::Execute { values, .. } | Self::ExplainExecute { values, .. } => {
                values.iter_mut().for_each(|(_, at)| *at += skipped);
            }
            _ => {}
        }
        self
    }

    /// The command `text` is, if it is one; an error if it begins as one and does not end as one.
    pub(super) fn of(text: &str) -> Option<Result<Self, Failure>> {
        let mut words = Words::new(text);
        let first = words.keyword()?;
        let command = match first.as_str() {
            "BEGIN" => begin(&mut words, "BEGIN"),
            "START" if words.eat("TRANSACTION") => begin(&mut words, "START TRANSACTION"),
            "COMMIT" | "END" => {
                words.eat_any(&["WORK", "TRANSACTION"]);
                if words.peek_is("PREPARED") {
                    return None;
                }
                chain(&mut words).map(|chain| Self::Commit { chain })
            }
            "ROLLBACK" | "ABORT" => {
                words.eat_any(&["WORK", "TRANSACTION"]);
                if words.peek_is("PREPARED") {
                    return None;
                }
                if words.eat("TO") {
                    words.eat("SAVEPOINT");
                    words.name().map(Self::RollbackTo)
                } else {
                    chain(&mut words).map(|chain| Self::Rollback { chain })
                }
            }
            "SAVEPOINT" => words.name().map(Self::Savepoint),
            "RELEASE" => {
                words.eat("SAVEPOINT");
                words.name().map(Self::Release)
            }
            "SET" => return set_transaction(words),
            "DECLARE" => declare(&mut words, text),
            "FETCH" => fetch::parse(&mut words, false),
            "MOVE" => fetch::parse(&mut words, true),
            "PREPARE" if words.peek_is("TRANSACTION") => return None,
            "PREPARE" => prepare(&mut words, text),
            "EXECUTE" => execute(&mut words).map(|(name, values)| Self::Execute { name, values }),
            "EXPLAIN" => {
                let explain = words.up_to("EXECUTE")?;
                execute(&mut words).map(|(name, values)| Self::ExplainExecute {
                    explain,
                    name,
                    values,
                })
            }
            "CLOSE" => words.name_or_all().map(Self::Close),
            "DEALLOCATE" => {
                words.eat("PREPARE");
                words.name_or_all().map(Self::Deallocate)
            }
            "DISCARD" => discard(&mut words),
            "LISTEN" => words.name().map(|_| Self::Listen),
            "UNLISTEN" if words.eat_symbol('*') => Ok(Self::Unlisten),
            "UNLISTEN" => words.name().map(|_| Self::Unlisten),
            _ => return None,
        };
        Some(command.and_then(|command| {
            words.end()?;
            Ok(command)
        }))
    }

    /// Whether it may run in a transaction block that has failed: it ends it.
    pub(super) fn ends_failed_block(&self) -> bool {
        matches!(
            self,
            Self::Commit { .. } | Self::Rollback { .. } | Self::RollbackTo(_)
        )
    }
}

fn begin(words: &mut Words<'_>, tag: &'static str) -> Result<Command, Failure> {
    words.eat_any(&["WORK", "TRANSACTION"]);
    let modes = modes(words)?;
    Ok(Command::Begin { tag, modes })
}

/// Isolation level, access mode and deferrability.
fn modes(words: &mut Words<'_>) -> Result<Modes, Failure> {
    let mut modes = Modes::default();
    loop {
        if words.eat("ISOLATION") {
            words.require("LEVEL")?;
            modes.isolation = Some(if words.eat("READ") {
                words.expect_any(&["COMMITTED", "UNCOMMITTED"])?;
                Isolation::ReadCommitted
            } else if words.eat("REPEATABLE") {
                words.require("READ")?;
                Isolation::RepeatableRead
            } else {
                words.require("SERIALIZABLE")?;
                Isolation::RepeatableRead
            });
        } else if words.eat("READ") {
            let only = words.eat("ONLY");
            if !only {
                words.require("WRITE")?;
            }
            modes.read_only = Some(only);
        } else if words.eat("NOT") {
            words.require("DEFERRABLE")?;
        } else if !words.eat("DEFERRABLE") {
            return Ok(modes);
        }
        words.eat_symbol(',');
    }
}

fn chain(words: &mut Words<'_>) -> Result<bool, Failure> {
    if !words.eat("AND") {
        return Ok(false);
    }
    let chain = !words.eat("NO");
    words.require("CHAIN")?;
    Ok(chain)
}

fn set_transaction(mut words: Words<'_>) -> Option<Result<Command, Failure>> {
    let session = words.eat("SESSION");
    if session {
        if !words.eat("CHARACTERISTICS") {
            return None;
        }
        if let Err(failure) = words
            .require("AS")
            .and_then(|()| words.require("TRANSACTION"))
        {
            return Some(Err(failure));
        }
    } else {
        words.eat("LOCAL");
        if !words.eat("TRANSACTION") {
            return None;
        }
    }
    let modes = modes(&mut words).and_then(|modes| words.end().map(|()| modes));
    Some(modes.map(|modes| match session {
        true => Command::SetCharacteristics(modes),
        false => Command::SetTransaction(modes),
    }))
}

fn declare(words: &mut Words<'_>, text: &str) -> Result<Command, Failure> {
    let name = words.name()?;
    let (mut binary, mut scroll, mut no_scroll) = (false, false, false);
    loop {
        if words.eat("BINARY") {
            binary = true;
        } else if words.eat("SCROLL") {
            scroll = true;
        } else if words.eat("NO") {
            words.require("SCROLL")?;
            no_scroll = true;
        } else if !words.eat_any(&["INSENSITIVE", "ASENSITIVE"]) {
            break;
        }
    }
    words.require("CURSOR")?;
    if scroll && no_scroll {
        return Err(Failure::error(
            "42P11",
            "cannot specify both SCROLL and NO SCROLL",
        ));
    }
    let hold = words.eat("WITH");
    if hold || words.eat("WITHOUT") {
        words.require("HOLD")?;
    }
    words.require("FOR")?;
    let (query, offset) = words.rest();
    Ok(Command::Declare {
        name,
        binary,
        hold,
        scroll,
        query: query.to_owned(),
        offset,
        text: text.trim().to_owned(),
    })
}

fn prepare(words: &mut Words<'_>, text: &str) -> Result<Command, Failure> {
    let name = words.name()?;
    let types = words.list()?.unwrap_or_default();
    words.require("AS")?;
    let (query, offset) = words.rest();
    Ok(Command::Prepare {
        name,
        types,
        query: query.to_owned(),
        offset,
        text: text.trim().to_owned(),
    })
}

/// A prepared statement's name, and its values.
type Called = (String, Vec<(String, usize)>);

fn execute(words: &mut Words<'_>) -> Result<Called, Failure> {
    Ok((words.name()?, words.list()?.unwrap_or_default()))
}

fn discard(words: &mut Words<'_>) -> Result<Command, Failure> {
    for (word, command) in [
        ("ALL", Command::DiscardAll),
        ("PLANS", Command::Discard("DISCARD PLANS")),
        ("SEQUENCES", Command::Discard("DISCARD SEQUENCES")),
        ("TEMPORARY", Command::Discard("DISCARD TEMP")),
        ("TEMP", Command::Discard("DISCARD TEMP")),
    ] {
        if words.eat(word) {
            return Ok(command);
        }
    }
    Err(words.unexpected())
}
