use super::*;
use proptest::prelude::*;

fn args(list: &[&str]) -> Args {
    Args {
        list: list
            .iter()
            .map(|argument| Untrusted::from(*argument))
            .collect(),
        ..Args::default()
    }
}

fn pattern(texts: &[&str]) -> ArgsPattern {
    ArgsPattern::new(texts.iter().copied()).expect("patterns")
}

/// Whether `texts` hold for a program that is called with `list` behind its
/// name.
fn check(texts: &[&str], list: &[&str], expected: bool) {
    let args = args(&[&["name"], list].concat());

    assert_eq!(
        pattern(texts).hold(&args, false),
        expected,
        "{texts:?} for {list:?}"
    );
}

#[test]
fn a_list_is_every_argument_and_no_more() {
    check(&[], &[], true);
    check(&[], &["x"], false);
    check(&["-c", "x"], &["-c", "x"], true);
    check(&["-c", "x"], &["-c"], false);
    check(&["-c", "x"], &["-c", "x", "y"], false);
    check(&[""], &[""], true);
}

#[test]
fn a_star_is_any_text_of_one_argument() {
    check(&["*"], &[""], true);
    check(&["*"], &["a/b\nc"], true);
    check(&["*"], &["a", "b"], false);
    check(&["--port=*"], &["--port=80"], true);
    check(&["--port=*"], &["--host=80"], false);
    check(&["a*b*c"], &["abbc"], true);
    check(&["a*b*c"], &["ac"], false);
    check(&["a*bc*c"], &["abc"], false);
    check(&["a*a"], &["a"], false);
    check(&["*ab"], &["aab"], true);
}

#[test]
fn two_stars_are_the_rest() {
    check(&["**"], &[], true);
    check(&["-m", "**"], &["-m"], true);
    check(&["-m", "**"], &["-m", "a", "b"], true);
    check(&["-m", "**"], &["a", "-m"], false);
}

#[test]
fn a_star_and_a_backslash_can_be_meant() {
    check(&[r"\*"], &["*"], true);
    check(&[r"\*"], &["x"], false);
    check(&[r"\*\*"], &["**"], true);
    check(&[r"\\*"], &["\\x"], true);
    check(&[r"\\\*"], &["\\*"], true);
}

#[test]
fn bytes_that_are_no_text_match_a_star_only() {
    let args = Args {
        list: vec!["name".into(), Untrusted::new(*b"\xff")],
        ..Args::default()
    };

    assert!(pattern(&["*"]).hold(&args, false));
    assert!(!pattern(&["\u{fffd}"]).hold(&args, false));
}

#[test]
fn what_was_cut_or_not_read_is_not_taken_for_the_whole() {
    let cut = Args {
        cut: true,
        ..args(&["name", "-c", "begin"])
    };
    let unread = Args {
        unread: true,
        ..Args::default()
    };

    assert!(pattern(&["-c", "**"]).hold(&cut, false));
    assert!(pattern(&["**"]).hold(&cut, false));
    assert!(!pattern(&["-c", "begin"]).hold(&cut, false));
    assert!(!pattern(&["-c", "*"]).hold(&cut, false));
    assert!(!pattern(&["-c", "begin", "**"]).hold(&cut, false));
    assert!(!pattern(&["**"]).hold(&unread, false));
    assert!(!pattern(&[]).hold(&unread, false));
}

#[test]
fn the_arguments_of_an_applet_are_its_own() {
    let list = args(&["busybox", "sh", "-c", "x"]);

    assert!(pattern(&["-c", "x"]).hold(&list, true));
    assert!(!pattern(&["-c", "x"]).hold(&list, false));
    assert!(pattern(&["sh", "-c", "x"]).hold(&list, false));
}

#[test]
fn what_means_nothing_is_refused() {
    let refused = |texts: &[&str]| ArgsPattern::new(texts.iter().copied()).expect_err("refused");

    assert_eq!(refused(&["**", "a"]), ArgsError::RestInTheMiddle);
    assert_eq!(refused(&["a**"]), ArgsError::DoubleStar("a**".to_owned()));
    assert_eq!(refused(&[r"\n"]), ArgsError::Backslash(r"\n".to_owned()));
    assert_eq!(refused(&["a\\"]), ArgsError::Backslash("a\\".to_owned()));
    assert_eq!(
        refused(&["\u{202e}"]),
        ArgsError::NotPlain("\\u{202e}".to_owned())
    );
    assert_eq!(refused(&["a"; MAX_PATTERNS + 1]), ArgsError::TooMany(65));
    let long = "a".repeat(MAX_PATTERN_BYTES + 1);
    assert_eq!(refused(&[&long]), ArgsError::TooLong(4097));
    assert_eq!(ArgsPattern::exactly(&[long]), Err(ArgsError::TooLong(4097)));
}

proptest! {
    #[test]
    fn exact_arguments_are_themselves_and_read_back(
        list in proptest::collection::vec("[a\\\\*\n-]{0,6}", 0..5),
        other in proptest::collection::vec("[a\\\\*\n-]{0,6}", 0..5),
    ) {
        let exact = ArgsPattern::exactly(&list).expect("plain");
        let texts: Vec<String> = exact.texts().collect();
        let read = ArgsPattern::new(texts.iter().map(String::as_str));
        prop_assert_eq!(read, Ok(exact.clone()));

        let named = |list: &[String]| {
            let list: Vec<&str> = std::iter::once("name").chain(list.iter().map(String::as_str)).collect();
            args(&list)
        };
        prop_assert!(exact.hold(&named(&list), false));
        prop_assert_eq!(exact.hold(&named(&other), false), list == other);
    }

    #[test]
    fn a_pattern_is_what_it_is_filled_with(text in "[ab*]{0,8}", filling in "[ab]{0,3}") {
        prop_assume!(!text.contains("**"));
        let filled = text.replace('*', &filling);

        prop_assert!(pattern(&[&text]).hold(&args(&["name", &filled]), false));
    }
}
