//! What arguments an entry asks for.

use crate::model::{Args, Untrusted};
use std::fmt;

/// The most patterns an entry has.
pub const MAX_PATTERNS: usize = 64;
/// The most bytes that its patterns have together, each `*` one of them.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// Why a text is no pattern, or some are no list of them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArgsError {
    /// `**` that is not the last.
    #[error("** stands for any arguments that follow, and must be the last of the list")]
    RestInTheMiddle,
    /// `**` with something else.
    #[error("the argument {0:?} has **; write one * for any text, or ** alone for the rest")]
    DoubleStar(String),
    /// A backslash that escapes nothing.
    #[error(
        "in the argument {0:?} a \\ stands before neither * nor \\; \
         write \\* for a star and \\\\ for a backslash"
    )]
    Backslash(String),
    /// Not what a reviewer can see.
    #[error("the argument '{0}' has control characters or invisible characters")]
    NotPlain(String),
    /// More than [`MAX_PATTERNS`].
    #[error("{0} arguments; an entry lists at most {MAX_PATTERNS}, ** for the rest among them")]
    TooMany(usize),
    /// More than [`MAX_PATTERN_BYTES`].
    #[error("the arguments have {0} bytes; those of an entry have at most {MAX_PATTERN_BYTES}")]
    TooLong(usize),
}

/// One argument: text in which `*` stands for any text. `\*` is a star and
/// `\\` a backslash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct ArgPattern {
    /// What stands before the first `*`, between two, and behind the last: at
    /// least one, and one more than there are `*`.
    literals: Vec<String>,
}

impl ArgPattern {
    fn parse(text: &str) -> Result<Self, ArgsError> {
        let untrusted = Untrusted::from(text);
        if untrusted.as_plain_lines().is_none() {
            return Err(ArgsError::NotPlain(untrusted.escaped(256)));
        }
        let mut literals = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => literal.push(escaped),
                    _ => return Err(ArgsError::Backslash(text.to_owned())),
                },
                '*' if chars.peek() == Some(&'*') => {
                    return Err(ArgsError::DoubleStar(text.to_owned()));
                }
                '*' => literals.push(std::mem::take(&mut literal)),
                c => literal.push(c),
            }
        }
        literals.push(literal);
        Ok(Self { literals })
    }

    fn bytes(&self) -> usize {
        self.literals.iter().map(String::len).sum::<usize>() + self.literals.len() - 1
    }

    /// Each literal is taken where it first comes: what is left for the later
    /// ones is then as much as it can be.
    fn matches(&self, argument: &[u8]) -> bool {
        let [first, others @ ..] = &self.literals[..] else {
            return false;
        };
        let Some(mut rest) = argument.strip_prefix(first.as_bytes()) else {
            return false;
        };
        let Some((last, between)) = others.split_last() else {
            return rest.is_empty();
        };
        for literal in between {
            let Some(place) = find(rest, literal.as_bytes()) else {
                return false;
            };
            rest = &rest[place + literal.len()..];
        }
        rest.ends_with(last.as_bytes())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    text.windows(wanted.len()).position(|part| part == wanted)
}

impl fmt::Display for ArgPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, literal) in self.literals.iter().enumerate() {
            if place > 0 {
                f.write_str("*")?;
            }
            f.write_str(&literal.replace('\\', "\\\\").replace('*', "\\*"))?;
        }
        Ok(())
    }
}

/// All arguments behind the name ([`Args::after_name`]), one pattern each.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ArgsPattern {
    each: Vec<ArgPattern>,
    /// Whether any others may follow.
    rest: bool,
}

impl ArgsPattern {
    /// These and no others; a last `**` allows any that follow.
    ///
    /// # Errors
    /// Any [`ArgsError`].
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, ArgsError> {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        if texts.len() > MAX_PATTERNS {
            return Err(ArgsError::TooMany(texts.len()));
        }
        let rest = texts.pop_if(|last| *last == "**").is_some();
        if texts.contains(&"**") {
            return Err(ArgsError::RestInTheMiddle);
        }
        let each = texts.into_iter().map(ArgPattern::parse);
        Self::bounded(each.collect::<Result<_, _>>()?, rest)
    }

    /// These arguments and no others; nothing in them is special.
    ///
    /// # Errors
    /// Too many or too long, or no plain text.
    pub fn exactly(arguments: &[String]) -> Result<Self, ArgsError> {
        if arguments.len() > MAX_PATTERNS {
            return Err(ArgsError::TooMany(arguments.len()));
        }
        let each = arguments.iter().map(|argument| {
            let untrusted = Untrusted::from(argument.as_str());
            match untrusted.as_plain_lines() {
                None => Err(ArgsError::NotPlain(untrusted.escaped(256))),
                Some(text) => Ok(ArgPattern {
                    literals: vec![text.to_owned()],
                }),
            }
        });
        Self::bounded(each.collect::<Result<_, _>>()?, false)
    }

    fn bounded(each: Vec<ArgPattern>, rest: bool) -> Result<Self, ArgsError> {
        match each.iter().map(ArgPattern::bytes).sum() {
            bytes if bytes > MAX_PATTERN_BYTES => Err(ArgsError::TooLong(bytes)),
            _ => Ok(Self { each, rest }),
        }
    }

    /// Each pattern as a document has it, `**` for the rest last.
    pub fn texts(&self) -> impl Iterator<Item = String> + '_ {
        let rest = self.rest.then(|| "**".to_owned());
        self.each.iter().map(ArgPattern::to_string).chain(rest)
    }

    /// Whether the arguments are these. `of_applet` says that they are those
    /// of one program of a multi-call binary. Where some were cut off or none
    /// could be read, only if it is sure.
    pub fn hold(&self, args: &Args, of_applet: bool) -> bool {
        if args.unread {
            return false;
        }
        let found = args.after_name(of_applet);
        // Of what was cut, the last may be only the beginning.
        let whole = match args.cut {
            true => found.len().saturating_sub(1),
            false => found.len(),
        };
        let enough = match self.rest {
            true => self.each.len() <= whole,
            false => self.each.len() == whole && !args.cut,
        };
        let mut pairs = self.each.iter().zip(found);
        enough && pairs.all(|(pattern, argument)| pattern.matches(argument.as_bytes()))
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
