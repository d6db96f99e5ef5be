//! The statements: ours, each in a file of its own, and everything else as SQL.

use std::fmt;

use sqlparser::ast::{self, ObjectName};

mod analyze;
mod columns;
mod comment;
mod copy;
mod create_schema;
mod create_stream;
mod create_table;
mod create_view;
mod describe;
mod drop;
mod emit;
mod explain;
mod grant;
mod optimize;
mod options;
mod owner;
mod query_control;
mod rebuild;
mod rename;
mod replay;
mod role;
mod secret;
mod select_into;
mod show;
mod subscribe;
pub(crate) mod types;
mod vacuum;

pub use analyze::{Analyze, AnalyzeKind};
pub use columns::{ColumnDef, PartitionColumn, Watermark};
pub use comment::CommentOnStream;
pub use copy::{Copy, CopyColumns, CopyDirection, CopyFormat, CopyHeader, CopyOptions, CopyWhat};
pub use create_schema::CreateSchema;
pub use create_stream::CreateStream;
pub use create_table::{CreateTable, OnCommit, WithData};
pub use create_view::CreateView;
pub use describe::{Describe, Described};
pub use drop::{Drop, ObjectKind};
pub use emit::{DEFAULT_FILL_WINDOWS, Emit, Fill, FillWith, MOST_FILL_WINDOWS};
pub use explain::{Explain, ExplainFormat, ExplainQuery};
pub use grant::{Grant, GrantOn, GrantRole, Grantee, Privilege};
pub use optimize::Optimize;
pub use options::{Options, REDACTED, is_secret};
pub(crate) use options::{holds_secret, without_password};
pub use owner::AlterOwner;
pub use rebuild::{RebuildFrom, RebuildQuery};
pub use rename::Rename;
pub use replay::Replay;
pub use role::{AlterRole, CreateRole, DropRole, Hidden, RoleOptions, SetRole};
pub use secret::{DropSecret, PutSecret};
pub use show::{Show, ShowFilter};
pub use subscribe::{Subscribe, SubscribedTo};
pub use vacuum::Vacuum;

use crate::canonical::Canonical;
use crate::error::ParseError;
use crate::hints;
use crate::reader::Reader;
use crate::rewrite;

pub(crate) use columns::spark_columns;
pub(crate) use emit::{EmitClause, take as take_emit};

/// One statement: ours, or SQL with the Spark and Flink spellings already rewritten.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// CREATE STREAM: a source of rows that never ends.
    CreateStream(CreateStream),
    /// CREATE VIEW: a query under a name.
    CreateView(CreateView),
    /// CREATE TABLE: a table, continuous where its query reads a stream.
    CreateTable(CreateTable),
    /// CREATE SCHEMA.
    CreateSchema(CreateSchema),
    /// DROP of any of ours.
    Drop(Drop),
    /// SHOW of a list or of a definition.
    Show(Show),
    /// DESCRIBE of a relation.
    Describe(Describe),
    /// EXPLAIN of a query or of a CREATE TABLE … AS.
    Explain(Explain),
    /// EXPLAIN QUERY of a continuous query.
    ExplainQuery(ExplainQuery),
    /// PAUSE QUERY.
    PauseQuery(ObjectName),
    /// RESUME QUERY.
    ResumeQuery(ObjectName),
    /// REPLAY of a stream's dead letters.
    Replay(Replay),
    /// OPTIMIZE: small files into large ones.
    Optimize(Optimize),
    /// SUBSCRIBE: rows as they become final.
    Subscribe(Subscribe),
    /// VACUUM: files that are not needed any more.
    Vacuum(Vacuum),
    /// ANALYZE and VACUUM ANALYZE.
    Analyze(Analyze),
    /// RESUME QUERY … SKIP LOST: without the messages that the topic does not have any more.
    SkipLost(ObjectName),
    /// REBUILD QUERY: make a query again that lost its state.
    RebuildQuery(RebuildQuery),
    /// CREATE ROLE.
    CreateRole(CreateRole),
    /// ALTER ROLE.
    AlterRole(AlterRole),
    /// DROP ROLE.
    DropRole(DropRole),
    /// SET ROLE, SET SESSION AUTHORIZATION and their RESET.
    SetRole(SetRole),
    /// GRANT and REVOKE of privileges.
    Grant(Grant),
    /// GRANT and REVOKE of roles.
    GrantRole(GrantRole),
    /// ALTER … OWNER TO.
    AlterOwner(AlterOwner),
    /// ALTER … RENAME TO.
    Rename(Rename),
    /// COMMENT ON STREAM.
    CommentOnStream(CommentOnStream),
    /// CREATE SECRET and ALTER SECRET.
    PutSecret(PutSecret),
    /// DROP SECRET.
    DropSecret(DropSecret),
    /// COPY: rows to or from the client.
    Copy(Copy),
    /// Everything else: queries, SET, SHOW of a variable, BEGIN, INSERT, …
    Sql(Box<ast::Statement>),
}

impl Statement {
    /// The statement with every secret option replaced by `***`, for listings and logs.
    pub fn redacted(&self) -> Self {
        match self {
            Self::CreateStream(create) => Self::CreateStream(create.redacted()),
            Self::CreateTable(create) => Self::CreateTable(create.redacted()),
            Self::Explain(explain) => Self::Explain(explain.redacted()),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Statement {
    /// Prints the canonical form, which parses back to an equal statement.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateStream(statement) => statement.fmt(f),
            Self::CreateView(statement) => statement.fmt(f),
            Self::CreateTable(statement) => statement.fmt(f),
            Self::CreateSchema(statement) => statement.fmt(f),
            Self::Drop(statement) => statement.fmt(f),
            Self::Show(statement) => statement.fmt(f),
            Self::Describe(statement) => statement.fmt(f),
            Self::Explain(statement) => statement.fmt(f),
            Self::ExplainQuery(statement) => statement.fmt(f),
            Self::PauseQuery(name) => write!(f, "PAUSE QUERY {name}"),
            Self::ResumeQuery(name) => write!(f, "RESUME QUERY {name}"),
            Self::Replay(statement) => statement.fmt(f),
            Self::Optimize(statement) => statement.fmt(f),
            Self::Subscribe(statement) => statement.fmt(f),
            Self::Vacuum(statement) => statement.fmt(f),
            Self::Analyze(statement) => statement.fmt(f),
            Self::SkipLost(name) => write!(f, "RESUME QUERY {name} SKIP LOST"),
            Self::RebuildQuery(statement) => statement.fmt(f),
            Self::CreateRole(statement) => statement.fmt(f),
            Self::AlterRole(statement) => statement.fmt(f),
            Self::DropRole(statement) => statement.fmt(f),
            Self::SetRole(statement) => statement.fmt(f),
            Self::Grant(statement) => statement.fmt(f),
            Self::GrantRole(statement) => statement.fmt(f),
            Self::AlterOwner(statement) => statement.fmt(f),
            Self::Rename(statement) => statement.fmt(f),
            Self::CommentOnStream(statement) => statement.fmt(f),
            Self::PutSecret(statement) => statement.fmt(f),
            Self::DropSecret(statement) => statement.fmt(f),
            Self::Copy(statement) => statement.fmt(f),
            Self::Sql(statement) => Canonical(statement.as_ref()).fmt(f),
        }
    }
}

/// Reads one whole statement.
pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    let statement = match ours(reader)? {
        Some(statement) => statement,
        None => sql(reader)?,
    };
    if let Some(emit) = reader.emit.take() {
        return Err(
            ParseError::invalid("EMIT is a clause of CREATE TABLE … AS", emit.span)
                .offending("EMIT")
                .hint("leave it out, or write CREATE TABLE name AS SELECT … EMIT ON WINDOW CLOSE"),
        );
    }
    Ok(statement)
}

/// Reads a statement of ours, or nothing where it is not one.
fn ours(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    let Some(head) = reader.word(0).map(str::to_ascii_uppercase) else {
        return Ok(None);
    };
    match head.as_str() {
        "CREATE" => create(reader),
        "ALTER" => alter(reader),
        "DROP" => drop_any(reader),
        "GRANT" | "REVOKE" => grant::parse(reader).map(Some),
        "SET" | "RESET" => role::set(reader),
        "SHOW" => show::parse(reader),
        "DESCRIBE" | "DESC" => describe::parse(reader),
        "EXPLAIN" => explain::parse(reader).map(Some),
        "COMMENT" => Ok(comment::parse(reader)?.map(Statement::CommentOnStream)),
        "COPY" => copy::parse(reader).map(Some),
        "OPTIMIZE" => optimize::parse(reader).map(Some),
        "SUBSCRIBE" => subscribe::parse(reader).map(Some),
        "VACUUM" => analyze::parse_vacuum(reader).map(Some),
        "ANALYZE" | "ANALYSE" => analyze::parse(reader).map(Some),
        "PAUSE" | "RESUME" => query_control::parse(reader).map(Some),
        "REPLAY" => replay::parse(reader).map(Some),
        "REBUILD" => rebuild::parse(reader).map(|rebuild| Some(Statement::RebuildQuery(rebuild))),
        _ => Ok(None),
    }
}

/// ALTER of what is not in the table itself.
fn alter(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    if reader.take(&["ALTER", "ROLE"]) || reader.take(&["ALTER", "USER"]) {
        return role::alter(reader).map(|alter| Some(Statement::AlterRole(alter)));
    }
    if reader.take(&["ALTER", "SECRET"]) {
        return secret::alter(reader).map(|put| Some(Statement::PutSecret(put)));
    }
    if let Some(rename) = rename::parse(reader)? {
        return Ok(Some(Statement::Rename(rename)));
    }
    Ok(owner::parse(reader)?.map(Statement::AlterOwner))
}

fn drop_any(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    for word in ["ROLE", "USER", "GROUP"] {
        if reader.take(&["DROP", word]) {
            return role::drop(reader).map(|drop| Some(Statement::DropRole(drop)));
        }
    }
    if reader.take(&["DROP", "SECRET"]) {
        return secret::drop(reader).map(|drop| Some(Statement::DropSecret(drop)));
    }
    drop::parse(reader)
}

/// What stands between CREATE and the kind of thing created.
#[derive(Clone, Copy, Debug, Default)]
struct CreateHead {
    or_replace: bool,
    temporary: bool,
    if_not_exists: bool,
}

fn create(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    let mut ahead = 1;
    let mut head = CreateHead::default();
    if reader.word_is(1, "OR") {
        let refresh = reader.word_is(2, "REFRESH");
        if !refresh && !reader.word_is(2, "REPLACE") {
            return Ok(None);
        }
        // REFRESH asks for the same as REPLACE with the same query: that the table be up to date.
        head.or_replace = true;
        ahead = 3;
    }
    let kind = |reader: &Reader<'_>, words: &[&str]| {
        let found = words
            .iter()
            .enumerate()
            .all(|(i, word)| reader.word_is(ahead + i, word));
        found.then_some(words.len())
    };
    let streams: [&[&str]; 3] = [&["STREAM"], &["SOURCE"], &["EXTERNAL", "STREAM"]];
    let tables: [&[&str]; 4] = [
        &["TABLE"],
        &["STREAMING", "TABLE"],
        &["MATERIALIZED", "VIEW"],
        &["MATERIALIZED", "TABLE"],
    ];
    let length_of = |kinds: &[&[&str]]| kinds.iter().find_map(|words| kind(reader, words));
    if let Some(words) = length_of(&streams) {
        start(reader, ahead + words, &mut head);
        return create_stream::parse(reader, head)
            .map(|create| Some(Statement::CreateStream(create)));
    }
    if let Some(words) = length_of(&tables) {
        start(reader, ahead + words, &mut head);
        return create_table::parse(reader, head).map(Some);
    }
    // LOCAL and GLOBAL say nothing, as in PostgreSQL.
    let before = usize::from(
        ["LOCAL", "GLOBAL"]
            .iter()
            .any(|word| reader.word_is(ahead, word)),
    );
    let temporary = ["TEMP", "TEMPORARY"]
        .iter()
        .any(|word| reader.word_is(ahead + before, word));
    if temporary && reader.word_is(ahead + before + 1, "TABLE") && !head.or_replace {
        start(reader, ahead + before + 2, &mut head);
        head.temporary = true;
        return create_table::parse(reader, head).map(Some);
    }
    if temporary && reader.word_is(ahead + before + 1, "VIEW") {
        start(reader, ahead + before + 2, &mut head);
        head.temporary = true;
        return create_view::parse(reader, head).map(|create| Some(Statement::CreateView(create)));
    }
    if kind(reader, &["UNLOGGED", "TABLE"]).is_some() {
        return Err(unlogged(reader.peek(ahead).span));
    }
    if let Some(words) = kind(reader, &["VIEW"]) {
        start(reader, ahead + words, &mut head);
        return create_view::parse(reader, head).map(|create| Some(Statement::CreateView(create)));
    }
    for word in ["ROLE", "USER", "GROUP"] {
        if let Some(words) = kind(reader, &[word]).filter(|_| !head.or_replace) {
            reader.skip(ahead + words);
            return role::create(reader, word == "USER")
                .map(|create| Some(Statement::CreateRole(create)));
        }
    }
    if let Some(words) = kind(reader, &["SECRET"]).filter(|_| !head.or_replace) {
        start(reader, ahead + words, &mut head);
        return secret::create(reader, head).map(|put| Some(Statement::PutSecret(put)));
    }
    if let Some(words) = kind(reader, &["SCHEMA"]) {
        if head.or_replace {
            return Err(ParseError::syntax(reader.peek(ahead))
                .hint("write CREATE SCHEMA [IF NOT EXISTS] name"));
        }
        start(reader, ahead + words, &mut head);
        return create_schema::parse(reader, head)
            .map(|create| Some(Statement::CreateSchema(create)));
    }
    Ok(None)
}

fn unlogged(at: sqlparser::tokenizer::Span) -> ParseError {
    ParseError::unsupported("UNLOGGED tables are not supported", at)
        .offending("UNLOGGED")
        .hint("create a plain table, or CREATE TEMP TABLE for the session alone")
}

/// Goes past the head and its IF NOT EXISTS.
fn start(reader: &mut Reader<'_>, words: usize, head: &mut CreateHead) {
    reader.skip(words);
    if reader.take(&["IF", "NOT", "EXISTS"]) {
        head.if_not_exists = true;
    }
}

/// Reads anything else.
fn sql(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    let words: Vec<String> = (0..4)
        .map_while(|ahead| reader.word(ahead).map(str::to_owned))
        .collect();
    let mut statement = reader
        .sql(sqlparser::parser::Parser::parse_statement)
        .and_then(|statement| {
            reader
                .finish("end the statement here, or put ; between two")
                .map(|()| statement)
        })
        .map_err(|error| hints::for_sql(error, &words))?;
    rewrite::statement(&mut statement)?;
    if let Some(create) = select_into::create(&mut statement)? {
        return Ok(Statement::CreateTable(create));
    }
    Ok(Statement::Sql(Box::new(statement)))
}
