//! The `sluice` program. Everything it does is in [`cli`]; here it only gets its allocator.

mod cli;
mod config;
mod demo;

/// Decoding and aggregation allocate much and on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
