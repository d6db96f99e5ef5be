//! `GRANT` and `REVOKE`: of privileges on objects, and of roles to roles.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::tokenizer::Token;

use super::{Statement, role};
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write GRANT SELECT ON TABLE name TO role, GRANT USAGE ON SCHEMA name TO role, or GRANT role TO role; REVOKE … FROM role";

/// What may be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the SQL word it prints as")]
pub enum Privilege {
    Insert,
    Select,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Execute,
    Usage,
    Create,
    Temporary,
    Connect,
}

impl Privilege {
    /// All of them, in PostgreSQL's order.
    pub const ALL: [Self; 12] = [
        Self::Insert,
        Self::Select,
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::References,
        Self::Trigger,
        Self::Execute,
        Self::Usage,
        Self::Create,
        Self::Temporary,
        Self::Connect,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Select => "SELECT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Execute => "EXECUTE",
            Self::Usage => "USAGE",
            Self::Create => "CREATE",
            Self::Temporary => "TEMPORARY",
            Self::Connect => "CONNECT",
        }
    }

    /// The privilege of this word, in any case.
    pub fn of_word(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("TEMP") {
            return Some(Self::Temporary);
        }
        Self::ALL
            .into_iter()
            .find(|privilege| privilege.word().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What privileges are given on.
#[derive(Clone, Debug, PartialEq)]
pub enum GrantOn {
    /// Tables, streams and views by name.
    Relations(Vec<ObjectName>),
    /// ALL TABLES IN SCHEMA a, b: what is in them now.
    AllIn(Vec<ObjectName>),
    /// SCHEMA a, b.
    Schemas(Vec<ObjectName>),
    /// SECRET a, b.
    Secrets(Vec<Ident>),
    /// DATABASE name.
    Database(Ident),
    /// FUNCTION a, b; arguments are passed over.
    Functions(Vec<ObjectName>),
    /// ALL FUNCTIONS IN SCHEMA a, b.
    AllFunctionsIn(Vec<ObjectName>),
}

/// Who gets or loses them.
#[derive(Clone, Debug, PartialEq)]
pub enum Grantee {
    /// Everybody.
    Public,
    /// CURRENT_USER.
    Current,
    /// A role.
    Role(Ident),
}

/// GRANT or REVOKE of privileges.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Whether it takes away.
    pub revoke: bool,
    /// Which; `None` is ALL.
    pub privileges: Option<Vec<Privilege>>,
    /// On what.
    pub on: GrantOn,
    /// To or from whom.
    pub grantees: Vec<Grantee>,
    /// WITH GRANT OPTION, or GRANT OPTION FOR.
    pub option: bool,
}

/// GRANT or REVOKE of roles.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantRole {
    /// Whether it takes away.
    pub revoke: bool,
    /// Which.
    pub roles: Vec<Ident>,
    /// To or from whom.
    pub members: Vec<Grantee>,
    /// WITH ADMIN OPTION, or ADMIN OPTION FOR.
    pub admin: bool,
}

impl fmt::Display for GrantOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relations(names) => write!(f, "TABLE {}", list(names)),
            Self::AllIn(names) => write!(f, "ALL TABLES IN SCHEMA {}", list(names)),
            Self::Schemas(names) => write!(f, "SCHEMA {}", list(names)),
            Self::Secrets(names) => write!(f, "SECRET {}", list(names)),
            Self::Database(name) => write!(f, "DATABASE {name}"),
            Self::Functions(names) => write!(f, "FUNCTION {}", list(names)),
            Self::AllFunctionsIn(names) => {
                write!(f, "ALL FUNCTIONS IN SCHEMA {}", list(names))
            }
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("PUBLIC"),
            Self::Current => f.write_str("CURRENT_USER"),
            Self::Role(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let privileges = match &self.privileges {
            Some(some) => list(some),
            None => "ALL".to_owned(),
        };
        let (on, grantees) = (&self.on, list(&self.grantees));
        match (self.revoke, self.option) {
            (false, false) => write!(f, "GRANT {privileges} ON {on} TO {grantees}"),
            (false, true) => {
                write!(
                    f,
                    "GRANT {privileges} ON {on} TO {grantees} WITH GRANT OPTION"
                )
            }
            (true, false) => write!(f, "REVOKE {privileges} ON {on} FROM {grantees}"),
            (true, true) => write!(
                f,
                "REVOKE GRANT OPTION FOR {privileges} ON {on} FROM {grantees}"
            ),
        }
    }
}

impl fmt::Display for GrantRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (roles, members) = (list(&self.roles), list(&self.members));
        match (self.revoke, self.admin) {
            (false, false) => write!(f, "GRANT {roles} TO {members}"),
            (false, true) => write!(f, "GRANT {roles} TO {members} WITH ADMIN OPTION"),
            (true, false) => write!(f, "REVOKE {roles} FROM {members}"),
            (true, true) => write!(f, "REVOKE ADMIN OPTION FOR {roles} FROM {members}"),
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

/// Reads a whole GRANT or REVOKE.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    let revoke = reader.word_is(0, "REVOKE");
    reader.skip(1);
    let mut option = revoke && reader.take(&["GRANT", "OPTION", "FOR"]);
    let mut admin = revoke && reader.take(&["ADMIN", "OPTION", "FOR"]);
    if admin || is_of_roles(reader) {
        let roles = role::names(reader, SHAPE)?;
        let members = grantees(reader, revoke)?;
        if !revoke {
            admin = reader.take(&["WITH", "ADMIN", "OPTION"])
                || reader.take(&["WITH", "ADMIN", "TRUE"]);
        }
        tail(reader)?;
        return Ok(Statement::GrantRole(GrantRole {
            revoke,
            roles,
            members,
            admin,
        }));
    }
    let privileges = privileges(reader)?;
    reader.expect(&["ON"], SHAPE)?;
    let on = on(reader)?;
    let grantees = grantees(reader, revoke)?;
    if !revoke {
        option = reader.take(&["WITH", "GRANT", "OPTION"]);
    }
    tail(reader)?;
    Ok(Statement::Grant(Grant {
        revoke,
        privileges,
        on,
        grantees,
        option,
    }))
}

/// Whether TO or FROM comes before ON: then roles are given, not privileges.
fn is_of_roles(reader: &Reader<'_>) -> bool {
    for ahead in 0.. {
        if reader.word_is(ahead, "ON") || reader.peek(ahead).token == Token::EOF {
            return false;
        }
        if reader.word_is(ahead, "TO") || reader.word_is(ahead, "FROM") {
            return true;
        }
    }
    false
}

fn privileges(reader: &mut Reader<'_>) -> Result<Option<Vec<Privilege>>, ParseError> {
    if reader.take(&["ALL"]) {
        reader.take(&["PRIVILEGES"]);
        return Ok(None);
    }
    let mut all = Vec::new();
    loop {
        let Some(privilege) = reader.word(0).and_then(Privilege::of_word) else {
            let at = reader.span();
            let found = reader.word(0).map(str::to_lowercase);
            return Err(match found {
                Some(word) => ParseError::invalid(
                    format!("unrecognized privilege type \"{word}\""),
                    at,
                )
                .offending(word)
                .hint("there are SELECT, INSERT, UPDATE, DELETE, TRUNCATE, USAGE, CREATE, EXECUTE and ALL"),
                None => reader.unexpected(SHAPE),
            });
        };
        reader.skip(1);
        if reader.at_token(&Token::LParen) {
            return Err(ParseError::unsupported(
                "privileges on columns are not supported",
                reader.span(),
            )
            .hint("give them on a view of those columns"));
        }
        if !all.contains(&privilege) {
            all.push(privilege);
        }
        if !reader.take_token(&Token::Comma) {
            return Ok(Some(all));
        }
    }
}

fn on(reader: &mut Reader<'_>) -> Result<GrantOn, ParseError> {
    for words in [
        &["ALL", "TABLES", "IN", "SCHEMA"][..],
        &["ALL", "STREAMS", "IN", "SCHEMA"],
        &["ALL", "VIEWS", "IN", "SCHEMA"],
    ] {
        if reader.take(words) {
            return relations(reader).map(GrantOn::AllIn);
        }
    }
    for word in ["FUNCTIONS", "ROUTINES", "PROCEDURES"] {
        if reader.take(&["ALL", word, "IN", "SCHEMA"]) {
            return relations(reader).map(GrantOn::AllFunctionsIn);
        }
    }
    if reader.take(&["SCHEMA"]) {
        return relations(reader).map(GrantOn::Schemas);
    }
    if reader.take(&["SECRET"]) {
        let mut names = vec![reader.ident(SHAPE)?];
        while reader.take_token(&Token::Comma) {
            names.push(reader.ident(SHAPE)?);
        }
        return Ok(GrantOn::Secrets(names));
    }
    if reader.take(&["DATABASE"]) {
        return reader.ident(SHAPE).map(GrantOn::Database);
    }
    for word in ["FUNCTION", "ROUTINE", "PROCEDURE"] {
        if reader.take(&[word]) {
            return functions(reader).map(GrantOn::Functions);
        }
    }
    for word in [
        "SEQUENCE",
        "LANGUAGE",
        "TYPE",
        "DOMAIN",
        "TABLESPACE",
        "FOREIGN",
        "LARGE",
    ] {
        if reader.at(&[word]) {
            return Err(ParseError::unsupported(
                format!("there is no {} to give privileges on", word.to_lowercase()),
                reader.span(),
            )
            .hint(SHAPE));
        }
    }
    for word in ["TABLE", "STREAM", "VIEW", "SOURCE"] {
        if reader.take(&[word]) {
            break;
        }
    }
    if reader.at(&["TABLE"]) {
        return Err(reader.unexpected(SHAPE));
    }
    relations(reader).map(GrantOn::Relations)
}

fn relations(reader: &mut Reader<'_>) -> Result<Vec<ObjectName>, ParseError> {
    let mut names = vec![reader.name(SHAPE)?];
    while reader.take_token(&Token::Comma) {
        names.push(reader.name(SHAPE)?);
    }
    Ok(names)
}

/// `f, g(int, numeric(8, 2))`.
fn functions(reader: &mut Reader<'_>) -> Result<Vec<ObjectName>, ParseError> {
    let mut names = Vec::new();
    loop {
        names.push(reader.name(SHAPE)?);
        let mut open = 0_usize;
        loop {
            match &reader.peek(0).token {
                Token::LParen => open += 1,
                Token::RParen if open > 0 => open -= 1,
                Token::EOF if open > 0 => return Err(reader.unexpected(SHAPE)),
                _ if open == 0 => break,
                _ => {}
            }
            reader.skip(1);
        }
        if !reader.take_token(&Token::Comma) {
            return Ok(names);
        }
    }
}

fn grantees(reader: &mut Reader<'_>, revoke: bool) -> Result<Vec<Grantee>, ParseError> {
    reader.expect(&[if revoke { "FROM" } else { "TO" }], SHAPE)?;
    let mut all = Vec::new();
    loop {
        reader.take(&["GROUP"]);
        all.push(if reader.take(&["PUBLIC"]) {
            Grantee::Public
        } else if reader.take(&["CURRENT_USER"]) || reader.take(&["CURRENT_ROLE"]) {
            Grantee::Current
        } else {
            Grantee::Role(role::role_name(reader, SHAPE)?)
        });
        if !reader.take_token(&Token::Comma) {
            return Ok(all);
        }
    }
}

/// What may stand at the end and changes nothing here.
fn tail(reader: &mut Reader<'_>) -> Result<(), ParseError> {
    if reader.take(&["GRANTED", "BY"]) {
        reader.skip(1);
    }
    let _ = reader.take(&["CASCADE"]) || reader.take(&["RESTRICT"]);
    reader.finish(SHAPE)
}
