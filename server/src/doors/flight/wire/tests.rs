//! Types as they travel, and the size of messages.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::{
    array::{
        ArrayRef, DictionaryArray, Int32Array, ListArray, StringArray, StringViewArray, StructArray,
    },
    datatypes::{Fields, Int32Type},
};
use arrow_flight::decode::FlightRecordBatchStream;

use super::*;

fn batch(column: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap()
}

async fn travel(batches: Vec<RecordBatch>) -> (SchemaRef, Vec<RecordBatch>, usize) {
    let from = batches[0].schema();
    let messages: Vec<_> = encode(&from, stream::iter(batches.into_iter().map(Ok)))
        .try_collect()
        .await
        .unwrap();
    let largest = messages.iter().map(|m| m.data_body.len()).max().unwrap();
    let messages = stream::iter(messages.into_iter().map(Ok));
    let mut decoded = FlightRecordBatchStream::new_from_flight_data(messages);
    let batches = (&mut decoded).try_collect().await.unwrap();
    (decoded.schema().unwrap().clone(), batches, largest)
}

#[tokio::test]
async fn new_types_travel_as_old_ones_at_any_depth() {
    let texts =
        || -> ArrayRef { Arc::new(StringViewArray::from(vec!["a", "longer than twelve bytes"])) };
    let dictionary: DictionaryArray<Int32Type> =
        ["a", "longer than twelve bytes"].into_iter().collect();
    let plain: ArrayRef = Arc::new(StringArray::from(vec!["a", "longer than twelve bytes"]));
    for column in [texts(), Arc::new(dictionary)] {
        let (schema, batches, _) = travel(vec![batch(column)]).await;
        assert_eq!(*schema.field(0).data_type(), DataType::Utf8);
        assert_eq!(batches[0].column(0), &plain);
    }
    let item: FieldRef = Arc::new(Field::new("item", DataType::Utf8View, true));
    let list = ListArray::new(
        Arc::clone(&item),
        arrow::buffer::OffsetBuffer::from_lengths([1, 1]),
        texts(),
        None,
    );
    let fields: Fields = vec![Field::new("l", list.data_type().clone(), true)].into();
    let nested = StructArray::new(fields, vec![Arc::new(list)], None);
    let before = batch(Arc::new(nested));
    let announced = schema(&before.schema());
    let (schema, batches, _) = travel(vec![before]).await;
    assert_eq!(schema, announced);
    let column: &StructArray = batches[0].column(0).as_any().downcast_ref().unwrap();
    let list: &ListArray = column.column(0).as_any().downcast_ref().unwrap();
    assert_eq!(list.values(), &plain);
}

#[tokio::test]
async fn a_small_slice_of_a_large_batch_is_a_small_message() {
    let large = batch(Arc::new(Int32Array::from_iter_values(0..4_000_000)));
    let (_, batches, largest) = travel(vec![large.slice(1_000, 10)]).await;
    assert_eq!(batches.len(), 1);
    assert!(largest < 1_000, "{largest}");
    let (_, batches, largest) = travel(vec![large]).await;
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        4_000_000
    );
    assert!(
        batches.len() >= 8 && largest < 3 << 20,
        "{} {largest}",
        batches.len()
    );
}

#[tokio::test]
async fn a_row_larger_than_a_message_goes_alone() {
    let text = "x".repeat(3 << 20);
    let rows: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(), "y", text.as_str()]));
    let (_, batches, _) = travel(vec![batch(rows)]).await;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
}
