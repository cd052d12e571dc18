//! Tables that fit a page of 80 columns.

use super::output::plain;
use comfy_table::{Cell, CellAlignment, ContentArrangement, TableStyle};

/// How wide a page is, in columns.
const WIDTH: usize = 80;

/// Spaces between two columns.
const GAP: usize = 2;

/// The narrowest that a shortened column gets: half a name on either side.
const NARROWEST: usize = 12;

/// A column, by its heading.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// As wide as its content.
    Text(&'static str),
    /// As wide as its content, to the right.
    Number(&'static str),
    /// What the others leave; longer names are shortened in the middle.
    Shortened(&'static str),
    /// What the others leave; longer sentences go on below.
    Wrapped(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Text(heading)
            | Self::Number(heading)
            | Self::Shortened(heading)
            | Self::Wrapped(heading) => heading,
        }
    }
}

/// Rows of `N` columns.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row; no cell can act on a terminal or break the line.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| plain(&cell)));
    }

    /// The table, every line with its break and without trailing spaces.
    pub(super) fn render(self) -> String {
        let limits = self.limits();
        let mut table = comfy_table::Table::new();
        table
            .load_style(TableStyle::new())
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.columns.map(Column::heading));
        for row in self.rows {
            let cells = row.into_iter().zip(limits).zip(self.columns);
            table.add_row(cells.map(|((cell, limit), column)| {
                Cell::new(match column {
                    Column::Wrapped(_) => broken(&cell, limit),
                    _ => shorten(&cell, limit),
                })
            }));
        }
        for (column, kind) in table.column_iter_mut().zip(self.columns) {
            column.set_padding((0, GAP as u16));
            if let Column::Number(_) = kind {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        trimmed(&table)
    }

    /// The widest each column may be. Shortened and wrapped columns share what
    /// the others leave; one that needs less than its share leaves the rest to
    /// the next.
    fn limits(&self) -> [usize; N] {
        let mut limits = [0; N];
        for (index, limit) in limits.iter_mut().enumerate() {
            let cells = self.rows.iter().map(|row| width(&row[index]));
            *limit = cells.fold(width(self.columns[index].heading()), usize::max);
        }
        let is_fixed =
            |index: &usize| matches!(self.columns[*index], Column::Text(_) | Column::Number(_));
        let (fixed, mut shortened): (Vec<usize>, Vec<usize>) = (0..N).partition(is_fixed);
        let taken = fixed.iter().map(|index| limits[*index]).sum::<usize>() + GAP * (N - 1);
        let mut free = WIDTH.saturating_sub(taken);
        shortened.sort_by_key(|index| limits[*index]);
        let mut left = shortened.len();
        for index in shortened {
            let share = (free / left).max(NARROWEST);
            limits[index] = limits[index].min(share);
            free = free.saturating_sub(limits[index]);
            left -= 1;
        }
        limits
    }
}

/// In characters: the names here are ASCII, but for what was escaped.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Words on lines that fit the page, behind `mark` on the first one and as
/// much space on the others.
pub(super) fn wrapped(mark: &str, text: &str) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH as u16)
        .add_row([mark, text]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    trimmed(&table)
}

/// What is said of one thing, a name and a text each, on lines that fit the page.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH as u16);
    for (name, text) in rows {
        table.add_row([*name, text]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
    }
    trimmed(&table)
}

fn trimmed(table: &comfy_table::Table) -> String {
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

/// At most `limit` characters: beginning and end stay, `…` stands for the
/// middle.
pub(super) fn shorten(name: &str, limit: usize) -> String {
    let length = width(name);
    if length <= limit {
        return name.to_owned();
    }
    let kept = limit.saturating_sub(1);
    let (front, back) = (kept / 2, kept - kept / 2);
    let front = name.chars().take(front);
    front
        .chain(std::iter::once('…'))
        .chain(name.chars().skip(length - back))
        .collect()
}

/// Lines of at most `limit` characters, broken between words where that can be.
fn broken(text: &str, limit: usize) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = width(word);
        if used > 0 {
            let fits = used + 1 + length <= limit;
            lines.push(if fits { ' ' } else { '\n' });
            used = if fits { used + 1 } else { 0 };
        }
        for character in word.chars() {
            if used == limit {
                lines.push('\n');
                used = 0;
            }
            lines.push(character);
            used += 1;
        }
    }
    lines
}

/// All digits, in groups of three: `12,345`.
pub(super) fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// At most seven characters: all digits below a million, then three digits
/// and a unit: `12.3M`.
pub(super) fn compact(number: u64) -> String {
    const UNITS: [(u64, char); 5] = [
        (1_000_000_000_000_000_000, 'E'),
        (1_000_000_000_000_000, 'P'),
        (1_000_000_000_000, 'T'),
        (1_000_000_000, 'G'),
        (1_000_000, 'M'),
    ];
    let Some((unit, letter)) = UNITS.into_iter().find(|(unit, _)| number >= *unit) else {
        return grouped(number);
    };
    let (whole, tenth) = (number / unit, number % unit / (unit / 10));
    if whole < 100 {
        format!("{whole}.{tenth}{letter}")
    } else {
        format!("{whole}{letter}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number as u64), text);
        }
    }

    #[test]
    fn large_numbers_are_compact() {
        for (number, text) in [
            (0, "0"),
            (999_999, "999,999"),
            (1_000_000, "1.0M"),
            (12_399_999, "12.3M"),
            (123_456_789, "123M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(compact(number), text);
        }
    }

    #[test]
    fn names_are_shortened_in_the_middle() {
        for (name, limit, text) in [
            (
                "shop/Deployment/checkout/api",
                28,
                "shop/Deployment/checkout/api",
            ),
            ("shop/Deployment/checkout/api", 15, "shop/De…out/api"),
            ("äöü", 2, "…ü"),
            ("abc", 1, "…"),
        ] {
            assert_eq!(shorten(name, limit), text);
        }
    }

    #[test]
    fn sentences_are_broken_between_words() {
        for (text, limit, lines) in [
            ("one two three", 80, "one two three"),
            ("one two three", 8, "one two\nthree"),
            ("one two three", 7, "one two\nthree"),
            ("one /a/long/path", 8, "one\n/a/long/\npath"),
            ("", 8, ""),
        ] {
            assert_eq!(broken(text, limit), lines);
        }
    }

    proptest! {
        #[test]
        fn a_table_fits_the_page_whatever_the_names(
            rows in proptest::collection::vec(("[a-z/]{0,300}", any::<u64>(), "[a-z/ ]{0,300}"), 1..5)
        ) {
            let mut table = Table::new([
                Column::Shortened("A"),
                Column::Number("B"),
                Column::Wrapped("C"),
            ]);
            for (name, number, other) in rows {
                table.row([name, compact(number), other]);
            }

            for line in table.render().lines() {
                prop_assert!(line.chars().count() <= WIDTH, "{line:?}");
            }
        }

        #[test]
        fn no_cell_breaks_its_line(cell: String) {
            let mut table = Table::new([Column::Shortened("A")]);
            table.row([cell]);

            let text = table.render();

            prop_assert_eq!(text.lines().count(), 2, "{:?}", text);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
