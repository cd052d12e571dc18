//! The sum of several test runs, in the words of the test runner.

use std::fmt;
use std::time::Duration;

/// The closing lines of all test binaries, added up.
#[derive(Default, Debug, PartialEq)]
pub struct Sum {
    passed: u64,
    failed: u64,
    ignored: u64,
    measured: u64,
    filtered_out: u64,
    /// A run that did not end well, whatever its closing line says.
    pub broken: bool,
    /// How long it took.
    pub duration: Duration,
    /// What the runs said of their failures.
    failures: Vec<String>,
    /// Whether the run that is being read is at it.
    tells_failures: bool,
}

impl Sum {
    /// Takes in a line of output, if it is a closing line or of a failure.
    pub fn add(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            self.tells_failures |= line == "failures:";
            if self.tells_failures {
                self.failures.push(line.to_owned());
            }
            return;
        };
        self.tells_failures = false;
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what.trim() {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                "measured" => self.measured += number,
                "filtered out" => self.filtered_out += number,
                _ => {}
            }
        }
    }

    /// Takes in another sum, but for its duration.
    pub fn add_sum(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.measured += other.measured;
        self.filtered_out += other.filtered_out;
        self.broken |= other.broken;
        self.failures.extend_from_slice(&other.failures);
    }

    /// What the runs said of their failures, each in its words.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Whether everything that ran went well.
    pub fn is_good(&self) -> bool {
        !self.broken && self.failed == 0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_good() { "ok" } else { "FAILED" };
        write!(
            f,
            "test result: {verdict}. {} passed; {} failed; {} ignored; {} measured; {} filtered out; finished in {:.2}s",
            self.passed,
            self.failed,
            self.ignored,
            self.measured,
            self.filtered_out,
            self.duration.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_closing_lines_and_prints_one() {
        let mut sum = Sum::default();

        for line in [
            "running 3 tests",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.10s",
            "test tests::result ... ok",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            sum.add(line);
        }

        assert_eq!(
            sum.to_string(),
            "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s"
        );
    }

    #[test]
    fn one_failure_is_the_verdict() {
        let mut sum = Sum::default();

        sum.add(
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        );

        assert!(
            sum.to_string()
                .starts_with("test result: FAILED. 2 passed; 1 failed;")
        );
    }

    #[test]
    fn failures_are_kept_in_the_words_of_the_run() {
        let mut sum = Sum::default();

        for line in [
            "test one ... FAILED",
            "failures:",
            "---- one ----",
            "left is not right",
            "failures:",
            "    one",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "running 3 tests",
        ] {
            sum.add(line);
        }

        let kept = [
            "failures:",
            "---- one ----",
            "left is not right",
            "failures:",
            "    one",
        ];
        assert_eq!(sum.failures(), kept);
    }

    #[test]
    fn a_suite_that_died_is_a_failure_without_a_count() {
        let sum = Sum {
            passed: 3,
            broken: true,
            ..Sum::default()
        };

        assert!(
            sum.to_string()
                .starts_with("test result: FAILED. 3 passed; 0 failed;")
        );
    }
}
