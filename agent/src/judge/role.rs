//! What a file was run as.

use crate::model::{Exec, Identity, Inspection, Role, is_own_name};

/// The identity of an exec, its role decided: whether a file is one program or
/// a multi-call binary, the kernel does not tell.
///
/// It is one if its content says so. If it does not, or could not be read, a
/// file that is reached under a name that is not its own is taken for one: by
/// a symbolic link, or by a hard link and a name in argv 0. Then its identity
/// is the one applet; by its own name it is the program, whatever argv 0 says.
pub fn role_of(exec: &Exec, inspection: &Inspection) -> Identity {
    let identity = &exec.identity;
    let called = &exec.called;
    let own = |name: &[u8]| is_own_name(identity.file.as_bytes(), name);
    let is_multicall = inspection.program.is_some_and(|content| content.multicall)
        || (called.links > 1 && !own(called.applet.as_bytes()))
        || !own(called.filename.as_bytes());
    match &identity.role {
        Role::Program if is_multicall => Identity {
            role: Role::Applet(called.applet.clone()),
            ..identity.clone()
        },
        Role::Program | Role::Applet(_) | Role::Script(_) => identity.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Called, Content};

    fn inspected(multicall: bool) -> Inspection {
        Inspection {
            program: Some(Content {
                multicall,
                ..Content::default()
            }),
            script: None,
        }
    }

    /// The applet, if it is one: of `path`, given to execve as `filename`,
    /// called `applet`.
    fn role(path: &str, filename: &str, applet: &str, links: u32, multicall: bool) -> String {
        let exec = Exec {
            called: Called {
                applet: applet.into(),
                filename: filename.into(),
                links,
            },
            ..Exec::plain(Identity::image(path))
        };
        match role_of(&exec, &inspected(multicall)).role {
            Role::Applet(name) => name.escaped(99),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_program_is_itself_whatever_it_calls_itself() {
        assert_eq!(role("/bin/nginx", "nginx", "nginx", 1, false), "Program");
        assert_eq!(role("/bin/nginx", "nginx", "sshd", 1, false), "Program");
        assert_eq!(role("/bin/nginx", "nginx", "", 1, false), "Program");
    }

    #[test]
    fn what_says_that_it_is_many_is_the_one_it_is_called() {
        assert_eq!(role("/bin/busybox", "busybox", "sh", 1, true), "sh");
        assert_eq!(
            role("/bin/busybox", "busybox", "busybox", 1, true),
            "busybox"
        );
        assert_eq!(role("/opt/tool", "tool", "wget", 1, true), "wget");
    }

    #[test]
    fn a_file_reached_under_another_name_is_what_it_is_called() {
        assert_eq!(role("/usr/bin/mawk", "awk", "awk", 1, false), "awk");
        assert_eq!(role("/usr/bin/mawk", "awk", "gawk", 1, false), "gawk");
        assert_eq!(role("/bin/zip", "zip", "unzip", 2, false), "unzip");
        assert_eq!(role("/bin/zip", "zip", "zip", 2, false), "Program");
        assert_eq!(role("/bin/zip", "zip", "", 2, false), "");
    }

    #[test]
    fn a_version_makes_no_other_name() {
        assert_eq!(
            role("/bin/python3.11", "python3", "python3", 1, false),
            "Program"
        );
        assert_eq!(
            role("/bin/perl5.36.0", "perl5.36.0", "perl", 2, false),
            "Program"
        );
        assert_eq!(role("/bin/python3.11", "pydoc", "pydoc", 1, false), "pydoc");
    }

    #[test]
    fn a_script_stays_one_and_what_was_not_read_is_told_by_its_names() {
        let script = Exec::plain(Identity::script("/bin/busybox", "/run.sh"));
        assert_eq!(role_of(&script, &inspected(true)), script.identity);

        let program = Exec::plain(Identity::image("/bin/a"));
        assert_eq!(role_of(&program, &Inspection::default()), program.identity);
    }
}
