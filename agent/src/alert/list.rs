//! Lists of hostile text: bounded, and joined by commas that no element can
//! forge.

use crate::model::{Ancestor, Untrusted};

/// Stands for what was cut.
const MARK: &str = "…";
/// The least bytes that say something of an ancestor: its numbers, where it
/// stands and a bit of its path.
const LEAST_ANCESTOR: usize = 64;

/// How an element becomes text of at most so many bytes.
type Escape = fn(&Untrusted, usize) -> String;

/// The elements as text, at most `limit` bytes with a comma between each; at
/// least 3. What does not fit is cut at its end, where `…` stands then.
pub(super) fn elements(list: &[Untrusted], limit: usize, escape: Escape) -> Vec<String> {
    let mut room = limit;
    let mut out = Vec::new();
    for (i, element) in list.iter().enumerate() {
        let is_last = i + 1 == list.len();
        // A comma and the mark, should the next one not fit.
        let reserve = if is_last { 0 } else { 1 + MARK.len() };
        let Some(most) = room.checked_sub(reserve) else {
            out.push(MARK.to_owned());
            break;
        };
        // Escaping shortens nothing: what is too long is not escaped in whole.
        let whole = (element.as_bytes().len() <= most)
            .then(|| escape(element, usize::MAX))
            .filter(|whole| whole.len() <= most);
        let Some(whole) = whole else {
            out.push(if most < MARK.len() {
                MARK.to_owned()
            } else {
                escape(element, most)
            });
            break;
        };
        room = room.saturating_sub(whole.len() + 1);
        out.push(whole);
    }
    out
}

/// The list as one text of at most `limit` bytes.
pub(super) fn joined(list: &[Untrusted], limit: usize) -> String {
    elements(list, limit, Untrusted::escaped_element).join(",")
}

/// The ancestors as one text of at most `limit` bytes: `pid:start:place:path`
/// each, joined by commas. Each has the same share, so that no long path hides
/// those that come after it; the furthest give way, and `…` stands for them.
pub(super) fn joined_ancestors(ancestors: &[Ancestor], limit: usize) -> String {
    let is_cut = ancestors.len() * LEAST_ANCESTOR > limit;
    let room = if is_cut {
        limit.saturating_sub(MARK.len())
    } else {
        limit
    };
    let kept = ancestors.len().min(room / LEAST_ANCESTOR);
    // Of which one is the comma behind it.
    let share = (room / kept.max(1)).saturating_sub(1);
    let mut out: Vec<_> = ancestors[..kept]
        .iter()
        .map(|ancestor| {
            let head = format!(
                "{}:{}:{}:",
                ancestor.pid,
                ancestor.start_ns,
                place(ancestor)
            );
            let path = path(ancestor).unwrap_or_default();
            let path = path.escaped_element(share.saturating_sub(head.len()));
            head + &path
        })
        .collect();
    if is_cut {
        out.push(MARK.to_owned());
    }
    out.join(",")
}

/// The ancestor's path. One of which only the end is known begins with `…`; a
/// whole one begins with `/`.
pub(super) fn path(ancestor: &Ancestor) -> Option<Untrusted> {
    let path = ancestor.path.as_ref()?;
    if ancestor.path_cut {
        let marked = [MARK.as_bytes(), path.as_bytes()].concat();
        return Some(Untrusted::new(marked));
    }
    Some(path.clone())
}

/// Where the ancestor stands.
pub(super) fn place(ancestor: &Ancestor) -> &'static str {
    match (ancestor.init, ancestor.inside) {
        (true, _) => "init",
        (false, true) => "inside",
        (false, false) => "outside",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(list: &[&str], limit: usize, expected: &str) {
        let list: Vec<_> = list.iter().copied().map(Untrusted::from).collect();

        assert_eq!(joined(&list, limit), expected, "{limit}");
    }

    #[test]
    fn a_list_that_fits_is_whole() {
        check(&[], 16, "");
        check(&[""], 16, "");
        check(&["", ""], 16, ",");
        check(&["sh", "-c", "a,b"], 16, "sh,-c,a\\x2cb");
        check(&["0123456789", "12345"], 16, "0123456789,12345");
    }

    #[test]
    fn what_does_not_fit_is_cut_at_its_end() {
        check(&["0123456789", "123456"], 16, "0123456789,12…");
        check(&["0123456789", "12", "345"], 16, "0123456789,…");
        check(&["0123456789abc", "1"], 16, "012345678…");
        check(&["ls", "0123456789abcdef"], 16, "ls,0123456789…");
        check(&["abc", "d"], 5, "…");
        check(&["", "\u{7f}"], 3, "…");
    }

    fn ancestor(pid: u32, path: &str) -> Ancestor {
        Ancestor {
            pid,
            start_ns: 5,
            path: Some(path.into()),
            path_cut: false,
            inside: true,
            init: false,
        }
    }

    #[test]
    fn ancestors_say_what_they_are() {
        let unknown = Ancestor {
            path: None,
            inside: false,
            ..ancestor(1, "")
        };
        let init = Ancestor {
            path_cut: true,
            init: true,
            ..ancestor(7, "local/bin/x")
        };

        assert_eq!(
            joined_ancestors(&[ancestor(9, "/a,1:2:init:/b"), init, unknown], 512),
            "9:5:inside:/a\\x2c1:2:init:/b,7:5:init:…local/bin/x,1:5:outside:"
        );
    }

    #[test]
    fn a_long_path_leaves_the_others_their_room() {
        let long = "\n".repeat(160);
        let all = [&long, &long, "/sbin/nginx"].map(|path| ancestor(4_000_000_000, path));

        let text = joined_ancestors(&all, 256);

        assert!(text.ends_with(",4000000000:5:inside:/sbin/nginx"), "{text}");
    }

    #[test]
    fn the_furthest_give_way() {
        let all: Vec<_> = (1..=8).map(|pid| ancestor(pid, "/bin/sh")).collect();

        assert_eq!(joined_ancestors(&all, 16), "…");
        assert_eq!(joined_ancestors(&all, 100), "1:5:inside:/bin/sh,…");
        assert_eq!(joined_ancestors(&all, 512).matches(':').count(), 24);
    }

    proptest! {
        #[test]
        fn no_element_can_pass_for_two(list: Vec<Vec<u8>>) {
            prop_assume!(!list.is_empty());
            let list: Vec<_> = list.into_iter().map(Untrusted::new).collect();

            let text = joined(&list, usize::MAX);

            let parts: Vec<_> = text.split(',').collect();
            let escaped: Vec<_> = list.iter().map(|e| e.escaped_element(usize::MAX)).collect();
            prop_assert_eq!(parts, escaped);
        }

        #[test]
        fn a_list_is_never_longer_than_asked(list: Vec<Vec<u8>>, limit in 3usize..300) {
            let list: Vec<_> = list.into_iter().map(Untrusted::new).collect();

            let text = joined(&list, limit);

            prop_assert!(text.len() <= limit, "{} > {}: {}", text.len(), limit, text);
            prop_assert!(text.ends_with('…') || text == joined(&list, usize::MAX));
        }

        #[test]
        fn ancestors_are_never_longer_than_asked(
            paths in prop::collection::vec(any::<Vec<u8>>(), 0..9),
            path_cut: bool,
            limit in 3usize..3000,
        ) {
            let all: Vec<_> = paths
                .into_iter()
                .map(|path| Ancestor {
                    start_ns: u64::MAX,
                    path: Some(Untrusted::new(path)),
                    path_cut,
                    inside: false,
                    ..ancestor(u32::MAX, "")
                })
                .collect();

            let text = joined_ancestors(&all, limit);

            prop_assert!(text.len() <= limit, "{} > {}: {}", text.len(), limit, text);
        }
    }
}
