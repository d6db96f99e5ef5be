//! Clocks and moments.
#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::NaiveDateTime;

use super::Zone;

fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

#[test]
fn a_clock_is_a_moment() {
    let zone = Zone::named("Europe/Madrid").unwrap();
    for (local, utc) in [
        ("2026-01-02 00:00", "2026-01-01 23:00"),
        ("2026-07-02 00:00", "2026-07-01 22:00"),
        // Clocks go back at 3: of the two halves past 2 it is the one in winter time, as PostgreSQL has it.
        ("2026-10-25 02:30", "2026-10-25 01:30"),
        // Clocks go from 2 to 3: half past 2 is counted as in winter time.
        ("2026-03-29 02:30", "2026-03-29 01:30"),
    ] {
        assert_eq!(zone.to_utc(at(local)), at(utc), "{local}");
    }
    assert_eq!(zone.offset_at(at("2026-07-01 00:00")), 7200);
    assert!(Zone::named("Nowhere/City").is_err());
    assert_eq!(
        Zone::named("utc")
            .unwrap()
            .offset_at(at("2026-07-01 00:00")),
        0
    );
}

#[test]
fn a_sign_in_a_clause_is_that_of_posix() {
    let at = at("2026-07-01 00:00");
    assert_eq!(Zone::of_clause("+02").unwrap().offset_at(at), -7200);
    assert_eq!(Zone::of_clause("-05:30").unwrap().offset_at(at), 19_800);
    assert_eq!(Zone::named("+02").unwrap().offset_at(at), 7200);
}
