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
