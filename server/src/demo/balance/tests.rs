use super::*;

#[test]
fn every_event_counts_once() {
    let balance = Balance {
        expected: 100,
        read: 100,
        aggregated: 90,
        late: 7,
        dead_letters: 3,
    };
    assert!(balance.is_equal());
    assert_eq!(
        balance.to_string(),
        "100 events = 90 in windows + 7 late + 3 dead letters: the counts are equal"
    );
    for wrong in [
        Balance {
            read: 99,
            ..balance
        },
        Balance {
            aggregated: 91,
            ..balance
        },
        Balance { late: 6, ..balance },
        Balance {
            expected: 101,
            ..balance
        },
    ] {
        assert!(!wrong.is_equal(), "{wrong}");
        assert!(wrong.to_string().contains("NOT EQUAL"));
    }
}
