//! The decoder of the Postgres protocol: any message is taken apart or refused, whatever its counts and lengths say.
#![no_main]

libfuzzer_sys::fuzz_target!(|message: (u8, &[u8])| {
    let (tag, body) = message;
    let known = b"QPBDCEHSXdcfpF".contains(&tag);
    assert_eq!(sluice_server::doors::pg::decode(tag, body), known);
});
