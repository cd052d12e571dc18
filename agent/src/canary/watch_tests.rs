use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const TOOK: Duration = Duration::from_millis(2);

fn counted() -> ExecCounts {
    ExecCounts {
        seen: 1,
        deviating: 1,
        ..ExecCounts::default()
    }
}

/// A watch, and its time.
struct Clock {
    watch: Watch,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        let watch = Watch::new(MINUTE, now);
        Self { watch, now }
    }

    /// Looks once a second, until something is due.
    fn until_due(&mut self) -> (u64, Due) {
        for seconds in 0..200 {
            match self.watch.due(self.now) {
                Due::Nothing => self.now += SECOND,
                due => return (seconds, due),
            }
        }
        panic!("nothing is ever due");
    }

    fn start(&mut self) -> u64 {
        match self.until_due() {
            (_, Due::Start(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self) {
        let deviates = true;
        self.watch.told(Told {
            took: TOOK,
            deviates,
        });
    }

    fn pass(&mut self) -> Option<News> {
        let number = self.start();
        self.tell();
        self.watch.ended(number, Ended::Ran);
        assert_eq!(self.watch.due(self.now), Due::Judge);
        self.watch.judge(counted(), Expected::Reported)
    }

    /// Nobody is told of it.
    fn fail(&mut self) -> (u64, Option<News>) {
        let number = self.start();
        self.watch.ended(number, Ended::Ran);
        let (seconds, due) = self.until_due();
        assert_eq!(due, Due::Judge);
        (seconds, self.watch.judge(counted(), Expected::Reported))
    }
}

fn result(news: Option<News>) -> Option<CanaryResult> {
    match news? {
        News::Failed(failure) | News::CannotRun(failure) => Some(failure.result),
        News::Recovered { .. } => Some(CanaryResult::Passed),
    }
}

#[test]
fn the_first_runs_at_once_and_the_next_after_the_interval() {
    let mut clock = Clock::new();
    assert_eq!(*clock.watch.state(), State::Untried);

    assert_eq!(clock.until_due(), (0, Due::Start(1)));
    clock.tell();
    clock.watch.ended(1, Ended::Ran);
    assert_eq!(clock.until_due(), (0, Due::Judge));
    assert_eq!(clock.watch.judge(counted(), Expected::Reported), None);

    assert_eq!(*clock.watch.state(), State::Passed(TOOK));
    assert_eq!(clock.until_due(), (60, Due::Start(2)));
}

#[test]
fn one_that_nobody_tells_of_has_failed_after_five_seconds() {
    let mut clock = Clock::new();

    let (seconds, news) = clock.fail();

    assert_eq!(seconds, 5);
    assert_eq!(result(news), Some(CanaryResult::NotTold));
    assert!(matches!(clock.watch.state(), State::Failed(_)));
}

#[test]
fn a_failure_is_told_once_and_its_end_too() {
    let mut clock = Clock::new();
    assert_eq!(clock.pass(), None);

    assert_eq!(result(clock.fail().1), Some(CanaryResult::NotTold));
    assert_eq!(clock.fail().1, None);
    // Another failure is news.
    clock.start();
    clock.watch.helper_ended();
    assert_eq!(clock.until_due(), (0, Due::Judge));
    let news = clock.watch.judge(ExecCounts::default(), Expected::Reported);
    assert_eq!(result(news), Some(CanaryResult::NotExecuted));

    let recovered = clock.pass();
    let expected = News::Recovered {
        took: TOOK,
        failed: 3,
    };
    assert_eq!(recovered, Some(expected));
    assert_eq!(clock.pass(), None);
    let counts = CanaryResult::OF_A_RUN.map(|result| clock.watch.count(result));
    assert_eq!(counts, [3, 1, 0, 2, 0, 0]);
}

#[test]
fn one_that_cannot_run_is_told_once_and_tried_again() {
    let mut clock = Clock::new();
    clock.start();
    let why = || "read-only".to_owned();

    let news = clock.watch.cannot_run(why());
    assert_eq!(result(news), Some(CanaryResult::NotRunning));
    assert_eq!(clock.until_due(), (60, Due::Start(2)));
    assert_eq!(clock.watch.cannot_run(why()), None);
    assert!(matches!(clock.watch.state(), State::CannotRun(_)));

    // It passes at its first run: nothing had failed.
    assert_eq!(clock.pass(), None);
}

#[test]
fn what_was_heard_of_another_run_counts_for_none() {
    let mut clock = Clock::new();
    clock.tell();
    let first = clock.start();
    clock.watch.ended(first + 1, Ended::Ran);
    assert!(clock.watch.lacks_answer());
    let (seconds, due) = clock.until_due();
    assert_eq!((seconds, due), (5, Due::Judge));
    assert!(clock.watch.judge(counted(), Expected::Reported).is_some());

    let second = clock.start();
    clock.watch.ended(first, Ended::Ran);
    assert!(clock.watch.lacks_answer());
    clock.watch.ended(second, Ended::Ran);
    assert!(!clock.watch.lacks_answer());
}

#[test]
fn a_time_in_which_the_agent_stood_still_is_not_the_canarys() {
    let mut clock = Clock::new();
    let number = clock.start();

    clock.now += MINUTE;
    assert_eq!(clock.watch.due(clock.now), Due::Nothing);
    clock.tell();
    clock.watch.ended(number, Ended::Ran);
    assert_eq!(clock.watch.due(clock.now), Due::Judge);
    assert_eq!(clock.watch.judge(counted(), Expected::Reported), None);
}
