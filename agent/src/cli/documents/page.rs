//! What differs between two documents, for a person. Fits 80 columns; a path
//! that is longer goes on below, whole.

use crate::allowlist::Diff;
use crate::allowlist::diff::{EntryChange, FieldChange};
use crate::allowlist::fields::{Entry, Value};
use crate::cli::output::plain;
use crate::cli::paint::Paint;
use crate::cli::table::wrapped;

/// The page; nothing where nothing differs. `names` are those of the two
/// files.
pub(in crate::cli) fn render(names: &[String], diff: &Diff, paint: Paint) -> String {
    if diff.is_empty() {
        return String::new();
    }
    let mut page = Page {
        text: String::new(),
        paint,
    };
    for (sign, name) in [Sign::Minus, Sign::Plus].into_iter().zip(names) {
        page.line(sign, &sign.mark().repeat(3), name);
    }
    page.section("spec", !diff.spec.is_empty());
    for change in &diff.spec {
        page.change("", change);
    }
    page.entries("processes", &diff.processes);
    page.entries("removed", &diff.removed);
    page.text
}

#[derive(Clone, Copy)]
enum Sign {
    Minus,
    Plus,
    Other,
}

impl Sign {
    fn mark(self) -> &'static str {
        match self {
            Self::Minus => "-",
            Self::Plus => "+",
            Self::Other => "~",
        }
    }
}

struct Page {
    text: String,
    paint: Paint,
}

impl Page {
    fn section(&mut self, heading: &str, some: bool) {
        if some {
            self.text += &format!("\n{}\n", self.paint.heading(heading));
        }
    }

    fn entries(&mut self, heading: &str, changes: &[EntryChange]) {
        self.section(heading, !changes.is_empty());
        for change in changes {
            match change {
                EntryChange::Added { entry } => self.entry(Sign::Plus, entry),
                EntryChange::Removed { entry } => self.entry(Sign::Minus, entry),
                EntryChange::Changed { entry, fields } => {
                    self.entry(Sign::Other, entry);
                    for field in fields {
                        self.change("  ", field);
                    }
                }
            }
        }
    }

    fn entry(&mut self, sign: Sign, entry: &Entry) {
        self.line(sign, sign.mark(), &entry.path);
        for field in &entry.fields {
            self.line(sign, "   ", &format!("{}: {}", field.name, field.value));
        }
    }

    fn change(&mut self, indent: &str, change: &FieldChange) {
        for (sign, value) in [(Sign::Minus, &change.from), (Sign::Plus, &change.to)] {
            let mark = format!("{indent}{}", sign.mark());
            let value = said(change.field, value.as_ref());
            self.line(sign, &mark, &format!("{}: {value}", change.field));
        }
    }

    fn line(&mut self, sign: Sign, mark: &str, text: &str) {
        for line in wrapped(mark, &plain(text)).lines() {
            self.text += &match sign {
                Sign::Minus => self.paint.bad(line),
                Sign::Plus => self.paint.good(line),
                Sign::Other => self.paint.heading(line),
            };
            self.text += "\n";
        }
    }
}

/// What a field says, or what it means that it is not there.
fn said(field: &str, value: Option<&Value>) -> String {
    match value {
        Some(value) => value.to_string(),
        None if field == "digests" => "as the document says".to_owned(),
        None => "any".to_owned(),
    }
}
