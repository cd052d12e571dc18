//! The `execwarden` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    execwarden::cli::main()
}
