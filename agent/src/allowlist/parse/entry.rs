//! The entries: what `processes` and `removed` list.

use super::yaml::Fault;
use super::{checked, optional};
use crate::allowlist::args::ArgsPattern;
use crate::allowlist::conditions::{
    Conditions, Contents, Digests, MAX_DIGESTS, MAX_PARENTS, MAX_USERS,
};
use crate::allowlist::made_from::MadeFrom;
use crate::allowlist::path::{ExactPath, PathPattern};
use crate::allowlist::process::{Applet, Process, RunAs};
use crate::allowlist::raw::{self, OneOrMore, Text};
use crate::allowlist::removed::{Removed, StruckAs};
use crate::model::Layer;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeSet;
use std::fmt::Display;

const BOTH_ROLES: &str = "an entry has an applet or an interpreter, not both";

pub(super) fn process(raw: &raw::Process) -> Result<Process, Fault> {
    let mut path = checked(&raw.path, PathPattern::new)?;
    if let Some(wildcards) = &raw.wildcards {
        path = narrowed(path, wildcards)?;
    }
    let layer: Layer = optional(raw.layer.as_ref(), str::parse)?.unwrap_or_default();
    let mut entry = Process::new(path, run_as(raw)?, layer)
        .map_err(|error| Fault::new(raw.path.referenced, error))?;
    if let Some(origin) = &raw.made_from {
        entry = entry.made_from(made_from(origin)?);
    }
    Ok(entry.under(Conditions {
        contents: contents(raw)?,
        args: raw.args.as_ref().map(args).transpose()?,
        parents: list(raw.parents.as_ref(), "parents", MAX_PARENTS, |text| {
            checked(text, str::parse)
        })?,
        users: list(raw.users.as_ref(), "users", MAX_USERS, |uid| Ok(*uid))?,
    }))
}

fn narrowed(path: PathPattern, raw: &Spanned<Vec<Text>>) -> Result<PathPattern, Fault> {
    let fillings = raw.value.iter().map(|word| checked(word, str::parse));
    path.narrowed(fillings.collect::<Result<_, _>>()?)
        .map_err(|error| Fault::new(raw.referenced, error))
}

fn made_from(raw: &Spanned<raw::MadeFrom>) -> Result<MadeFrom, Fault> {
    let examples = raw.value.examples.iter();
    let examples = examples.map(|path| checked(path, ExactPath::new));
    MadeFrom::new(raw.value.count, examples.collect::<Result<_, _>>()?)
        .map_err(|error| Fault::new(raw.referenced, error))
}

fn run_as(raw: &raw::Process) -> Result<RunAs, Fault> {
    let of_scripts = [
        (raw.interpreter_layer.as_ref(), "interpreterLayer"),
        (raw.via.first(), "via"),
    ];
    let without_interpreter = of_scripts
        .into_iter()
        .find_map(|(text, field)| Some((text?.referenced, field)));
    match (&raw.interpreter, &raw.applet) {
        (Some(_), Some(applet)) => Err(Fault::new(applet.referenced, BOTH_ROLES)),
        (Some(interpreter), None) => Ok(RunAs::Script {
            interpreter: checked(interpreter, ExactPath::new)?,
            interpreter_layer: optional(raw.interpreter_layer.as_ref(), str::parse)?
                .unwrap_or_default(),
            via: raw
                .via
                .iter()
                .map(|script| checked(script, ExactPath::new))
                .collect::<Result<_, _>>()?,
        }),
        (None, applet) => match (without_interpreter, applet) {
            (Some((at, field)), _) => Err(Fault::new(
                at,
                format_args!("{field} belongs to a script; name its interpreter, or leave it out"),
            )),
            (None, Some(name)) => Ok(RunAs::Applet(applet_name(name)?)),
            (None, None) => Ok(RunAs::Program),
        },
    }
}

fn applet_name(text: &Text) -> Result<Applet, Fault> {
    checked(text, |name| Applet::of(&name.into()))
}

fn contents(raw: &raw::Process) -> Result<Option<Contents>, Fault> {
    let digests: Option<Digests> = optional(raw.digests.as_ref(), str::parse)?;
    let Some(sha256) = &raw.sha256 else {
        return match &raw.digests {
            None => Ok(None),
            Some(word) => Err(Fault::new(
                word.referenced,
                "digests is about the entry's sha256, and there is none; add one, or leave \
                 digests out",
            )),
        };
    };
    let any_of = match &sha256.value {
        OneOrMore::One(text) => {
            let digest = text.parse();
            BTreeSet::from([digest.map_err(|error| Fault::new(sha256.referenced, error))?])
        }
        OneOrMore::More(texts) => {
            bounded(texts, sha256.referenced, "sha256", MAX_DIGESTS, |text| {
                checked(text, str::parse)
            })?
        }
    };
    Ok(Contents::new(any_of, digests))
}

fn args(raw: &Spanned<Vec<String>>) -> Result<ArgsPattern, Fault> {
    ArgsPattern::new(raw.value.iter().map(String::as_str))
        .map_err(|error| Fault::new(raw.referenced, error))
}

fn list<R, T: Ord + Display>(
    raw: Option<&Spanned<Vec<R>>>,
    field: &str,
    most: usize,
    read: impl Fn(&R) -> Result<T, Fault>,
) -> Result<BTreeSet<T>, Fault> {
    raw.map_or_else(
        || Ok(BTreeSet::new()),
        |raw| bounded(&raw.value, raw.referenced, field, most, read),
    )
}

/// Reads every value of a list that is neither empty nor too long, and names
/// nothing twice.
fn bounded<R, T: Ord + Display>(
    raw: &[R],
    at: Location,
    field: &str,
    most: usize,
    read: impl Fn(&R) -> Result<T, Fault>,
) -> Result<BTreeSet<T>, Fault> {
    if raw.is_empty() {
        let message = format_args!("{field} lists nothing; leave it out to allow any");
        return Err(Fault::new(at, message));
    }
    if raw.len() > most {
        let message = format_args!("{} {field}; an entry lists at most {most}", raw.len());
        return Err(Fault::new(at, message));
    }
    let mut set = BTreeSet::new();
    for value in raw {
        let value = read(value)?;
        if set.contains(&value) {
            let message = format_args!("{field} lists {value} twice; leave one out");
            return Err(Fault::new(at, message));
        }
        set.insert(value);
    }
    Ok(set)
}

pub(super) fn removed(raw: &raw::Removed) -> Result<Removed, Fault> {
    let run_as = match (&raw.applet, &raw.interpreter) {
        (Some(applet), Some(_)) => return Err(Fault::new(applet.referenced, BOTH_ROLES)),
        (Some(applet), None) => Some(StruckAs::Applet(applet_name(applet)?)),
        (None, interpreter) => {
            optional(interpreter.as_ref(), ExactPath::new)?.map(StruckAs::ScriptOf)
        }
    };
    Ok(Removed {
        path: checked(&raw.path, PathPattern::new)?,
        run_as,
        layer: optional(raw.layer.as_ref(), str::parse)?,
    })
}
