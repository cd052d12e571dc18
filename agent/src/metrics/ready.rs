//! Whether the agent does what it is there for.

use crate::control::status::{CanaryState, CanaryStatus, CriStatus, Status};

/// What keeps the agent from being ready, one sentence each.
pub fn unready(status: &Status) -> Vec<String> {
    let attached = (!status.agent.attached)
        .then(|| "not all programs are attached: some execs are not seen".to_owned());
    let holds = (!status.accounting.holds())
        .then(|| "the counts do not add up: no number can be trusted".to_owned());
    let cri = status
        .cri
        .as_ref()
        .filter(|cri| cri.state != CriStatus::ANSWERS)
        .map(|cri| {
            format!(
                "the runtime at {} does not answer: {}",
                cri.socket, cri.state
            )
        });
    let canary = status.canary.as_ref().and_then(canary);
    [attached, holds, cri, canary]
        .into_iter()
        .flatten()
        .collect()
}

/// Where it is off nobody asks for it. Whether targets take what they are sent is
/// their affair.
fn canary(canary: &CanaryStatus) -> Option<String> {
    let why = canary.error.as_deref().unwrap_or("nobody knows why");
    match canary.state {
        CanaryState::Passed => None,
        CanaryState::Untried => Some("the canary has not run yet".to_owned()),
        CanaryState::Failed => Some(format!("the canary failed: {why}")),
        CanaryState::NotRunning => Some(format!("the canary cannot run: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::tests::status;
    use crate::model::ExecCounts;

    fn check(change: impl FnOnce(&mut Status), expected: &[&str]) {
        let mut status = status();
        change(&mut status);

        assert_eq!(unready(&status), expected);
    }

    #[test]
    fn ready_is_who_sees_everything_and_knows_its_name() {
        check(|_| (), &[]);
        check(|status| status.cri = None, &[]);
        check(|status| status.canary = None, &[]);
        for (state, sentence) in [
            (CanaryState::Untried, "the canary has not run yet"),
            (CanaryState::Failed, "the canary failed: it is so"),
            (CanaryState::NotRunning, "the canary cannot run: it is so"),
        ] {
            let change = |status: &mut Status| {
                let canary = status.canary.as_mut().expect("there is one");
                canary.state = state;
                canary.error = Some("it is so".to_owned());
            };
            check(change, &[sentence]);
        }
        check(
            |status| status.agent.attached = false,
            &["not all programs are attached: some execs are not seen"],
        );
        let broken = ExecCounts {
            seen: 1,
            ..ExecCounts::default()
        };
        check(
            |status| status.accounting = broken.into(),
            &["the counts do not add up: no number can be trusted"],
        );
        check(
            |status| {
                let cri = status.cri.as_mut().expect("there is one");
                cri.state = "slow".to_owned();
            },
            &["the runtime at /run/containerd/containerd.sock does not answer: slow"],
        );
    }
}
