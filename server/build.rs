//! Tells the linker to keep one copy of functions that are the same: the engine's generic code is instantiated many times over, and what is
//! not in the file need not be in memory. Only where this toolchain brings the linker that can (rust-lld).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    if target == "x86_64-unknown-linux-gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
