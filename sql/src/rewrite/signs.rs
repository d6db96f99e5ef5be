//! Operators that stand before others: `- - 1` is `-(-1)` in the tree.
//!
//! The parser prints an operator and its operand without a blank, so two of them would be read as another one, or as the start of a comment.

use std::fmt::{self, Write};

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// Puts parentheses around an operand that begins with an operator itself.
pub(super) fn apart(expr: &mut Expr) {
    let Expr::UnaryOp { op, expr: operand } = expr else {
        return;
    };
    let alone = matches!(op, UnaryOperator::Not | UnaryOperator::PGPostfixFactorial);
    if alone || !begins_with_operator(operand) {
        return;
    }
    let whole = std::mem::replace(operand.as_mut(), Expr::Value(Value::Null.into()));
    **operand = match whole {
        // A sign binds closer than a power: `- -2 ^ 2` is `-(-2) ^ 2`, not `-(-2 ^ 2)`.
        Expr::UnaryOp {
            op: sign,
            expr: powers,
        } if is_sign(*op) && is_sign(sign) && is_power(&powers) => with_sign(*powers, sign),
        other => Expr::Nested(Box::new(other)),
    };
}

fn is_sign(op: UnaryOperator) -> bool {
    matches!(op, UnaryOperator::Minus | UnaryOperator::Plus)
}

fn is_power(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::BinaryOp {
            op: BinaryOperator::PGExp,
            ..
        }
    )
}

/// A power of powers whose first base has this sign.
fn with_sign(powers: Expr, sign: UnaryOperator) -> Expr {
    match powers {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::PGExp,
            right,
        } => Expr::BinaryOp {
            left: Box::new(with_sign(*left, sign)),
            op: BinaryOperator::PGExp,
            right,
        },
        base => Expr::Nested(Box::new(Expr::UnaryOp {
            op: sign,
            expr: Box::new(base),
        })),
    }
}

/// Whether the text of an expression begins with a letter of an operator.
fn begins_with_operator(expr: &Expr) -> bool {
    let mut first = First(None);
    // It ends with an error at the second piece of the text, which is not looked at.
    let _ = write!(first, "{expr}");
    first
        .0
        .is_some_and(|letter| "+-*/<>=~!@#%^&|`?".contains(letter))
}

/// The first letter of what is written to it; nothing is written after that.
struct First(Option<char>);

impl Write for First {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = text.chars().next();
        match self.0 {
            Some(_) => Err(fmt::Error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::parse;

    #[test]
    fn an_operator_stands_apart_from_the_next() {
        for (text, same) in [
            ("- - 1", "-(-1)"),
            ("- - - 1", "-(-(-1))"),
            ("- (-1)", "-(-1)"),
            ("- + 1", "-(+1)"),
            ("-1", "-1"),
            ("- (1)", "-(1)"),
            ("1 - -1", "1 - -1"),
            ("1 - - -1", "1 - -(-1)"),
            ("1 << - -1", "1 << -(-1)"),
            ("@ -5", "@(-5)"),
            ("@ -5 * 2", "@(-5 * 2)"),
            ("||/ -8", "||/(-8)"),
            ("- |/ 4", "-(|/4)"),
            ("~ ~5", "~(~5)"),
            ("~ -a::INT", "~(-a::INT)"),
            ("NOT -a > 1", "NOT -a > 1"),
            ("-2 ^ 2", "-2 ^ 2"),
            ("- -2 ^ 2 ^ 3", "-(-2) ^ 2 ^ 3"),
            ("- - -2 ^ 2", "-(-(-2)) ^ 2"),
            ("~ -2 ^ 2", "~(-2 ^ 2)"),
        ] {
            let of = |text: &str| parse(text).unwrap().remove(0).statement;
            let read = of(&format!("SELECT {text}"));
            let printed = read.to_string();
            let flat: Vec<&str> = printed.split_whitespace().collect();
            assert_eq!(flat.join(" "), format!("SELECT {same}"), "{text}");
            assert_eq!(of(&printed), read, "{text}");
        }
    }
}
