//! Bytes as texts and back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use datafusion::scalar::ScalarValue;

use super::{Value, decoded, encoded};

fn shown(bytes: &[u8], form: &str) -> String {
    match encoded(bytes, form).unwrap() {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_are_written_as_postgresql_writes_them() {
    assert_eq!(shown(b"ab", "base64"), "YWI=");
    assert_eq!(shown(b"a\\\x00\xff", "escape"), "a\\\\\\000\\377");
    assert_eq!(shown(b"ab", "HEX"), "6162");
    let long = shown(&[7; 100], "base64");
    assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [76, 60]);
    assert!(encoded(b"", "rot13").is_err());
}

#[test]
fn texts_are_read_back() {
    for (text, form, bytes) in [
        ("YWI=", "base64", b"ab".as_slice()),
        ("Y W\nI", "base64", b"ab"),
        ("61 62", "hex", b"ab"),
        ("a\\142", "escape", b"ab"),
    ] {
        match decoded(text, form).unwrap() {
            Value::Ready(ScalarValue::Binary(Some(read))) => assert_eq!(read, bytes, "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(decoded("6", "hex").is_err());
    assert!(decoded("!", "base64").is_err());
}
