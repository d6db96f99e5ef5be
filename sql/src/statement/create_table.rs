//! `CREATE TABLE name [(names)] PARTITIONED BY (…) WITH (…) AS query [WITH [NO] DATA]`.
//!
//! The order is fixed (columns, PARTITIONED BY, WITH, AS, EMIT) and a clause out of order is refused with the order.
//! Synonyms: CREATE [OR REFRESH] STREAMING TABLE, CREATE MATERIALIZED VIEW, CREATE MATERIALIZED TABLE, TBLPROPERTIES
//! for WITH; `USING delta` says nothing new. `LIKE name` among the columns stands for those of a relation. Without a
//! query and with a connector it is Flink's CREATE STREAM.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName, Query};
use sqlparser::tokenizer::Token;

use super::columns::{self, ColumnDef, Columns, PartitionColumn};
use super::options::{self, Options};
use super::{CreateHead, Emit, Statement, create_stream};
use crate::canonical::{Canonical, inline};
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write CREATE TABLE name [PARTITIONED BY (…)] [WITH (…)] AS SELECT …";
const ORDER: &str = "the order is CREATE TABLE name [PARTITIONED BY (…)] [WITH (…)] AS SELECT …";

/// A table, kept up to date where its query reads a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// OR REPLACE.
    pub or_replace: bool,
    /// TEMP: for the session alone, in memory.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// Declared columns; empty where the query says them.
    pub columns: Vec<ColumnDef>,
    /// LIKE: relations whose columns it has too, each with how many declared columns stand before them.
    pub like: Vec<(usize, ObjectName)>,
    /// ON COMMIT, of a temporary one.
    pub on_commit: OnCommit,
    /// PARTITIONED BY (…), outermost folder first.
    pub partitioned_by: Vec<PartitionColumn>,
    /// WITH (…).
    pub options: Options,
    /// New names for the first columns of the query; empty keeps the query's own.
    pub renamed: Vec<Ident>,
    /// AS query.
    pub query: Option<Box<Query>>,
    /// WITH [NO] DATA.
    pub data: WithData,
    /// EMIT ….
    pub emit: Emit,
}

/// Whether a table has the rows of its query from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithData {
    /// It has.
    #[default]
    Rows,
    /// WITH NO DATA: it has the columns alone.
    No,
}

/// What becomes of a temporary table when a transaction ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCommit {
    /// Nothing.
    #[default]
    PreserveRows,
    /// It is emptied.
    DeleteRows,
    /// It is dropped.
    Drop,
}

impl fmt::Display for OnCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreserveRows => "PRESERVE ROWS",
            Self::DeleteRows => "DELETE ROWS",
            Self::Drop => "DROP",
        })
    }
}

/// What stands between the parentheses of a table, as it is printed.
enum Item<'a> {
    Column(&'a ColumnDef),
    Like(&'a ObjectName),
}

impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => column.fmt(f),
            Self::Like(name) => write!(f, "LIKE {name}"),
        }
    }
}

impl CreateTable {
    /// Whether nothing is said of columns.
    fn has_no_columns(&self) -> bool {
        self.columns.is_empty() && self.like.is_empty()
    }

    fn items(&self) -> Vec<Item<'_>> {
        let mut like = self.like.iter().peekable();
        let mut items = Vec::new();
        for at in 0..=self.columns.len() {
            while let Some((_, name)) = like.next_if(|(before, _)| *before <= at) {
                items.push(Item::Like(name));
            }
            items.extend(self.columns.get(at).map(Item::Column));
        }
        items
    }

    /// The same table with the values of secret options replaced by `***`.
    pub fn redacted(&self) -> Self {
        Self {
            options: self.options.redacted(),
            ..self.clone()
        }
    }
}

impl fmt::Display for CreateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE ")?;
        if self.or_replace {
            f.write_str("OR REPLACE ")?;
        }
        if self.temporary {
            f.write_str("TEMP ")?;
        }
        f.write_str("TABLE ")?;
        if self.if_not_exists {
            f.write_str("IF NOT EXISTS ")?;
        }
        write!(f, "{}", self.name)?;
        if !self.has_no_columns() {
            f.write_str(" ")?;
            crate::canonical::lines(f, &self.items())?;
        }
        if !self.renamed.is_empty() {
            f.write_str(" ")?;
            inline(f, &self.renamed)?;
        }
        if !self.partitioned_by.is_empty() {
            f.write_str("\nPARTITIONED BY ")?;
            inline(f, &self.partitioned_by)?;
        }
        if !self.options.is_empty() {
            f.write_str("\nWITH ")?;
            inline(f, &self.options.items())?;
        }
        if self.query.is_none() && self.has_no_columns() {
            // Without columns and without a query the parentheses are what makes it a statement.
            f.write_str(" ()")?;
        }
        if self.on_commit != OnCommit::PreserveRows {
            write!(f, "\nON COMMIT {}", self.on_commit)?;
        }
        if let Some(query) = &self.query {
            write!(f, "\nAS\n{}", Canonical(query.as_ref()))?;
            if self.data == WithData::No {
                f.write_str("\nWITH NO DATA")?;
            }
        }
        match self.emit.fill() {
            Some(fill) => write!(f, "\nEMIT ON WINDOW CLOSE {fill}"),
            None => Ok(()),
        }
    }
}

/// Reads what follows CREATE TABLE.
pub(super) fn parse(reader: &mut Reader<'_>, head: CreateHead) -> Result<Statement, ParseError> {
    let name = reader.name(SHAPE)?;
    let renamed = names(reader)?;
    let parenthesised = reader.at_token(&Token::LParen);
    let columns = if parenthesised {
        columns::parse(reader)?
    } else {
        Columns::default()
    };
    using(reader)?;
    let mut partitioned_by = partitioned(reader)?;
    let comment = reader.take(&["COMMENT"]);
    if comment {
        reader.string("write COMMENT 'text'")?;
    }
    if partitioned_by.is_empty() {
        partitioned_by = partitioned(reader)?;
    }
    let options = if reader.at(&["WITH"]) || reader.at(&["TBLPROPERTIES"]) {
        options::parse(reader)?
    } else {
        Options::default()
    };
    if head.temporary {
        temporary(reader, &columns, &partitioned_by, &options)?;
    }
    let on_commit = on_commit(reader)?;
    if reader.word_is(0, "PARTITIONED") || reader.at(&["USING"]) {
        let error = ParseError::invalid("PARTITIONED BY must stand before WITH", reader.span())
            .offending("PARTITIONED");
        return Err(error.hint(ORDER));
    }
    if reader.take(&["AS"]) {
        let create = CreateTable {
            or_replace: head.or_replace,
            temporary: head.temporary,
            if_not_exists: head.if_not_exists,
            name,
            columns: Vec::new(),
            like: Vec::new(),
            on_commit,
            partitioned_by,
            options,
            renamed,
            query: None,
            data: WithData::default(),
            emit: Emit::default(),
        };
        return with_query(reader, create, columns);
    }
    let is_stream =
        columns.watermark.is_some() || options.get("connector").is_some() || reader.at(&["FORMAT"]);
    if is_stream && partitioned_by.is_empty() && on_commit == OnCommit::default() {
        return create_stream::finish(reader, head, name, columns, options)
            .map(Statement::CreateStream);
    }
    if !parenthesised {
        return Err(reader.unexpected(SHAPE));
    }
    reader.finish(SHAPE)?;
    if let Some(watermark) = columns.watermark {
        return Err(no_watermark(watermark.column.span));
    }
    Ok(Statement::CreateTable(CreateTable {
        or_replace: head.or_replace,
        temporary: head.temporary,
        if_not_exists: head.if_not_exists,
        name,
        columns: columns.columns,
        like: columns.like,
        on_commit,
        partitioned_by,
        options,
        renamed: Vec::new(),
        query: None,
        data: WithData::default(),
        emit: Emit::default(),
    }))
}

/// Reads `(a, b)`, where names alone stand in it and AS comes later.
fn names(reader: &mut Reader<'_>) -> Result<Vec<Ident>, ParseError> {
    // Nobody writes so many; looking further ahead takes ever longer.
    const FAR: usize = 4_000;
    if !reader.at_token(&Token::LParen) {
        return Ok(Vec::new());
    }
    let mut ahead = 1;
    loop {
        let is_word = matches!(&reader.peek(ahead).token, Token::Word(_));
        match &reader.peek(ahead + 1).token {
            Token::Comma if is_word && ahead < FAR => ahead += 2,
            Token::RParen if is_word => break,
            _ => return Ok(Vec::new()),
        }
    }
    let (mut at, mut depth) = (ahead + 2, 0_usize);
    while depth > 0 || !reader.word_is(at, "AS") {
        match &reader.peek(at).token {
            Token::EOF => return Ok(Vec::new()),
            _ if at > 2 * FAR => return Ok(Vec::new()),
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    reader.skip(1);
    let mut names = Vec::new();
    loop {
        names.push(reader.ident(SHAPE)?);
        if !reader.take_token(&Token::Comma) {
            reader.expect_token(&Token::RParen, SHAPE)?;
            return Ok(names);
        }
    }
}

fn with_query(
    reader: &mut Reader<'_>,
    create: CreateTable,
    columns: Columns,
) -> Result<Statement, ParseError> {
    if let Some((_, name)) = columns.like.first() {
        let at = reader.span();
        let error = ParseError::unsupported("columns and a query exclude each other", at);
        return Err(error.offending(name.to_string()).hint(ORDER));
    }
    if let Some(watermark) = columns.watermark {
        return Err(no_watermark(watermark.column.span));
    }
    if reader.at_end() {
        return Err(reader.unexpected("write a query after AS"));
    }
    let query = reader.query()?;
    let data = match reader.take(&["WITH", "NO", "DATA"]) {
        true => WithData::No,
        false => {
            reader.take(&["WITH", "DATA"]);
            WithData::Rows
        }
    };
    if reader.word_is(0, "PARTITIONED") {
        let error = ParseError::invalid("PARTITIONED BY must stand before AS", reader.span())
            .offending("PARTITIONED");
        return Err(error.hint(ORDER));
    }
    if reader.word_is(0, "WITH") {
        let error =
            ParseError::invalid("WITH must stand before AS", reader.span()).offending("WITH");
        return Err(error.hint(ORDER));
    }
    if reader.word_is(0, "FILL") {
        return Err(reader.unexpected("write EMIT ON WINDOW CLOSE before FILL"));
    }
    reader.finish("the query ends here; check the word before it")?;
    let emit = match create.temporary {
        // Whoever reads the statement to its end refuses the clause.
        true => None,
        false => reader.emit.take().map(|clause| clause.emit),
    };
    Ok(Statement::CreateTable(CreateTable {
        columns: columns.columns,
        query: Some(query),
        data,
        emit: emit.unwrap_or_default(),
        ..create
    }))
}

/// What a table of the session alone cannot have.
fn temporary(
    reader: &mut Reader<'_>,
    columns: &Columns,
    partitioned_by: &[PartitionColumn],
    options: &Options,
) -> Result<(), ParseError> {
    const TEMP_SHAPE: &str =
        "write CREATE TEMP TABLE name (column type, …), or CREATE TEMP TABLE name AS query";
    let refused = match (&columns.watermark, partitioned_by, options.is_empty()) {
        (Some(_), ..) => Some("WATERMARK"),
        (None, [_, ..], _) => Some("PARTITIONED BY"),
        (None, [], false) => Some("WITH"),
        (None, [], true) => None,
    };
    if let Some(clause) = refused {
        return Err(ParseError::unsupported(
            format!("a temporary table takes no {clause}"),
            reader.span(),
        )
        .hint(TEMP_SHAPE));
    }
    Ok(())
}

fn on_commit(reader: &mut Reader<'_>) -> Result<OnCommit, ParseError> {
    if !reader.take(&["ON", "COMMIT"]) {
        return Ok(OnCommit::default());
    }
    let words: [(&[&str], OnCommit); 3] = [
        (&["PRESERVE", "ROWS"], OnCommit::PreserveRows),
        (&["DELETE", "ROWS"], OnCommit::DeleteRows),
        (&["DROP"], OnCommit::Drop),
    ];
    for (words, what) in words {
        if reader.take(words) {
            return Ok(what);
        }
    }
    Err(reader.unexpected("write ON COMMIT PRESERVE ROWS, DELETE ROWS or DROP"))
}

fn no_watermark(at: sqlparser::tokenizer::Span) -> ParseError {
    ParseError::invalid("a table has no watermark", at)
        .offending("WATERMARK")
        .hint("declare it on the stream: CREATE STREAM name (…, WATERMARK FOR ts AS …) WITH (…)")
}

/// Every table is a Delta table; saying so is allowed.
fn using(reader: &mut Reader<'_>) -> Result<(), ParseError> {
    if !reader.take(&["USING"]) || reader.take(&["DELTA"]) {
        return Ok(());
    }
    Err(
        ParseError::unsupported("tables are Delta tables", reader.span())
            .offending(reader.peek(0).token.to_string())
            .hint("leave USING out, or write USING delta"),
    )
}

fn partitioned(reader: &mut Reader<'_>) -> Result<Vec<PartitionColumn>, ParseError> {
    if reader.at(&["PARTITION", "BY"]) {
        return Err(reader.unexpected("write PARTITIONED BY (…)"));
    }
    if reader.word_is(0, "PARTITIONED") {
        columns::partitioned_by(reader)
    } else {
        Ok(Vec::new())
    }
}
