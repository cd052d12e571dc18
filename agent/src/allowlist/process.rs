//! The entries of a document: what may run, and what was struck.

use super::path::{ExactPath, PathError, PathPattern};
use crate::model::{Identity, Layer, Untrusted};
use std::collections::BTreeSet;

/// Why a path, a layer and an interpreter are no entry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProcessError {
    /// The path, or the interpreter's, is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Files of an image are known by name; whoever can add a file to the
    /// folder could otherwise add a program to the allowlist.
    #[error(
        "the file name of {0:?} has a *, and a program of the image is allowed by \
         its name; write the name out, a * may stand in the folders before it"
    )]
    WildcardFileName(String),
    /// The process that makes a memory file chooses its name.
    #[error(
        "the path {0:?} of layer memory has a *; a file without a name on disk is allowed only by one exact name"
    )]
    WildcardInMemory(String),
    /// What the kernel could not place is never allowed.
    #[error("the layer of {0:?} is not known; such a file is never allowed")]
    UnknownLayer(String),
}

/// One entry of `spec.processes`: what a workload may run.
///
/// Without an interpreter, `path` is the program. With one, `path` is the
/// script, and `layer` is the interpreter's: the layer of the file that the
/// kernel runs, as everywhere.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Process {
    path: PathPattern,
    interpreter: Option<ExactPath>,
    layer: Layer,
}

impl Process {
    /// An entry.
    ///
    /// # Errors
    /// A wildcard in the file name of a program of the image, any wildcard in
    /// memory, an unknown layer.
    pub fn new(
        path: PathPattern,
        interpreter: Option<ExactPath>,
        layer: Layer,
    ) -> Result<Self, ProcessError> {
        let text = || path.as_str().to_owned();
        match layer {
            Layer::Unknown => Err(ProcessError::UnknownLayer(text())),
            Layer::Image if path.file_name().contains('*') => {
                Err(ProcessError::WildcardFileName(text()))
            }
            Layer::Memory if path.has_wildcard() => Err(ProcessError::WildcardInMemory(text())),
            _ => Ok(Self {
                path,
                interpreter,
                layer,
            }),
        }
    }

    /// The entry that covers `identity` and nothing else.
    ///
    /// # Errors
    /// There is none: its path or script cannot be named in a document (it is
    /// no plain text, or has a `*`, which would cover more), or its layer is
    /// unknown.
    pub fn of(identity: &Identity) -> Result<Self, ProcessError> {
        let file = ExactPath::of(&identity.file)?;
        match &identity.script {
            None => Self::new(file.into(), None, identity.layer),
            Some(script) => Self::new(ExactPath::of(script)?.into(), Some(file), identity.layer),
        }
    }

    /// The program; the script where there is an interpreter.
    pub fn path(&self) -> &PathPattern {
        &self.path
    }

    /// The interpreter of a script.
    pub fn interpreter(&self) -> Option<&ExactPath> {
        self.interpreter.as_ref()
    }

    /// The layer of the file that the kernel runs.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The one identity it covers; `None` if it has a wildcard.
    pub fn identity(&self) -> Option<Identity> {
        if self.path.has_wildcard() {
            return None;
        }
        let path = Untrusted::from(self.path.as_str());
        Some(match &self.interpreter {
            None => Identity {
                file: path,
                script: None,
                layer: self.layer,
            },
            Some(interpreter) => Identity {
                file: interpreter.as_str().into(),
                script: Some(path),
                layer: self.layer,
            },
        })
    }
}

/// One entry of `spec.removed`: struck by a person, never learned again.
///
/// It matches what a person calls the executable: the script where there is
/// one, else the program. A layer or an interpreter that is left out matches
/// any, and a wildcard may stand in the file name: striking too much costs an
/// alert, striking too little learns what a person refused.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Removed {
    /// The program, or the script.
    pub path: PathPattern,
    /// The interpreter; `None` for any, and for none.
    pub interpreter: Option<ExactPath>,
    /// The layer; `None` for any.
    pub layer: Option<Layer>,
}

impl Removed {
    /// Whether layer and interpreter fit; the path is not looked at.
    pub(super) fn fits(&self, interpreter: Option<&[u8]>, layer: Layer) -> bool {
        let same_interpreter = match &self.interpreter {
            None => true,
            Some(wanted) => interpreter == Some(wanted.as_str().as_bytes()),
        };
        same_interpreter && self.layer.is_none_or(|wanted| wanted == layer)
    }

    /// Whether `process` says the opposite in the same words.
    pub(super) fn contradicts(&self, process: &Process) -> bool {
        let interpreter = process.interpreter().map(|i| i.as_str().as_bytes());
        self.path == process.path && self.fits(interpreter, process.layer)
    }
}

/// The entries of `processes` with the path of `path`, whatever their
/// interpreter and layer: a range, because the path is what they are sorted by
/// first.
pub(super) fn same_path<'a>(
    processes: &'a BTreeSet<Process>,
    path: &'a PathPattern,
) -> impl Iterator<Item = &'a Process> {
    let first = Process {
        path: path.clone(),
        interpreter: None,
        layer: Layer::Image,
    };
    processes
        .range(first..)
        .take_while(move |process| process.path == *path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(path: &str, layer: Layer) -> Result<Process, ProcessError> {
        Process::new(PathPattern::new(path)?, None, layer)
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
        let script = Identity {
            script: Some("/docker-entrypoint.sh".into()),
            ..Identity::image("/bin/dash")
        };
        for identity in [script, Identity::image("/usr/bin/[")] {
            let entry = Process::of(&identity).expect("plain");

            assert_eq!(entry.identity(), Some(identity));
        }
    }

    #[test]
    fn what_cannot_be_written_has_no_entry() {
        for file in ["/a*/b", "/a/b*", "/a\n", "a"] {
            assert!(Process::of(&Identity::image(file)).is_err(), "{file:?}");
        }
        let unknown = Identity {
            layer: Layer::Unknown,
            ..Identity::image("/bin/true")
        };
        assert!(Process::of(&unknown).is_err());
    }

    #[test]
    fn struck_without_details_is_struck_in_every_form() {
        let any = Removed {
            path: PathPattern::new("/a").expect("a path"),
            interpreter: None,
            layer: None,
        };
        let dash_only = Removed {
            interpreter: Some(ExactPath::new("/bin/dash").expect("a path")),
            ..any.clone()
        };

        assert!(any.fits(None, Layer::Image));
        assert!(any.fits(Some(b"/bin/dash"), Layer::Upper));
        assert!(dash_only.fits(Some(b"/bin/dash"), Layer::Image));
        assert!(!dash_only.fits(Some(b"/bin/bash"), Layer::Image));
        assert!(!dash_only.fits(None, Layer::Image));
    }
}
