use super::*;
use crate::allowlist::document::Action;
use crate::allowlist::{arbitrary, render};
use crate::model::Runtime;
use proptest::prelude::*;

/// The document that the project's documentation shows.
const EXAMPLE: &str = include_str!("../../../../allowlists/checkout.yaml");

/// The example from the line that begins with `at` on, replaced by `with`.
fn cut(at: &str, with: &str) -> String {
    let start = EXAMPLE.find(&format!("\n{at}")).expect("a line") + 1;
    format!("{}{with}", &EXAMPLE[..start])
}

fn check(text: &str, expected: &str) {
    let error = parse("a.yaml", text.as_bytes())
        .expect_err(expected)
        .to_string();
    assert_eq!(error, expected, "\n{text}");
}

/// `entries` as the lines after `spec.processes:`, which is line 7.
fn entries(entries: &str) -> String {
    format!(
        "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{ name: web }}\n\
         spec:\n  workload: {{ runtime: runc, name: web }}\n  mode: enforce\n{entries}"
    )
}

fn check_entries(lines: &str, expected: &str) {
    check(&entries(lines), expected);
}

#[test]
fn reads_the_example() {
    let document = parse("checkout.yaml", EXAMPLE.as_bytes()).expect("valid");

    assert_eq!(
        document.spec.workload.to_string(),
        "shop/Deployment/checkout/api"
    );
    assert_eq!(document.spec.mode, Mode::Enforce);
    assert_eq!(document.spec.action, Some(Action::Alert));
    assert_eq!(document.spec.processes.len(), 8);
    assert_eq!(document.spec.removed.len(), 2);
    let status = document.status.expect("there");
    assert_eq!(status.learned_from.containers, 12);
    assert!(status.window.started < status.window.ended);
    assert_eq!(status.gaps.len(), 1);
}

#[test]
fn what_is_left_out_has_its_default() {
    let document = parse("a.yaml", entries("  processes: []\n").as_bytes()).expect("valid");

    assert_eq!(document.spec.action, None);
    assert!(document.spec.removed.is_empty() && document.status.is_none());
    assert_eq!(
        document.spec.workload,
        WorkloadId::Runtime {
            runtime: Runtime::Runc,
            name: "web".to_owned()
        }
    );
}

#[test]
fn another_kind_of_document_is_refused_before_its_fields_are() {
    check(
        "apiVersion: execwarden.dev/v9\nkind: ProcessAllowlist\nnew: 1\n",
        "a.yaml:1:13: apiVersion \"execwarden.dev/v9\" is not known to this version; \
         it reads apiVersion: execwarden.dev/v1alpha1",
    );
    check(
        "apiVersion: execwarden.dev/v1alpha1\nkind: Pod\n",
        "a.yaml:2:7: kind \"Pod\" is not known to this version; it reads kind: ProcessAllowlist",
    );
    check(
        "kind: ProcessAllowlist\n",
        "a.yaml:1:1: there is no apiVersion; write apiVersion: execwarden.dev/v1alpha1",
    );
}

#[test]
fn unknown_fields_are_refused() {
    check_entries(
        "  processes:\n    - path: /a\n      sha: x\n",
        "a.yaml:9:7: unknown field \"sha\"; the fields here are path, wildcards, layer, applet, interpreter, \
         interpreterLayer, via, sha256, digests, args, parents, users, madeFrom",
    );
    check_entries(
        "  processes: []\n  removed:\n    - path: /a\n      args: []\n",
        "a.yaml:10:7: unknown field \"args\"; the fields here are path, layer, applet, interpreter",
    );
    check_entries(
        "  processes: []\n  replicas: 3\n",
        "a.yaml:8:3: unknown field \"replicas\"; the fields here are \
         workload, mode, action, unverified, digests, processes, removed",
    );
    check_entries(
        "  processes: []\n  processes: []\n",
        "a.yaml:8:3: the field \"processes\" stands here twice",
    );
}

/// `fields` of an entry for /a, from line 9 and column 7 on.
fn check_fields(fields: &str, expected: &str) {
    check_entries(
        &format!("  processes:\n    - path: /a\n      {fields}\n"),
        &format!("a.yaml:9:{expected}"),
    );
}

#[test]
fn what_a_star_stands_for_is_read_and_checked() {
    check_entries(
        "  processes:\n    - path: /a/*/b\n      wildcards: [word]\n",
        "a.yaml:9:19: a * stands for no \"word\"; it may stand for version, hash, uuid, date or \
         counter",
    );
    check_entries(
        "  processes:\n    - path: /a/*/b\n      wildcards: [date, date]\n",
        "a.yaml:9:18: wildcards says what 2 * stand for, and the path \"/a/*/b\" has 1; say it of \
         each",
    );
    check_fields(
        "madeFrom: { count: 0, examples: [ /a ] }",
        "17: madeFrom names 1 examples of 0 paths; count says how many there were",
    );
    check_fields(
        "madeFrom: { count: 1, examples: [] }",
        "17: madeFrom names no example; leave it out",
    );
    check_fields(
        "madeFrom: { count: 1, examples: [ a ] }",
        "41: the path \"a\" is relative; write it from the root, beginning with /",
    );
}

#[test]
fn conditions_that_could_never_hold_or_say_nothing_are_refused() {
    check_fields(
        "sha256: abc",
        "15: \"abc\" is no SHA-256: that is 64 digits of 0-9 and a-f",
    );
    check_fields(
        "sha256: [ abc ]",
        "17: \"abc\" is no SHA-256: that is 64 digits of 0-9 and a-f",
    );
    check_fields(
        "sha256: []",
        "15: sha256 lists nothing; leave it out to allow any",
    );
    check_fields(
        "digests: verify",
        "16: digests is about the entry's sha256, and there is none; add one, or leave digests out",
    );
    check_fields(
        "args: [ '**', x ]",
        "13: ** stands for any arguments that follow, and must be the last of the list",
    );
    check_fields(
        "parents: [ nginx ]",
        "18: the path \"nginx\" is relative; write it from the root, beginning with /",
    );
    check_fields(
        "parents: [ '*init*' ]",
        "18: there is no parent \"*init*\"; write a path, *container-init* (the container's first \
         process) or *injected* (kubectl exec, a probe)",
    );
    check_fields(
        "parents: []",
        "16: parents lists nothing; leave it out to allow any",
    );
    check_fields(
        "users: []",
        "14: users lists nothing; leave it out to allow any",
    );
    check_fields("users: [1, 1]", "14: users lists 1 twice; leave one out");
    check_fields(
        "digests: always",
        "16: there is no digests setting \"always\"; it is verify or record",
    );
    let root = entries("  processes:\n    - { path: /a, users: [root] }\n");
    assert_eq!(
        parse("a.yaml", root.as_bytes())
            .expect_err("no number")
            .line,
        8
    );
}

#[test]
fn conditions_are_bounded() {
    let digests: Vec<String> = (0..65)
        .map(|n| format!("{n:064}"))
        .map(|d| format!("'{d}'"))
        .collect();
    check_fields(
        &format!("sha256: [{}]", digests.join(",")),
        "15: 65 sha256; an entry lists at most 64",
    );
    let parents: Vec<String> = (0..65).map(|n| format!("/{n}")).collect();
    check_fields(
        &format!("parents: [{}]", parents.join(",")),
        "16: 65 parents; an entry lists at most 64",
    );
    let users: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    check_fields(
        &format!("users: [{}]", users.join(",")),
        "14: 257 users; an entry lists at most 256",
    );
    check_fields(
        &format!("args: [{}]", ["a"; 65].join(",")),
        "13: 65 arguments; an entry lists at most 64, ** for the rest among them",
    );
    check_fields(
        &format!("args: [{}]", "a".repeat(4097)),
        "13: the arguments have 4097 bytes; those of an entry have at most 4096",
    );
}

#[test]
fn an_entry_has_one_role() {
    check_fields(
        "applet: sh\n      interpreter: /bin/sh",
        "15: an entry has an applet or an interpreter, not both",
    );
    check_fields(
        "interpreterLayer: volume",
        "25: interpreterLayer belongs to a script; name its interpreter, or leave it out",
    );
    check_fields(
        "via: [ /b ]",
        "14: via belongs to a script; name its interpreter, or leave it out",
    );
    check_fields(
        "applet: bin/sh",
        "15: the applet 'bin/sh' is no name of one: 1 to 255 bytes of plain text without / and *; \
         write an entry for each applet",
    );
    check_entries(
        "  processes: []\n  removed:\n    - { path: /a, applet: sh, interpreter: /bin/sh }\n",
        "a.yaml:9:27: an entry has an applet or an interpreter, not both",
    );
}

#[test]
fn one_digest_needs_no_list() {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let read = |value: &str| {
        let text = entries(&format!(
            "  processes:\n    - {{ path: /a, sha256: {value} }}\n"
        ));
        parse("a.yaml", text.as_bytes())
            .expect("valid")
            .spec
            .processes
    };

    assert_eq!(read(digest), read(&format!("[{digest}]")));
    assert_eq!(read(digest), read(&format!("'{digest}'")));
    let digits = "1".repeat(64);
    check_fields(
        &format!("sha256: {digits}"),
        "15: a SHA-256 of digits alone is a number to YAML; write it in quotes",
    );
}

#[test]
fn arguments_are_texts_whatever_they_look_like() {
    let text = entries("  processes:\n    - { path: /a, args: [-p, 80, true, '', \"a\\nb\"] }\n");

    let document = parse("a.yaml", text.as_bytes()).expect("valid");

    let process = document.spec.processes.first().expect("an entry");
    let args = process.conditions().args.as_ref().expect("are there");
    assert_eq!(
        args.texts().collect::<Vec<_>>(),
        ["-p", "80", "true", "", "a\nb"]
    );
}

#[test]
fn words_that_mean_nothing_are_refused() {
    check_entries(
        "  processes: []\n  action: page\n",
        "a.yaml:8:11: there is no action \"page\"; the actions are alert and block",
    );
    check_entries(
        "  processes: []\n  unverified: ask\n",
        "a.yaml:8:15: what is unverified cannot be \"ask\"; write run or deny",
    );
    check_entries(
        "  processes:\n    - { path: /a, layer: ram }\n",
        "a.yaml:8:26: there is no layer \"ram\"; \
         the layers are image, upper, volume, tmpfs, memory and host",
    );
    check_entries(
        "  processes:\n    - { path: /a, layer: unknown }\n",
        "a.yaml:8:26: there is no layer \"unknown\"; \
         the layers are image, upper, volume, tmpfs, memory and host",
    );
    check(
        &entries("  processes: []\n").replace("enforce", "on"),
        "a.yaml:6:9: there is no mode \"on\"; the modes are enforce, learn and off",
    );
}

#[test]
fn paths_that_could_never_match_or_match_too_much_are_refused() {
    let path = |path: &str, expected: &str| {
        check_entries(
            &format!("  processes:\n    - path: {path}\n"),
            &format!("a.yaml:8:13: {expected}"),
        );
    };

    path(
        "bin/x",
        "the path \"bin/x\" is relative; write it from the root, beginning with /",
    );
    path(
        "/bin/../x",
        "the path \"/bin/../x\" is not normalised; write it as the kernel resolves it: \
         without ., .., // and without / at its end",
    );
    path(
        "/a/**/b",
        "the path \"/a/**/b\" has **; * stands for one path segment or a part of it",
    );
    path(
        "/a/b-*",
        "the file name of \"/a/b-*\" has a *, and a program of the image is allowed by its name; \
         write the name out, a * may stand in the folders before it",
    );
    path(
        "\"/a\\x1b[31m\"",
        "the path '/a\\\\x1b[31m' has control characters, invisible characters or bytes \
         that are no UTF-8, and cannot be named in a document",
    );
    path("[/a]", "expected a text here");
    check_entries(
        "  processes:\n    - path:\n",
        "a.yaml:8:11: the value is missing; write a text",
    );
    check_entries(
        "  processes:\n    - { path: /a, interpreter: /bin/* }\n",
        "a.yaml:8:32: the path \"/bin/*\" has a *; one exact file must be named here",
    );
}

#[test]
fn entries_that_say_the_same_or_the_opposite_are_refused() {
    check_entries(
        "  processes:\n    - path: /a\n    - path: /a\n      layer: image\n",
        "a.yaml:9:13: \"/a\" stands here twice with the same fields; leave one out",
    );
    check_entries(
        "  processes:\n    - path: /a\n  removed:\n    - path: /b\n    - path: /a\n",
        "a.yaml:11:13: \"/a\" is both in processes and in removed; leave one out",
    );
    let fine = "  processes:\n    - path: /a\n    - { path: /a, layer: upper }\n    \
                - { path: /a, interpreter: /b }\n    - { path: /a, args: [x] }\n    \
                - { path: /a, applet: b }\n  removed:\n    - { path: /a, layer: tmpfs }\n";
    assert!(parse("a.yaml", entries(fine).as_bytes()).is_ok());
}

#[test]
fn a_workload_has_one_of_three_shapes() {
    let workload = |workload: &str| {
        let text = entries("  processes: []\n").replace("{ runtime: runc, name: web }", workload);
        parse("a.yaml", text.as_bytes())
    };

    assert!(workload("{ unit: cron.service }").is_ok());
    assert!(workload("{ runtime: cri-o, name: example.org/team/app }").is_ok());
    for bad in [
        "{}",
        "{ name: web }",
        "{ runtime: runc }",
        "{ runtime: runc, name: web, unit: x }",
        "{ namespace: shop, kind: Deployment, name: checkout }",
        "{ unit: '' }",
        "{ unit: 'a/b' }",
        "{ unit: \"a\\nb\" }",
        "{ runtime: lxc, name: a }",
    ] {
        let error = workload(bad).expect_err(bad);
        assert_eq!(error.line, 5, "{bad}: {error}");
    }
}

#[test]
fn what_yaml_can_do_beyond_a_document_is_refused() {
    check(
        "",
        "a.yaml:1:1: there is no apiVersion; write apiVersion: execwarden.dev/v1alpha1",
    );
    check(
        &format!("{EXAMPLE}---\nkind: x\n"),
        &format!(
            "a.yaml:{}:1: a second document begins here; write one document per file",
            EXAMPLE.lines().count() + 1
        ),
    );
    check_entries(
        "  processes:\n    - &a { path: /a }\n    - *a\n",
        "a.yaml:8:10: anchors and aliases are refused; write each entry out",
    );
    check_entries(
        "  processes: []\n  <<: { mode: off }\n",
        "a.yaml:8:3: merge keys (<<) are refused; write each field out",
    );
    check_entries(
        "  processes: !!python/object []\n",
        "a.yaml:7:30: unsupported tag `!!python/object`",
    );
    for deep in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
    ] {
        assert!(parse("a.yaml", deep.as_bytes()).is_err());
    }
}

#[test]
fn size_is_bounded() {
    let large = format!("{EXAMPLE}# {}", "x".repeat(MAX_BYTES));
    check(
        &large,
        "a.yaml:1:1: the file is larger than 1048576 bytes, the most an allowlist may have",
    );

    let many = |count: usize| -> String {
        let lines: String = (0..count).map(|i| format!("    - path: /{i}\n")).collect();
        entries(&format!("  processes:\n{lines}"))
    };
    assert!(parse("a.yaml", many(MAX_ENTRIES).as_bytes()).is_ok());
    check(
        &many(MAX_ENTRIES + 1),
        "a.yaml:8:5: 20001 entries; an allowlist has at most 20000",
    );

    let wild: String = (0..=MAX_WILDCARDS)
        .map(|i| format!("    - path: /*/{i}\n"))
        .collect();
    check_entries(
        &format!("  processes:\n{wild}"),
        "a.yaml:8:5: 1001 entries with a *; an allowlist has at most 1000",
    );
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_place() {
    let mut bytes = "a: b\nc: \u{e4}".as_bytes().to_vec();
    bytes.push(0xff);

    let error = parse("a.yaml", &bytes).expect_err("not UTF-8");

    assert_eq!(
        error.to_string(),
        "a.yaml:2:5: the file is not UTF-8 from here on; save it as UTF-8"
    );
}

#[test]
fn evidence_is_checked_too() {
    let status = |line: &str| cut("status:", &format!("status:\n  {line}\n"));

    let error = parse(
        "a.yaml",
        status("window: { started: yesterday }").as_bytes(),
    );
    let error = error.expect_err("no time").message;
    assert_eq!(
        error,
        "\"yesterday\" is no point in time; write it as 2026-01-31T12:00:00Z"
    );
    assert!(parse("a.yaml", status("learnedFrom: { nodes: -1 }").as_bytes()).is_err());
    assert!(parse("a.yaml", status("gaps: []").as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_a_document_or_an_error(bytes: Vec<u8>) {
        let _ = parse("a.yaml", &bytes);
    }

    #[test]
    fn a_broken_document_is_a_document_or_an_error_on_one_line(
        document in arbitrary::document(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
        cut_off: bool,
    ) {
        let mut bytes = render(&document).into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut_off {
            bytes.truncate(end.index(bytes.len()));
        }

        if let Err(error) = parse("a.yaml", &bytes) {
            let line = error.to_string();
            prop_assert!(line.len() < 700 && !line.chars().any(char::is_control), "{:?}", line);
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }
}
