//! The dialect: PostgreSQL's rules, widened by what stream users type.
//!
//! Everything is delegated to `PostgreSqlDialect` except: backquoted identifiers (Spark), time travel on tables, every
//! spelling of INTERVAL, how far `IS DISTINCT FROM` reaches, `TABLE name` and `TIME ZONE 'name'` as arguments of a window table function, and the wildcard forms the
//! engine understands. Each parse gets a dialect of its own, because it also carries that parse's **budget**: the
//! parser underneath backtracks, and on malformed nested input does so exponentially (`cast(cast(cast(…` 40 deep would
//! run for days). Every backtrack comes through [`Dialect::parse_prefix`], so counting there bounds it.

use std::any::TypeId;
use std::cell::Cell;
use std::fmt;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::interval;

/// The dialect of one parse.
pub(crate) struct SluiceDialect {
    postgres: PostgreSqlDialect,
    budget: Cell<usize>,
}

impl SluiceDialect {
    /// A dialect for a text of so many tokens. Honest input needs about one visit for each token and a few for
    /// each backtrack.
    pub(crate) fn new(tokens: usize) -> Self {
        Self {
            postgres: PostgreSqlDialect {},
            budget: Cell::new(tokens.saturating_mul(40).saturating_add(20_000)),
        }
    }

    /// `x BETWEEN SYMMETRIC a AND b` is `x BETWEEN a AND b OR x BETWEEN b AND a`, which is also how PostgreSQL reads it.
    fn between_symmetric(
        &self,
        parser: &mut Parser,
        expr: &Expr,
    ) -> Option<Result<Expr, ParserError>> {
        let negated = is_keyword(parser, 0, Keyword::NOT);
        let at = usize::from(negated);
        let symmetric = |ahead| match &parser.peek_nth_token_ref(ahead).token {
            Token::Word(word) => {
                word.quote_style.is_none() && word.value.eq_ignore_ascii_case("SYMMETRIC")
            }
            _ => false,
        };
        if !is_keyword(parser, at, Keyword::BETWEEN) || !symmetric(at + 1) {
            return None;
        }
        for _ in 0..at + 2 {
            parser.advance_token();
        }
        let within = self.prec_value(Precedence::Between);
        let bounds = parser.parse_subexpr(within).and_then(|low| {
            parser.expect_keyword(Keyword::AND)?;
            Ok((low, parser.parse_subexpr(within)?))
        });
        let between = |low: &Expr, high: &Expr| Expr::Between {
            expr: Box::new(expr.clone()),
            negated: false,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        };
        Some(bounds.map(|(low, high)| {
            let either = Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new(between(&low, &high)),
                op: BinaryOperator::Or,
                right: Box::new(between(&high, &low)),
            }));
            match negated {
                true => Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(either),
                },
                false => either,
            }
        }))
    }

    fn spend(&self) -> Result<(), ParserError> {
        match self.budget.get() {
            0 => Err(ParserError::RecursionLimitExceeded),
            left => {
                self.budget.set(left - 1);
                Ok(())
            }
        }
    }
}

/// Whether this keyword stands so many places ahead.
fn is_keyword(parser: &Parser, ahead: usize, keyword: Keyword) -> bool {
    matches!(&parser.peek_nth_token_ref(ahead).token, Token::Word(word) if word.keyword == keyword)
}

impl fmt::Debug for SluiceDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SluiceDialect")
    }
}

impl Dialect for SluiceDialect {
    /// The parser asks for the type of a dialect where a rule is PostgreSQL's alone.
    fn dialect(&self) -> TypeId {
        self.postgres.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"' || ch == '`'
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        ch != '`' && self.postgres.is_custom_operator_part(ch)
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if let Err(error) = self.spend() {
            return Some(Err(error));
        }
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        match word.keyword {
            Keyword::INTERVAL => interval::parse_prefix(parser),
            Keyword::TABLE => crate::rewrite::window_tvf::parse_table_argument(parser),
            Keyword::TIME => crate::rewrite::time_zone::parse_prefix(parser),
            _ => None,
        }
    }

    /// `a IS DISTINCT FROM b OR c` is `(a IS DISTINCT FROM b) OR c`; the parser underneath would take all that follows for the right side.
    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if let Some(between) = self.between_symmetric(parser, expr) {
            return Some(between);
        }
        let distinct = [Keyword::IS, Keyword::DISTINCT, Keyword::FROM];
        let same = [Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM];
        let negated = if parser.parse_keywords(&distinct) {
            false
        } else if parser.parse_keywords(&same) {
            true
        } else {
            return None;
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        let (left, make) = (Box::new(expr.clone()), |left, right| match negated {
            false => Expr::IsDistinctFrom(left, right),
            true => Expr::IsNotDistinctFrom(left, right),
        });
        Some(right.map(|right| make(left, Box::new(right))))
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn supports_long_type_as_bigint(&self) -> bool {
        true
    }

    /// Needed for `json_object('a' : 1)` alone, and makes the parser try every argument twice.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn supports_values_as_table_factor(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.postgres.identifier_quote_style(identifier)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.postgres.is_identifier_part(ch)
    }

    fn supports_unicode_string_literal(&self) -> bool {
        self.postgres.supports_unicode_string_literal()
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.postgres.is_reserved_for_identifier(keyword)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        self.postgres.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.postgres.prec_value(precedence)
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        self.postgres.supports_filter_during_aggregation()
    }

    fn supports_group_by_expr(&self) -> bool {
        self.postgres.supports_group_by_expr()
    }

    fn allow_extract_custom(&self) -> bool {
        self.postgres.allow_extract_custom()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        self.postgres.allow_extract_single_quotes()
    }

    fn supports_create_index_with_clause(&self) -> bool {
        self.postgres.supports_create_index_with_clause()
    }

    fn supports_explain_with_utility_options(&self) -> bool {
        self.postgres.supports_explain_with_utility_options()
    }

    fn supports_listen_notify(&self) -> bool {
        self.postgres.supports_listen_notify()
    }

    fn supports_factorial_operator(&self) -> bool {
        self.postgres.supports_factorial_operator()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        self.postgres.supports_bitwise_shift_operators()
    }

    fn supports_comment_on(&self) -> bool {
        self.postgres.supports_comment_on()
    }

    fn supports_load_extension(&self) -> bool {
        self.postgres.supports_load_extension()
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        self.postgres.supports_named_fn_args_with_colon_operator()
    }

    fn supports_empty_projections(&self) -> bool {
        self.postgres.supports_empty_projections()
    }

    fn supports_nested_comments(&self) -> bool {
        self.postgres.supports_nested_comments()
    }

    fn supports_string_escape_constant(&self) -> bool {
        self.postgres.supports_string_escape_constant()
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        self.postgres.supports_numeric_literal_underscores()
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        self.postgres.supports_array_typedef_with_brackets()
    }

    fn supports_geometric_types(&self) -> bool {
        self.postgres.supports_geometric_types()
    }

    fn supports_set_names(&self) -> bool {
        self.postgres.supports_set_names()
    }

    fn supports_alter_column_type_using(&self) -> bool {
        self.postgres.supports_alter_column_type_using()
    }

    fn supports_notnull_operator(&self) -> bool {
        self.postgres.supports_notnull_operator()
    }

    fn supports_interval_options(&self) -> bool {
        self.postgres.supports_interval_options()
    }

    fn supports_insert_table_alias(&self) -> bool {
        self.postgres.supports_insert_table_alias()
    }

    fn supports_create_table_like_parenthesized(&self) -> bool {
        self.postgres.supports_create_table_like_parenthesized()
    }

    fn supports_select_wildcard_with_alias(&self) -> bool {
        self.postgres.supports_select_wildcard_with_alias()
    }

    fn supports_comma_separated_trim(&self) -> bool {
        self.postgres.supports_comma_separated_trim()
    }

    fn supports_xml_expressions(&self) -> bool {
        self.postgres.supports_xml_expressions()
    }
}
