//! A document to bytes: the same state gives the same bytes, and they read as
//! a person would write them.
//!
//! Only what differs from the defaults is written, but for mode and action: a
//! reviewer should see them. Texts are plain where every YAML reader agrees on
//! them, else in double quotes.

use super::conditions::{Conditions, Contents};
use super::document::{API_VERSION, Document, KIND, Metadata, Spec, Status, Unverified};
use super::made_from::MadeFrom;
use super::process::{Process, RunAs};
use super::removed::{Removed, StruckAs};
use crate::model::{Layer, Untrusted, WorkloadId};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

/// The document as YAML.
pub fn render(document: &Document) -> String {
    let mut out = String::new();
    // A String takes everything that is written to it.
    let _ = document_to(&mut out, document);
    out
}

/// One entry of `processes` as a document has it, without the indent.
pub fn render_process(entry: &Process) -> String {
    let mut out = String::new();
    let _ = process(&mut out, entry);
    without_indent(&out)
}

/// One entry of `removed` as a document has it, without the indent.
pub fn render_removed(entry: &Removed) -> String {
    let mut out = String::new();
    let _ = removed(&mut out, entry);
    without_indent(&out)
}

/// Every line without the four spaces that entries have in front.
fn without_indent(text: &str) -> String {
    let lines = text.lines();
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    lines.join("\n")
}

fn document_to(out: &mut String, document: &Document) -> fmt::Result {
    writeln!(out, "apiVersion: {API_VERSION}\nkind: {KIND}")?;
    metadata(out, &document.metadata)?;
    spec(out, &document.spec)?;
    document.status.as_ref().map_or(Ok(()), |s| status(out, s))
}

fn metadata(out: &mut String, metadata: &Metadata) -> fmt::Result {
    writeln!(out, "metadata:\n  name: {}", Scalar(&metadata.name))?;
    if let Some(namespace) = &metadata.namespace {
        writeln!(out, "  namespace: {}", Scalar(namespace))?;
    }
    text_map(out, "labels", &metadata.labels)?;
    text_map(out, "annotations", &metadata.annotations)
}

fn text_map(out: &mut String, name: &str, map: &BTreeMap<String, String>) -> fmt::Result {
    if !map.is_empty() {
        writeln!(out, "  {name}:")?;
    }
    for (key, value) in map {
        writeln!(out, "    {}: {}", Scalar(key), Scalar(value))?;
    }
    Ok(())
}

fn spec(out: &mut String, spec: &Spec) -> fmt::Result {
    writeln!(out, "spec:\n  workload:")?;
    match &spec.workload {
        WorkloadId::Kubernetes {
            namespace,
            kind,
            name,
            container,
        } => {
            writeln!(out, "    namespace: {}", Scalar(namespace))?;
            writeln!(out, "    kind: {}", Scalar(kind))?;
            writeln!(out, "    name: {}", Scalar(name))?;
            writeln!(out, "    container: {}", Scalar(container))?;
        }
        WorkloadId::Runtime { runtime, name } => {
            writeln!(out, "    runtime: {runtime}")?;
            writeln!(out, "    name: {}", Scalar(name))?;
        }
        WorkloadId::Unit { unit } => writeln!(out, "    unit: {}", Scalar(unit))?,
    }
    writeln!(out, "  mode: {}", spec.mode)?;
    if let Some(action) = spec.action {
        writeln!(out, "  action: {action}")?;
    }
    if spec.unverified != Unverified::default() {
        writeln!(out, "  unverified: {}", spec.unverified.as_str())?;
    }

    if let Some(digests) = spec.digests {
        writeln!(out, "  digests: {digests}")?;
    }

    list_head(out, "  processes", spec.processes.is_empty())?;
    for entry in &spec.processes {
        process(out, entry)?;
    }
    if !spec.removed.is_empty() {
        list_head(out, "  removed", false)?;
    }
    spec.removed
        .iter()
        .try_for_each(|entry| removed(out, entry))
}

fn process(out: &mut String, process: &Process) -> fmt::Result {
    writeln!(out, "    - path: {}", Scalar(process.path().as_str()))?;
    let fillings = process.path().fillings();
    if !fillings.is_empty() {
        let words: Vec<&str> = fillings.iter().map(|filling| filling.as_str()).collect();
        writeln!(out, "      wildcards: [{}]", words.join(", "))?;
    }
    layer(out, "layer", process.layer())?;
    match process.run_as() {
        RunAs::Program => {}
        RunAs::Applet(name) => writeln!(out, "      applet: {}", Scalar(name.as_str()))?,
        RunAs::Script {
            interpreter,
            interpreter_layer,
            via,
        } => {
            writeln!(out, "      interpreter: {}", Scalar(interpreter.as_str()))?;
            layer(out, "interpreterLayer", *interpreter_layer)?;
            let via: Vec<&str> = via.iter().map(super::ExactPath::as_str).collect();
            filled_list(out, "      via", &via)?;
        }
    }
    conditions(out, process.conditions())?;
    process
        .origin()
        .map_or(Ok(()), |origin| made_from(out, origin))
}

fn made_from(out: &mut String, origin: &MadeFrom) -> fmt::Result {
    writeln!(out, "      madeFrom:\n        count: {}", origin.count())?;
    let examples = origin.examples().iter().map(super::ExactPath::as_str);
    text_list(out, "        examples", examples)
}

fn layer(out: &mut String, field: &str, layer: Layer) -> fmt::Result {
    match layer == Layer::default() {
        true => Ok(()),
        false => writeln!(out, "      {field}: {layer}"),
    }
}

fn conditions(out: &mut String, conditions: &Conditions) -> fmt::Result {
    let Conditions {
        contents,
        args,
        parents,
        users,
    } = conditions;
    if let Some(contents) = contents {
        self::contents(out, contents)?;
    }
    if let Some(args) = args {
        let args: Vec<String> = args.texts().collect();
        text_list(out, "      args", &args)?;
    }
    let parents: Vec<&str> = parents.iter().map(super::Parent::as_str).collect();
    filled_list(out, "      parents", &parents)?;
    if !users.is_empty() {
        let users: Vec<String> = users.iter().map(u32::to_string).collect();
        writeln!(out, "      users: [{}]", users.join(", "))?;
    }
    Ok(())
}

fn contents(out: &mut String, contents: &Contents) -> fmt::Result {
    let digests: Vec<String> = contents.any_of().iter().map(ToString::to_string).collect();
    match &digests[..] {
        [one] => writeln!(out, "      sha256: {}", Scalar(one))?,
        more => text_list(out, "      sha256", more)?,
    }
    contents
        .digests()
        .map_or(Ok(()), |digests| writeln!(out, "      digests: {digests}"))
}

fn removed(out: &mut String, removed: &Removed) -> fmt::Result {
    writeln!(out, "    - path: {}", Scalar(removed.path.as_str()))?;
    match &removed.run_as {
        None => {}
        Some(StruckAs::Applet(name)) => writeln!(out, "      applet: {}", Scalar(name.as_str()))?,
        Some(StruckAs::ScriptOf(interpreter)) => {
            writeln!(out, "      interpreter: {}", Scalar(interpreter.as_str()))?;
        }
    }
    removed
        .layer
        .map_or(Ok(()), |layer| writeln!(out, "      layer: {layer}"))
}

fn status(out: &mut String, status: &Status) -> fmt::Result {
    let from = &status.learned_from;
    writeln!(out, "status:\n  learnedFrom:")?;
    writeln!(
        out,
        "    containers: {}\n    nodes: {}",
        from.containers, from.nodes
    )?;
    text_list(out, "    images", &from.images)?;

    let window = &status.window;
    let started = window.started.map(|t| t.to_string());
    let ended = window.ended.map(|t| t.to_string());
    let lines = [
        ("started", started.as_ref()),
        ("ended", ended.as_ref()),
        ("endedBecause", window.ended_because.as_ref()),
    ];
    if lines.iter().any(|(_, value)| value.is_some()) {
        writeln!(out, "  window:")?;
    }
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(out, "    {name}: {}", Scalar(value))?;
        }
    }
    text_list(out, "  gaps", &status.gaps)?;
    if let Some(complete) = status.complete {
        writeln!(out, "  complete: {complete}")?;
    }
    match status.pending_review.is_empty() {
        true => Ok(()),
        false => text_list(out, "  pendingReview", &status.pending_review),
    }
}

fn text_list<T: AsRef<str>>(
    out: &mut String,
    name: &str,
    texts: impl IntoIterator<Item = T>,
) -> fmt::Result {
    let mut texts = texts.into_iter().peekable();
    list_head(out, name, texts.peek().is_none())?;
    let indent = name.len() - name.trim_start().len() + 2;
    texts.try_for_each(|text| writeln!(out, "{:indent$}- {}", "", Scalar(text.as_ref())))
}

/// A list that is left out where it is empty.
fn filled_list(out: &mut String, name: &str, texts: &[&str]) -> fmt::Result {
    match texts.is_empty() {
        true => Ok(()),
        false => text_list(out, name, texts),
    }
}

fn list_head(out: &mut String, name: &str, empty: bool) -> fmt::Result {
    writeln!(out, "{name}:{}", if empty { " []" } else { "" })
}

/// A text as YAML has it, in a list between brackets too.
pub(crate) struct Scalar<'a>(pub(crate) &'a str);

impl Scalar<'_> {
    /// Whether every YAML reader takes it, unquoted, for this very text: it
    /// begins as no number, mark or date does, and is no word of YAML 1.1.
    fn is_plain(&self) -> bool {
        const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

        let text = self.0;
        let first = text.bytes().next().unwrap_or(b' ');
        (first.is_ascii_alphabetic() || first == b'/')
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/._-+@*:~=".contains(&b))
            && !text.ends_with(':')
            && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
    }
}

impl Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain() {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c if is_visible(c) => f.write_char(c)?,
                c => match u32::from(c) {
                    n @ ..=0xff => write!(f, "\\x{n:02x}")?,
                    n @ ..=0xffff => write!(f, "\\u{n:04x}")?,
                    n => write!(f, "\\U{n:08x}")?,
                },
            }
        }
        f.write_char('"')
    }
}

/// Whether YAML allows the character as it is and an editor shows it.
fn is_visible(c: char) -> bool {
    let plain = Untrusted::from(c.encode_utf8(&mut [0; 4]) as &str)
        .as_plain_str()
        .is_some();
    plain && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::arbitrary::document;
    use crate::allowlist::parse;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Scalar(text).to_string(), expected);
    }

    #[test]
    fn plain_only_where_every_reader_agrees() {
        check("/usr/sbin/nginx", "/usr/sbin/nginx");
        check("/opt/releases/*/bin/g++", "/opt/releases/*/bin/g++");
        check("user@1000.service", "user@1000.service");
        check("/usr/bin/[", "\"/usr/bin/[\"");
        for text in [
            "",
            "no",
            "NULL",
            "1.0",
            "2026-01-31T12:00:00Z",
            "a b",
            "a#",
            "a:",
            "-",
            "~",
        ] {
            check(text, &format!("\"{text}\""));
        }
    }

    #[test]
    fn what_an_editor_hides_is_escaped() {
        check("a\"\\\n\t", "\"a\\\"\\\\\\n\\t\"");
        check(
            "\u{1b}\u{85}\u{202e}\u{e0001}",
            "\"\\x1b\\x85\\u202e\\U000e0001\"",
        );
        check("ä ☃", "\"ä ☃\"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(document in document()) {
            let text = render(&document);
            let read = parse("test.yaml", text.as_bytes());

            prop_assert_eq!(read, Ok(document), "{}", text);
        }

        #[test]
        fn the_same_state_gives_the_same_bytes(document in document()) {
            let once = render(&document);
            let again = parse("test.yaml", once.as_bytes()).expect("read back");

            prop_assert_eq!(render(&again), once);
        }
    }
}
