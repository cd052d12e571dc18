//! What differs from one release, build or run to the next becomes a `*`, when
//! enough of it was seen.
//!
//! One rule. Entries are alike if they have the same layers and are run as the
//! same, under the same conditions, and their paths differ only in parts that
//! are of the same kind, in the same places ([`shape`]). Of such a family a
//! place becomes a `*` if at least `after` different parts were seen there;
//! where there were fewer, each part stays, and what has the same ones is looked
//! at again as a family of its own. A `*` stands for text of its kind and for
//! nothing else.
//!
//! Never: the file name of anything but a file on a volume or a tmpfs, because
//! a program of an image is known by it; a number below `/proc` or `/dev`, which
//! names a process or a descriptor and says nothing of the file.

use super::shape::{Shape, shape};
use crate::allowlist::{Conditions, ExactPath, MadeFrom, PathPattern, Process, RunAs};
use crate::model::{Layer, Untrusted};
use std::collections::{BTreeMap, BTreeSet};

/// The most entries that are made. A workload that invents names can make no
/// more; what is beyond that stays as it was seen.
pub const MAX_MADE: usize = 256;
/// The most places in one path that may change. A path with more stays as it
/// was seen.
const MAX_PLACES: usize = 8;

/// `entries`, with those that are alike as one. In no case is anything covered
/// by the result that is not of the kind of what was seen in its place; and all
/// that was covered still is. [`usize::MAX`] for `after` changes nothing.
///
/// Digests, which differ with the file, are not in what is made of several.
pub fn generalise(entries: BTreeSet<Process>, after: usize) -> BTreeSet<Process> {
    if entries.len() < after {
        return entries;
    }
    let mut families: BTreeMap<Likeness<'_>, Vec<Member<'_>>> = BTreeMap::new();
    for entry in &entries {
        if let Some((likeness, member)) = taken_apart(entry) {
            families.entry(likeness).or_default().push(member);
        }
    }
    let mut made = Vec::new();
    for (likeness, members) in &families {
        let places: Vec<usize> = (0..likeness.places()).collect();
        settle(likeness, members, &places, after, &mut made);
    }
    made.truncate(MAX_MADE);
    drop(families);
    with(entries, made)
}

/// All that is the same of entries that are alike.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Likeness<'a> {
    segments: Vec<Segment<'a>>,
    run_as: &'a RunAs,
    layer: Layer,
    conditions: Conditions,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Stays(&'a str),
    Changes(Shape<'a>),
}

impl Likeness<'_> {
    /// How many segments of its path change.
    fn places(&self) -> usize {
        let changes = |segment: &&Segment<'_>| matches!(segment, Segment::Changes(_));
        self.segments.iter().filter(changes).count()
    }
}

/// One of them: its path, and what is in each of the places.
struct Member<'a> {
    path: &'a str,
    parts: Vec<&'a str>,
}

/// What one entry is like, and what is its own; `None` if nothing in its path
/// may change, or too much, or it was no single file.
fn taken_apart(entry: &Process) -> Option<(Likeness<'_>, Member<'_>)> {
    let path = entry.path().as_str();
    let is_number_of_another_thing = ["/proc/", "/dev/"]
        .iter()
        .any(|folder| path.starts_with(folder));
    if entry.path().has_wildcard() || is_number_of_another_thing {
        return None;
    }
    let may_change_name = matches!(entry.layer(), Layer::Volume | Layer::Tmpfs);
    let names = path.strip_prefix('/')?.split('/');
    let last = names.clone().count() - 1;
    let mut parts = Vec::new();
    let segments = names
        .enumerate()
        .map(|(place, name)| match shape(name) {
            Some((shape, part)) if place < last || may_change_name => {
                parts.push(part);
                Segment::Changes(shape)
            }
            _ => Segment::Stays(name),
        })
        .collect();
    let likeness = Likeness {
        segments,
        run_as: entry.run_as(),
        layer: entry.layer(),
        conditions: without_contents(entry),
    };
    let member = Member { path, parts };
    (1..=MAX_PLACES)
        .contains(&member.parts.len())
        .then_some((likeness, member))
}

fn without_contents(entry: &Process) -> Conditions {
    Conditions {
        contents: None,
        ..entry.conditions().clone()
    }
}

/// Makes entries of `members`, which have different parts in `open` at most.
fn settle(
    likeness: &Likeness<'_>,
    members: &[Member<'_>],
    open: &[usize],
    after: usize,
    made: &mut Vec<Process>,
) {
    if members.len() < after || open.is_empty() {
        return;
    }
    let seen_often = |place: &usize| {
        let parts: BTreeSet<&str> = members.iter().map(|member| member.parts[*place]).collect();
        parts.len() >= after
    };
    let (stars, stay): (Vec<usize>, Vec<usize>) = open.iter().partition(|place| seen_often(place));
    if stay.is_empty() {
        made.extend(star_at(likeness, members, open));
        return;
    }
    let mut families: BTreeMap<Vec<&str>, Vec<Member<'_>>> = BTreeMap::new();
    for member in members {
        let own = stay.iter().map(|place| member.parts[*place]).collect();
        families.entry(own).or_default().push(Member {
            path: member.path,
            parts: member.parts.clone(),
        });
    }
    for family in families.values() {
        settle(likeness, family, &stars, after, made);
    }
}

/// The one entry for all of `members`, with a `*` at these places; the others
/// are as they are in each.
fn star_at(likeness: &Likeness<'_>, members: &[Member<'_>], places: &[usize]) -> Option<Process> {
    let parts = &members.first()?.parts;
    let mut text = String::new();
    let mut fillings = Vec::new();
    let mut place = 0;
    for segment in &likeness.segments {
        text.push('/');
        match segment {
            Segment::Stays(name) => text.push_str(name),
            Segment::Changes(shape) => {
                let is_star = places.contains(&place);
                text.push_str(shape.before);
                text.push_str(if is_star { "*" } else { parts[place] });
                text.push_str(shape.behind);
                fillings.extend(is_star.then_some(shape.filling));
                place += 1;
            }
        }
    }
    let path = PathPattern::new(&text).ok()?.narrowed(fillings).ok()?;
    let entry = Process::new(path, likeness.run_as.clone(), likeness.layer).ok()?;
    let paths = members.iter().map(|member| ExactPath::new(member.path));
    let paths: BTreeSet<_> = paths.collect::<Result<_, _>>().ok()?;
    let entry = entry.under(likeness.conditions.clone());
    Some(entry.made_from(MadeFrom::of(&paths)?))
}

/// The entries that none of `made` stands for, and these; what they stand for
/// is what they were made from, also where it alone would have been of another
/// kind, such as a hash of digits.
fn with(entries: BTreeSet<Process>, made: Vec<Process>) -> BTreeSet<Process> {
    let mut result = BTreeSet::new();
    let mut paths: Vec<BTreeSet<ExactPath>> = vec![BTreeSet::new(); made.len()];
    for entry in entries {
        let path = ExactPath::of(&Untrusted::from(entry.path().as_str()));
        let conditions = without_contents(&entry);
        let found = made.iter().position(|one| {
            one.run_as() == entry.run_as()
                && one.layer() == entry.layer()
                && *one.conditions() == conditions
                && one.path().matches(entry.path())
        });
        match (found, path) {
            (Some(number), Ok(path)) => drop(paths[number].insert(path)),
            _ => drop(result.insert(entry)),
        }
    }
    let made = made.into_iter().zip(&paths);
    result.extend(made.filter_map(|(entry, paths)| Some(entry.made_from(MadeFrom::of(paths)?))));
    result
}

#[cfg(test)]
#[path = "generalise_tests.rs"]
mod tests;
