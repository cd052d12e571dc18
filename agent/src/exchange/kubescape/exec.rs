//! One exec: a path, and arguments that begin with the program's name.

use crate::allowlist::{Applet, ArgsPattern, Conditions, Process, RunAs};
use crate::exchange::manifest::{Unread, null_is_empty};
use crate::exchange::{Losses, entry};
use crate::model::is_own_name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One segment of a path, or one argument.
const ONE: &str = "⋯";
/// Any number of arguments.
const REST: &str = "⋯⋯";

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exec {
    #[serde(default)]
    path: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    /// That no argument is a condition, too.
    #[serde(default, skip_serializing)]
    args_required: bool,
    #[serde(flatten, skip_serializing)]
    other: BTreeMap<String, Unread>,
}

impl Exec {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A program with any arguments.
    pub(super) fn program(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// An entry, its conditions as far as they can be said.
    pub(super) fn of(process: &Process, losses: &mut Losses) -> Result<Self, String> {
        let path = process.path().as_str();
        let segment = |segment: &str| match segment {
            "*" => Ok(ONE.to_owned()),
            segment if segment.contains(['*', '⋯']) => {
                Err("a * there is a whole segment, and ⋯ is special".to_owned())
            }
            segment => Ok(segment.to_owned()),
        };
        let segments: Result<Vec<String>, String> = path.split('/').map(segment).collect();
        let mut exec = Self::program(&segments?.join("/"));
        // Of a script they are its interpreter's, with the script among them.
        let is_script = matches!(process.run_as(), RunAs::Script { .. });
        if let Some(args) = &process.conditions().args {
            match (is_script, said(args)) {
                (false, Some(args)) => exec.args = args,
                _ => losses.allows_more("args", path),
            }
        }
        Ok(exec)
    }

    /// The entry that allows nothing else.
    pub(super) fn entry(&self, losses: &mut Losses) -> Result<Process, String> {
        // No rule there compares the environment.
        if let Some(field) = self.other.keys().find(|field| *field != "envs") {
            return Err(format!("{field} is not known, and may narrow it"));
        }
        let path = self.pattern(losses)?;
        let process = entry::pattern(&path, self.run_as()?)?;
        Ok(process.under(Conditions {
            args: self.arguments()?,
            ..Conditions::default()
        }))
    }

    fn pattern(&self, losses: &mut Losses) -> Result<String, String> {
        let mut segments = Vec::new();
        for segment in self.path.split('/') {
            segments.push(match segment {
                ONE => "*",
                "*" => {
                    losses.not_carried_of("folders: a * there is any number, here one", &self.path);
                    "*"
                }
                segment if segment.contains(['*', '⋯']) => {
                    return Err("a part of its path means something else here".to_owned());
                }
                segment => segment,
            });
        }
        Ok(segments.join("/"))
    }

    /// By its first argument: a name that is not the file's is an applet's.
    fn run_as(&self) -> Result<RunAs, String> {
        let name = match self.args.first().map(String::as_str) {
            None | Some(ONE | REST) => return Ok(RunAs::Program),
            Some(name) => name.rsplit('/').next().unwrap_or_default(),
        };
        if is_own_name(self.path.as_bytes(), name.as_bytes()) || self.path.ends_with(ONE) {
            return Ok(RunAs::Program);
        }
        let applet = Applet::of(&name.into());
        applet.map(RunAs::Applet).map_err(|error| error.to_string())
    }

    /// What follows the name.
    fn arguments(&self) -> Result<Option<ArgsPattern>, String> {
        let (first, rest) = match &self.args[..] {
            [] if self.args_required => (None, &[][..]),
            [] => return Ok(None),
            [first, rest @ ..] => (Some(first.as_str()), rest),
        };
        if first == Some(REST) {
            return match rest {
                [] => Ok(None),
                _ => Err("arguments after any others have no equal here".to_owned()),
            };
        }
        let mut texts = Vec::new();
        for (number, arg) in rest.iter().enumerate() {
            texts.push(match arg.as_str() {
                ONE => "*".to_owned(),
                REST if number + 1 == rest.len() => "**".to_owned(),
                arg if arg.contains('⋯') => {
                    return Err(format!("the argument {arg:?} has no equal here"));
                }
                // A star is one there, and so it is here when it is escaped.
                arg => arg.replace('\\', "\\\\").replace('*', "\\*"),
            });
        }
        let pattern = ArgsPattern::new(texts.iter().map(String::as_str));
        pattern.map(Some).map_err(|error| error.to_string())
    }
}

/// Arguments as Kubescape has them, behind any name; `None` if it cannot say
/// them.
fn said(args: &ArgsPattern) -> Option<Vec<String>> {
    let mut said = vec![ONE.to_owned()];
    for text in args.texts() {
        said.push(match text.as_str() {
            "*" => ONE.to_owned(),
            "**" => REST.to_owned(),
            text => literal(text)?,
        });
    }
    Some(said)
}

/// The text of a pattern that is no pattern; of older versions, a star is one.
fn literal(text: &str) -> Option<String> {
    let unescaped = text.replace("\\\\", "\\");
    (!text.contains(['*', '⋯'])).then_some(unescaped)
}
