//! What perf prints, folded, and whose step it is.

use super::*;

const SCRIPT: &str = "reader
\t     55d0 sluice_connectors::format::json::fast::decode::h0123456789abcdef
\t     55d1 sluice_connectors::kafka::reader::run::h0123456789abcdef

reader
\t     55d0 sluice_connectors::format::json::fast::decode::h0123456789abcdef
\t     55d1 sluice_connectors::kafka::reader::run::h0123456789abcdef

tokio
\t ffffffff copy_to_iter
\t ffffffff tcp_recvmsg
\t     55d2 sluice_connectors::kafka::lane::fill

";

#[test]
fn stacks_are_folded_outermost_first() {
    let stacks = folded(SCRIPT);
    let decode = "reader;sluice_connectors::kafka::reader::run;sluice_connectors::format::json::fast::decode";
    assert_eq!(stacks[decode], 2);
    assert_eq!(stacks.len(), 2);
}

#[test]
fn the_innermost_function_that_says_something_counts() {
    let steps = by_step(&folded(SCRIPT));
    assert_eq!(
        steps,
        [("decode JSON", 2), ("the kernel: reading the socket", 1)]
    );
    assert_eq!(step_of("memcpy"), None);
}
