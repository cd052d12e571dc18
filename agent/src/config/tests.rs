use super::*;
use clap::Parser;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

fn resolve(flags: &[&str], file: &str) -> Result<Config, ConfigError> {
    let argv = std::iter::once("run").chain(flags.iter().copied());
    let flags = Flags::try_parse_from(argv).expect("valid flags").settings;
    let file = file::parse(Path::new("test.toml"), file).expect("a valid file");
    let environment = Environment {
        node_name: None,
        hostname: "machine".to_owned(),
    };
    Config::resolve(flags, file, &environment)
}

fn check<T: PartialEq + std::fmt::Debug>(
    flags: &[&str],
    file: &str,
    read: impl Fn(&Config) -> T,
    expected: T,
) {
    let config = resolve(flags, file).expect("a valid configuration");

    assert_eq!(read(&config), expected, "flags {flags:?}, file {file:?}");
}

#[test]
fn modes_come_from_flags_then_the_file_then_automatic() {
    let (day, minute) = (Duration::from_secs(86_400), Duration::from_secs(60));
    let learn = |window| ModeChoice::Learn { window };
    let automatic = |window| ModeChoice::Automatic { window };
    for (flags, file, expected) in [
        (&[] as &[&str], "", automatic(day)),
        (&[], "automatic = '1m'", automatic(minute)),
        (&[], "learn = '1m'", learn(minute)),
        (&[], "enforce = true", ModeChoice::Enforce),
        (&[], "enforce = false", automatic(day)),
        (&["--learn"], "", learn(day)),
        (&["--learn", "1m"], "", learn(minute)),
        (&["--learn=1m"], "", learn(minute)),
        (&["--learn", "--json"], "", learn(day)),
        (&["--learn"], "learn = '1m'", learn(day)),
        (&["--learn"], "enforce = true", learn(day)),
        (&["--enforce"], "learn = '1m'", ModeChoice::Enforce),
        (&["--automatic"], "enforce = true", automatic(day)),
        (&["--automatic", "1m"], "", automatic(minute)),
    ] {
        check(flags, file, |c| c.mode, expected);
    }
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", "/var/lib/execwarden"),
        (&[], "state = '/file'", "/file"),
        (&["--state", "/flag"], "state = '/file'", "/flag"),
    ] {
        check(flags, file, |c| c.state.clone(), PathBuf::from(expected));
    }
    for (flags, file, expected) in [
        (&[] as &[&str], "", "/"),
        (&[], "host-root = '/file'", "/file"),
        (&["--host-root", "/flag"], "host-root = '/file'", "/flag"),
    ] {
        check(
            flags,
            file,
            |c| c.host_root.clone(),
            PathBuf::from(expected),
        );
    }
    for (flags, file, expected) in [
        (&[] as &[&str], "", LogLevel::Info),
        (&[], "log-level = 'warn'", LogLevel::Warn),
        (
            &["--log-level=debug"],
            "log-level = 'warn'",
            LogLevel::Debug,
        ),
    ] {
        check(flags, file, |c| c.log_level, expected);
    }
}

#[test]
fn amounts_come_from_flags_then_the_file_and_may_be_off() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", 3),
        (&[], "generalise-after = 5", 5),
        (&[], "generalise-after = 'off'", usize::MAX),
        (&["--generalise-after", "4"], "generalise-after = 'off'", 4),
        (&["--generalise-after=off"], "", usize::MAX),
    ] {
        check(flags, file, |c| c.generalise_after.parts(), expected);
    }
    for (flags, file, expected) in [
        (&[] as &[&str], "", Some(64 << 20)),
        (&[], "journal-max-size = '1GiB'", Some(1 << 30)),
        (&["--journal-max-size=off"], "", None),
    ] {
        check(flags, file, |c| c.journal_max_size.bytes(), expected);
    }
    for (flags, file, expected) in [
        (&[] as &[&str], "", Some(64 << 20)),
        (&[], "spool-max-size = '8MiB'", Some(8 << 20)),
        (&["--spool-max-size=off"], "", None),
    ] {
        check(flags, file, |c| c.spool_max_size.bytes(), expected);
    }
    let days = |days: u64| Duration::from_secs(days * 86_400);
    check(&[], "", |c| c.journal_max_age, days(14));
    check(
        &["--journal-max-age", "2d"],
        "journal-max-age = '1d'",
        |c| c.journal_max_age,
        days(2),
    );
}

#[test]
fn arguments_are_in_alerts_unless_somebody_says_no() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", true),
        (&[], "alert-arguments = false", false),
        (&["--alert-arguments", "false"], "", false),
        (&["--alert-arguments=true"], "alert-arguments = false", true),
        (
            &["--alert-arguments=false"],
            "alert-arguments = true",
            false,
        ),
    ] {
        check(flags, file, |c| c.alert_arguments, expected);
    }
}

#[test]
fn a_list_from_flags_replaces_the_files() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", &["unix:/dev/log"] as &[&str]),
        (&[], "syslog = ['udp://a:1']", &["udp://a:1"]),
        (&[], "syslog = []", &["unix:/dev/log"]),
        (
            &["--syslog=tcp://b:2", "--syslog=tcp://c:3"],
            "syslog = ['udp://a:1']",
            &["tcp://b:2", "tcp://c:3"],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|s| (*s).to_owned()).collect();
        check(flags, file, |c| c.syslog.clone(), expected);
    }
    for (flags, file, expected) in [
        (&[] as &[&str], "", &[] as &[&str]),
        (&[], "webhook = ['https://a/x']", &["https://a/x"]),
        (
            &["--webhook=http://b"],
            "webhook = ['https://a/x']",
            &["http://b"],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|s| (*s).to_owned()).collect();
        check(flags, file, |c| c.webhook.clone(), expected);
    }
}

#[test]
fn keys_of_allowlists_come_from_flags_then_the_file() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", &[] as &[&str]),
        (
            &[],
            "allowlist-keys = ['/a.pub', '/b.pub']",
            &["/a.pub", "/b.pub"],
        ),
        (
            &["--allowlist-keys=/c.pub"],
            "allowlist-keys = ['/a.pub']",
            &["/c.pub"],
        ),
    ] {
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        check(flags, file, |c| c.allowlist_keys.clone(), expected);
    }
}

#[test]
fn keys_are_not_kept_among_what_they_sign() {
    for (file, is_fine) in [
        ("allowlist-keys = ['/etc/execwarden/ops.pub']", true),
        (
            "allowlist-keys = ['/etc/execwarden/allowlists/ops.pub']",
            false,
        ),
        (
            "allowlists = '/a'\nallowlist-keys = ['/b/ops.pub', '/a/k/ops.pub']",
            false,
        ),
        ("allowlists = '/a'\nallowlist-keys = ['/a.pub']", true),
    ] {
        assert_eq!(resolve(&[], file).is_ok(), is_fine, "{file}");
    }
}

#[test]
fn a_switch_is_on_if_either_turns_it_on() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", false),
        (&["--json"], "", true),
        (&[], "json = true", true),
        (&["--json"], "json = false", true),
    ] {
        check(flags, file, |c| c.json, expected);
    }
}

#[test]
fn a_class_comes_from_the_last_flag_then_the_file() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", ClassMode::Learn),
        (&[], "[classes]\ninit = 'off'", ClassMode::Off),
        (&[], "classes = { ephemeral = 'off' }", ClassMode::Learn),
        (
            &["--classes", "init=enforce"],
            "[classes]\ninit = 'off'",
            ClassMode::Enforce,
        ),
        (
            &["--classes=init=off", "--classes=init=learn"],
            "",
            ClassMode::Learn,
        ),
        (
            &["--classes=sidecar=off"],
            "[classes]\ninit = 'off'",
            ClassMode::Off,
        ),
    ] {
        check(flags, file, |c| c.classes.init, expected);
    }
}

#[test]
fn annotations_may_only_tighten_unless_somebody_says_otherwise() {
    for (flags, file, expected) in [
        (&[] as &[&str], "", AnnotationPolicy::Tighten),
        (&[], "annotations = 'ignore'", AnnotationPolicy::Ignore),
        (
            &["--annotations", "any"],
            "annotations = 'ignore'",
            AnnotationPolicy::Any,
        ),
    ] {
        check(flags, file, |c| c.annotations, expected);
    }
}

#[test]
fn a_relative_flag_is_meant_from_the_current_folder() {
    let here = std::env::current_dir().expect("a current folder");

    check(
        &["--state", "here"],
        "",
        |c| c.state.clone(),
        here.join("here"),
    );
}

#[test]
fn node_names_come_from_flag_variable_file_and_machine_in_this_order() {
    let name = |text: &str| Some(text.parse().expect("a valid name"));
    for (flag, variable, file, expected) in [
        (name("flag"), Some("variable"), name("file"), "flag"),
        (None, Some("variable"), name("file"), "variable"),
        (None, None, name("file"), "file"),
        (None, None, None, "machine"),
    ] {
        let settings = |node_name| Settings {
            node_name,
            ..Settings::default()
        };
        let environment = Environment {
            node_name: variable.map(str::to_owned),
            hostname: "machine".to_owned(),
        };

        let config = Config::resolve(settings(flag), settings(file), &environment);

        assert_eq!(
            config.expect("a valid configuration").node_name.as_str(),
            expected
        );
    }
}

#[test]
fn a_name_that_alerts_cannot_carry_is_refused_with_its_source() {
    let with = |node_name: Option<&str>, hostname: &str| {
        let environment = Environment {
            node_name: node_name.map(str::to_owned),
            hostname: hostname.to_owned(),
        };
        Config::resolve(Settings::default(), Settings::default(), &environment)
            .expect_err("refused")
            .to_string()
    };

    assert!(with(Some("a b"), "ok").starts_with("the environment variable NODE_NAME"));
    assert!(with(None, "").contains("--node-name"));
}
