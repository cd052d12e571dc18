//! What is done with containers by their kind.

use super::InvalidValue;
use crate::model::{ContainerKind, Untrusted};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What is done with the containers of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassMode {
    /// What the agent's mode says.
    Learn,
    /// They never learn: what is not on a person's allowlist is reported.
    Enforce,
    /// Nothing is asked of them.
    Off,
}

impl ClassMode {
    const ALL: [Self; 3] = [Self::Learn, Self::Enforce, Self::Off];

    /// The word, as settings have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Enforce => "enforce",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for ClassMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is done with each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Classes {
    /// With init containers.
    pub init: ClassMode,
    /// With sidecars.
    pub sidecar: ClassMode,
    /// With debug containers.
    pub ephemeral: ClassMode,
}

impl Default for Classes {
    /// A debug session is a person's: it is to be told of, and never a part of
    /// what a workload is supposed to run.
    fn default() -> Self {
        Self {
            init: ClassMode::Learn,
            sidecar: ClassMode::Learn,
            ephemeral: ClassMode::Enforce,
        }
    }
}

impl Classes {
    /// The kinds that have a class.
    const KINDS: [ContainerKind; 3] = [
        ContainerKind::Init,
        ContainerKind::Sidecar,
        ContainerKind::Ephemeral,
    ];

    /// What is done with containers of this kind.
    pub fn of(&self, kind: Option<ContainerKind>) -> ClassMode {
        match kind {
            Some(ContainerKind::Init) => self.init,
            Some(ContainerKind::Sidecar) => self.sidecar,
            Some(ContainerKind::Ephemeral) => self.ephemeral,
            Some(ContainerKind::Main | ContainerKind::Sandbox) | None => ClassMode::Learn,
        }
    }

    /// The kinds of which nothing is asked.
    pub fn off(&self) -> impl Iterator<Item = ContainerKind> {
        let classes = *self;
        let kinds = Self::KINDS.into_iter();
        kinds.filter(move |kind| classes.of(Some(*kind)) == ClassMode::Off)
    }

    /// With what somebody chose; of two choices about one kind the last counts.
    pub(super) fn with(mut self, choices: &[ClassChoice]) -> Self {
        for ClassChoice { kind, mode } in choices {
            match kind {
                ContainerKind::Init => self.init = *mode,
                ContainerKind::Sidecar => self.sidecar = *mode,
                ContainerKind::Ephemeral => self.ephemeral = *mode,
                // There is no way to write it.
                ContainerKind::Main | ContainerKind::Sandbox => {}
            }
        }
        self
    }
}

/// One choice, `KIND=MODE` as a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassChoice {
    kind: ContainerKind,
    mode: ClassMode,
}

impl FromStr for ClassChoice {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = || {
            InvalidValue::new(format!(
                "{:?} is not KIND=MODE; kinds are init, sidecar and ephemeral, modes learn, enforce and off",
                Untrusted::from(text)
            ))
        };
        let (kind, mode) = text.split_once('=').ok_or_else(refuse)?;
        let kinds = Classes::KINDS.into_iter();
        let modes = ClassMode::ALL.into_iter();
        Ok(Self {
            kind: { kinds }
                .find(|one| one.as_str() == kind)
                .ok_or_else(refuse)?,
            mode: { modes }
                .find(|one| one.as_str() == mode)
                .ok_or_else(refuse)?,
        })
    }
}

/// Reads the file's table.
pub(super) fn from_table<'de, D: Deserializer<'de>>(
    table: D,
) -> Result<Vec<ClassChoice>, D::Error> {
    let table = BTreeMap::<String, ClassMode>::deserialize(table)?;
    let choice = |(kind, mode)| format!("{kind}={mode}").parse().map_err(de::Error::custom);
    table.into_iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_kind_and_a_mode() {
        let defaults = Classes::default();
        for (choice, kind, expected) in [
            ("init=enforce", ContainerKind::Init, ClassMode::Enforce),
            ("sidecar=off", ContainerKind::Sidecar, ClassMode::Off),
            (
                "ephemeral=learn",
                ContainerKind::Ephemeral,
                ClassMode::Learn,
            ),
        ] {
            let choice: ClassChoice = choice.parse().expect("a choice");

            let classes = defaults.with(&[choice]);

            assert_eq!(classes.of(Some(kind)), expected);
            assert_eq!(classes.of(Some(ContainerKind::Main)), ClassMode::Learn);
            assert_eq!(classes.of(None), ClassMode::Learn);
        }
        for text in ["", "init", "main=off", "init=", "init=loud", "=off"] {
            assert!(text.parse::<ClassChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_off_is_named() {
        let choices = ["init=off", "init=learn", "sidecar=off"];
        let choices = choices.map(|choice| choice.parse().expect("a choice"));

        let off: Vec<_> = Classes::default().with(&choices).off().collect();

        assert_eq!(off, [ContainerKind::Sidecar]);
    }
}
