//! Colour, where a person looks at it.

use clap::builder::styling::{AnsiColor, Style};

/// Whether to colour what goes to a stream: only to a terminal, and not where
/// `NO_COLOR` is set to anything (<https://no-color.org>).
pub(super) fn wanted(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How emphasis is written: as colour, or not at all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Paint {
    Color,
    Plain,
}

impl Paint {
    pub(super) fn for_terminal(is_terminal: bool) -> Self {
        if wanted(is_terminal) {
            Self::Color
        } else {
            Self::Plain
        }
    }

    pub(super) fn heading(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        match self {
            Self::Color => format!("{style}{text}{style:#}"),
            Self::Plain => text.to_owned(),
        }
    }
}
