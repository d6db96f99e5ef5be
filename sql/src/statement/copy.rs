//! `COPY { name [(columns)] | (query) | (SUBSCRIBE …) } { TO STDOUT | FROM STDIN } [[WITH] options]`, in PostgreSQL's new spelling of options and its old one.
//!
//! The data themselves are the protocol's business. A server's files are nobody's to read or write through SQL, so a file name or a
//! program is refused here.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName, Query};
use sqlparser::tokenizer::{Span, Token};

use super::{Statement, Subscribe, subscribe};
use crate::canonical::{Canonical, inline};
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write COPY name [(a, …)] FROM STDIN [WITH (FORMAT csv, …)], or COPY { name | (query) | (SUBSCRIBE …) } TO STDOUT [WITH (…)]";
const OPTIONS: &str = "options are FORMAT, DELIMITER, NULL, HEADER, QUOTE, ESCAPE, FORCE_QUOTE, FORCE_NOT_NULL, FORCE_NULL, ENCODING";

/// COPY.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is copied.
    pub what: CopyWhat,
    /// Which way.
    pub direction: CopyDirection,
    /// How rows are written.
    pub options: CopyOptions,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyWhat {
    /// A relation, or some of its columns.
    Table {
        /// Its name.
        name: ObjectName,
        /// Columns in the order of the data; none means all.
        columns: Vec<Ident>,
    },
    /// The rows of a query.
    Query(Box<Query>),
    /// Rows as they become final.
    Subscribe(Box<Subscribe>),
}

/// Which way rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// TO STDOUT.
    ToStdout,
    /// FROM STDIN.
    FromStdin,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    /// Lines with tabs between values and backslashes before what is special.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's binary form.
    Binary,
}

/// The line of names before the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyHeader {
    /// There is none.
    #[default]
    None,
    /// There is one; read, it is passed over.
    Present,
    /// There is one, and it must have the columns' names.
    Match,
}

/// Columns of a FORCE_… option.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CopyColumns {
    /// None of them.
    #[default]
    None,
    /// `*`.
    All,
    /// These.
    These(Vec<Ident>),
}

/// The options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CopyOptions {
    /// FORMAT.
    pub format: CopyFormat,
    /// DELIMITER: one byte; a tab in text, a comma in csv where it is not given.
    pub delimiter: Option<String>,
    /// NULL: `\N` in text, nothing in csv where it is not given.
    pub null: Option<String>,
    /// HEADER.
    pub header: CopyHeader,
    /// QUOTE: one byte; `"` where it is not given.
    pub quote: Option<String>,
    /// ESCAPE: one byte; the quote where it is not given.
    pub escape: Option<String>,
    /// FORCE_QUOTE: columns whose values are always in quotes.
    pub force_quote: CopyColumns,
    /// FORCE_NOT_NULL: columns in which nothing is an empty text.
    pub force_not_null: CopyColumns,
    /// FORCE_NULL: columns in which quotes do not keep a text from being NULL.
    pub force_null: CopyColumns,
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("COPY ")?;
        match &self.what {
            CopyWhat::Table { name, columns } => {
                name.fmt(f)?;
                if !columns.is_empty() {
                    f.write_str(" ")?;
                    inline(f, columns)?;
                }
            }
            CopyWhat::Query(query) => write!(f, "({})", Canonical(query.as_ref()))?,
            CopyWhat::Subscribe(subscribe) => write!(f, "({subscribe})")?,
        }
        f.write_str(match self.direction {
            CopyDirection::ToStdout => " TO STDOUT",
            CopyDirection::FromStdin => " FROM STDIN",
        })?;
        self.options.fmt(f)
    }
}

impl fmt::Display for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        match self.format {
            CopyFormat::Text => {}
            CopyFormat::Csv => items.push("FORMAT csv".to_owned()),
            CopyFormat::Binary => items.push("FORMAT binary".to_owned()),
        }
        let mut text = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                items.push(format!("{name} '{}'", value.replace('\'', "''")));
            }
        };
        text("DELIMITER", &self.delimiter);
        text("NULL", &self.null);
        text("QUOTE", &self.quote);
        text("ESCAPE", &self.escape);
        match self.header {
            CopyHeader::None => {}
            CopyHeader::Present => items.push("HEADER".to_owned()),
            CopyHeader::Match => items.push("HEADER match".to_owned()),
        }
        let mut columns = |name: &str, columns: &CopyColumns| match columns {
            CopyColumns::None => {}
            CopyColumns::All => items.push(format!("{name} *")),
            CopyColumns::These(these) => {
                let these: Vec<String> = these.iter().map(ToString::to_string).collect();
                items.push(format!("{name} ({})", these.join(", ")));
            }
        };
        columns("FORCE_QUOTE", &self.force_quote);
        columns("FORCE_NOT_NULL", &self.force_not_null);
        columns("FORCE_NULL", &self.force_null);
        if items.is_empty() {
            return Ok(());
        }
        f.write_str(" WITH ")?;
        inline(f, &items)
    }
}

/// Reads a whole COPY.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    reader.skip(1);
    let mut options = CopyOptions::default();
    if reader.word_is(0, "BINARY") && !reader.word_is(1, "TO") && !reader.word_is(1, "FROM") {
        reader.skip(1);
        options.format = CopyFormat::Binary;
    }
    let what = if reader.take_token(&Token::LParen) {
        let what = match reader.at(&["SUBSCRIBE"]) {
            true => CopyWhat::Subscribe(Box::new(subscribe::inner(reader)?)),
            false => CopyWhat::Query(reader.query()?),
        };
        reader.expect_token(&Token::RParen, SHAPE)?;
        what
    } else {
        let name = reader.name(SHAPE)?;
        CopyWhat::Table {
            name,
            columns: match reader.at_token(&Token::LParen) {
                true => columns(reader)?,
                false => Vec::new(),
            },
        }
    };
    let way = reader.span();
    let direction = if reader.take(&["TO"]) {
        end(reader, "STDOUT")?;
        CopyDirection::ToStdout
    } else {
        reader.expect(&["FROM"], SHAPE)?;
        end(reader, "STDIN")?;
        CopyDirection::FromStdin
    };
    if direction == CopyDirection::FromStdin && !matches!(what, CopyWhat::Table { .. }) {
        return Err(ParseError::invalid("COPY FROM needs a table", way)
            .offending("FROM")
            .hint(SHAPE));
    }
    let with = reader.take(&["WITH"]);
    if reader.take_token(&Token::LParen) {
        new_options(reader, &mut options)?;
    } else if with || !reader.at_end() {
        old_options(reader, &mut options)?;
    }
    if reader.at(&["WHERE"]) {
        return Err(
            ParseError::unsupported("WHERE is not supported in COPY FROM", reader.span())
                .offending("WHERE")
                .hint("copy all rows, and DELETE those that are not wanted"),
        );
    }
    reader.finish(OPTIONS)?;
    check(&options, direction, way)?;
    Ok(Statement::Copy(Copy {
        what,
        direction,
        options,
    }))
}

fn end(reader: &mut Reader<'_>, word: &str) -> Result<(), ParseError> {
    if reader.take(&[word]) || reader.take(&["STDIN"]) || reader.take(&["STDOUT"]) {
        return Ok(());
    }
    let file = matches!(
        reader.peek(0).token,
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
    );
    if file || reader.at(&["PROGRAM"]) {
        return Err(ParseError::unsupported(
            "COPY to or from a file or program of the server is not supported",
            reader.span(),
        )
        .offending(reader.peek(0).token.to_string())
        .hint(format!(
            "write {word}; psql's \\copy, and COPY of every driver, bring rows from and to the client's files"
        )));
    }
    Err(reader.unexpected(SHAPE))
}

fn columns(reader: &mut Reader<'_>) -> Result<Vec<Ident>, ParseError> {
    reader.expect_token(&Token::LParen, SHAPE)?;
    let mut columns = vec![reader.ident(SHAPE)?];
    while reader.take_token(&Token::Comma) {
        columns.push(reader.ident(SHAPE)?);
    }
    reader.expect_token(&Token::RParen, SHAPE)?;
    Ok(columns)
}

/// `(FORMAT csv, HEADER true, …)`; the parenthesis has been read.
fn new_options(reader: &mut Reader<'_>, options: &mut CopyOptions) -> Result<(), ParseError> {
    loop {
        let at = reader.span();
        let Some(name) = reader.word(0).map(str::to_ascii_uppercase) else {
            return Err(reader.unexpected(OPTIONS));
        };
        reader.skip(1);
        match name.as_str() {
            "FORMAT" => format(reader, options)?,
            "DELIMITER" => options.delimiter = Some(reader.string("write DELIMITER ','")?),
            "NULL" => options.null = Some(reader.string("write NULL 'text'")?),
            "QUOTE" => options.quote = Some(reader.string("write QUOTE '\"'")?),
            "ESCAPE" => options.escape = Some(reader.string("write ESCAPE '\\'")?),
            "HEADER" => header(reader, options)?,
            "FORCE_QUOTE" => options.force_quote = forced(reader)?,
            "FORCE_NOT_NULL" => options.force_not_null = forced(reader)?,
            "FORCE_NULL" => options.force_null = forced(reader)?,
            "ENCODING" => encoding(reader)?,
            // Rows are there for everybody at once, or not at all.
            "FREEZE" => drop(flag(reader)?),
            _ => {
                return Err(ParseError::invalid(
                    format!("option \"{}\" not recognized", name.to_lowercase()),
                    at,
                )
                .offending(name)
                .hint(OPTIONS));
            }
        }
        if reader.take_token(&Token::Comma) {
            continue;
        }
        return reader.expect_token(&Token::RParen, "separate options with a comma");
    }
}

/// `CSV HEADER DELIMITER AS ';' …`, as before PostgreSQL 9.0.
fn old_options(reader: &mut Reader<'_>, options: &mut CopyOptions) -> Result<(), ParseError> {
    while !reader.at_end() && !reader.at(&["WHERE"]) {
        if reader.take(&["BINARY"]) {
            options.format = CopyFormat::Binary;
        } else if reader.take(&["CSV"]) {
            options.format = CopyFormat::Csv;
        } else if reader.take(&["HEADER"]) {
            options.header = CopyHeader::Present;
        } else if reader.take(&["FREEZE"]) {
            // As above.
        } else if reader.take(&["DELIMITER"]) || reader.take(&["DELIMITERS"]) {
            reader.take(&["AS"]);
            options.delimiter = Some(reader.string("write DELIMITER ','")?);
        } else if reader.take(&["NULL"]) {
            reader.take(&["AS"]);
            options.null = Some(reader.string("write NULL 'text'")?);
        } else if reader.take(&["QUOTE"]) {
            reader.take(&["AS"]);
            options.quote = Some(reader.string("write QUOTE '\"'")?);
        } else if reader.take(&["ESCAPE"]) {
            reader.take(&["AS"]);
            options.escape = Some(reader.string("write ESCAPE '\\'")?);
        } else if reader.take(&["ENCODING"]) {
            encoding(reader)?;
        } else if reader.take(&["FORCE", "QUOTE"]) {
            options.force_quote = bare(reader)?;
        } else if reader.take(&["FORCE", "NOT", "NULL"]) {
            options.force_not_null = bare(reader)?;
        } else if reader.take(&["FORCE", "NULL"]) {
            options.force_null = bare(reader)?;
        } else {
            return Err(reader.unexpected(OPTIONS));
        }
    }
    Ok(())
}

/// A word or a text, whatever quotes it stands in.
fn word_or_text(reader: &mut Reader<'_>, hint: &str) -> Result<String, ParseError> {
    if let Token::Word(word) = &reader.peek(0).token {
        let word = word.value.clone();
        reader.skip(1);
        return Ok(word);
    }
    reader.string(hint)
}

fn format(reader: &mut Reader<'_>, options: &mut CopyOptions) -> Result<(), ParseError> {
    const HINT: &str = "formats are text, csv and binary";
    let at = reader.span();
    let name = word_or_text(reader, HINT)?;
    options.format = match name.to_ascii_lowercase().as_str() {
        "text" => CopyFormat::Text,
        "csv" => CopyFormat::Csv,
        "binary" => CopyFormat::Binary,
        _ => {
            return Err(
                ParseError::invalid(format!("COPY format \"{name}\" not recognized"), at)
                    .offending(name)
                    .hint(HINT),
            );
        }
    };
    Ok(())
}

fn header(reader: &mut Reader<'_>, options: &mut CopyOptions) -> Result<(), ParseError> {
    if reader.take(&["MATCH"]) {
        options.header = CopyHeader::Match;
        return Ok(());
    }
    options.header = match flag(reader)? {
        true => CopyHeader::Present,
        false => CopyHeader::None,
    };
    Ok(())
}

/// A boolean; nothing at all means yes.
fn flag(reader: &mut Reader<'_>) -> Result<bool, ParseError> {
    const HINT: &str = "write true or false";
    if reader.at_token(&Token::Comma) || reader.at_token(&Token::RParen) {
        return Ok(true);
    }
    let at = reader.span();
    let text = match &reader.peek(0).token {
        Token::Number(digits, _) => {
            let digits = digits.clone();
            reader.skip(1);
            digits
        }
        _ => word_or_text(reader, HINT)?,
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(ParseError::invalid("a Boolean value is required", at)
            .offending(text)
            .hint(HINT)),
    }
}

fn forced(reader: &mut Reader<'_>) -> Result<CopyColumns, ParseError> {
    if reader.take_token(&Token::Mul) {
        return Ok(CopyColumns::All);
    }
    columns(reader).map(CopyColumns::These)
}

fn bare(reader: &mut Reader<'_>) -> Result<CopyColumns, ParseError> {
    if reader.take_token(&Token::Mul) {
        return Ok(CopyColumns::All);
    }
    let mut columns = vec![reader.ident(OPTIONS)?];
    while reader.take_token(&Token::Comma) {
        columns.push(reader.ident(OPTIONS)?);
    }
    Ok(CopyColumns::These(columns))
}

fn encoding(reader: &mut Reader<'_>) -> Result<(), ParseError> {
    const HINT: &str = "send UTF8";
    let at = reader.span();
    let name = word_or_text(reader, HINT)?;
    match name.to_ascii_lowercase().replace('-', "").as_str() {
        "utf8" | "unicode" | "sql_ascii" => Ok(()),
        _ => Err(
            ParseError::unsupported(format!("encoding {name} is not supported"), at)
                .offending(name)
                .hint(HINT),
        ),
    }
}

/// What PostgreSQL refuses of the options together.
fn check(options: &CopyOptions, direction: CopyDirection, at: Span) -> Result<(), ParseError> {
    let refused = |message: String| Err(ParseError::invalid(message, at).hint(OPTIONS));
    let csv = options.format == CopyFormat::Csv;
    if options.format == CopyFormat::Binary {
        for (name, given) in [
            ("DELIMITER", options.delimiter.is_some()),
            ("NULL", options.null.is_some()),
            ("HEADER", options.header != CopyHeader::None),
        ] {
            if given {
                return refused(format!("cannot specify {name} in BINARY mode"));
            }
        }
    }
    for (name, given) in [
        ("QUOTE", options.quote.is_some()),
        ("ESCAPE", options.escape.is_some()),
        ("FORCE_QUOTE", options.force_quote != CopyColumns::None),
        (
            "FORCE_NOT_NULL",
            options.force_not_null != CopyColumns::None,
        ),
        ("FORCE_NULL", options.force_null != CopyColumns::None),
    ] {
        if given && !csv {
            return refused(format!("COPY {name} requires CSV mode"));
        }
    }
    for (name, text) in [
        ("delimiter", &options.delimiter),
        ("quote", &options.quote),
        ("escape", &options.escape),
    ] {
        if text.as_ref().is_some_and(|text| text.len() != 1) {
            return refused(format!("COPY {name} must be a single one-byte character"));
        }
    }
    if matches!(options.delimiter.as_deref(), Some("\n" | "\r" | "\\"))
        || (csv && options.delimiter.is_some() && options.delimiter == options.quote)
    {
        return refused("COPY delimiter cannot be that character".into());
    }
    let breaks = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| text.contains(['\n', '\r']))
    };
    if breaks(&options.null) {
        return refused("COPY null representation cannot use newline or carriage return".into());
    }
    if direction == CopyDirection::ToStdout && options.header == CopyHeader::Match {
        return refused("cannot use \"match\" with HEADER in COPY TO".into());
    }
    Ok(())
}
