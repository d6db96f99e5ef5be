//! The decoder of COPY FROM STDIN in its three formats, for tables of many types: rows or a refusal, the same however the data are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: (u8, &[u8])| {
    let (form, data) = data;
    let whole = sluice_server::doors::pg::decode_copy(form, data, data.len());
    let cut = sluice_server::doors::pg::decode_copy(form, data, 7);
    assert_eq!(cut, whole);
});
