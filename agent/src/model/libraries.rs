//! What programs may load.

use clap::ValueEnum;
use serde::Deserialize;

/// What a program of a workload that is blocked may map to execute it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Libraries {
    /// Any file; the kernel asks nobody.
    #[default]
    Any,
    /// Files of the image, of a volume and of the host, and what is listed.
    Image,
}
