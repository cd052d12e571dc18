use super::*;

fn args(line: &str) -> Args {
    Args {
        list: line.split(' ').map(Untrusted::from).collect(),
        ..Args::default()
    }
}

fn check(line: &str, expected: bool) {
    let args = args(line);
    let (name, rest) = args.list.split_first().expect("a name");

    assert_eq!(
        is_code_in_arguments(name.as_bytes(), rest),
        expected,
        "{line}"
    );
}

#[test]
fn code_is_found_behind_the_options_that_take_it() {
    for line in [
        "sh -c x",
        "bash -lc x",
        "bash -euo pipefail -c x",
        "bash --norc --rcfile f -c x",
        "bash +x -c x",
        "ash -ec x",
        "python -c x",
        "python3.11 -Ic x",
        "python3 -W ignore -X dev -c x",
        "perl -e x",
        "perl5.36.0 -lane x",
        "perl -Mstrict -I lib -ne x",
        "ruby -rjson -e x",
        "ruby3.1 -r json -ne x",
        "node -e x",
        "node --require m -pe x",
        "nodejs --eval=x",
        "php8.2 -d a=b -r x",
        "php --run x",
        "lua5.4 -l m -e x",
        "luajit-2.1.0 -ex",
    ] {
        check(line, true);
    }
}

#[test]
fn a_file_its_arguments_and_other_programs_are_no_code() {
    for line in [
        "sh",
        "sh run.sh -c x",
        "sh -e run.sh -c x",
        "sh -- -c",
        "bash -o pipefail run.sh",
        "python -m http.server -c x",
        "python3 app.py -c x",
        "perl -Mre=eval app.pl",
        "perl -i.bake app.pl -e",
        "ruby app.rb -e x",
        "node app.js -e x",
        "php -f x.php -r",
        "lua app.lua",
        "nginx -c /etc/nginx.conf",
        "sh2sh -c x",
        "2 -c x",
    ] {
        check(line, false);
    }
}

#[test]
fn an_applet_is_told_by_its_own_name() {
    let sh = Identity::applet("/bin/busybox", "sh");
    let expected = Some(vec!["-c".to_owned(), "x".to_owned()]);

    assert_eq!(code_in_arguments(&sh, &args("busybox sh -c x")), expected);
    assert_eq!(code_in_arguments(&sh, &args("sh -c x")), expected);
    let program = Identity::image("/bin/dash");
    assert_eq!(code_in_arguments(&program, &args("sh -c x")), expected);
}

#[test]
fn what_is_no_whole_plain_text_of_a_program_is_not_kept() {
    let dash = Identity::image("/bin/dash");
    let whole = args("sh -c x");
    let cut = Args {
        cut: true,
        ..whole.clone()
    };
    let unread = Args {
        unread: true,
        list: Vec::new(),
        ..Args::default()
    };
    let odd = Args {
        list: vec!["sh".into(), "-c".into(), Untrusted::new(*b"\xff")],
        ..Args::default()
    };
    let lines = Args {
        list: vec!["sh".into(), "-c".into(), "a\n\tb".into()],
        ..Args::default()
    };
    let long = args(&format!("sh -c {}", "x".repeat(MAX_BYTES)));

    assert!(code_in_arguments(&dash, &whole).is_some());
    assert!(code_in_arguments(&dash, &lines).is_some());
    for none in [&cut, &unread, &odd, &long] {
        assert_eq!(code_in_arguments(&dash, none), None);
    }
    let script = Identity::script("/bin/dash", "/run.sh");
    assert_eq!(code_in_arguments(&script, &whole), None);
}

#[test]
fn once_any_always_any() {
    let mut few = Arguments::of(Some(&["-c".to_owned()]));
    few.merge(&Arguments::Any);
    few.merge(&Arguments::of(Some(&["-c".to_owned()])));
    assert_eq!(few, Arguments::Any);

    let list = |n: usize| [n.to_string()];
    let mut many = Arguments::of(Some(&list(0)));
    for n in 0..MAX_LISTS {
        many.merge(&Arguments::of(Some(&list(n))));
    }
    assert!(matches!(&many, Arguments::Code(lists) if lists.len() == MAX_LISTS));
    many.merge(&Arguments::of(Some(&list(MAX_LISTS))));
    assert_eq!(many, Arguments::Any);
}

#[test]
fn what_is_kept_can_be_written() {
    use crate::allowlist::args as patterns;

    const { assert!(MAX_ARGUMENTS <= patterns::MAX_PATTERNS) };
    const { assert!(MAX_BYTES <= patterns::MAX_PATTERN_BYTES) };
}
