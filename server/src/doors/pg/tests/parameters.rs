//! Values from clients, text and binary.

use datafusion::scalar::ScalarValue;
use postgres_types::Type;

use crate::doors::pg::parameters::decode;

fn text(pg: &Type, text: &str) -> String {
    match decode(1, pg, 0, Some(text.as_bytes())) {
        Ok(value) => format!("{value:?}"),
        Err(failure) => failure.code.to_owned(),
    }
}

fn binary(pg: &Type, bytes: &[u8]) -> String {
    match decode(1, pg, 1, Some(bytes)) {
        Ok(value) => format!("{value:?}"),
        Err(failure) => failure.code.to_owned(),
    }
}

#[test]
fn texts() {
    for (pg, given, expected) in [
        (Type::BOOL, "t", "Boolean(true)"),
        (Type::BOOL, " OFF ", "Boolean(false)"),
        (Type::BOOL, "o", "22P02"),
        (Type::INT2, "-32768", "Int16(-32768)"),
        (Type::INT2, "32768", "22003"),
        (Type::INT4, "1.5", "22P02"),
        (Type::INT8, " 7 ", "Int64(7)"),
        (Type::FLOAT8, "1e3", "Float64(1000)"),
        (Type::FLOAT8, "NaN", "Float64(NaN)"),
        (Type::FLOAT8, "-Infinity", "Float64(-inf)"),
        (Type::NUMERIC, "-12.50", "Decimal128(-12.50,4,2)"),
        (Type::NUMERIC, "1e3", "Decimal128(1000,4,0)"),
        (Type::NUMERIC, "0.001", "Decimal128(0.001,3,3)"),
        (Type::NUMERIC, ".", "22P02"),
        (Type::NUMERIC, "--1", "22P02"),
        (Type::BYTEA, "\\x00Ff", "Binary(\"0,255\")"),
        (Type::BYTEA, "a\\\\b\\001", "Binary(\"97,92,98,1\")"),
        (Type::BYTEA, "\\x0", "22P02"),
        (Type::DATE, "2026-01-02", "Date32(\"2026-01-02\")"),
        (Type::DATE, "tomorrowish", "22007"),
        (
            Type::UUID,
            "00000000-0000-0000-0000-00000000000A",
            "Utf8(\"00000000-0000-0000-0000-00000000000a\")",
        ),
        (Type::UUID, "x", "22P02"),
        (Type::JSONB, "{\"a\":1}", "Utf8(\"{\"a\":1}\")"),
        (Type::TEXT, "a\0b", "22021"),
        (Type::TEXT_ARRAY, "{a\0b}", "22021"),
        (Type::TEXT, " as it is ", "Utf8(\" as it is \")"),
        (Type::INT4_ARRAY, "{1,NULL, 3}", "List([1, , 3])"),
        (
            Type::TEXT_ARRAY,
            "{\"a b\",\"c\\\"d\",null,\"null\"}",
            "List([a b, c\"d, , null])",
        ),
        (Type::TEXT_ARRAY, "{}", "List([])"),
        (Type::INT4_ARRAY, "{1,", "22P02"),
        (Type::INT4_ARRAY, "{{1},{2}}", "List([[1], [2]])"),
        (Type::INT4_ARRAY, "{{1},{2,3}}", "22P02"),
        (Type::JSON_ARRAY, "{\"{}\",NULL}", "List([{}, ])"),
        (
            Type::UUID_ARRAY,
            "{00000000-0000-0000-0000-00000000000A}",
            "List([00000000-0000-0000-0000-00000000000a])",
        ),
        (Type::INT4_ARRAY, "{1,}", "22P02"),
        (Type::TIMESTAMP, "infinity", "0A000"),
        (Type::TIMESTAMPTZ, "-infinity", "0A000"),
        (Type::DATE, "0044-03-15 BC", "0A000"),
        (Type::TIME, "24:00:00", "0A000"),
        (Type::POINT, "(1,2)", "0A000"),
    ] {
        assert_eq!(text(&pg, given), expected, "{pg} {given}");
    }
}

#[test]
fn times() {
    let micros = |pg: &Type, given: &str| match decode(1, pg, 0, Some(given.as_bytes())) {
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), zone)) => (micros, zone.is_some()),
        other => panic!("{given}: {other:?}"),
    };
    assert_eq!(
        micros(&Type::TIMESTAMP, "1970-01-01 00:00:01.5"),
        (1_500_000, false)
    );
    assert_eq!(
        micros(&Type::TIMESTAMPTZ, "1970-01-01 02:00:00+02"),
        (0, true)
    );
    assert_eq!(
        micros(&Type::TIMESTAMPTZ, "1970-01-01T00:00:00Z"),
        (0, true)
    );
    assert_eq!(
        micros(&Type::TIMESTAMPTZ, "1970-01-01 00:00:00.000001+00:00"),
        (1, true)
    );
}

#[test]
fn intervals() {
    let parts = |given: &str| match decode(1, &Type::INTERVAL, 0, Some(given.as_bytes())) {
        Ok(ScalarValue::IntervalMonthDayNano(Some(v))) => (v.months, v.days, v.nanoseconds / 1000),
        other => panic!("{given}: {other:?}"),
    };
    assert_eq!(
        parts("1 year 2 mons 3 days 04:05:06.7"),
        (14, 3, 14_706_700_000)
    );
    assert_eq!(parts("-1 days +02:03:00"), (0, -1, 7_380_000_000));
    assert_eq!(parts("1 day, 0:00:05"), (0, 1, 5_000_000));
    assert_eq!(parts("P1Y2M3DT4H5M6S"), (14, 3, 14_706_000_000));
    assert_eq!(parts("1.5 days"), (0, 1, 43_200_000_000));
    assert_eq!(parts("2 hours ago"), (0, 0, -7_200_000_000));
    assert_eq!(parts("90"), (0, 0, 90_000_000));
    assert_eq!(text(&Type::INTERVAL, "soon"), "22007");
    assert_eq!(text(&Type::INTERVAL, ""), "22007");
}

#[test]
fn binaries() {
    for (pg, bytes, expected) in [
        (Type::BOOL, &b"\x01"[..], "Boolean(true)"),
        (Type::INT4, b"\0\0\0\x07", "Int32(7)"),
        (Type::INT4, b"\0\0\x07", "22P03"),
        (Type::OID, b"\xff\xff\xff\xff", "Int64(4294967295)"),
        (Type::DATE, b"\0\0\0\0", "Date32(\"2000-01-01\")"),
        (Type::NUMERIC, b"\0\x02\0\0\x40\0\0\x02\0\x0c\x13\x88", "Decimal128(-12.50,4,2)"),
        (Type::NUMERIC, b"\0\x01\0\x01\0\0\0\0\0\x01", "Decimal128(10000,5,0)"),
        (Type::NUMERIC, b"\0\0\0\0\0\0\0\x02", "Decimal128(0.00,2,2)"),
        (Type::NUMERIC, b"\0\0\0\0\xc0\0\0\0", "22P03"),
        (Type::NUMERIC, b"\0\x01\0\0\0\0\0\0\x7f\xff", "22P03"),
        (Type::JSONB, b"\x01{}", "Utf8(\"{}\")"),
        (Type::JSONB, b"\x02{}", "22P03"),
        (Type::UUID, b"0123", "22P03"),
        (Type::TEXT, b"\xff", "22P03"),
        (Type::TEXT, b"a\0b", "22021"),
        (
            Type::INT4_ARRAY,
            b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff",
            "List([7, ])",
        ),
        (
            Type::INT4_ARRAY,
            b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01",
            "22P03",
        ),
        (Type::INT4_ARRAY, b"\0\0\0\0\0\0\0\0\0\0\0\x17", "List([])"),
        (Type::TIMESTAMP, b"\x7f\xff\xff\xff\xff\xff\xff\xff", "0A000"),
        (Type::TIMESTAMPTZ, b"\x80\0\0\0\0\0\0\0", "0A000"),
        (Type::DATE, b"\x80\0\0\0", "0A000"),
        (Type::TIME, b"\0\0\0\x14\x1d\xd7\x60\0", "0A000"),
        (Type::TIME, b"\xff\xff\xff\xff\xff\xff\xff\xff", "22P03"),
    ] {
        assert_eq!(binary(&pg, bytes), expected, "{pg} {bytes:?}");
    }
}

#[test]
fn numerics_of_an_array_share_a_scale() {
    assert_eq!(
        text(&Type::NUMERIC_ARRAY, "{1.5,NULL,2.25}"),
        "List([1.50, , 2.25])"
    );
}
