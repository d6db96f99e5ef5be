//! Any bytes at all: commands, actions and batches are taken apart or refused.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, DictionaryArray, Int32Array, ListArray, RecordBatch, StringArray},
    datatypes::Int32Type,
    ipc::{CompressionType, writer::IpcWriteOptions},
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, FlightData, FlightInfo,
    encode::{DictionaryHandling, FlightDataEncoderBuilder},
    sql::{
        ActionCreatePreparedStatementRequest, Any, CommandGetDbSchemas, CommandGetTables,
        CommandStatementIngest, CommandStatementQuery, ProstMessageExt, TicketStatementQuery,
    },
};
use bytes::Bytes;
use futures::{TryStreamExt, executor::block_on, stream};
use proptest::{collection::vec, option, prelude::*};
use prost::Message;

use crate::doors::{
    flight::{
        apart, decode,
        session_options::{OptionValue, SessionOptionValue, SetSessionOptionsRequest},
    },
    tests::changed,
};

fn command() -> impl Strategy<Value = Vec<u8>> {
    let text = "[a-z%_;' ]{0,12}";
    let packed = prop_oneof![
        text.prop_map(|query| CommandStatementQuery {
            query,
            transaction_id: None
        }
        .as_any()),
        vec(any::<u8>(), 0..9).prop_map(|handle| TicketStatementQuery {
            statement_handle: handle.into()
        }
        .as_any()),
        (option::of(text), option::of(text)).prop_map(|(catalog, pattern)| {
            CommandGetDbSchemas {
                catalog,
                db_schema_filter_pattern: pattern,
            }
            .as_any()
        }),
        (text, any::<bool>()).prop_map(|(pattern, include_schema)| CommandGetTables {
            table_name_filter_pattern: Some(pattern),
            include_schema,
            ..CommandGetTables::default()
        }
        .as_any()),
        text.prop_map(|table| CommandStatementIngest {
            table,
            ..CommandStatementIngest::default()
        }
        .as_any()),
    ];
    packed.prop_map(|any: Any| any.encode_to_vec())
}

fn action() -> impl Strategy<Value = Vec<u8>> {
    let text = "[a-z%_;' ]{0,12}";
    let of = |kind: &str, body: Vec<u8>| Action {
        r#type: kind.to_owned(),
        body: body.into(),
    };
    let asked = prop_oneof![
        text.prop_map(move |query| {
            let request = ActionCreatePreparedStatementRequest {
                query,
                transaction_id: None,
            };
            of("CreatePreparedStatement", request.as_any().encode_to_vec())
        }),
        vec(any::<u8>(), 0..9).prop_map(move |bytes| {
            let info = FlightInfo::new().with_app_metadata(bytes);
            let request = CancelFlightInfoRequest::new(info);
            of("CancelFlightInfo", request.encode_to_vec())
        }),
        (text, text).prop_map(move |(name, value)| {
            let value = SessionOptionValue {
                value: Some(OptionValue::Text(value)),
            };
            let request = SetSessionOptionsRequest {
                session_options: [(name, value)].into(),
            };
            of("SetSessionOptions", request.encode_to_vec())
        }),
    ];
    asked.prop_map(|action| action.encode_to_vec())
}

/// The messages of a DoPut with these rows, each with its length before it.
fn messages(rows: &[(Option<i32>, Option<String>)], compression: Option<bool>) -> Vec<u8> {
    let numbers = Int32Array::from_iter(rows.iter().map(|(number, _)| *number));
    let texts = rows.iter().map(|(_, text)| text.as_deref());
    let names: DictionaryArray<Int32Type> = texts.clone().collect();
    let lists = rows
        .iter()
        .map(|(number, _)| number.map(|n| [Some(n), None]));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("a", Arc::new(numbers), true),
        ("b", Arc::new(StringArray::from_iter(texts)), true),
        ("e", Arc::new(lists), true),
        ("f", Arc::new(names), true),
    ];
    // The table that rows go into has no `f`; parameters may be of any type.
    let kept = if rows.len().is_multiple_of(2) { 3 } else { 4 };
    let columns = columns.into_iter().take(kept);
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let codec = compression.map(|zstd| match zstd {
        true => CompressionType::ZSTD,
        false => CompressionType::LZ4_FRAME,
    });
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(codec).unwrap();
    let encoded = FlightDataEncoderBuilder::new()
        .with_options(options)
        .with_dictionary_handling(DictionaryHandling::Resend)
        .build(stream::iter([Ok(batch)]));
    let encoded: Vec<FlightData> = block_on(encoded.try_collect()).unwrap();
    let messages = encoded.iter().map(Message::encode_length_delimited_to_vec);
    messages.flatten().collect()
}

fn rows() -> impl Strategy<Value = Vec<(Option<i32>, Option<String>)>> {
    vec((option::of(any::<i32>()), option::of("[a-zé]{0,9}")), 1..9)
}

fn sent() -> impl Strategy<Value = Vec<u8>> {
    (rows(), option::of(any::<bool>())).prop_map(|(rows, codec)| messages(&rows, codec))
}

proptest! {
    #[test]
    fn any_bytes_are_taken_apart_or_refused(kind in 0..4_u8, bytes in vec(any::<u8>(), 0..200)) {
        decode(kind, &bytes);
    }

    #[test]
    fn a_command_is_one(bytes in command()) {
        prop_assert!(decode(0, &bytes));
    }

    #[test]
    fn an_action_is_one(bytes in action()) {
        prop_assert!(decode(1, &bytes));
    }

    #[test]
    fn changed_commands_and_actions_are_taken_apart_or_refused(
        command in changed(command(), 4),
        action in changed(action(), 4),
    ) {
        decode(0, &command);
        decode(1, &action);
    }

    #[test]
    fn batches_have_the_rows_that_were_sent(rows in rows(), codec in option::of(any::<bool>())) {
        let bytes = Bytes::from(messages(&rows, codec));
        prop_assert_eq!(block_on(apart::bound(bytes.clone())), Some(rows.len()));
        let fitted = (rows.len() % 2 == 0).then_some(rows.len());
        prop_assert_eq!(block_on(apart::ingested(bytes)), fitted);
    }

    #[test]
    fn changed_batches_are_taken_apart_or_refused(bytes in changed(sent(), 6)) {
        decode(2, &bytes);
        decode(3, &bytes);
    }
}
