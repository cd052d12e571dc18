use super::*;

fn process(path: &str, layer: Layer) -> Result<Process, ProcessError> {
    Process::new(PathPattern::new(path)?, RunAs::Program, layer)
}

#[test]
fn a_wildcard_stands_in_folders_of_the_image_only() {
    assert!(process("/opt/*/bin/run", Layer::Image).is_ok());
    assert!(process("/data/job-*", Layer::Volume).is_ok());

    for path in ["/opt/bin/*", "/opt/bin/run-*", "/*"] {
        assert_eq!(
            process(path, Layer::Image),
            Err(ProcessError::WildcardFileName(path.to_owned()))
        );
    }
}

#[test]
fn memory_is_allowed_by_one_exact_name() {
    assert!(process("/memfd:runc_cloned:/proc/self/exe", Layer::Memory).is_ok());
    assert!(process("/tmp/#1234", Layer::Memory).is_ok());
    assert!(matches!(
        process("/memfd:*/x", Layer::Memory),
        Err(ProcessError::WildcardInMemory(_))
    ));
}

#[test]
fn an_identity_and_its_entry_are_the_same_thing() {
    let nested = Identity {
        layer: Layer::Volume,
        role: Role::Script(Script {
            path: "/run".into(),
            via: vec!["/bin/wrapper".into()],
            layer: Layer::Tmpfs,
        }),
        ..Identity::image("/opt/dash")
    };
    for identity in [
        nested,
        Identity::script("/bin/dash", "/docker-entrypoint.sh"),
        Identity::applet("/bin/busybox", "["),
        Identity::image("/usr/bin/["),
    ] {
        let entry = Process::of(&identity).expect("plain");

        assert!(entry.fits(&identity));
        assert_eq!(entry.identity(), Some(identity));
    }
}

#[test]
fn what_cannot_be_written_has_no_entry() {
    for file in ["/a*/b", "/a/b*", "/a\n", "a"] {
        assert!(Process::of(&Identity::image(file)).is_err(), "{file:?}");
        assert!(Process::of(&Identity::script("/bin/sh", file)).is_err());
    }
    for name in ["", "a/b", "*", "a\n", &"a".repeat(256)] {
        assert!(Process::of(&Identity::applet("/bin/busybox", name)).is_err());
    }
    let unknown = Identity {
        layer: Layer::Unknown,
        ..Identity::image("/bin/true")
    };
    assert!(Process::of(&unknown).is_err());
    let unknown = Identity {
        layer: Layer::Unknown,
        ..Identity::script("/bin/sh", "/run.sh")
    };
    assert!(Process::of(&unknown).is_err());
}
