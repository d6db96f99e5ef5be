//! A manifest cut at any byte is recognised as torn; a newer one is not skipped.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        number: 7,
        owner: "a".into(),
        epoch: 42,
        app_id: "q/1".into(),
        fingerprint: "f".into(),
        positions: vec![],
        split_watermarks_us: vec![],
        watermark_us: Some(5),
        totals: Totals::default(),
        decoders: Decoders::default(),
        panes: vec![],
        files: BTreeMap::new(),
        written_at: "2026-01-01T00:00:00Z".into(),
        opened: vec![],
        rebuild: None,
    }
}

#[test]
fn reads_back_what_it_wrote() {
    let bytes = encode(&manifest()).unwrap();
    assert_eq!(decode::<Manifest>(&bytes).unwrap().epoch, 42);
}

#[test]
fn a_cut_at_any_byte_is_corrupt() {
    let bytes = encode(&manifest()).unwrap();
    for len in 0..bytes.len() {
        assert!(
            matches!(
                decode::<Manifest>(&bytes[..len]),
                Err(ManifestError::Corrupt(_))
            ),
            "cut at {len}"
        );
    }
}

#[test]
fn a_flipped_bit_is_corrupt() {
    let bytes = encode(&manifest()).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        assert!(decode::<Manifest>(&bad).is_err(), "flipped at {at}");
    }
}

/// As the first builds wrote it: no field that came since is needed.
#[test]
fn a_manifest_of_the_first_format_is_read() {
    let body = br#"{"format":1,"number":3,"owner":"o","epoch":9,"app_id":"sluice/q","fingerprint":"f",
"positions":[{"split":{"topic":"t","partition":0},"next_offset":17}],"split_watermarks_us":[[{"topic":"t","partition":0},5]],"watermark_us":5,
"totals":{"rows":{"read":1,"aggregated":1,"late":0,"dead":0,"filtered":0},"undecodable":0,"rows_out":0},
"panes":[{"start_us":0,"end_us":60,"segment":"state/00000000000000000009.arrow","index":0,"crc32":7}],"files":{},"written_at":"2026-01-01T00:00:00Z"}"#;
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(format!("\n{:08x}\n", crc32fast::hash(body)).as_bytes());
    let read: Manifest = decode(&bytes).unwrap();
    assert_eq!((read.epoch, read.positions[0].next_offset), (9, 17));
    assert_eq!(read.panes[0].stage, 0);
    assert!(read.opened.is_empty() && read.rebuild.is_none());
}

#[test]
fn older_builds_can_read_what_needs_nothing_new() {
    assert_eq!(Manifest::format_of(&[], &Decoders::default(), None), 1);
    assert_eq!(
        Manifest::format_of(&[], &Decoders::default(), Some(&Rebuild::Anew)),
        FORMAT
    );
}

#[test]
fn a_newer_format_is_an_error_of_its_own() {
    let mut newer = manifest();
    newer.format = FORMAT + 1;
    let bytes = encode(&newer).unwrap();
    assert_eq!(
        decode::<Manifest>(&bytes).unwrap_err(),
        ManifestError::Newer { found: FORMAT + 1 }
    );
}
