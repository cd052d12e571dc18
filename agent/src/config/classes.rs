//! What is done with containers by their kind, and with what is put into them.

use super::InvalidValue;
use crate::model::{ContainerKind, PutIn, Untrusted};
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

/// What is done with each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Classes {
    /// With init containers.
    pub init: ClassMode,
    /// With sidecars.
    pub sidecar: ClassMode,
    /// With debug containers.
    pub ephemeral: ClassMode,
    /// With what is put into a container that learns.
    pub put_in: PutIn,
}

impl Default for Classes {
    /// A debug container is a person's, and so is a session at a terminal: it is to
    /// be told of, and never a part of what a workload is supposed to run. Probes
    /// are.
    fn default() -> Self {
        Self {
            init: ClassMode::Learn,
            sidecar: ClassMode::Learn,
            ephemeral: ClassMode::Enforce,
            put_in: PutIn {
                probes: true,
                sessions: false,
            },
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

    /// With what somebody chose; of two choices about one class the last counts.
    pub(super) fn with(mut self, choices: &[ClassChoice]) -> Self {
        for choice in choices {
            match *choice {
                ClassChoice::Init(mode) => self.init = mode,
                ClassChoice::Sidecar(mode) => self.sidecar = mode,
                ClassChoice::Ephemeral(mode) => self.ephemeral = mode,
                ClassChoice::Probe { learns } => self.put_in.probes = learns,
                ClassChoice::Session { learns } => self.put_in.sessions = learns,
            }
        }
        self
    }
}

/// One choice, `CLASS=MODE` as a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClassChoice {
    /// About init containers.
    Init(ClassMode),
    /// About sidecars.
    Sidecar(ClassMode),
    /// About debug containers.
    Ephemeral(ClassMode),
    /// About what is put in without a terminal. It cannot be off: it is a part of
    /// its container.
    Probe {
        /// Whether it is learned where its container learns.
        learns: bool,
    },
    /// About what is put in at a terminal.
    Session {
        /// Likewise.
        learns: bool,
    },
}

impl FromStr for ClassChoice {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = || {
            InvalidValue::new(format!(
                "{:?} is not CLASS=MODE; classes are init, sidecar and ephemeral with modes learn, enforce and off, probe and session with learn and enforce",
                Untrusted::from(text)
            ))
        };
        let (class, mode) = text.split_once('=').ok_or_else(refuse)?;
        let mut modes = ClassMode::ALL.into_iter();
        let mode = modes.find(|one| one.as_str() == mode);
        let mode = mode.ok_or_else(refuse)?;
        let learns = match mode {
            ClassMode::Learn => Some(true),
            ClassMode::Enforce => Some(false),
            ClassMode::Off => None,
        };
        match (class, learns) {
            ("init", _) => Ok(Self::Init(mode)),
            ("sidecar", _) => Ok(Self::Sidecar(mode)),
            ("ephemeral", _) => Ok(Self::Ephemeral(mode)),
            ("probe", Some(learns)) => Ok(Self::Probe { learns }),
            ("session", Some(learns)) => Ok(Self::Session { learns }),
            _ => Err(refuse()),
        }
    }
}

/// Reads the file's table.
pub(super) fn from_table<'de, D: Deserializer<'de>>(
    table: D,
) -> Result<Vec<ClassChoice>, D::Error> {
    let table = BTreeMap::<String, ClassMode>::deserialize(table)?;
    let choice = |(class, mode)| format!("{class}={mode}").parse().map_err(de::Error::custom);
    table.into_iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_class_and_a_mode() {
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
        for text in [
            "",
            "init",
            "main=off",
            "init=",
            "init=loud",
            "=off",
            "probe=off",
            "session=off",
        ] {
            assert!(text.parse::<ClassChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_put_in_is_learned_or_not() {
        let with = |choice: &str| {
            let choice = choice.parse().expect("a choice");
            Classes::default().with(&[choice]).put_in
        };

        assert!(!with("probe=enforce").probes);
        assert!(!with("probe=enforce").sessions);
        assert!(with("session=learn").probes);
        assert!(with("session=learn").sessions);
    }

    #[test]
    fn what_is_off_is_named() {
        let choices = ["init=off", "init=learn", "sidecar=off"];
        let choices = choices.map(|choice| choice.parse().expect("a choice"));

        let off: Vec<_> = Classes::default().with(&choices).off().collect();

        assert_eq!(off, [ContainerKind::Sidecar]);
    }
}
