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
    let tell = |e: &Error| script.tell(pieces[1].offset, pieces[1].text, e);
    assert_eq!(tell(&error(Some(13))), "f.sql:3:15: no");
    assert_eq!(tell(&error(Some(17))), "f.sql:4:3: no");
    assert_eq!(tell(&error(Some(999))), "f.sql:4:9: no");
    assert_eq!(tell(&error(None)), "f.sql:3:3: no");
}

#[test]
fn a_name_in_the_message_is_found_as_a_word() {
    let script = Script::new("f.sql", "SELECT axe, ax, X\nFROM gold.t");
    let piece = script.pieces()[0];
    let tell = |message: &str| {
        let error = Error::user(SqlState::UndefinedColumn, message).with_hint("Look.");
        script.tell(piece.offset, piece.text, &error)
    };
    assert_eq!(
        tell("column \"x\" does not exist"),
        "f.sql:1:17: column \"x\" does not exist\nHINT:  Look."
    );
    assert!(tell("relation \"gold.t\" does not exist").starts_with("f.sql:2:11: "));
    assert!(tell("column \"zz\" does not exist").starts_with("f.sql:1:1: "));
}
