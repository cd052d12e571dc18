//! The ProcessAllowlist: what a workload may run.
//!
//! - [`path`], [`filling`], [`args`], [`conditions`], [`process`], [`made_from`],
//!   [`removed`], [`document`]: the document as types; what cannot be written
//!   down cannot be built.
//! - [`parse`](mod@parse), [`render`](mod@render): bytes in, bytes out.
//!   Strict, bounded, and the same state gives the same bytes. `raw` has the
//!   shape of the YAML.
//! - [`decided`]: what people decided on the running agent, laid over whichever
//!   document is in force.
//! - [`fields`], [`diff`](mod@diff), [`merge`](mod@merge): an entry field by
//!   field, what differs between two documents, several of one workload as one.
//! - [`observed`], [`compiled`], [`nearest`]: what is asked, and the form that
//!   execs are judged with; `patterns` finds entries by their path.
//! - [`signature`]: who has signed a document.
//! - [`folder`], [`keyring`], [`write`](mod@write), [`watch`], [`file`](mod@file): the
//!   only parts that touch a file system.
//!
//! A document is untrusted input: whatever its bytes, reading it ends with a
//! document or with an error that names file, line and column.

pub mod args;
pub mod compiled;
pub mod conditions;
pub mod decided;
pub mod diff;
pub mod document;
pub mod fields;
pub mod file;
pub mod filling;
pub mod folder;
pub mod keyring;
pub mod made_from;
pub mod merge;
pub mod nearest;
pub mod observed;
pub mod parse;
pub mod path;
mod patterns;
pub mod process;
mod raw;
pub mod removed;
pub mod render;
pub mod signature;
pub mod watch;
pub mod write;

#[cfg(test)]
pub(crate) mod arbitrary;

pub use args::{ArgsError, ArgsPattern};
pub use compiled::{Allowlist, CompileError, Coverage};
pub use conditions::{Conditions, Contents, Digests, Parent};
pub use decided::DecidedAction;
pub use decided::{DecisionError, lay_over};
pub use diff::{Diff, diff};
pub use document::{
    Action, Document, LearnedFrom, Metadata, Mode, Spec, Status, Unverified, Window,
};
pub use filling::Filling;
pub use folder::{Folder, FolderError, Loaded, Reload};
pub use keyring::{KeyError, Keyring};
pub use made_from::MadeFrom;
pub use merge::{MergeError, merge};
pub use nearest::{Difference, Nearest};
pub use observed::Observed;
pub use parse::{ParseError, parse, parse_foreign};
pub use path::{ExactPath, PathError, PathPattern};
pub use process::{Applet, Process, ProcessError, RunAs};
pub use removed::{Removed, StruckAs};
pub use render::{render, render_process, render_removed};
pub use watch::{FolderWatch, WatchError};
pub use write::{WriteError, write_document};
