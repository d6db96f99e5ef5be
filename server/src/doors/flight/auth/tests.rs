//! Authorization headers as clients write them.
#![expect(clippy::unwrap_used, reason = "tests")]

use tonic::metadata::MetadataMap;

use super::*;

fn parse(header: &str) -> Result<Credentials> {
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", header.parse().unwrap());
    Credentials::of(&metadata)
}

#[test]
fn no_header_is_nobody() {
    assert_eq!(
        Credentials::of(&MetadataMap::new()).unwrap(),
        Credentials::None
    );
}

#[test]
fn basic_is_read_with_and_without_padding() {
    let ada = |password: &str| Credentials::Basic {
        user: "ada".into(),
        password: Hidden(password.into()),
    };
    assert_eq!(parse("Basic YWRhOg==").unwrap(), ada(""));
    assert_eq!(parse("basic YWRhOg").unwrap(), ada(""));
    // A password may hold colons.
    assert_eq!(parse("Basic YWRhOng6eQ==").unwrap(), ada("x:y"));
}

#[test]
fn bearer_is_any_token() {
    assert_eq!(
        parse("bearer abc").unwrap(),
        Credentials::Bearer("abc".into())
    );
}

#[test]
fn anything_else_is_refused_with_28000() {
    for header in ["Basic", "Basic !!!", "Basic YWRh", "Digest x", "Bearer"] {
        let error = parse(header).unwrap_err();
        assert_eq!(error.state.code(), "28000", "{header}");
    }
}
