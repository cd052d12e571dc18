//! The command line of what is done with files.

use crate::exchange::{Assignment, Format};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `execwarden allowlist diff`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 the two mean the same; 1 they differ; 2 one of them could not be read."
)]
pub struct DiffArguments {
    /// A ProcessAllowlist document; - for stdin
    #[arg(value_name = "FROM", value_hint = ValueHint::FilePath)]
    pub from: PathBuf,

    /// The one that it is compared with; - for stdin
    #[arg(value_name = "TO", value_hint = ValueHint::FilePath)]
    pub to: PathBuf,

    /// Print JSON, with every name whole
    #[arg(long)]
    pub json: bool,
}

/// `execwarden allowlist merge`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 done; 2 a file could not be read, or they are of different workloads."
)]
pub struct MergeArguments {
    /// ProcessAllowlist documents of one workload; - for stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// File to write, replaced as a whole [default: stdout]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Print JSON: what was made, and what there is to say of it
    #[arg(long)]
    pub json: bool,
}

/// `execwarden allowlist export`.
#[derive(Args, Debug)]
#[command(
    after_help = "What is lost is said on stderr, or in the JSON. Exit status: 0 all that may run is in the result; 1 some of it is left out; 2 nothing was written."
)]
pub struct ExportArguments {
    /// ProcessAllowlist documents; - for stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// File to write, replaced as a whole [default: stdout]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Print JSON: what was made, and what there is to say of it
    #[arg(long)]
    pub json: bool,
}

/// `execwarden allowlist import`.
#[derive(Args, Debug)]
#[command(
    after_help = "What is lost is said on stderr, or in the JSON. Exit status: 0 all that may run is in the result; 1 some of it is left out; 2 nothing was written."
)]
pub struct ImportArguments {
    /// Files in that format, with one resource or several; - for stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// What they are
    #[arg(long, value_enum)]
    pub format: Format,

    /// Whose it is, where the file does not say: NAMESPACE/KIND/NAME/CONTAINER,
    /// RUNTIME/NAME or unit/NAME, or NAMESPACE/KIND/NAME where the file names
    /// the container; PART=… for one resource of several. May be repeated
    #[arg(long, value_name = "[PART=]WORKLOAD")]
    pub workload: Vec<Assignment>,

    /// Folder to write a document for each workload into; nothing that is
    /// there is replaced [default: stdout]
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,

    /// Print JSON: what was made, and what there is to say of it
    #[arg(long)]
    pub json: bool,
}
