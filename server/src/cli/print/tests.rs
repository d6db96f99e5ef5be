//! Tests of print: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::array::{Int64Array, ListArray};
use arrow::datatypes::Int32Type;

use super::*;

fn batch(values: &[i64]) -> RecordBatch {
    let lists = values
        .iter()
        .map(|v| (*v > 1).then(|| vec![Some(*v as i32), None]));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef),
        ("list", Arc::new(lists) as ArrayRef),
    ])
    .unwrap()
}

#[test]
fn csv_has_one_header_per_result() {
    let mut printer = Printer::new(Style::Csv);
    let (a, b) = (batch(&[1, 2]), batch(&[3]));
    let schema = a.schema();
    let mut print = |name: &str, rows: &[RecordBatch]| printer.text(name, &schema, rows).unwrap();
    assert_eq!(
        print("a", std::slice::from_ref(&a)),
        "n,list\n1,\n2,\"[2, ]\"\n"
    );
    assert_eq!(print("a", std::slice::from_ref(&b)), "3,\"[3, ]\"\n");
    assert_eq!(print("a", &[]), "");
    assert_eq!(print("b", &[]), "\nn,list\n");
    assert_eq!(print("b", &[b]), "3,\"[3, ]\"\n");
}

#[test]
fn tables_have_their_header_even_without_rows() {
    let mut printer = Printer::new(Style::Table);
    let schema = batch(&[]).schema();
    let text = printer.text("a", &schema, &[]).unwrap();
    assert!(text.contains("| n | list |"), "{text}");
    assert_eq!(printer.text("a", &schema, &[batch(&[])]).unwrap(), "");
}
