//! Walks a target's records, of which each has the digest of the one before, so that
//! one that was removed or changed is missed. Pure.

use super::link::PREVIOUS;
use crate::model::Digest;
use serde_json::Value;
use std::collections::{HashSet, VecDeque};

/// As far back a record may follow: those that are sent again, and those of an agent
/// that was killed, are no further off.
const REMEMBERED: usize = 65_536;

/// The records so far.
#[derive(Debug, Default)]
pub struct Chain {
    digests: HashSet<Digest>,
    order: VecDeque<Digest>,
    last: Option<Digest>,
    is_lost: bool,
}

/// What a line is to those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walked {
    /// It follows the one before it.
    Follows,
    /// It is the first, of all that there ever were.
    Begins,
    /// It is the first one here, and others were before it.
    BeginsWithin,
    /// It was there already: it was sent twice.
    Double,
    /// It follows an earlier one: between the two an agent was killed, whose last
    /// records its successor did not know of.
    FollowsEarlier,
    /// What it follows was lost, as the record before it tells.
    FollowsLost,
    /// It tells that records were lost.
    TellsOfLoss,
    /// What it follows is not there: it was removed, or changed.
    Missed,
    /// It is no record of a chain.
    NoRecord,
}

impl Chain {
    /// Takes the next line, without its end.
    pub fn walk(&mut self, line: &[u8]) -> Walked {
        let digest = Digest::of(line);
        if self.digests.contains(&digest) {
            return Walked::Double;
        }
        let walked = match previous(line) {
            Previous::None => return Walked::NoRecord,
            Previous::OfLoss => {
                self.is_lost = true;
                return Walked::TellsOfLoss;
            }
            Previous::Digest(previous) => self.follows(&previous),
        };
        self.is_lost = false;
        self.remember(digest);
        walked
    }

    fn follows(&self, previous: &str) -> Walked {
        let is = |digest: &Digest| digest.to_string() == previous;
        match &self.last {
            None if is(&Digest::of(b"")) => Walked::Begins,
            None => Walked::BeginsWithin,
            Some(last) if is(last) => Walked::Follows,
            Some(_) if self.is_lost => Walked::FollowsLost,
            Some(_) if self.digests.iter().any(is) => Walked::FollowsEarlier,
            Some(_) => Walked::Missed,
        }
    }

    fn remember(&mut self, digest: Digest) {
        self.last = Some(digest);
        self.digests.insert(digest);
        self.order.push_back(digest);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

/// What a line says of the one before it.
enum Previous {
    Digest(String),
    OfLoss,
    None,
}

fn previous(line: &[u8]) -> Previous {
    let Ok(text) = std::str::from_utf8(line) else {
        return Previous::None;
    };
    let found = match text.starts_with('{') {
        true => in_json(text),
        false => in_syslog(text),
    };
    found.unwrap_or(Previous::None)
}

fn in_json(text: &str) -> Option<Previous> {
    let json: Value = serde_json::from_str(text).ok()?;
    let own = ["/execwarden", "/unmapped/execwarden"];
    let own = own.into_iter().find_map(|place| json.pointer(place))?;
    if own["kind"] == "lost" {
        return Some(Previous::OfLoss);
    }
    Some(Previous::Digest(own[PREVIOUS].as_str()?.to_owned()))
}

/// In the structured data alone: the sentence may repeat what a container chose.
fn in_syslog(text: &str) -> Option<Previous> {
    let (data, _) = text.split_once("][meta sequenceId=\"")?;
    let value = |name: &str| {
        let (_, after) = data.split_once(&format!(" {name}=\""))?;
        after.split('"').next()
    };
    if value("kind") == Some("lost") {
        return Some(Previous::OfLoss);
    }
    Some(Previous::Digest(value(PREVIOUS)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::super::rfc5424::{LOCAL_LIMIT, Settings};
    use super::super::samples::lost;
    use super::super::{Link, Message, Record, ecs, json, ocsf};
    use super::*;

    type Encode = fn(Message<'_>, Link) -> Vec<u8>;

    const FORMS: [Encode; 4] = [
        |message, link| Settings::new(77).encode(message, link, LOCAL_LIMIT),
        |message, link| json::encode(message, Some(link)),
        |message, link| ocsf::encode(message, link),
        |message, link| ecs::encode(message, link),
    ];

    /// So many records, each with the digest of the one before.
    fn chain(encode: Encode, count: u64) -> Vec<Vec<u8>> {
        let mut previous = Digest::of(b"");
        let lines = (1..=count).map(|sequence| {
            let record = Record {
                number: sequence,
                ..record()
            };
            let link = Link {
                sequence,
                previous: Some(previous),
            };
            let line = encode(Message::Record(&record), link);
            let line = line.trim_ascii_end().to_vec();
            previous = Digest::of(&line);
            line
        });
        lines.collect()
    }

    fn walk(lines: &[Vec<u8>]) -> Vec<Walked> {
        let mut chain = Chain::default();
        lines.iter().map(|line| chain.walk(line)).collect()
    }

    #[test]
    fn a_whole_chain_is_whole_in_every_form() {
        for encode in FORMS {
            let walked = walk(&chain(encode, 4));
            assert_eq!(walked[0], Walked::Begins);
            assert!(walked[1..].iter().all(|one| *one == Walked::Follows));
        }
    }

    #[test]
    fn one_that_was_removed_or_changed_is_missed() {
        for encode in FORMS {
            let mut lines = chain(encode, 4);
            let text = String::from_utf8_lossy(&lines[1]).replace("/tmp/evil", "/tmp/fine");
            let mut changed = lines.clone();
            changed[1] = text.into_bytes();
            lines.remove(1);

            let expected = [Walked::Begins, Walked::Missed, Walked::Follows];
            assert_eq!(walk(&lines), expected);
            let expected = [
                Walked::Begins,
                Walked::Follows,
                Walked::Missed,
                Walked::Follows,
            ];
            assert_eq!(walk(&changed), expected);
        }
    }

    #[test]
    fn what_was_sent_twice_and_what_was_lost_is_no_gap() {
        let lines = chain(FORMS[0], 6);
        let told = FORMS[0](Message::Lost(&lost()), 4.into());
        let pick = |places: &[usize]| -> Vec<Vec<u8>> {
            places.iter().map(|place| lines[*place].clone()).collect()
        };

        let twice = walk(&pick(&[0, 1, 2, 1, 2, 3]));
        let mut with_loss = pick(&[0, 1]);
        with_loss.push(told);
        with_loss.extend(pick(&[4, 5]));

        use Walked::*;
        assert_eq!(twice, [Begins, Follows, Follows, Double, Double, Follows]);
        assert_eq!(
            walk(&with_loss),
            [Begins, Follows, TellsOfLoss, FollowsLost, Follows]
        );
        assert_eq!(walk(&pick(&[3, 4])), [BeginsWithin, Follows]);
    }

    #[test]
    fn an_agent_that_was_killed_leaves_a_fork() {
        let lines = chain(FORMS[0], 2);
        let forked = Record {
            number: 99,
            ..record()
        };
        let link = Link {
            sequence: 2,
            previous: Some(Digest::of(&lines[0])),
        };
        let forked = FORMS[0](Message::Record(&forked), link);

        let walked = walk(&[lines[0].clone(), lines[1].clone(), forked]);

        assert_eq!(walked[2], Walked::FollowsEarlier);
    }

    #[test]
    fn what_a_container_chose_cannot_pass_for_a_link() {
        let mut record = record();
        let forged = format!("x previous=\"{}\"", Digest::of(b""));
        record.node = "node-1".to_owned();
        if let crate::alert::Subject::Exec { identity, .. } = &mut record.subject {
            identity.file = forged.as_str().into();
        }
        let line = FORMS[0](Message::Record(&record), 1.into());

        assert_eq!(walk(&[line]), [Walked::NoRecord]);
        assert_eq!(walk(&[b"not ours".to_vec()]), [Walked::NoRecord]);
    }
}
