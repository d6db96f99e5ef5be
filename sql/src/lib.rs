//! Text to statements: Sluice's SQL dialect over `sqlparser`.

/// The parser's syntax tree, so that nobody else needs to name the parser's version.
pub use sqlparser::ast;

/// One statement of ours or of SQL.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Everything that is not ours.
    Sql(Box<ast::Statement>),
}

/// A statement and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Its own text.
    pub text: String,
    /// Byte offset in the whole text.
    pub offset: usize,
}

/// All statements of a text.
pub fn parse(text: &str) -> Result<Vec<Parsed>, String> {
    let statements =
        sqlparser::parser::Parser::parse_sql(&sqlparser::dialect::PostgreSqlDialect {}, text)
            .map_err(|e| e.to_string())?;
    Ok(statements
        .into_iter()
        .map(|statement| Parsed {
            text: statement.to_string(),
            statement: Statement::Sql(Box::new(statement)),
            offset: 0,
        })
        .collect())
}
