//! deep PROGRAM NAME COUNTxLENGTH…: makes folders in each other, from here on:
//! COUNT with names of LENGTH times the letter NAME, and so on. Copies PROGRAM
//! into the last and runs the copy as `./p`: its path may be longer than any
//! call takes.

mod libc;

use std::env::set_current_dir;
use std::fs;

fn main() {
    let args = libc::arguments("deep PROGRAM NAME COUNTxLENGTH…", 3);
    let words: Vec<&str> = args.iter().map(|arg| arg.to_str().expect("text")).collect();
    let program = fs::read(words[0]).expect("cannot read the program");
    for many in &words[2..] {
        let (count, length) = many.split_once('x').expect("COUNTxLENGTH");
        let name = words[1].repeat(length.parse().expect("LENGTH is a number"));
        for _ in 0..count.parse().expect("COUNT is a number") {
            // Another run may have made it.
            let _ = fs::create_dir(&name);
            set_current_dir(&name).expect("cannot go into the folder");
        }
    }
    fs::write("p", program).expect("cannot copy the program");
    let executable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions("p", executable).expect("cannot make it executable");
    libc::exec_path(c"./p", &[c"deep".to_owned()]);
}
