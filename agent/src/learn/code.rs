//! Code that stands in the arguments: `sh -c …`, `python -c …`.
//!
//! What such a command does, its path does not tell; so its arguments are
//! learned, while there are few. Where this module is wrong about a command,
//! learning proposes arguments that it need not, or none; nothing is decided
//! by it.

use crate::model::{Args, Identity, Role, Untrusted, last_component};
use std::collections::BTreeSet;

/// How many lists of arguments a baseline keeps for one identity.
pub const MAX_LISTS: usize = 8;
/// The longest list.
pub const MAX_ARGUMENTS: usize = 64;
/// The most bytes of one list.
pub const MAX_BYTES: usize = 4096;

/// How one interpreter, or several that are alike, is given code.
struct Interpreter {
    /// Its names, without a version.
    names: &'static [&'static str],
    /// The letters whose value is code.
    code: &'static str,
    /// The letters whose value is the rest of their argument.
    attached: &'static str,
    /// The letters whose value is the rest of their argument, or the next.
    valued: &'static str,
    /// The long options whose value is code.
    long_code: &'static [&'static str],
    /// The long options whose value is the next argument.
    long_valued: &'static [&'static str],
}

const INTERPRETERS: [Interpreter; 7] = [
    Interpreter {
        names: &[
            "sh", "ash", "bash", "rbash", "dash", "hush", "ksh", "mksh", "zsh", "fish",
        ],
        code: "c",
        attached: "",
        valued: "oO",
        long_code: &["--command"],
        long_valued: &["--rcfile", "--init-file"],
    },
    Interpreter {
        names: &["python", "pypy"],
        code: "c",
        attached: "",
        valued: "WX",
        long_code: &[],
        long_valued: &["--check-hash-based-pycs"],
    },
    Interpreter {
        names: &["perl"],
        code: "eE",
        attached: "MmDxCdFiV",
        valued: "I",
        long_code: &[],
        long_valued: &[],
    },
    Interpreter {
        names: &["ruby"],
        code: "e",
        attached: "iKWTxF0",
        valued: "rICE",
        long_code: &[],
        long_valued: &["--encoding"],
    },
    Interpreter {
        names: &["node", "nodejs"],
        code: "ep",
        attached: "",
        valued: "rC",
        long_code: &["--eval", "--print"],
        long_valued: &["--require", "--import", "--conditions", "--loader"],
    },
    Interpreter {
        names: &["php"],
        code: "rBRE",
        attached: "",
        valued: "dcz",
        long_code: &[
            "--run",
            "--process-begin",
            "--process-code",
            "--process-end",
        ],
        long_valued: &["--define", "--php-ini"],
    },
    Interpreter {
        names: &["lua", "luajit"],
        code: "e",
        attached: "",
        valued: "lj",
        long_code: &[],
        long_valued: &[],
    },
];

/// Whether a program of this name, with these arguments behind it, is an
/// interpreter or a shell that is given code in them.
pub fn is_code_in_arguments(name: &[u8], args: &[Untrusted]) -> bool {
    let end = name
        .iter()
        .rposition(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-')))
        .map_or(0, |last| last + 1);
    INTERPRETERS
        .iter()
        .find(|one| one.names.iter().any(|own| own.as_bytes() == &name[..end]))
        .is_some_and(|one| one.finds_code(args))
}

impl Interpreter {
    /// Options come first; what follows them is a file to run, and its
    /// arguments.
    fn finds_code(&self, args: &[Untrusted]) -> bool {
        let mut args = args.iter().map(Untrusted::as_bytes);
        while let Some(arg) = args.next() {
            let takes_next = match arg {
                [b'-', b'-', _, ..] => {
                    let name = arg.split(|byte| *byte == b'=').next().unwrap_or(arg);
                    let is_in = |list: &[&str]| list.iter().any(|one| one.as_bytes() == name);
                    if is_in(self.long_code) {
                        return true;
                    }
                    name == arg && is_in(self.long_valued)
                }
                [b'-' | b'+', letters @ ..] if !letters.is_empty() && arg != b"--" => {
                    match self.read_letters(letters) {
                        Letters::Code => return true,
                        Letters::TakeNext => true,
                        Letters::Done => false,
                    }
                }
                _ => return false,
            };
            if takes_next {
                args.next();
            }
        }
        false
    }

    fn read_letters(&self, letters: &[u8]) -> Letters {
        for (place, letter) in letters.iter().enumerate() {
            let is_one_of = |list: &str| list.as_bytes().contains(letter);
            if is_one_of(self.code) {
                return Letters::Code;
            }
            if is_one_of(self.attached) {
                return Letters::Done;
            }
            if is_one_of(self.valued) {
                return match place + 1 == letters.len() {
                    true => Letters::TakeNext,
                    false => Letters::Done,
                };
            }
        }
        Letters::Done
    }
}

/// What some option letters in one argument lead to.
enum Letters {
    Code,
    TakeNext,
    Done,
}

/// The arguments of a run behind its name, if they are code, were all read,
/// and can be written in a document.
pub fn code_in_arguments(identity: &Identity, args: &Args) -> Option<Vec<String>> {
    let (name, of_applet) = match &identity.role {
        Role::Program => (last_component(identity.file.as_bytes()), false),
        Role::Applet(name) => (name.as_bytes(), true),
        // The script is what says what is done.
        Role::Script(_) => return None,
    };
    let list = args.after_name(of_applet);
    if args.cut || args.unread || !is_code_in_arguments(name, list) {
        return None;
    }
    let texts = list
        .iter()
        .map(|arg| arg.as_plain_lines().map(str::to_owned));
    texts.collect::<Option<Vec<_>>>().filter(|list| fits(list))
}

fn fits(list: &[String]) -> bool {
    list.len() <= MAX_ARGUMENTS && list.iter().map(String::len).sum::<usize>() <= MAX_BYTES
}

/// The arguments that one identity was run with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arguments {
    /// Always code, and these are all; at least one, at most [`MAX_LISTS`].
    Code(BTreeSet<Vec<String>>),
    /// Some run had no code in its arguments, or there were too many different
    /// ones: its arguments are not learned, and never will be.
    Any,
}

impl Arguments {
    /// Those of one run; see [`code_in_arguments`].
    pub(super) fn of(code: Option<&[String]>) -> Self {
        code.map_or(Self::Any, |list| Self::Code([list.to_vec()].into()))
    }

    /// Lists as they were written down; `None` if they break a bound.
    pub(super) fn from_lists(lists: BTreeSet<Vec<String>>) -> Option<Self> {
        let bounded = (1..=MAX_LISTS).contains(&lists.len()) && lists.iter().all(|list| fits(list));
        bounded.then_some(Self::Code(lists))
    }

    /// Whether that told something new.
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        let Self::Code(ours) = self else {
            return false;
        };
        if let Self::Code(theirs) = other {
            let before = ours.len();
            ours.extend(theirs.iter().cloned());
            if ours.len() <= MAX_LISTS {
                return ours.len() > before;
            }
        }
        *self = Self::Any;
        true
    }
}

#[cfg(test)]
#[path = "code_tests.rs"]
mod tests;
