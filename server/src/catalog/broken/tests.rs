//! What the name of a file tells.

use super::*;

#[test]
fn a_file_says_what_it_was_of() {
    for (file, name, kind) in [
        ("v.view.sql", "v", "view"),
        ("a b.table.sql", "a b", "table"),
        ("s.stream.sql", "s", "stream"),
        ("s.what.sql", "s.what", "object"),
        ("readme", "readme", "object"),
    ] {
        let path = format!("catalog/objects/gold/{file}");
        let broken = Broken::new("gold", file, path.clone(), "it is empty".into());
        assert_eq!(broken.name, QualifiedName::new("gold", name));
        assert_eq!(broken.kind, kind);
        let error = broken.error();
        assert_eq!(error.state.code(), "XX001");
        assert!(error.hint.is_some_and(|hint| hint.contains(&path)));
    }
}
