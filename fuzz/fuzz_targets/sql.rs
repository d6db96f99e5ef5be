//! The SQL front: any text is parsed or refused at a place within it, and what is printed is read back as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    match sluice_sql::parse(text) {
        Ok(parsed) => {
            for parsed in parsed {
                let printed = parsed.statement.to_string();
                let again = sluice_sql::parse(&printed);
                assert!(again.is_ok(), "{text}\nprints as\n{printed}");
            }
        }
        Err(error) => assert!(error.offset <= text.chars().count(), "{error}"),
    }
});
