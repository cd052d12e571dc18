//! The entries of a document: what may run.

use super::conditions::{Conditions, Digests};
use super::made_from::MadeFrom;
use super::path::{ExactPath, PathError, PathPattern};
use crate::model::{Identity, Layer, Role, Script, Untrusted};
use std::collections::BTreeSet;
use std::fmt;

/// The longest name of an applet, in bytes: the longest of a file.
const MAX_APPLET: usize = 255;
/// The most scripts between one and its interpreter: the kernel follows no
/// more.
pub const MAX_VIA: usize = 4;

/// Why a path, a layer and the rest are no entry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProcessError {
    /// The path, or the interpreter's, is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The applet's name is none.
    #[error(transparent)]
    Applet(#[from] BadApplet),
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
    /// More than [`MAX_VIA`].
    #[error("via lists {0} scripts; the kernel follows at most {MAX_VIA}")]
    TooManyVia(usize),
}

/// A text that names no applet.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the applet '{0}' is no name of one: 1 to 255 bytes of plain text without / and *; \
     write an entry for each applet"
)]
pub struct BadApplet(String);

/// The name of one program in a multi-call binary.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Applet(String);

impl Applet {
    /// Checks a name.
    ///
    /// # Errors
    /// It cannot be one, or a reviewer could not read it.
    pub fn of(name: &Untrusted) -> Result<Self, BadApplet> {
        let fits =
            |text: &str| (1..=MAX_APPLET).contains(&text.len()) && !text.contains(['/', '*']);
        match name.as_plain_str() {
            Some(text) if fits(text) => Ok(Self(text.to_owned())),
            _ => Err(BadApplet(name.escaped(256))),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Applet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the file of an entry is run as.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RunAs {
    /// A program, whatever it is called; a file with several hard links by its
    /// own name only.
    Program,
    /// One program of a multi-call binary.
    Applet(Applet),
    /// A script.
    Script {
        /// The program that runs it.
        interpreter: ExactPath,
        /// That program's layer.
        interpreter_layer: Layer,
        /// The scripts between the two, where there are any.
        via: Vec<ExactPath>,
    },
}

/// One entry of `spec.processes`: what a workload may run.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Process {
    // Sorted by path first: `same_path` depends on it.
    path: PathPattern,
    run_as: RunAs,
    layer: Layer,
    conditions: Conditions,
    made_from: Option<MadeFrom>,
}

impl Process {
    /// An entry without conditions. `layer` is that of the file at `path`.
    ///
    /// # Errors
    /// A wildcard in the file name of a program of the image, any wildcard in
    /// memory, an unknown layer, too many scripts in between.
    pub fn new(path: PathPattern, run_as: RunAs, layer: Layer) -> Result<Self, ProcessError> {
        let text = || path.as_str().to_owned();
        if let RunAs::Script {
            interpreter,
            interpreter_layer,
            via,
        } = &run_as
        {
            if *interpreter_layer == Layer::Unknown {
                return Err(ProcessError::UnknownLayer(interpreter.to_string()));
            }
            if via.len() > MAX_VIA {
                return Err(ProcessError::TooManyVia(via.len()));
            }
        }
        match layer {
            Layer::Unknown => Err(ProcessError::UnknownLayer(text())),
            Layer::Image if path.file_name().contains('*') => {
                Err(ProcessError::WildcardFileName(text()))
            }
            Layer::Memory if path.has_wildcard() => Err(ProcessError::WildcardInMemory(text())),
            _ => Ok(Self {
                path,
                run_as,
                layer,
                conditions: Conditions::default(),
                made_from: None,
            }),
        }
    }

    /// The entry that covers `identity` and nothing else.
    ///
    /// # Errors
    /// There is none: its path, script or applet cannot be named in a document
    /// (it is no plain text, or has a `*`, which would cover more), or its
    /// layer is unknown.
    pub fn of(identity: &Identity) -> Result<Self, ProcessError> {
        let file = ExactPath::of(&identity.file)?;
        let (path, run_as) = match &identity.role {
            Role::Program => (file, RunAs::Program),
            Role::Applet(name) => (file, RunAs::Applet(Applet::of(name)?)),
            Role::Script(script) => {
                let via = script.via.iter().map(ExactPath::of);
                let run_as = RunAs::Script {
                    interpreter: file,
                    interpreter_layer: identity.layer,
                    via: via.collect::<Result<_, _>>()?,
                };
                (ExactPath::of(&script.path)?, run_as)
            }
        };
        Self::new(path.into(), run_as, identity.path_layer())
    }

    /// The same under these conditions.
    #[must_use]
    pub fn under(self, conditions: Conditions) -> Self {
        Self { conditions, ..self }
    }

    /// The same at every path that `path` covers.
    ///
    /// # Errors
    /// As [`Process::new`].
    pub fn at(self, path: PathPattern) -> Result<Self, ProcessError> {
        let conditions = self.conditions;
        Ok(Self::new(path, self.run_as, self.layer)?.under(conditions))
    }

    /// The same, made from these.
    #[must_use]
    pub fn made_from(self, made_from: MadeFrom) -> Self {
        Self {
            made_from: Some(made_from),
            ..self
        }
    }

    /// The same for another document, when its own says `digests`.
    #[must_use]
    pub fn with_digests_of(mut self, digests: Option<Digests>) -> Self {
        if let Some(contents) = &mut self.conditions.contents {
            contents.settle(digests);
        }
        self
    }

    /// The same without a word on digests that its own document says anyway.
    #[must_use]
    pub(super) fn left_to(mut self, digests: Option<Digests>) -> Self {
        if let Some(contents) = &mut self.conditions.contents {
            contents.leave_to(digests);
        }
        self
    }

    /// The program; the script where there is an interpreter.
    pub fn path(&self) -> &PathPattern {
        &self.path
    }

    /// What it is run as.
    pub fn run_as(&self) -> &RunAs {
        &self.run_as
    }

    /// The interpreter of a script.
    pub fn interpreter(&self) -> Option<&ExactPath> {
        match &self.run_as {
            RunAs::Script { interpreter, .. } => Some(interpreter),
            RunAs::Program | RunAs::Applet(_) => None,
        }
    }

    /// The layer of the file at the path: the script's where it is one.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// What it asks for beside the identity.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// What it was made from, where the agent put a `*` in its path.
    pub fn origin(&self) -> Option<&MadeFrom> {
        self.made_from.as_ref()
    }

    /// The one identity it names; `None` if it has a wildcard.
    pub fn identity(&self) -> Option<Identity> {
        if self.path.has_wildcard() {
            return None;
        }
        let path = Untrusted::from(self.path.as_str());
        Some(match &self.run_as {
            RunAs::Program => Identity {
                file: path,
                role: Role::Program,
                layer: self.layer,
            },
            RunAs::Applet(name) => Identity {
                file: path,
                role: Role::Applet(name.as_str().into()),
                layer: self.layer,
            },
            RunAs::Script {
                interpreter,
                interpreter_layer,
                via,
            } => Identity {
                file: interpreter.as_str().into(),
                role: Role::Script(Script {
                    path,
                    via: via.iter().map(|script| script.as_str().into()).collect(),
                    layer: self.layer,
                }),
                layer: *interpreter_layer,
            },
        })
    }

    /// Whether role and layers are those of `identity`; the path is not looked
    /// at.
    pub(super) fn fits(&self, identity: &Identity) -> bool {
        let same_interpreter_layer = match &self.run_as {
            RunAs::Script {
                interpreter_layer, ..
            } => *interpreter_layer == identity.layer,
            RunAs::Program | RunAs::Applet(_) => true,
        };
        self.fits_but_for_layers(identity)
            && self.layer == identity.path_layer()
            && same_interpreter_layer
    }

    /// Whether the role is that of `identity`.
    pub(super) fn fits_but_for_layers(&self, identity: &Identity) -> bool {
        match (&self.run_as, &identity.role) {
            (RunAs::Program, Role::Program) => true,
            (RunAs::Applet(wanted), Role::Applet(name)) => {
                wanted.as_str().as_bytes() == name.as_bytes()
            }
            (
                RunAs::Script {
                    interpreter, via, ..
                },
                Role::Script(script),
            ) => {
                same(interpreter, &identity.file)
                    && via.len() == script.via.len()
                    && via.iter().zip(&script.via).all(|(a, b)| same(a, b))
            }
            _ => false,
        }
    }
}

pub(super) fn same(wanted: &ExactPath, found: &Untrusted) -> bool {
    wanted.as_str().as_bytes() == found.as_bytes()
}

/// The entries of `processes` with the path of `path`, whatever else they say:
/// a range, because the path is what they are sorted by first.
pub(super) fn same_path<'a>(
    processes: &'a BTreeSet<Process>,
    path: &'a PathPattern,
) -> impl Iterator<Item = &'a Process> {
    let first = Process {
        path: path.clone(),
        run_as: RunAs::Program,
        layer: Layer::Image,
        conditions: Conditions::default(),
        made_from: None,
    };
    processes
        .range(first..)
        .take_while(move |process| process.path == *path)
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
