//! What a Flight SQL client sends: commands, actions, and parameters or rows as Arrow IPC. It is taken apart or refused.
//!
//! Arrow's reader panics on much that is no message of its own, and the door makes an error of that. So libFuzzer's hook, which ends the process at
//! any panic, is replaced: here only one that leaves the door is the end.
#![no_main]

use std::{
    panic,
    process::abort,
    sync::{Mutex, Once},
};

static HOOK: Once = Once::new();
static LAST: Mutex<String> = Mutex::new(String::new());

libfuzzer_sys::fuzz_target!(|message: (u8, &[u8])| {
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            if let Ok(mut last) = LAST.lock() {
                *last = panic.to_string();
            }
        }));
    });
    let (kind, body) = message;
    let taken = panic::catch_unwind(|| sluice_server::doors::flight::decode(kind % 4, body));
    if taken.is_err() {
        eprintln!("{:?}", LAST.lock());
        abort();
    }
});
