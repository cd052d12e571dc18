//! hello: prints the name it was called by, and ends.
fn main() {
    let name = std::env::args_os().next().unwrap_or_default();
    println!("hello from {}", name.display());
}
