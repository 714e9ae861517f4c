//! The linker finds the board's memory.

fn main() {
    println!("cargo::rustc-link-search={}", std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where"));
    println!("cargo::rerun-if-changed=memory.x");
}
