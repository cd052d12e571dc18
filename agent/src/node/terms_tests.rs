//! Every word against every other.

use super::*;
use AnnotationPolicy::{Any, Ignore, Tighten};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LEARN: ModeChoice = ModeChoice::Learn { window: DAY };
const AUTOMATIC: ModeChoice = ModeChoice::Automatic { window: DAY };
const ENFORCE: ModeChoice = ModeChoice::Enforce;

const OFF: Plan = Plan::Off;
const LEARNS: Plan = learns(DAY, false);
const HELD: Plan = Plan::Enforce(Learned::Instead);
const HELD_AND_LEARNED: Plan = Plan::Enforce(Learned::Beside);
const HELD_ALONE: Plan = Plan::Enforce(Learned::Ignored);

const fn ending(minimum: Duration) -> Ending {
    Ending {
        minimum,
        quiet: None,
        starts: 1,
        maximum: None,
    }
}

const fn learns(window: Duration, is_asked: bool) -> Plan {
    let ending = ending(window);
    Plan::Learn { ending, is_asked }
}

fn wishes(text: &str) -> Wishes {
    let mut wishes = Wishes::default();
    for pair in text.split_whitespace() {
        let (key, value) = pair.split_once('=').expect("key=value");
        let value = Some(Untrusted::from(value));
        match key {
            "mode" => wishes.mode = value,
            "window" => wishes.window = value,
            "quiet" => wishes.quiet = value,
            "starts" => wishes.starts = value,
            "max" => wishes.max = value,
            "allowlist" => wishes.allowlist = value,
            other => panic!("there is no wish {other}"),
        }
    }
    wishes
}

/// The documents of the tests, by their names.
fn named(name: &str) -> Result<Mode, Why> {
    match name {
        "web" => Ok(Mode::Enforce),
        "slack" => Ok(Mode::Off),
        "twice" => Err(Why::SeveralDocuments),
        _ => Err(Why::NoDocument),
    }
}

fn case<'a>(pod: &'a Wishes, namespace: &'a Wishes) -> Case<'a> {
    Case {
        mode: AUTOMATIC,
        ending: ending(DAY),
        class: ClassMode::Learn,
        policy: Tighten,
        document: None,
        decided: None,
        has_learned: false,
        pod,
        namespace,
        named: &named,
    }
}

fn whys(terms: &Terms) -> Vec<Why> {
    terms.refused.iter().map(|refusal| refusal.why).collect()
}

#[test]
fn without_annotations_the_mode_the_class_and_the_document_decide() {
    use ClassMode as Class;
    use Mode as Document;

    for (mode, class, document, has_learned, expected) in [
        (AUTOMATIC, Class::Learn, None, false, LEARNS),
        (AUTOMATIC, Class::Learn, None, true, HELD),
        (
            AUTOMATIC,
            Class::Learn,
            Some(Document::Enforce),
            false,
            HELD,
        ),
        (
            AUTOMATIC,
            Class::Learn,
            Some(Document::Learn),
            false,
            LEARNS,
        ),
        (
            AUTOMATIC,
            Class::Learn,
            Some(Document::Learn),
            true,
            HELD_AND_LEARNED,
        ),
        (AUTOMATIC, Class::Learn, Some(Document::Off), false, OFF),
        (LEARN, Class::Learn, None, false, LEARNS),
        (LEARN, Class::Learn, Some(Document::Enforce), false, LEARNS),
        (LEARN, Class::Learn, Some(Document::Enforce), true, HELD),
        (LEARN, Class::Learn, Some(Document::Off), false, OFF),
        (ENFORCE, Class::Learn, None, false, HELD),
        (
            ENFORCE,
            Class::Learn,
            Some(Document::Learn),
            false,
            HELD_AND_LEARNED,
        ),
        (ENFORCE, Class::Learn, Some(Document::Off), false, OFF),
        // A class that enforces never learns, nor counts what was learned.
        (AUTOMATIC, Class::Enforce, None, false, HELD_ALONE),
        (LEARN, Class::Enforce, None, true, HELD_ALONE),
        (
            LEARN,
            Class::Enforce,
            Some(Document::Enforce),
            false,
            HELD_ALONE,
        ),
        (
            LEARN,
            Class::Enforce,
            Some(Document::Learn),
            false,
            HELD_ALONE,
        ),
        (LEARN, Class::Enforce, Some(Document::Off), false, OFF),
        // One that is off is what nobody wrote a document about.
        (AUTOMATIC, Class::Off, None, true, OFF),
        (AUTOMATIC, Class::Off, Some(Document::Enforce), false, HELD),
        (AUTOMATIC, Class::Off, Some(Document::Learn), false, LEARNS),
        (ENFORCE, Class::Off, None, false, OFF),
    ] {
        let none = Wishes::default();
        let found = terms(&Case {
            mode,
            class,
            document,
            has_learned,
            ..case(&none, &none)
        });

        assert_eq!(
            found.plan, expected,
            "{mode:?}, class {class}, document {document:?}, learned {has_learned}"
        );
        assert!(!found.by_annotation && found.refused.is_empty());
    }
}

/// What a pod asks for, under which policy, and what comes of it.
#[test]
fn a_mode_is_granted_if_it_is_stricter_or_everything_is() {
    for (mode, has_learned, policy, wish, expected, refused) in [
        (AUTOMATIC, false, Tighten, "mode=enforce", HELD, &[][..]),
        (AUTOMATIC, false, Any, "mode=enforce", HELD, &[]),
        (AUTOMATIC, false, Ignore, "mode=enforce", LEARNS, &[]),
        (AUTOMATIC, true, Tighten, "mode=enforce", HELD, &[]),
        (AUTOMATIC, false, Tighten, "mode=learn", LEARNS, &[]),
        (
            AUTOMATIC,
            false,
            Tighten,
            "mode=off",
            LEARNS,
            &[Why::Loosens],
        ),
        (AUTOMATIC, false, Any, "mode=off", OFF, &[]),
        (AUTOMATIC, false, Ignore, "mode=off", LEARNS, &[]),
        (AUTOMATIC, true, Tighten, "mode=learn", HELD, &[]),
        (AUTOMATIC, true, Any, "mode=learn", HELD, &[]),
        (ENFORCE, false, Tighten, "mode=learn", HELD, &[Why::Loosens]),
        (ENFORCE, false, Any, "mode=learn", LEARNS, &[]),
        (ENFORCE, true, Any, "mode=learn", HELD, &[]),
        (ENFORCE, true, Tighten, "mode=off", HELD, &[Why::Loosens]),
        (ENFORCE, true, Any, "mode=off", OFF, &[]),
        (
            AUTOMATIC,
            false,
            Any,
            "mode=Enforce",
            LEARNS,
            &[Why::NoMode],
        ),
        (AUTOMATIC, false, Any, "mode=", LEARNS, &[Why::NoMode]),
    ] {
        let (pod, none) = (wishes(wish), Wishes::default());
        let found = terms(&Case {
            mode,
            has_learned,
            policy,
            ..case(&pod, &none)
        });

        let context = format!("{mode:?}, learned {has_learned}, {policy:?}, {wish}");
        assert_eq!(found.plan, expected, "{context}");
        assert_eq!(whys(&found), refused, "{context}");
    }
}

#[test]
fn a_window_is_granted_if_it_is_shorter_or_everything_is() {
    for (mode, policy, wish, expected, refused) in [
        (AUTOMATIC, Tighten, "window=1h", learns(HOUR, true), &[][..]),
        (AUTOMATIC, Tighten, "window=24h", learns(DAY, true), &[]),
        (AUTOMATIC, Tighten, "window=2d", LEARNS, &[Why::Loosens]),
        (AUTOMATIC, Any, "window=2d", learns(2 * DAY, true), &[]),
        (AUTOMATIC, Ignore, "window=1h", LEARNS, &[]),
        (AUTOMATIC, Any, "window=1w", LEARNS, &[Why::NoTime]),
        (AUTOMATIC, Any, "window=0s", LEARNS, &[Why::NoTime]),
        (ENFORCE, Tighten, "window=1h", HELD, &[]),
        (
            ENFORCE,
            Any,
            "mode=learn window=1h",
            learns(HOUR, true),
            &[],
        ),
        (AUTOMATIC, Tighten, "mode=enforce window=1h", HELD, &[]),
    ] {
        let (pod, none) = (wishes(wish), Wishes::default());
        let found = terms(&Case {
            mode,
            policy,
            ..case(&pod, &none)
        });

        assert_eq!(found.plan, expected, "{mode:?}, {policy:?}, {wish}");
        assert_eq!(whys(&found), refused, "{mode:?}, {policy:?}, {wish}");
    }
}

#[test]
fn an_allowlist_is_granted_where_there_is_none_or_everything_is() {
    for (mode, has_learned, policy, wish, expected, borrowed, refused) in [
        (
            AUTOMATIC,
            false,
            Tighten,
            "allowlist=web",
            HELD_ALONE,
            Some("web"),
            &[][..],
        ),
        (
            LEARN,
            false,
            Tighten,
            "allowlist=web",
            HELD_ALONE,
            Some("web"),
            &[],
        ),
        (
            ENFORCE,
            false,
            Tighten,
            "allowlist=web",
            HELD_ALONE,
            Some("web"),
            &[],
        ),
        (
            AUTOMATIC,
            true,
            Tighten,
            "allowlist=web",
            HELD,
            None,
            &[Why::HasOne],
        ),
        (
            AUTOMATIC,
            true,
            Any,
            "allowlist=web",
            HELD_ALONE,
            Some("web"),
            &[],
        ),
        (AUTOMATIC, false, Ignore, "allowlist=web", LEARNS, None, &[]),
        (
            AUTOMATIC,
            false,
            Any,
            "allowlist=slack",
            LEARNS,
            None,
            &[Why::DocumentIsOff],
        ),
        (
            AUTOMATIC,
            false,
            Any,
            "allowlist=twice",
            LEARNS,
            None,
            &[Why::SeveralDocuments],
        ),
        (
            AUTOMATIC,
            false,
            Any,
            "allowlist=other",
            LEARNS,
            None,
            &[Why::NoDocument],
        ),
        (
            AUTOMATIC,
            false,
            Any,
            "allowlist=../web",
            LEARNS,
            None,
            &[Why::NoDocument],
        ),
        (
            AUTOMATIC,
            false,
            Any,
            "allowlist=web mode=learn",
            LEARNS,
            Some("web"),
            &[],
        ),
        (
            AUTOMATIC,
            false,
            Tighten,
            "allowlist=web mode=learn",
            HELD_ALONE,
            Some("web"),
            &[Why::Loosens],
        ),
        (
            AUTOMATIC,
            true,
            Any,
            "allowlist=web mode=learn",
            HELD_AND_LEARNED,
            Some("web"),
            &[],
        ),
        (
            AUTOMATIC,
            false,
            Any,
            "allowlist=web mode=off",
            OFF,
            Some("web"),
            &[],
        ),
    ] {
        let (pod, none) = (wishes(wish), Wishes::default());
        let found = terms(&Case {
            mode,
            has_learned,
            policy,
            ..case(&pod, &none)
        });

        let context = format!("{mode:?}, learned {has_learned}, {policy:?}, {wish}");
        assert_eq!(found.plan, expected, "{context}");
        assert_eq!(found.borrowed.as_deref(), borrowed, "{context}");
        assert_eq!(whys(&found), refused, "{context}");
    }
}

#[test]
fn annotations_stand_above_the_class_and_below_a_document() {
    use ClassMode as Class;

    for (class, document, policy, wish, expected, refused) in [
        (Class::Off, None, Tighten, "mode=enforce", HELD, &[][..]),
        (Class::Off, None, Tighten, "mode=learn", LEARNS, &[]),
        (Class::Off, None, Tighten, "mode=off", OFF, &[]),
        (Class::Off, None, Tighten, "allowlist=web", HELD_ALONE, &[]),
        (
            Class::Enforce,
            None,
            Tighten,
            "mode=learn",
            HELD_ALONE,
            &[Why::Loosens],
        ),
        (Class::Enforce, None, Any, "mode=learn", LEARNS, &[]),
        (
            Class::Enforce,
            None,
            Tighten,
            "mode=enforce",
            HELD_ALONE,
            &[],
        ),
        // What a person wrote about it is not asked about, and nothing refused.
        (
            Class::Learn,
            Some(Mode::Enforce),
            Any,
            "mode=off",
            HELD,
            &[],
        ),
        (Class::Learn, Some(Mode::Off), Any, "mode=enforce", OFF, &[]),
        (
            Class::Learn,
            Some(Mode::Enforce),
            Any,
            "allowlist=other",
            HELD,
            &[],
        ),
        (
            Class::Learn,
            Some(Mode::Learn),
            Tighten,
            "window=1h",
            LEARNS,
            &[],
        ),
    ] {
        let (pod, none) = (wishes(wish), Wishes::default());
        let found = terms(&Case {
            class,
            document,
            policy,
            ..case(&pod, &none)
        });

        let context = format!("class {class}, document {document:?}, {policy:?}, {wish}");
        assert_eq!(found.plan, expected, "{context}");
        assert_eq!(whys(&found), refused, "{context}");
    }
}

#[test]
fn a_namespace_speaks_for_pods_that_say_nothing_that_holds() {
    for (pod, namespace, expected, refused) in [
        ("", "mode=enforce", HELD, &[][..]),
        ("mode=learn", "mode=enforce", LEARNS, &[]),
        ("mode=enforce", "mode=learn", HELD, &[]),
        // Asking for too much is no way around it, nor is nonsense.
        ("mode=off", "mode=enforce", HELD, &[Why::Loosens]),
        ("mode=x", "mode=enforce", HELD, &[Why::NoMode]),
        (
            "window=9d",
            "window=1h",
            learns(HOUR, true),
            &[Why::Loosens],
        ),
        (
            "mode=off",
            "mode=off",
            LEARNS,
            &[Why::Loosens, Why::Loosens],
        ),
        ("mode=enforce", "allowlist=web", HELD_ALONE, &[]),
    ] {
        let (pod, namespace) = (wishes(pod), wishes(namespace));

        let found = terms(&case(&pod, &namespace));

        assert_eq!(found.plan, expected, "{pod:?} {namespace:?}");
        assert_eq!(whys(&found), refused, "{pod:?} {namespace:?}");
    }
}

#[test]
fn whatever_ends_learning_sooner_is_granted() {
    let check = |policy, wish: &str, expected: Ending, refused: &[Why]| {
        let (pod, none) = (wishes(wish), Wishes::default());
        let found = terms(&Case {
            policy,
            ..case(&pod, &none)
        });
        let is_asked = refused.is_empty();
        let plan = Plan::Learn {
            ending: expected,
            is_asked,
        };
        assert_eq!(found.plan, plan, "{policy:?} {wish}");
        assert_eq!(whys(&found), refused, "{policy:?} {wish}");
    };
    let day = ending(DAY);

    let quiet = Some(HOUR);
    check(Tighten, "quiet=1h", Ending { quiet, ..day }, &[]);
    check(Tighten, "quiet=4h", day, &[Why::Loosens]);
    check(Tighten, "starts=0", Ending { starts: 0, ..day }, &[]);
    check(Tighten, "starts=2", day, &[Why::Loosens]);
    check(Any, "starts=2", Ending { starts: 2, ..day }, &[]);
    check(Any, "starts=two", day, &[Why::NoNumber]);
    let maximum = Some(2 * DAY);
    check(Tighten, "max=2d", Ending { maximum, ..day }, &[]);
    check(Tighten, "max=4d", day, &[Why::Loosens]);
}

#[test]
fn a_refusal_is_one_line_whatever_was_asked() {
    let hostile = Wishes {
        mode: Some("off\n<34>1 \u{1b}[31m\u{202e}".into()),
        window: Some(Untrusted::new(vec![0xff; 300])),
        quiet: Some("\n".into()),
        starts: Some("-1".into()),
        max: Some("1h\u{1b}[31m".into()),
        allowlist: Some("a\0b".into()),
    };

    let found = terms(&case(&hostile, &hostile));

    assert_eq!(found.refused.len(), 12);
    for refusal in &found.refused {
        let sentence = refusal.to_string();
        assert!(!sentence.contains(char::is_control), "{sentence:?}");
        assert!(sentence.len() < 250, "{sentence}");
    }
    let mode = found.refused.iter().find(|one| one.key == Wishes::MODE);
    assert_eq!(
        mode.unwrap().to_string(),
        "its pod's annotation execwarden.dev/mode: \"off\\x0a<34>1 \\x1b[31m\\u{202e}\" is \
         refused: it is none of learn, enforce and off"
    );
}

#[test]
fn a_window_that_nobody_asks_for_any_more_is_the_operators_again() {
    let none = Wishes::default();
    let asked = wishes("window=1h");
    let before = terms(&case(&asked, &none));
    let now = terms(&case(&none, &none));

    assert_eq!(before.ending_to_undo(&now), Some(ending(DAY)));
    assert_eq!(now.ending_to_undo(&before), None);
    assert_eq!(now.ending_to_undo(&now), None);
}

#[test]
fn the_operators_word_counts_before_all_but_a_document_with_another_mode() {
    use Mode::{Enforce, Learn, Off};

    for (mode, class, document, has_learned, decided, expected) in [
        (AUTOMATIC, ClassMode::Learn, None, false, Off, OFF),
        (AUTOMATIC, ClassMode::Learn, None, false, Enforce, HELD),
        (LEARN, ClassMode::Learn, None, false, Enforce, HELD),
        (ENFORCE, ClassMode::Learn, None, false, Learn, LEARNS),
        (ENFORCE, ClassMode::Learn, None, true, Learn, HELD),
        (AUTOMATIC, ClassMode::Off, None, false, Learn, LEARNS),
        (AUTOMATIC, ClassMode::Enforce, None, false, Learn, LEARNS),
        (
            AUTOMATIC,
            ClassMode::Enforce,
            None,
            true,
            Enforce,
            HELD_ALONE,
        ),
        (LEARN, ClassMode::Learn, Some(Enforce), false, Enforce, HELD),
        (ENFORCE, ClassMode::Learn, Some(Learn), false, Learn, LEARNS),
        (
            ENFORCE,
            ClassMode::Learn,
            Some(Learn),
            true,
            Learn,
            HELD_AND_LEARNED,
        ),
        // The document counts.
        (AUTOMATIC, ClassMode::Learn, Some(Enforce), false, Off, HELD),
        (AUTOMATIC, ClassMode::Learn, Some(Off), false, Enforce, OFF),
        (ENFORCE, ClassMode::Learn, Some(Enforce), false, Learn, HELD),
    ] {
        let (pod, none) = (
            wishes("mode=off window=1h allowlist=web"),
            Wishes::default(),
        );
        let found = terms(&Case {
            mode,
            class,
            policy: Any,
            document,
            decided: Some(decided),
            has_learned,
            ..case(&pod, &none)
        });

        let context = format!("{mode:?}, class {class}, {document:?}, {has_learned}, {decided}");
        assert_eq!(found.plan, expected, "{context}");
        // Nobody asks the annotations, and nothing of them is refused.
        assert!(
            !found.by_annotation && found.refused.is_empty(),
            "{context}"
        );
    }
}

/// How strict a plan is: what it asks.
fn rank(plan: Plan) -> u8 {
    match plan {
        Plan::Off => 0,
        Plan::Learn { .. } => 1,
        Plan::Enforce(_) => 2,
    }
}

/// Whether a plan is no less strict than another, in what it asks and in how soon.
fn is_as_strict(plan: Plan, other: Plan) -> bool {
    match (plan, other) {
        (Plan::Learn { ending: a, .. }, Plan::Learn { ending: b, .. }) => {
            a.minimum <= b.minimum
                && a.quiet() <= b.quiet()
                && a.starts <= b.starts
                && a.maximum() <= b.maximum()
        }
        _ => rank(plan) >= rank(other),
    }
}

fn any_wishes() -> impl Strategy<Value = Wishes> {
    let wish = |values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values).prop_map(Untrusted::from))
    };
    let mode = wish(&["learn", "enforce", "off", "loud", ""]);
    let window = wish(&["1h", "24h", "7d", "365d", "1w", ""]);
    let allowlist = wish(&["web", "slack", "twice", "other"]);
    let starts = wish(&["0", "1", "3", "many"]);
    let terms = (window.clone(), window.clone(), starts);
    (mode, window, allowlist, terms).prop_map(|(mode, window, allowlist, (quiet, max, starts))| {
        Wishes {
            mode,
            window,
            quiet,
            starts,
            max,
            allowlist,
        }
    })
}

proptest! {
    #[test]
    fn tightening_never_loosens_and_ignoring_changes_nothing(
        mode in prop::sample::select(&[LEARN, AUTOMATIC, ENFORCE][..]),
        class in prop::sample::select(&[ClassMode::Learn, ClassMode::Enforce, ClassMode::Off][..]),
        document in prop::option::of(prop::sample::select(&[Mode::Enforce, Mode::Learn, Mode::Off][..])),
        has_learned: bool,
        pod in any_wishes(),
        namespace in any_wishes(),
    ) {
        let none = Wishes::default();
        let base = Case { mode, class, document, has_learned, ..case(&none, &none) };
        let operators = terms(&base);
        let asked = |policy| terms(&Case { policy, pod: &pod, namespace: &namespace, ..base });

        let tightened = asked(Tighten);
        prop_assert!(is_as_strict(tightened.plan, operators.plan), "{tightened:?}");
        prop_assert!(tightened.borrowed.is_none() || !(has_learned || document.is_some()));
        prop_assert_eq!(asked(Ignore), operators);
    }
}
