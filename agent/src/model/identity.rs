//! What was run.

use super::Untrusted;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where an executable's file comes from.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The container's root file system as the image brought it.
    #[default]
    Image,
    /// The writable layer over it: written after the container started.
    Upper,
    /// Another mount.
    Volume,
    /// tmpfs, ramfs or hugetlbfs.
    Tmpfs,
    /// No name in any directory: memfd, deleted, `O_TMPFILE`.
    Memory,
    /// A mount of the host's mount namespace.
    Host,
    /// The kernel could not tell. Never allowed, never in a document.
    #[serde(skip)]
    Unknown,
}

impl Layer {
    /// The word, as documents and alerts have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Upper => "upper",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
            Self::Memory => "memory",
            Self::Host => "host",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no layer.
#[derive(Debug, thiserror::Error)]
#[error("there is no layer {0:?}; the layers are image, upper, volume, tmpfs, memory and host")]
pub struct UnknownLayer(String);

impl FromStr for Layer {
    type Err = UnknownLayer;

    fn from_str(word: &str) -> Result<Self, UnknownLayer> {
        [
            Self::Image,
            Self::Upper,
            Self::Volume,
            Self::Tmpfs,
            Self::Memory,
            Self::Host,
        ]
        .into_iter()
        .find(|layer| layer.as_str() == word)
        .ok_or_else(|| UnknownLayer(word.to_owned()))
    }
}

/// The executable identity: the path as the kernel resolved it, the layer, and
/// what the file is run as. Nothing in it was chosen by the process, but for
/// the name by which a multi-call binary is told what to be.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Identity {
    /// The file that the kernel runs: for a script, its interpreter. From the
    /// root of the process's mount namespace.
    pub file: Untrusted,
    /// What it is run as.
    pub role: Role,
    /// The layer of `file`.
    pub layer: Layer,
}

/// What a file is run as.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Role {
    /// A program, whatever it is called.
    Program,
    /// One of the programs in a multi-call binary, by the name that the binary
    /// itself goes by.
    Applet(Untrusted),
    /// The interpreter of a script.
    Script(Script),
}

/// A script, by its file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Script {
    /// Its path, from the root of the process's mount namespace.
    pub path: Untrusted,
    /// The scripts between it and the interpreter, outermost first: those that
    /// interpret a script by being one. Usually none.
    pub via: Vec<Untrusted>,
    /// The layer of `path`; of one of `via` where that is further from the
    /// image.
    pub layer: Layer,
}

impl Identity {
    /// A program of the image.
    pub fn image(path: &str) -> Self {
        Self {
            file: path.into(),
            role: Role::Program,
            layer: Layer::Image,
        }
    }

    /// A script of the image with its interpreter.
    pub fn script(interpreter: &str, path: &str) -> Self {
        Self {
            role: Role::Script(Script {
                path: path.into(),
                via: Vec::new(),
                layer: Layer::Image,
            }),
            ..Self::image(interpreter)
        }
    }

    /// One program of a multi-call binary of the image.
    pub fn applet(path: &str, applet: &str) -> Self {
        Self {
            role: Role::Applet(applet.into()),
            ..Self::image(path)
        }
    }

    /// The script, where it is one.
    pub fn as_script(&self) -> Option<&Script> {
        match &self.role {
            Role::Script(script) => Some(script),
            Role::Program | Role::Applet(_) => None,
        }
    }

    /// What a person calls it: the script where there is one, else the file.
    pub fn path(&self) -> &Untrusted {
        self.as_script().map_or(&self.file, |script| &script.path)
    }

    /// The layer of what a person calls it.
    pub fn path_layer(&self) -> Layer {
        self.as_script().map_or(self.layer, |script| script.layer)
    }
}
