//! Rebuilds the embedded migrations when the folder changes.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
