//! The `execwarden` command.
fn main() {}
