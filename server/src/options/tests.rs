//! Lengths of time, and what is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn lengths_of_time() {
    assert_eq!(
        duration("x", "10 seconds").unwrap(),
        Duration::from_secs(10)
    );
    assert_eq!(
        duration("x", "500 milliseconds").unwrap(),
        Duration::from_millis(500)
    );
    assert_eq!(
        duration("x", "1 minute 30 seconds").unwrap(),
        Duration::from_secs(90)
    );
    assert_eq!(duration("x", "1 day").unwrap(), Duration::from_secs(86_400));
    for wrong in ["", "ten", "0 seconds", "-1 second", "1 month"] {
        let error = duration("idle_timeout", wrong).unwrap_err();
        assert_eq!(
            error.message,
            format!("option \"idle_timeout\" cannot be '{wrong}'")
        );
    }
}

#[test]
fn an_unknown_table_option_is_refused_by_name() {
    let options = Options(vec![("comit_interval".into(), "1 second".into())], vec![]);
    let error = check_table_options(&options).unwrap_err();
    assert_eq!(error.message, "unknown option \"comit_interval\"");
    assert_eq!(
        error.hint.as_deref(),
        Some("Perhaps you meant \"commit_interval\".")
    );
}

#[test]
fn amounts_of_memory() {
    assert_eq!(memory("x", "256 MB").unwrap(), 256 << 20);
    assert_eq!(memory("x", "2gb").unwrap(), 2 << 30);
    assert_eq!(memory("x", "1024 kB").unwrap(), 1 << 20);
    for wrong in ["", "256", "MB", "-1 MB", "1.5 GB", "99999999999 TB", "1 MX"] {
        let error = memory("state_memory", wrong).unwrap_err();
        assert!(
            error
                .message
                .starts_with("option \"state_memory\" cannot be"),
            "{}",
            error.message
        );
        assert!(error.hint.is_some());
    }
    let error = memory("state_memory", "10 kB").unwrap_err();
    assert_eq!(
        error.message,
        "option \"state_memory\" cannot be '10 kB': the least is 1 MB"
    );
}

#[test]
fn who_looks_after_a_table() {
    let of = |value: &str| {
        maintenance_option(&Options(
            vec![("maintenance".to_owned(), value.to_owned())],
            vec![],
        ))
    };
    assert_eq!(
        maintenance_option(&Options::default()).unwrap(),
        Upkeep::ByItself
    );
    assert_eq!(of("on").unwrap(), Upkeep::ByItself);
    assert_eq!(of("off").unwrap(), Upkeep::ByHand);
    assert_eq!(
        of("never").unwrap_err().message,
        "option \"maintenance\" cannot be 'never'"
    );
}
