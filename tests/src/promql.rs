//! What an expression of Prometheus's asks for: only as much of the language as
//! finds names. Whether an expression is one, Prometheus itself says.

use std::iter::Peekable;

/// A metric as an expression selects it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// Its name on the wire, with the suffix of its kind.
    pub metric: String,
    /// Labels that are looked at, each with the text that it is compared with.
    pub matchers: Vec<(String, String)>,
}

/// All names in an expression.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// Metrics whose names begin as asked for.
    pub selectors: Vec<Selector>,
    /// Labels in `by (…)` and `on (…)`.
    pub grouped: Vec<String>,
}

/// Finds the metrics whose names begin with `prefix`, and the labels.
pub fn names(expression: &str, prefix: &str) -> Names {
    let mut names = Names::default();
    let mut words = words(expression).peekable();
    while let Some(word) = words.next() {
        if word.starts_with(prefix) {
            let matchers = match words.next_if_eq(&"{") {
                Some(_) => matchers(&mut words),
                None => Vec::new(),
            };
            let metric = word.to_owned();
            names.selectors.push(Selector { metric, matchers });
        } else if ["by", "on"].contains(&word) && words.next_if_eq(&"(").is_some() {
            let labels = words.by_ref().take_while(|word| *word != ")");
            let labels = labels.filter(|word| *word != ",");
            names.grouped.extend(labels.map(str::to_owned));
        }
    }
    names
}

/// Up to the closing brace.
fn matchers<'e>(words: &mut Peekable<impl Iterator<Item = &'e str>>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut label = "";
    for word in words.by_ref().take_while(|word| *word != "}") {
        match word.strip_prefix('"') {
            Some(text) => found.push((label.to_owned(), text.trim_end_matches('"').to_owned())),
            None if begins_a_name(word) => label = word,
            None => {}
        }
    }
    found
}

/// Names, texts with their quotation marks, and everything else but blanks, a
/// character at a time. A text with an escape in it is cut in two.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    let mut rest = expression.trim_start();
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            _ if begins_a_name(rest) => rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (word, behind) = rest.split_at(length);
        rest = behind.trim_start();
        Some(word)
    })
}

fn begins_a_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_metrics_with_their_labels_and_groups() {
        let found = names(
            r#"sum by (a, le) (rate(x_one_total{a=~"b|by", c!="on (d)"}[5m])) / on(e) x_two > y"#,
            "x_",
        );

        let pair = |label: &str, value: &str| (label.to_owned(), value.to_owned());
        let expected = Names {
            selectors: vec![
                Selector {
                    metric: "x_one_total".to_owned(),
                    matchers: vec![pair("a", "b|by"), pair("c", "on (d)")],
                },
                Selector {
                    metric: "x_two".to_owned(),
                    matchers: Vec::new(),
                },
            ],
            grouped: ["a", "le", "e"].map(str::to_owned).to_vec(),
        };
        assert_eq!(found, expected);
    }
}
