//! Any bytes at all: what comes is taken apart or refused, the same however it is cut into pieces.

use std::time::Duration;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::select};
use tokio::io::AsyncWriteExt;

use crate::doors::pg::{
    failure::Trouble,
    frontend::{Frontend, Target},
    wire::Wire,
};

/// Types of messages, and two that are none.
const TAGS: &[u8] = b"QPBDCEHSXdcfpF!\0";

/// What a client sends, as messages or as no such thing.
fn sent() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        vec(any::<u8>(), 0..40),
        // Names, counts and lengths, nearly right.
        vec(select(b"a\0\0\0\x01\x02S\xffP".to_vec()), 0..40),
    ];
    let message = (
        select(TAGS.to_vec()),
        body,
        prop_oneof![9 => Just(0_i32), 1 => -9..9_i32],
    );
    vec(message, 0..6).prop_map(|messages| {
        let mut bytes = Vec::new();
        for (tag, body, wrong) in messages {
            bytes.push(tag);
            let length = i32::try_from(body.len()).unwrap_or(0) + 4 + wrong;
            bytes.extend(length.to_be_bytes());
            bytes.extend(body);
        }
        bytes
    })
}

/// Everything that is heard of these pieces, up to the end.
fn heard(pieces: &[&[u8]]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(7);
        let mut wire = Wire::new(server, 64, Duration::from_secs(60));
        let listen = async {
            let mut heard = Vec::new();
            loop {
                match wire.next().await {
                    Ok(Some(message)) => heard.push(format!("{message:?}")),
                    Ok(None) => return heard,
                    Err(Trouble::Told(failure)) => {
                        heard.push(failure.message);
                        return heard;
                    }
                    Err(Trouble::Lost(_)) => return heard,
                }
            }
        };
        let speak = async {
            for piece in pieces {
                // One that hears enough hangs up.
                if client.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = client.shutdown().await;
        };
        tokio::select! {
            biased;
            heard = listen => heard,
            heard = async { speak.await; std::future::pending().await } => heard,
        }
    })
}

proptest! {
    #[test]
    fn any_body_is_decoded_or_refused(tag in any::<u8>(), body in vec(any::<u8>(), 0..200)) {
        let known = TAGS.contains(&tag) && !b"!\0".contains(&tag);
        prop_assert_eq!(Frontend::decode(tag, Bytes::from(body)).is_some(), known);
    }

    #[test]
    fn how_bytes_are_cut_makes_no_difference(bytes in sent(), cuts in vec(1..9_usize, 1..40)) {
        let whole = heard(&[&bytes]);
        let (mut pieces, mut rest, mut cuts) = (Vec::new(), bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let at = cuts.next().copied().unwrap_or(1).min(rest.len());
            let (piece, after) = rest.split_at(at);
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(heard(&pieces), whole);
    }

    #[test]
    fn what_is_bound_is_what_was_sent(
        name in "[a-z]{0,5}",
        formats in vec(0..2_i16, 0..4),
        values in vec(proptest::option::of(vec(any::<u8>(), 0..9)), 0..9),
    ) {
        let mut body = name.as_bytes().to_vec();
        body.extend(b"\0s\0");
        let count = |bytes: &mut Vec<u8>, count: usize| bytes.extend((count as u16).to_be_bytes());
        count(&mut body, formats.len());
        formats.iter().for_each(|format| body.extend(format.to_be_bytes()));
        count(&mut body, values.len());
        for value in &values {
            let length = value.as_ref().map_or(-1, |value| value.len() as i32);
            body.extend(length.to_be_bytes());
            body.extend(value.iter().flatten());
        }
        count(&mut body, 0);
        let decoded = Frontend::decode(b'B', Bytes::from(body));
        prop_assert_eq!(decoded, Some(Frontend::Bind {
            portal: name,
            statement: "s".into(),
            formats,
            values: values.into_iter().map(|value| value.map(Bytes::from)).collect(),
            result_formats: Vec::new(),
        }));
    }

    #[test]
    fn who_is_described_is_who_was_named(name in "[a-zé]{0,9}", portal in any::<bool>()) {
        let (word, target) = if portal { (b'P', Target::Portal) } else { (b'S', Target::Statement) };
        let mut body = vec![word];
        body.extend(name.as_bytes());
        body.push(0);
        prop_assert_eq!(
            Frontend::decode(b'D', Bytes::from(body)),
            Some(Frontend::Describe { target, name })
        );
    }
}
