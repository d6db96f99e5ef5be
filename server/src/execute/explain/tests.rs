//! What EXPLAIN leaves out.

use super::without_paths;

#[test]
fn files_are_counted_and_not_named() {
    let text = "DataSourceExec: file_groups={2 groups: [[tables/gold/t/a.parquet, b.parquet:0..4], [c.parquet]]}, projection=[a]\n  DataSourceExec: file_groups={1 group: [[d.parquet]]}, file_type=parquet";
    assert_eq!(
        without_paths(text),
        "DataSourceExec: file_groups={2 groups}, projection=[a]\n  DataSourceExec: file_groups={1 group}, file_type=parquet"
    );
    assert_eq!(without_paths("CachedScan: t"), "CachedScan: t");
    assert_eq!(without_paths("file_groups={odd"), "file_groups={odd");
}
