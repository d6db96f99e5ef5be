//! `CREATE ROLE | USER`, `ALTER ROLE | USER`, `DROP ROLE | USER`, `SET ROLE`, `SET SESSION AUTHORIZATION`.
//!
//! A password stands in these statements. It is in the tree, for whoever makes a verifier of it, and in nothing that is printed.

use std::fmt;

use sqlparser::ast::{self, Ident, ObjectName, Reset, ResetStatement};
use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;
use crate::statement::REDACTED;

const CREATE: &str = "write CREATE ROLE name [LOGIN | NOLOGIN] [SUPERUSER] [CREATEROLE] [PASSWORD '…'] [VALID UNTIL '…'] [CONNECTION LIMIT n] [IN ROLE a, b]";
const ALTER: &str = "write ALTER ROLE name [LOGIN | NOLOGIN] [SUPERUSER] [CREATEROLE] [PASSWORD '…' | PASSWORD NULL] [VALID UNTIL '…'] [CONNECTION LIMIT n]";
const DROP: &str = "write DROP ROLE [IF EXISTS] a, b";
const SET: &str = "write SET ROLE name, or SET ROLE NONE";
const SET_AUTHORIZATION: &str = "write SET SESSION AUTHORIZATION name, or DEFAULT";

/// A text that is in no output: not in `Debug`, not in `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// What a statement says of a role; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleOptions {
    /// LOGIN or NOLOGIN.
    pub login: Option<bool>,
    /// SUPERUSER or NOSUPERUSER.
    pub superuser: Option<bool>,
    /// CREATEROLE or NOCREATEROLE.
    pub create_role: Option<bool>,
    /// INHERIT or NOINHERIT.
    pub inherit: Option<bool>,
    /// PASSWORD '…', or its verifier; `Some(None)` is PASSWORD NULL.
    pub password: Option<Option<Hidden>>,
    /// VALID UNTIL '…'.
    pub valid_until: Option<String>,
    /// CONNECTION LIMIT n; -1 is none.
    pub connection_limit: Option<i64>,
    /// IN ROLE a, b: what it becomes a member of.
    pub in_roles: Vec<Ident>,
    /// ROLE a, b: what becomes a member of it.
    pub members: Vec<Ident>,
    /// ADMIN a, b: the same, and may make others members.
    pub admins: Vec<Ident>,
}

/// CREATE ROLE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRole {
    /// Whether it said USER, which may log in unless told otherwise.
    pub user: bool,
    /// Its name.
    pub name: Ident,
    /// What it may.
    pub options: RoleOptions,
}

/// ALTER ROLE.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterRole {
    /// Its name; `None` is CURRENT_USER.
    pub name: Option<Ident>,
    /// What changes.
    pub options: RoleOptions,
}

/// DROP ROLE.
#[derive(Clone, Debug, PartialEq)]
pub struct DropRole {
    /// IF EXISTS.
    pub if_exists: bool,
    /// Their names.
    pub names: Vec<Ident>,
}

/// Whose rights the session has from now on.
#[derive(Clone, Debug, PartialEq)]
pub enum SetRole {
    /// SET ROLE name; `None` is NONE.
    Role {
        /// Whose.
        name: Option<Ident>,
        /// Until the transaction block ends.
        local: bool,
    },
    /// RESET ROLE.
    ResetRole,
    /// SET SESSION AUTHORIZATION name; `None` is DEFAULT.
    Session {
        /// Whose.
        name: Option<Ident>,
        /// Until the transaction block ends.
        local: bool,
    },
    /// RESET SESSION AUTHORIZATION.
    ResetSession,
}

impl fmt::Display for RoleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.superuser, "SUPERUSER"),
            (self.create_role, "CREATEROLE"),
            (self.inherit, "INHERIT"),
            (self.login, "LOGIN"),
        ];
        for (flag, word) in flags {
            match flag {
                Some(true) => write!(f, " {word}")?,
                Some(false) => write!(f, " NO{word}")?,
                None => {}
            }
        }
        match &self.password {
            Some(Some(_)) => write!(f, " PASSWORD '{REDACTED}'")?,
            Some(None) => write!(f, " PASSWORD NULL")?,
            None => {}
        }
        if let Some(until) = &self.valid_until {
            write!(f, " VALID UNTIL '{}'", until.replace('\'', "''"))?;
        }
        if let Some(limit) = self.connection_limit {
            write!(f, " CONNECTION LIMIT {limit}")?;
        }
        let lists = [
            ("IN ROLE", &self.in_roles),
            ("ROLE", &self.members),
            ("ADMIN", &self.admins),
        ];
        for (words, names) in lists {
            if !names.is_empty() {
                write!(f, " {words} {}", list(names))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for CreateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.user { "USER" } else { "ROLE" };
        write!(f, "CREATE {word} {}{}", self.name, self.options)
    }
}

impl fmt::Display for AlterRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "ALTER ROLE {name}{}", self.options),
            None => write!(f, "ALTER ROLE CURRENT_USER{}", self.options),
        }
    }
}

impl fmt::Display for DropRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP ROLE {if_exists}{}", list(&self.names))
    }
}

impl fmt::Display for SetRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = |local: &bool| if *local { "LOCAL " } else { "" };
        let or = |name: &Option<Ident>, none: &str| match name {
            Some(name) => name.to_string(),
            None => none.to_owned(),
        };
        match self {
            Self::Role { name, local } => {
                write!(f, "SET {}ROLE {}", scope(local), or(name, "NONE"))
            }
            Self::ResetRole => f.write_str("RESET ROLE"),
            Self::Session { name, local } => {
                let name = or(name, "DEFAULT");
                write!(f, "SET {}SESSION AUTHORIZATION {name}", scope(local))
            }
            Self::ResetSession => f.write_str("RESET SESSION AUTHORIZATION"),
        }
    }
}

fn list(names: &[Ident]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Reads what follows CREATE ROLE, USER or GROUP.
pub(super) fn create(reader: &mut Reader<'_>, user: bool) -> Result<CreateRole, ParseError> {
    let name = role_name(reader, CREATE)?;
    reader.take(&["WITH"]);
    let options = options(reader, CREATE)?;
    Ok(CreateRole {
        user,
        name,
        options,
    })
}

/// Reads what follows ALTER ROLE or USER.
pub(super) fn alter(reader: &mut Reader<'_>) -> Result<AlterRole, ParseError> {
    let name = if reader.take(&["CURRENT_USER"]) || reader.take(&["CURRENT_ROLE"]) {
        None
    } else {
        Some(role_name(reader, ALTER)?)
    };
    for words in [&["SET"][..], &["RESET"], &["IN", "DATABASE"], &["RENAME"]] {
        if reader.at(words) {
            return Err(ParseError::unsupported(
                format!("ALTER ROLE … {} is not supported", words.join(" ")),
                reader.span(),
            )
            .hint(ALTER));
        }
    }
    reader.take(&["WITH"]);
    if reader.at_end() {
        return Err(reader.unexpected(ALTER));
    }
    let options = options(reader, ALTER)?;
    Ok(AlterRole { name, options })
}

/// Reads what follows DROP ROLE, USER or GROUP.
pub(super) fn drop(reader: &mut Reader<'_>) -> Result<DropRole, ParseError> {
    let if_exists = reader.take(&["IF", "EXISTS"]);
    let names = names(reader, DROP)?;
    reader.finish(DROP)?;
    Ok(DropRole { if_exists, names })
}

/// Reads a whole SET ROLE, RESET ROLE and their like, or nothing where it sets something else.
pub(super) fn set(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    let scopes: [(&[&str], bool); 3] = [
        (&["SET"], false),
        (&["SET", "SESSION"], false),
        (&["SET", "LOCAL"], true),
    ];
    let done = |set| Ok(Some(Statement::SetRole(set)));
    if reader.take(&["RESET", "ROLE"]) {
        reader.finish("write RESET ROLE")?;
        return done(SetRole::ResetRole);
    }
    if reader.take(&["RESET", "SESSION", "AUTHORIZATION"]) {
        reader.finish("write RESET SESSION AUTHORIZATION")?;
        return done(SetRole::ResetSession);
    }
    if reader.take(&["RESET", "TIME", "ZONE"]) {
        reader.finish("write RESET TIME ZONE")?;
        let zone = ObjectName::from(vec![Ident::new("TimeZone")]);
        let reset = Reset::ConfigurationParameter(zone);
        let reset = ast::Statement::Reset(ResetStatement { reset });
        return Ok(Some(Statement::Sql(Box::new(reset))));
    }
    for (scope, local) in scopes {
        let role = [scope, &["ROLE"]].concat();
        // `SET role = …` and `SET role TO …` set the parameter, which is the same.
        if reader.take(&role) {
            let _ = reader.take(&["TO"]) || reader.take_token(&Token::Eq);
            let name = target(reader, "NONE", SET)?;
            reader.finish(SET)?;
            return done(SetRole::Role { name, local });
        }
        let session = [scope, &["SESSION", "AUTHORIZATION"]].concat();
        if reader.take(&session) {
            let name = target(reader, "DEFAULT", SET_AUTHORIZATION)?;
            reader.finish(SET_AUTHORIZATION)?;
            return done(SetRole::Session { name, local });
        }
    }
    Ok(None)
}

/// A role's name, as a word or as text, or the word that stands for nobody.
fn target(reader: &mut Reader<'_>, none: &str, hint: &str) -> Result<Option<Ident>, ParseError> {
    if reader.take(&[none]) {
        return Ok(None);
    }
    if matches!(reader.peek(0).token, Token::SingleQuotedString(_)) {
        return reader
            .string(hint)
            .map(|text| Some(Ident::with_quote('"', text)));
    }
    role_name(reader, hint).map(Some)
}

/// Words that are no role's name when they are not quoted.
pub(super) fn role_name(reader: &mut Reader<'_>, hint: &str) -> Result<Ident, ParseError> {
    for word in [
        "PUBLIC",
        "NONE",
        "CURRENT_USER",
        "CURRENT_ROLE",
        "SESSION_USER",
    ] {
        if reader.at(&[word]) {
            return Err(ParseError::invalid(
                format!("role name \"{}\" is reserved", word.to_lowercase()),
                reader.span(),
            )
            .offending(word)
            .hint(hint));
        }
    }
    reader.ident(hint)
}

pub(super) fn names(reader: &mut Reader<'_>, hint: &str) -> Result<Vec<Ident>, ParseError> {
    let mut names = vec![role_name(reader, hint)?];
    while reader.take_token(&Token::Comma) {
        names.push(role_name(reader, hint)?);
    }
    Ok(names)
}

fn options(reader: &mut Reader<'_>, hint: &str) -> Result<RoleOptions, ParseError> {
    let mut options = RoleOptions::default();
    while !reader.at_end() {
        if !option(reader, &mut options, hint)? {
            return Err(unexpected(reader, hint));
        }
    }
    Ok(options)
}

/// A text here may be a password that stands in the wrong place: it is not repeated.
fn unexpected(reader: &Reader<'_>, hint: &str) -> ParseError {
    match reader.peek(0).token {
        Token::Word(_) | Token::EOF => reader.unexpected(hint),
        _ => ParseError::invalid("syntax error in the options of a role", reader.span()).hint(hint),
    }
}

fn option(
    reader: &mut Reader<'_>,
    options: &mut RoleOptions,
    hint: &str,
) -> Result<bool, ParseError> {
    let at = reader.span();
    let flags: [(&str, &mut Option<bool>); 4] = [
        ("SUPERUSER", &mut options.superuser),
        ("CREATEROLE", &mut options.create_role),
        ("INHERIT", &mut options.inherit),
        ("LOGIN", &mut options.login),
    ];
    for (word, flag) in flags {
        for (word, value) in [(word.to_owned(), true), (format!("NO{word}"), false)] {
            if reader.take(&[&word]) {
                return once(flag, value, at, hint);
            }
        }
    }
    for word in ["CREATEDB", "REPLICATION", "BYPASSRLS"] {
        if reader.take(&[&format!("NO{word}")]) {
            return Ok(true);
        }
        if reader.at(&[word]) {
            return Err(
                ParseError::unsupported(format!("{word} is not supported"), at).hint(
                    "there is one database, no replication and no row security to be free of",
                ),
            );
        }
    }
    let encrypted = reader.take(&["ENCRYPTED"]);
    if reader.take(&["PASSWORD"]) {
        let password = if reader.take(&["NULL"]) {
            None
        } else {
            let text = reader.string(hint).map_err(|_| {
                ParseError::invalid(
                    "the password must be a text in single quotes",
                    reader.span(),
                )
                .hint(hint)
            })?;
            Some(Hidden(text))
        };
        return once(&mut options.password, password, at, hint);
    }
    if encrypted {
        return Err(unexpected(reader, hint));
    }
    if reader.take(&["VALID", "UNTIL"]) {
        let until = reader.string(hint)?;
        return once(&mut options.valid_until, until, at, hint);
    }
    if reader.take(&["CONNECTION", "LIMIT"]) {
        let minus = reader.take_token(&Token::Minus);
        let number = match &reader.peek(0).token {
            Token::Number(digits, _) => digits.parse::<i64>().ok(),
            _ => None,
        };
        let Some(number) = number else {
            return Err(unexpected(reader, hint));
        };
        reader.skip(1);
        let number = if minus { -number } else { number };
        return once(&mut options.connection_limit, number, at, hint);
    }
    for words in [&["IN", "ROLE"][..], &["IN", "GROUP"]] {
        if reader.take(words) {
            options.in_roles.extend(names(reader, hint)?);
            return Ok(true);
        }
    }
    if reader.take(&["ROLE"]) || reader.take(&["USER"]) {
        options.members.extend(names(reader, hint)?);
        return Ok(true);
    }
    if reader.take(&["ADMIN"]) {
        options.admins.extend(names(reader, hint)?);
        return Ok(true);
    }
    Ok(false)
}

fn once<T>(
    slot: &mut Option<T>,
    value: T,
    at: sqlparser::tokenizer::Span,
    hint: &str,
) -> Result<bool, ParseError> {
    if slot.is_some() {
        return Err(ParseError::invalid("conflicting or redundant options", at).hint(hint));
    }
    *slot = Some(value);
    Ok(true)
}
