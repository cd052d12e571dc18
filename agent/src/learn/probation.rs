//! A new image of a workload that has learned: what it runs beyond the old one.

use super::{Baseline, Evidence, MAX_ENTRIES, Sample, Sighting, State};
use crate::model::Identity;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many identities one probation takes in. What a new image runs beyond that
/// is reported one by one.
pub const MAX_FOUND: usize = 512;
/// How many images can be on probation at once.
pub const MAX_IMAGES_ON_PROBATION: usize = 8;

/// The time after a new image's first container, in which what is new in it is
/// gathered, to be told at once when the time is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probation {
    pub(super) images: Sample<Arc<str>, MAX_IMAGES_ON_PROBATION>,
    pub(super) until: Timestamp,
    pub(super) found: BTreeMap<Identity, Evidence>,
}

impl Probation {
    pub(super) fn new(until: Timestamp) -> Self {
        Self {
            images: Sample::default(),
            until,
            found: BTreeMap::new(),
        }
    }

    /// The digests of the images that are on probation.
    pub fn images(&self) -> &Sample<Arc<str>, MAX_IMAGES_ON_PROBATION> {
        &self.images
    }

    /// When it ends.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// What was new so far.
    pub fn found(&self) -> &BTreeMap<Identity, Evidence> {
        &self.found
    }

    /// Whether there was room, or it was there already.
    pub(super) fn find(&mut self, identity: &Identity, sighting: &Sighting<'_>) -> bool {
        if let Some(evidence) = self.found.get_mut(identity) {
            evidence.add(sighting, None);
            return true;
        }
        if self.found.len() == MAX_FOUND {
            return false;
        }
        let evidence = Evidence::new(sighting, None);
        self.found.insert(identity.clone(), evidence);
        true
    }
}

impl Baseline {
    /// The probation that goes on.
    pub fn probation(&self) -> Option<&Probation> {
        self.probation.as_ref()
    }

    /// A container of an image has appeared after learning had ended. `true` if the
    /// image is new, and its probation has begun: it lasts for `length` from the
    /// last new image on. Where no digest is known of any image it was learned
    /// from, no image can be told to be new.
    pub fn meet_image(&mut self, digest: &str, now: Timestamp, length: Duration) -> bool {
        let is_new = matches!(self.state, State::Finished { .. })
            && !self.image_digests.is_empty()
            && !self.image_digests.has_more()
            && self.image_digests.get(digest).is_none()
            && !self.is_on_probation(digest);
        if !is_new {
            return false;
        }
        let until = now.saturating_add(length).unwrap_or(Timestamp::MAX);
        let probation = self.probation.get_or_insert_with(|| Probation::new(until));
        if probation.images.len() == MAX_IMAGES_ON_PROBATION {
            return false;
        }
        probation.until = probation.until.max(until);
        probation.images.insert(&Arc::from(digest));
        true
    }

    /// Whether the image of this digest is on probation.
    pub fn is_on_probation(&self, digest: &str) -> bool {
        let images = self.probation.as_ref().map(|probation| &probation.images);
        images.is_some_and(|images| images.get(digest).is_some())
    }

    /// Gathers what a container of an image on probation ran and no entry covers.
    /// `false` if there is no room, or no probation: it has to be reported.
    pub fn find(&mut self, identity: &Identity, sighting: &Sighting<'_>) -> bool {
        let probation = self.probation.as_mut();
        probation.is_some_and(|probation| probation.find(identity, sighting))
    }

    /// Counts further execs of what was found.
    pub fn count_found(&mut self, identity: &Identity, execs: u64, at: Timestamp) {
        let probation = self.probation.as_mut();
        if let Some(found) = probation.and_then(|found| found.found.get_mut(identity)) {
            found.count(execs, at);
        }
    }

    /// Whether the probation is over.
    pub fn probation_is_due(&self, now: Timestamp) -> bool {
        let probation = self.probation.as_ref();
        probation.is_some_and(|probation| probation.until <= now)
    }

    /// Ends the probation: what was found is learned, as far as there is room, and
    /// the images are known from now on. What was found, for a person to read.
    pub fn end_probation(&mut self) -> Option<Probation> {
        let probation = self.probation.take()?;
        for digest in probation.images.iter() {
            self.image_digests.insert(digest);
        }
        for (identity, evidence) in &probation.found {
            if self.entries.len() < MAX_ENTRIES {
                self.entries.insert(identity.clone(), evidence.clone());
            }
        }
        Some(probation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::arbitrary::empty;
    use crate::learn::{Appearance, Around};
    use crate::model::ContainerId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sighting(container: &ContainerId) -> Sighting<'_> {
        Sighting {
            at: at(1000),
            execs: 1,
            container,
            image: None,
            around: Around::default(),
            digest: None,
            code: None,
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// Learned from the image `old`.
    fn learned() -> Baseline {
        let mut baseline = empty();
        baseline.appeared(&Appearance {
            container: &ContainerId::new("a").unwrap(),
            image: None,
            image_digest: Some("old"),
            node: "n",
            from_its_start: true,
        });
        baseline.finish(at(900));
        baseline
    }

    #[test]
    fn a_new_image_is_on_probation_and_known_after_it() {
        let mut baseline = learned();
        let container = ContainerId::new("b").unwrap();
        let new = Identity::image("/bin/new");

        assert!(!baseline.meet_image("old", at(1000), MINUTE));
        assert!(baseline.meet_image("new", at(1000), MINUTE));
        assert!(!baseline.meet_image("new", at(1001), MINUTE));
        assert!(baseline.find(&new, &sighting(&container)));
        baseline.count_found(&new, 4, at(1010));
        assert!(!baseline.probation_is_due(at(1059)));
        assert!(baseline.probation_is_due(at(1060)));

        let ended = baseline.end_probation().expect("it was on");

        assert_eq!(ended.found()[&new].execs(), 5);
        assert!(baseline.entries().contains_key(&new));
        assert!(!baseline.meet_image("new", at(1100), MINUTE));
        assert!(!baseline.find(&Identity::image("/bin/x"), &sighting(&container)));
    }

    #[test]
    fn a_second_new_image_prolongs_it() {
        let mut baseline = learned();

        assert!(baseline.meet_image("new", at(1000), MINUTE));
        assert!(baseline.meet_image("newer", at(1030), MINUTE));

        assert!(!baseline.probation_is_due(at(1089)));
        assert!(baseline.probation_is_due(at(1090)));
        assert!(baseline.is_on_probation("new") && baseline.is_on_probation("newer"));
    }

    #[test]
    fn what_cannot_be_told_to_be_new_is_held_to_the_list() {
        let mut never_named = empty();
        never_named.finish(at(900));
        assert!(!never_named.meet_image("new", at(1000), MINUTE));

        let mut learning = empty();
        assert!(!learning.meet_image("new", at(1000), MINUTE));

        let mut many = learned();
        for n in 0..MAX_IMAGES_ON_PROBATION {
            assert!(many.meet_image(&format!("new{n}"), at(1000), MINUTE));
        }
        assert!(!many.meet_image("one-more", at(1000), MINUTE));
        assert!(!many.is_on_probation("one-more"));
    }

    #[test]
    fn what_there_is_no_room_for_has_to_be_reported() {
        let mut baseline = learned();
        let container = ContainerId::new("b").unwrap();
        assert!(baseline.meet_image("new", at(1000), MINUTE));

        for n in 0..MAX_FOUND {
            let identity = Identity::image(&format!("/bin/{n}"));
            assert!(baseline.find(&identity, &sighting(&container)));
        }

        assert!(!baseline.find(&Identity::image("/bin/more"), &sighting(&container)));
        assert!(baseline.find(&Identity::image("/bin/0"), &sighting(&container)));
    }
}
