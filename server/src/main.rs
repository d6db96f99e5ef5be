//! The `sluice` program. Everything it does is in [`cli`]; here it only gets its allocator.

mod allocator;
mod cli;
mod config;
mod demo;

fn main() -> std::process::ExitCode {
    cli::main()
}
