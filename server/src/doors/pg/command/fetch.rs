//! `FETCH` and `MOVE`: which way, and how far.

use super::{Command, Failure, words::Words};

/// Where a cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::doors::pg) enum Direction {
    /// So many rows on; `None`: all that are left.
    Forward(Option<u64>),
    /// So many rows back; `None`: all that were passed.
    Backward(Option<u64>),
    /// To the row of this number; counted from the end where it is negative.
    Absolute(i64),
    /// To the row so many rows on, or back.
    Relative(i64),
}

/// Reads what follows FETCH, or MOVE when `silent`.
pub(super) fn parse(words: &mut Words<'_>, silent: bool) -> Result<Command, Failure> {
    let mut direction = Direction::Forward(Some(1));
    // A direction is also a possible cursor name: `FETCH next` with nothing behind it.
    if !words.only_one_left() {
        direction = read(words)?;
        words.eat_any(&["FROM", "IN"]);
    }
    Ok(Command::Fetch {
        name: words.name()?,
        direction,
        silent,
    })
}

fn read(words: &mut Words<'_>) -> Result<Direction, Failure> {
    for (word, direction) in [
        ("NEXT", Direction::Forward(Some(1))),
        ("PRIOR", Direction::Backward(Some(1))),
        ("FIRST", Direction::Absolute(1)),
        ("LAST", Direction::Absolute(-1)),
        ("ALL", Direction::Forward(None)),
    ] {
        if words.eat(word) {
            return Ok(direction);
        }
    }
    if words.eat("ABSOLUTE") {
        return words.whole_number().map(Direction::Absolute);
    }
    if words.eat("RELATIVE") {
        return words.whole_number().map(Direction::Relative);
    }
    let back = words.eat("BACKWARD");
    if !back {
        words.eat("FORWARD");
    }
    if words.eat("ALL") {
        return Ok(match back {
            true => Direction::Backward(None),
            false => Direction::Forward(None),
        });
    }
    let count = match words.at_number() {
        true => words.whole_number()?,
        false => 1,
    };
    Ok(match back == (count < 0) {
        true => Direction::Forward(Some(count.unsigned_abs())),
        false => Direction::Backward(Some(count.unsigned_abs())),
    })
}

#[cfg(test)]
mod tests {
    //! What stands between FETCH and the cursor's name.
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Command, Direction as D};

    #[test]
    fn directions_are_read() {
        for (text, wanted) in [
            ("", D::Forward(Some(1))),
            ("FROM", D::Forward(Some(1))),
            ("NEXT", D::Forward(Some(1))),
            ("PRIOR FROM", D::Backward(Some(1))),
            ("FIRST IN", D::Absolute(1)),
            ("LAST", D::Absolute(-1)),
            ("ABSOLUTE -7", D::Absolute(-7)),
            ("RELATIVE + 7 FROM", D::Relative(7)),
            ("5", D::Forward(Some(5))),
            ("-5 IN", D::Backward(Some(5))),
            ("0", D::Forward(Some(0))),
            ("ALL FROM", D::Forward(None)),
            ("FORWARD", D::Forward(Some(1))),
            ("FORWARD ALL", D::Forward(None)),
            ("FORWARD -2", D::Backward(Some(2))),
            ("BACKWARD FROM", D::Backward(Some(1))),
            ("BACKWARD 3", D::Backward(Some(3))),
            ("BACKWARD -3", D::Forward(Some(3))),
            ("backward all in", D::Backward(None)),
        ] {
            for (word, moves) in [("FETCH", false), ("MOVE", true)] {
                let text = format!("{word} {text} \"the C\";");
                let Command::Fetch {
                    name,
                    direction,
                    silent,
                } = Command::of(&text).unwrap().unwrap()
                else {
                    unreachable!("{text}")
                };
                assert_eq!((name.as_str(), silent), ("the C", moves), "{text}");
                assert_eq!(direction, wanted, "{text}");
            }
        }
        let names = ["next", "ALL", "backward"];
        for name in names {
            let command = Command::of(&format!("FETCH {name}")).unwrap().unwrap();
            assert!(matches!(command, Command::Fetch { .. }), "{name}");
        }
        for wrong in [
            "FETCH",
            "FETCH ABSOLUTE c",
            "FETCH 1.5 FROM c",
            "FETCH - FROM c",
            "FETCH 99999999999 FROM c",
            "FETCH NEXT 2 FROM c",
        ] {
            let failure = Command::of(wrong).unwrap().unwrap_err();
            assert_eq!(failure.code, "42601", "{wrong}");
        }
    }
}
