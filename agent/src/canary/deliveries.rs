//! Whether the record about the canary reaches each target, and how long that took.
//! Pure: the time comes from outside.
//!
//! A target that is away is told of elsewhere, and its time does not count. One that
//! is connected and does not take a record is known nowhere else.

use std::time::{Duration, Instant};

/// So long a target that is connected may keep a record waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// A record that a target was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// The target.
    pub target: String,
    /// The record's place in what it was given.
    pub sequence: u64,
}

/// How a target stands, as its sink has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look<'a> {
    /// The target.
    pub target: &'a str,
    /// All up to this one have surely arrived, as far as can be known of it.
    pub arrived: u64,
    /// When the last one went.
    pub last_sent: Option<Instant>,
    /// Whether it is open.
    pub is_connected: bool,
}

/// How it stands with one target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It has not been given one.
    None,
    /// It has one, after so long.
    Arrived(Duration),
    /// It has still to take one.
    Waits,
    /// It is connected, and has not taken it for too long.
    Late,
}

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// A target does not take it.
    Late(String),
    /// It took it after all.
    Arrived(String, Duration),
}

/// The latest record of each target.
#[derive(Debug, Default)]
pub struct Deliveries {
    given: Vec<Underway>,
}

#[derive(Debug)]
struct Underway {
    target: String,
    sequence: u64,
    at: Instant,
    /// Since when it is connected and waited for.
    since: Instant,
    state: Delivery,
}

impl Deliveries {
    /// Targets were given a record. One that is still to take an earlier one is
    /// waited for because of that.
    pub fn given(&mut self, records: impl IntoIterator<Item = Given>, now: Instant) {
        for Given { target, sequence } in records {
            let found = self.given.iter().position(|one| one.target == target);
            if found.is_some_and(|place| !self.given[place].has_arrived()) {
                continue;
            }
            let underway = Underway {
                target,
                sequence,
                at: now,
                since: now,
                state: Delivery::Waits,
            };
            match found {
                Some(place) => self.given[place] = underway,
                None => self.given.push(underway),
            }
        }
    }

    /// Looks what became of them.
    pub fn look(&mut self, targets: &[Look<'_>], now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        for one in &mut self.given {
            let Some(look) = targets.iter().find(|look| look.target == one.target) else {
                continue;
            };
            if one.has_arrived() {
                continue;
            }
            if look.arrived >= one.sequence {
                let was_late = one.state == Delivery::Late;
                let last = look.last_sent.filter(|_| look.arrived == one.sequence);
                let took = last.unwrap_or(now).saturating_duration_since(one.at);
                one.state = Delivery::Arrived(took);
                if was_late {
                    news.push(News::Arrived(one.target.clone(), took));
                }
            } else if !look.is_connected {
                one.since = now;
            } else if one.state == Delivery::Waits
                && now.saturating_duration_since(one.since) >= PATIENCE
            {
                one.state = Delivery::Late;
                news.push(News::Late(one.target.clone()));
            }
        }
        news
    }

    /// How it stands with a target.
    pub fn of(&self, target: &str) -> Delivery {
        let found = self.given.iter().find(|one| one.target == target);
        found.map_or(Delivery::None, |one| one.state)
    }
}

impl Underway {
    fn has_arrived(&self) -> bool {
        matches!(self.state, Delivery::Arrived(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "unix:/dev/log";
    const SECOND: Duration = Duration::from_secs(1);

    fn look(arrived: u64, is_connected: bool) -> Look<'static> {
        Look {
            target: TARGET,
            arrived,
            last_sent: None,
            is_connected,
        }
    }

    fn given(deliveries: &mut Deliveries, sequence: u64, at: Instant) {
        let target = TARGET.to_owned();
        deliveries.given([Given { target, sequence }], at);
    }

    #[test]
    fn what_arrives_is_told_with_its_time() {
        let start = Instant::now();
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.of(TARGET), Delivery::None);

        given(&mut deliveries, 7, start);
        assert_eq!(deliveries.look(&[look(6, true)], start), []);
        assert_eq!(deliveries.of(TARGET), Delivery::Waits);
        let sent = Look {
            last_sent: Some(start + SECOND / 4),
            ..look(7, true)
        };
        assert_eq!(deliveries.look(&[sent], start + SECOND), []);

        assert_eq!(deliveries.of(TARGET), Delivery::Arrived(SECOND / 4));
    }

    #[test]
    fn where_others_went_later_its_time_is_a_bound() {
        let start = Instant::now();
        let mut deliveries = Deliveries::default();
        given(&mut deliveries, 7, start);
        let sent = Look {
            last_sent: Some(start + SECOND / 4),
            ..look(8, true)
        };

        deliveries.look(&[sent], start + SECOND);

        assert_eq!(deliveries.of(TARGET), Delivery::Arrived(SECOND));
    }

    #[test]
    fn one_that_is_connected_and_takes_nothing_is_late() {
        let start = Instant::now();
        let mut deliveries = Deliveries::default();
        given(&mut deliveries, 7, start);
        // A later one makes the wait no shorter.
        given(&mut deliveries, 8, start + SECOND * 20);

        assert_eq!(deliveries.look(&[look(6, true)], start + SECOND * 29), []);
        let late = [News::Late(TARGET.to_owned())];
        assert_eq!(deliveries.look(&[look(6, true)], start + SECOND * 30), late);
        assert_eq!(deliveries.look(&[look(6, true)], start + SECOND * 31), []);

        let took = SECOND * 40;
        let arrived = [News::Arrived(TARGET.to_owned(), took)];
        assert_eq!(deliveries.look(&[look(8, true)], start + took), arrived);
    }

    #[test]
    fn one_that_is_away_is_waited_for() {
        let start = Instant::now();
        let mut deliveries = Deliveries::default();
        given(&mut deliveries, 7, start);
        let back = start + SECOND * 3600;

        assert_eq!(deliveries.look(&[look(6, false)], back), []);
        assert_eq!(deliveries.of(TARGET), Delivery::Waits);
        assert_eq!(deliveries.look(&[look(6, true)], back + SECOND * 29), []);
        assert_eq!(
            deliveries.look(&[look(6, true)], back + SECOND * 30).len(),
            1
        );
    }
}
