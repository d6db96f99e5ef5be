//! Data cut at every place must be the same rows.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod any;

use sluice_sql::{CopyColumns, CopyOptions, Statement};

use super::{
    binary::{SIGNATURE, Tuples},
    csv::Records,
    fields::{Dialect, Found, Record},
    text::Lines,
};
use crate::doors::pg::failure::Failure;

type Rows = Vec<Vec<Option<String>>>;

/// What a reader of one of the formats is to this test.
trait Reader {
    fn give(&mut self, data: &[u8]) -> Result<(), Failure>;
    fn ask(&mut self, end: bool, record: &mut Record) -> Result<Found, Failure>;
}

macro_rules! reads {
    ($($of:ty),*) => {$(
        impl Reader for $of {
            fn give(&mut self, data: &[u8]) -> Result<(), Failure> {
                self.take(data)
            }
            fn ask(&mut self, end: bool, record: &mut Record) -> Result<Found, Failure> {
                self.next(end, record)
            }
        }
    )*};
}
reads!(Lines, Records, Tuples);

fn dialect(options: &str) -> Dialect {
    let text = format!("COPY t (a, b, c) FROM STDIN {options}");
    let options: CopyOptions = match sluice_sql::parse(&text).unwrap().pop().unwrap().statement {
        Statement::Copy(copy) => copy.options,
        other => panic!("{other:?}"),
    };
    assert_eq!(options.force_quote, CopyColumns::None);
    let names = ["a", "b", "c"].map(str::to_owned);
    Dialect::of(&options, &names).unwrap()
}

fn rows(mut reader: impl Reader, pieces: &[&[u8]]) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    let mut drain = |reader: &mut dyn Reader, end| -> Result<bool, Failure> {
        loop {
            let mut record = Record::default();
            match reader.ask(end, &mut record)? {
                Found::Nothing => return Ok(true),
                Found::End => return Ok(false),
                Found::Row => {
                    let fields = (0..record.len()).map(|at| record.get(at));
                    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                    rows.push(fields.map(|value| value.map(text)).collect());
                }
            }
        }
    };
    for piece in pieces {
        reader.give(piece)?;
        if !drain(&mut reader, false)? {
            return Ok(rows);
        }
    }
    drain(&mut reader, true)?;
    Ok(rows)
}

/// The rows, however the data are cut in two, and byte by byte.
fn however_cut<R: Reader>(make: impl Fn() -> R, data: &[u8]) -> Rows {
    let whole = rows(make(), &[data]).unwrap();
    for cut in 0..data.len() {
        let (first, second) = data.split_at(cut);
        assert_eq!(
            rows(make(), &[first, second]).unwrap(),
            whole,
            "cut at {cut}"
        );
    }
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(rows(make(), &bytes).unwrap(), whole);
    whole
}

fn row(values: &[Option<&str>]) -> Vec<Option<String>> {
    values
        .iter()
        .map(|value| value.map(str::to_owned))
        .collect()
}

#[test]
fn text_has_nulls_escapes_and_line_ends_of_any_kind() {
    let make = || Lines::new(dialect(""));
    let data = b"1\t\\N\tx\\ty\n2\t\ta\\\nb\r\n\\x41\\102\t\\\\N\t\\q\r\n";
    assert_eq!(
        however_cut(make, data),
        [
            row(&[Some("1"), None, Some("x\ty")]),
            row(&[Some("2"), Some(""), Some("a\nb")]),
            row(&[Some("AB"), Some("\\N"), Some("q")]),
        ]
    );
    // The last line needs no end, and what follows the mark does not count.
    assert_eq!(however_cut(make, b"1\t2\t3").len(), 1);
    assert_eq!(however_cut(make, b"1\t2\t3\n\\.\nmore\n").len(), 1);
    let semicolons = || Lines::new(dialect("WITH (DELIMITER ';', NULL 'null')"));
    assert_eq!(
        however_cut(semicolons, b"null;a\\;b;\n"),
        [row(&[None, Some("a;b"), Some("")])]
    );
}

#[test]
fn csv_has_quotes_with_lines_in_them() {
    let make = || Records::new(dialect("WITH (FORMAT csv)"));
    let data = b"1,,\"\"\n\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\r\nx\"y\"z,2,3\n";
    assert_eq!(
        however_cut(make, data),
        [
            row(&[Some("1"), None, Some("")]),
            row(&[Some("a,b"), Some("say \"hi\""), Some("two\nlines")]),
            row(&[Some("xyz"), Some("2"), Some("3")]),
        ]
    );
    let escaped = || {
        Records::new(dialect(
            "WITH (FORMAT csv, QUOTE '''', ESCAPE '\\', FORCE_NULL (a))",
        ))
    };
    assert_eq!(
        however_cut(escaped, b"'','it\\'s',\"\n"),
        [row(&[None, Some("it's"), Some("\"")])]
    );
    let open = rows(make(), &[b"1,\"2"]).unwrap_err();
    assert_eq!(
        (open.code, open.message.as_str()),
        ("22P04", "unterminated CSV quoted field")
    );
}

#[test]
fn of_a_line_with_too_many_values_the_rest_is_not_kept() {
    let given = |mut reader: Box<dyn Reader>, separator: &str| {
        reader.give(separator.repeat(100_000).as_bytes()).unwrap();
        let mut record = Record::default();
        assert_eq!(reader.ask(true, &mut record).unwrap(), Found::Row);
        record.len()
    };
    // One more than there are columns is enough to refuse it.
    assert_eq!(given(Box::new(Lines::new(dialect(""))), "\t"), 4);
    let csv = Records::new(dialect("WITH (FORMAT csv)"));
    assert_eq!(given(Box::new(csv), ","), 4);
}

#[test]
fn values_are_not_copied_again_for_every_piece_of_the_next() {
    let mut tuples = Tuples::new(2);
    let mut data = SIGNATURE.to_vec();
    data.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3]);
    data.extend(b"abc\0\0\0\x04de");
    tuples.give(&data).unwrap();
    let ask = |tuples: &mut Tuples| {
        let mut record = Record::default();
        (tuples.ask(false, &mut record).unwrap(), record.len())
    };
    assert_eq!(ask(&mut tuples), (Found::Nothing, 1));
    tuples.give(b"f").unwrap();
    assert_eq!(ask(&mut tuples), (Found::Nothing, 0));
    tuples.give(b"g").unwrap();
    assert_eq!(ask(&mut tuples), (Found::Row, 2));
}

#[test]
fn binary_tuples_have_counts_and_lengths() {
    let mut data = SIGNATURE.to_vec();
    data.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 9, 9]);
    data.extend_from_slice(&[0, 2, 0, 0, 0, 3]);
    data.extend_from_slice(b"abc");
    data.extend_from_slice(&[255, 255, 255, 255, 255, 255]);
    let make = || Tuples::new(2);
    assert_eq!(however_cut(make, &data), [row(&[Some("abc"), None])]);
    let wrong = |pieces: &[&[u8]]| rows(make(), pieces).unwrap_err().message;
    assert_eq!(wrong(&[b"PGDUMP"]), "COPY file signature not recognized");
    let short = data.get(..data.len() - 4).unwrap();
    assert_eq!(wrong(&[short]), "unexpected EOF in COPY data");
    let mut three = data.clone();
    three[SIGNATURE.len() + 11] = 3;
    assert_eq!(wrong(&[&three]), "row field count is 3, expected 2");
}
