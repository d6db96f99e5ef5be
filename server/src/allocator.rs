//! The allocator of the program, of its tests and of the benchmarks: jemalloc, also for what is written in C.
//!
//! Log and checkpoint work runs on many threads that come and go; jemalloc has a few arenas for all of them and gives back what is free
//! after a second (docs/decisions/019-jemalloc.md).

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads under this name when the process starts; the environment's `MALLOC_CONF` goes over it. A thread of its own gives
/// memory back, also of threads that sleep; large pieces are kept as long as small ones, as they are wanted again with the next batch; no
/// huge pages, which small heaps would fill with nothing.
// SAFETY: jemalloc alone has a symbol of this name, and takes it for a C string, which this is.
#[unsafe(export_name = "malloc_conf")]
pub static SETTINGS: &[u8; 91] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,oversize_threshold:0,thp:never\0";
