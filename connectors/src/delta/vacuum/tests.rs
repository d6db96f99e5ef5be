//! What vacuum takes for a data file, and that no spelling of a path makes a live file look unneeded.

use super::{is_hidden, spellings};

#[test]
fn the_log_and_hidden_files_are_none_of_it() {
    for hidden in [
        "_delta_log/00000000000000000000.json",
        "_change_data/part-1.parquet",
        ".part-0.crc",
        "date=2026-11-27/.part-0.parquet.crc",
        "_symlink_format_manifest/manifest",
    ] {
        assert!(is_hidden(hidden), "{hidden}");
    }
    for data in [
        "part-0.parquet",
        "date=2026-11-27/hour=3/part-0.parquet",
        "_kind=a/part-0.parquet",
        "a_b/part_0.parquet",
    ] {
        assert!(!is_hidden(data), "{data}");
    }
}

#[test]
fn a_path_is_known_in_every_spelling() {
    let spellings = spellings("at=2026-11-27T10%3A00/part-0.parquet");
    assert!(spellings.contains(&"at=2026-11-27T10%3A00/part-0.parquet".to_owned()));
    assert!(spellings.contains(&"at=2026-11-27T10:00/part-0.parquet".to_owned()));
}
