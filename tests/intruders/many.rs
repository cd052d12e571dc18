//! many [ARG…]: a program of several, by the name it is called by: what a
//! multi-call binary does that nobody knows as one.
fn main() {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&name).file_name();
    match name.and_then(|name| name.to_str()) {
        Some("first") => println!("the first"),
        Some("second") => println!("the second"),
        _ => println!("of many"),
    }
}
