//! A call of a window function with a time column, in whichever dialect, read into one form.

use sqlparser::ast::{Expr, Ident, Spanned};
use sqlparser::tokenizer::Span;

use crate::error::ParseError;
use crate::interval;
use crate::rewrite::functions;
use crate::rewrite::idents::{arguments, function_name};
use crate::rewrite::window_tvf::{self, HOP, SESSION, TUMBLE, Tvf};

/// The column that stands for a stream's event time where the query does not name it.
const EVENT_TIME: &str = "rowtime";

/// What an expression asks of a window.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Asked {
    Whole,
    Start,
    End,
}

/// A call of a window function with a time column.
pub(super) struct Window {
    pub(super) tvf: &'static Tvf,
    /// The time column, with its qualifier.
    pub(super) time: Vec<Ident>,
    pub(super) durations: Vec<Expr>,
    pub(super) at: Span,
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.tvf.name == other.tvf.name
            && self.time == other.time
            && self.durations == other.durations
    }
}

/// Whether an expression is `window(…)` or `session_window(…)`.
pub(in crate::rewrite) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function)
        if matches!(function_name(&function.name).as_deref(), Some("window" | "session_window")))
}

/// Reads a call of a grouping window function; `None` where the expression is none.
pub(super) fn read(expr: &Expr) -> Option<Result<(Window, Asked), ParseError>> {
    let Expr::Function(function) = expr else {
        return None;
    };
    if function.over.is_some() {
        return None;
    }
    let name = function_name(&function.name)?;
    let (tvf, asked, spark) = match name.as_str() {
        "window" => (&TUMBLE, Asked::Whole, true),
        "session_window" => (&SESSION, Asked::Whole, true),
        "tumble" => (&TUMBLE, Asked::Whole, false),
        "tumble_start" => (&TUMBLE, Asked::Start, false),
        "tumble_end" => (&TUMBLE, Asked::End, false),
        "hop" => (&HOP, Asked::Whole, false),
        "hop_start" => (&HOP, Asked::Start, false),
        "hop_end" => (&HOP, Asked::End, false),
        "session" => (&SESSION, Asked::Whole, false),
        "session_start" => (&SESSION, Asked::Start, false),
        "session_end" => (&SESSION, Asked::End, false),
        _ => return None,
    };
    let arguments = arguments(function)?;
    let at = function.name.span();
    // Arroyo's tumble(size) names no time: the stream's event time is meant.
    let event_time = Expr::Identifier(Ident::new(EVENT_TIME));
    let lengths = |of: &&Expr| interval::text_of(of).is_some();
    let (time, durations) = match arguments.split_first()? {
        (first, _) if !spark && asked == Asked::Whole && lengths(first) => {
            (&event_time, arguments.as_slice())
        }
        (first, rest) => (*first, rest),
    };
    Some(window(tvf, spark, time, durations, at).map(|window| (window, asked)))
}

fn window(
    tvf: &'static Tvf,
    spark: bool,
    time: &Expr,
    durations: &[&Expr],
    at: Span,
) -> Result<Window, ParseError> {
    const SPARK: &str = "write window(ts, '1 minute') or window(ts, size, slide)";
    let wrong = |what: &str, at: Span| {
        ParseError::invalid(what, at)
            .offending("window")
            .hint(SPARK)
    };
    let Some(time) = functions::column_path(time) else {
        return Err(wrong("the time argument of a window must be a column", time.span())
            .hint("compute it in a subquery: FROM (SELECT *, expression AS ts FROM …) GROUP BY window(ts, '1 minute')"));
    };
    let duration =
        |tvf: &Tvf, name: &str, expr: &Expr| window_tvf::duration(tvf, name, expr.clone(), at);
    let (tvf, durations) = match (tvf.name, spark, durations) {
        ("SESSION", _, [gap]) => (tvf, vec![duration(tvf, "gap", gap)?]),
        ("TUMBLE", _, [size]) => (&TUMBLE, vec![duration(&TUMBLE, "size", size)?]),
        // Spark names the size first, everybody else the slide.
        ("TUMBLE", true, [size, slide]) | ("HOP", false, [slide, size]) => (
            &HOP,
            vec![
                duration(&HOP, "slide", slide)?,
                duration(&HOP, "size", size)?,
            ],
        ),
        ("TUMBLE", true, [size, slide, offset]) => {
            let (size, slide) = (
                duration(&HOP, "size", size)?,
                duration(&HOP, "slide", slide)?,
            );
            let offset = duration(&HOP, "offset", offset)?;
            if size == slide {
                (&TUMBLE, vec![size, offset])
            } else {
                (&HOP, vec![slide, size, offset])
            }
        }
        _ => return Err(wrong("wrong number of arguments of a window", at)),
    };
    // A hop of its own size is a tumble.
    if tvf.name == HOP.name
        && let [slide, size] = durations.as_slice()
        && slide == size
    {
        return Ok(Window {
            tvf: &TUMBLE,
            time,
            durations: vec![size.clone()],
            at,
        });
    }
    Ok(Window {
        tvf,
        time,
        durations,
        at,
    })
}
