//! Makes a message fit its transport: its longest texts are cut, and at the
//! very last its sentence.

use super::FIELDS;

/// No text is shortened to less than this many bytes.
const SHORTEST: usize = 12;
/// Stands at the end of a sentence that was cut.
const CUT: &str = "...";

/// What an encoder makes of a message with no text over some number of bytes.
pub(super) struct Draft {
    /// What stands before the sentence.
    pub(super) before: String,
    /// The sentence: the one part that may be cut in whole.
    pub(super) sentence: String,
    /// What stands behind it.
    pub(super) after: String,
}

/// The message in at most `limit` bytes, given its draft by the cap on its
/// texts. Where it would be longer, its longest texts are cut, each marked by
/// `…`, and at the very last the sentence; no field is left out.
///
/// The fields at their shortest have to fit: nothing else gives way.
pub(super) fn fit(limit: usize, draft: impl Fn(usize) -> Draft) -> Vec<u8> {
    let mut too_long = FIELDS.iter().map(|field| field.bound).max().unwrap_or(0);
    let whole = draft(too_long);
    if whole.len() <= limit {
        return whole.into_bytes();
    }
    // The highest cap that fits: a long script name must not cost more of
    // the path than it has to.
    let mut fits = SHORTEST;
    let mut best = draft(fits);
    while too_long - fits > 1 {
        let cap = fits.midpoint(too_long);
        let shorter = draft(cap);
        if shorter.len() <= limit {
            (fits, best) = (cap, shorter);
        } else {
            too_long = cap;
        }
    }
    best.with_sentence_within(limit).into_bytes()
}

impl Draft {
    fn len(&self) -> usize {
        self.before.len() + self.sentence.len() + self.after.len()
    }

    fn with_sentence_within(mut self, limit: usize) -> Self {
        if self.len() > limit {
            let room = limit.saturating_sub(self.before.len() + self.after.len() + CUT.len());
            self.sentence
                .truncate(self.sentence.floor_char_boundary(room));
            self.sentence.push_str(CUT);
        }
        self
    }

    fn into_bytes(self) -> Vec<u8> {
        (self.before + &self.sentence + &self.after).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two texts and a sentence, all of them cut at `cap`.
    fn fitted(limit: usize, texts: [usize; 2], sentence: usize) -> String {
        let draft = |cap: usize| Draft {
            before: "a".repeat(texts[0].min(cap)),
            sentence: "s".repeat(sentence),
            after: "b".repeat(texts[1].min(cap)),
        };
        String::from_utf8(fit(limit, draft)).expect("is UTF-8")
    }

    fn count(text: &str, letter: char) -> usize {
        text.chars().filter(|c| *c == letter).count()
    }

    #[test]
    fn what_fits_is_whole() {
        assert_eq!(fitted(6, [2, 2], 2), "aassbb");
    }

    #[test]
    fn the_longest_text_gives_way_and_no_more_of_it_than_has_to() {
        let text = fitted(100, [20, 1000], 10);

        assert_eq!(count(&text, 'a'), 20);
        assert_eq!(count(&text, 'b'), 70);
    }

    #[test]
    fn the_sentence_is_cut_only_where_no_text_can_be() {
        let text = fitted(40, [1000, 1000], 100);

        assert_eq!(text.len(), 40);
        assert_eq!((count(&text, 'a'), count(&text, 'b')), (SHORTEST, SHORTEST));
        assert_eq!(text.trim_matches(['a', 'b']), "sssssssssssss...");
    }
}
