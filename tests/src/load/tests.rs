//! The load is what it says: same seed same load, the right mix, valid JSON.

use super::*;

#[test]
fn the_same_seed_gives_the_same_load_and_another_gives_another() {
    let load = |seed| Messages::new(Shape::of(5000, seed)).collect::<Vec<_>>();
    assert_eq!(load(7), load(7));
    assert_ne!(load(7), load(8));
}

#[test]
fn the_mix_is_about_three_percent_malformed_and_one_behind() {
    let mut produced = Produced::new(1);
    produced.partitions[0].extend(Messages::new(Shape::of(100_000, 1)));
    let (malformed, behind) = (produced.malformed(), produced.behind());
    assert!((2700..3300).contains(&malformed), "{malformed}");
    // none in the first six of the twenty minutes
    assert!((550..850).contains(&behind), "{behind}");
}

#[test]
fn events_that_may_not_be_late_stay_within_the_watermark_delay() {
    let mut newest = 0;
    for message in Messages::new(Shape::of(50_000, 3)) {
        match message {
            Message::Event(event) => {
                assert!(event.ts_ms > newest - 10_000);
                newest = newest.max(event.ts_ms);
            }
            Message::Behind(event) => assert!(event.ts_ms < newest - 200_000),
            Message::Malformed => {}
        }
    }
}

#[test]
fn payloads_parse_back_to_the_event() {
    let mut payload = Vec::new();
    for (number, message) in Messages::new(Shape::of(2000, 4)).enumerate() {
        let (Message::Event(event) | Message::Behind(event)) = message else {
            continue;
        };
        write_event(&event, number, &mut payload);
        let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let time = json["timestamp"].as_str().unwrap();
        let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
        assert_eq!(time.timestamp_millis(), event.ts_ms);
        assert_eq!(json["value"].as_f64().unwrap(), event.value);
        assert!((140..190).contains(&payload.len()), "{}", payload.len());
    }
}

#[test]
fn malformed_is_malformed_as_an_event() {
    for n in 0..9 {
        let Some(payload) = malformed(n) else {
            continue;
        };
        let good = serde_json::from_slice::<serde_json::Value>(payload).is_ok_and(|json| {
            json["value"].is_number()
                && json["timestamp"]
                    .as_str()
                    .is_some_and(|t| chrono::DateTime::parse_from_rfc3339(t).is_ok())
        });
        assert!(!good, "{}", String::from_utf8_lossy(payload));
    }
}

#[test]
fn dirty_payloads_parse_back_to_the_event() {
    let mut payload = Vec::new();
    let mut without = 0;
    for (number, message) in Messages::new(Shape::of(2000, 4).clean()).enumerate() {
        let Message::Event(event) = message else {
            panic!("a clean load has events alone");
        };
        let event = dirtied(event, number);
        write_dirty_event(&event, number, &mut payload);
        let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let segment = SEGMENTS.get(usize::from(event.segment)).copied();
        without += usize::from(segment.is_none());
        assert_eq!(
            json["event_type"],
            EVENT_TYPES[usize::from(event.event_type)]
        );
        assert_eq!(json.get("user_segment").and_then(|v| v.as_str()), segment);
        assert_eq!(json["value"].as_f64(), Some(event.value));
        let ts = json["timestamp"].as_str().unwrap();
        let parsed = chrono::DateTime::parse_from_rfc3339(ts).unwrap();
        assert_eq!(parsed.timestamp_millis(), event.ts_ms);
    }
    assert_eq!(without, 250);
    for n in 0..8 {
        let text = no_json(n).unwrap_or_default();
        assert!(serde_json::from_slice::<serde_json::Value>(text).is_err());
    }
}
