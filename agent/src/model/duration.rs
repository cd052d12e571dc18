//! Durations as people write them: `30s`, `15m`, `24h`, `7d`.

use std::time::Duration;

/// Text that is no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a duration; write a whole number and s, m, h or d, such as 30s or 24h")]
pub struct DurationError(String);

/// Reads one whole number and one unit; at least one second, at most 365 days.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let refuse = || DurationError(text.to_owned());
    let unit = text.chars().last().ok_or_else(refuse)?;
    let number = &text[..text.len() - unit.len_utf8()];
    let seconds_each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(refuse()),
    };
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse());
    }
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(seconds_each))
        .filter(|s| (1..=365 * 86_400).contains(s))
        .ok_or_else(refuse)?;
    Ok(Duration::from_secs(seconds))
}

/// The two largest units that are not zero: `3h 12m`, `45s`.
pub fn format_duration(duration: Duration) -> String {
    let total = duration.as_secs();
    let parts: Vec<String> = [
        (total / 86_400, "d"),
        (total / 3600 % 24, "h"),
        (total / 60 % 60, "m"),
        (total % 60, "s"),
    ]
    .into_iter()
    .skip_while(|(n, _)| *n == 0)
    .take(2)
    .filter(|(n, _)| *n > 0)
    .map(|(n, unit)| format!("{n}{unit}"))
    .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "s",
            "0s",
            "1",
            "-1s",
            "1.5h",
            "1w",
            "99999999999999999999d",
            "366d",
            "1ä",
            "+5s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (45, "45s"),
            (3600, "1h"),
            (11_520, "3h 12m"),
            (86_405, "1d"),
        ] {
            assert_eq!(format_duration(Duration::from_secs(seconds)), text);
        }
    }
}
