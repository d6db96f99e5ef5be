//! Tests of script: see the module beside for what is promised.

use super::*;

fn texts(text: &str) -> Vec<String> {
    let script = Script::new("f.sql", text);
    script.pieces().iter().map(|p| p.text.to_owned()).collect()
}

#[test]
fn statements_are_cut_at_semicolons_that_are_not_quoted() {
    assert_eq!(
        texts("-- one; two\nSELECT ';' AS \"a;b\"; /* ; */ SELECT $$;$$ ;; \n SELECT 3 -- end"),
        ["SELECT ';' AS \"a;b\"", "SELECT $$;$$", "SELECT 3 -- end"]
    );
    assert!(texts(" -- nothing\n ;").is_empty());
    assert!(texts("").is_empty());
    assert_eq!(texts("SELECT 'open; SELECT 2"), ["SELECT 'open; SELECT 2"]);
}

#[test]
fn places_count_lines_and_characters_of_the_file() {
    let script = Script::new("f.sql", "-- größe\nSELECT 1;\n  SELECT 'ü', x\n  FROM t;");
    let pieces = script.pieces();
    assert_eq!(pieces[1].text, "SELECT 'ü', x\n  FROM t");
    let error = |position| Error {
        position,
        ..Error::user(SqlState::SyntaxError, "no")
    };
    let tell = |e: &Error| script.tell(pieces[1], e);
    assert_eq!(tell(&error(Some(13))), "f.sql:3:15: no");
    assert_eq!(tell(&error(Some(17))), "f.sql:4:3: no");
    assert_eq!(tell(&error(Some(999))), "f.sql:4:9: no");
    assert_eq!(tell(&error(None)), "f.sql:3:3: no");
}
