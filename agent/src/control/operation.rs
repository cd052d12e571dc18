//! What an operator can ask of the running agent beside its status: alerts and
//! why they came, what may run, and the journal of such decisions.
//!
//! On the line as every request: `{"v":1,"do":"why","id":"d783"}`. What changes
//! something has `how`: without `apply` it is only planned, and the answer says
//! what would change.

use super::protocol::{Refusal, RefusalKind};
use crate::allowlist::{Action, Mode};
use crate::history::{AlertRow, Remedy};
use crate::model::{Layer, Reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// In how many containers of 100 what deviates may be stopped.
pub const PERCENT: std::ops::RangeInclusive<u8> = 1..=100;

/// What an operator asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// The alerts that are kept, the newest last.
    Alerts {
        /// Only those that came in the last so many seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_s: Option<u64>,
        /// Only this workload's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
        /// Only those for this reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// Send a record of the kind `test` to every target of alerts. For root alone.
    TestAlert {
        /// Who asks, in their own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// One alert, and what would allow it.
    Why {
        /// Its id, or a beginning of it that no other has.
        id: String,
    },
    /// The journal of decisions, the newest last.
    Log {
        /// Only those of the last so many seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_s: Option<u64>,
        /// Only those about this workload.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
    },
    /// What an alert is about may run from now on.
    Accept {
        /// The alert's id, or a beginning of it that no other has.
        id: String,
        /// With whatever arguments.
        #[serde(default)]
        any_args: bool,
        /// Under every path that this pattern covers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob: Option<String>,
        /// How it is done.
        #[serde(default)]
        how: How,
    },
    /// Something may not run any more, and is never learned again.
    AllowlistRemove {
        /// The workload's canonical name.
        workload: String,
        /// The program, or the script.
        path: String,
        /// Only as this program of a multi-call binary.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        applet: Option<String>,
        /// Only as a script that this program runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        script_of: Option<String>,
        /// Only where it comes from here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layer: Option<Layer>,
        /// How it is done.
        #[serde(default)]
        how: How,
    },
    /// Earlier decisions are taken back.
    AllowlistRestore {
        /// The workload's canonical name.
        workload: String,
        /// Paths that were accepted or removed, or ids of alerts that were
        /// accepted.
        what: Vec<String>,
        /// How it is done.
        #[serde(default)]
        how: How,
    },
    /// A person's document was edited, and takes the place of the one that was.
    AllowlistEdit {
        /// The workload's canonical name.
        workload: String,
        /// The name of a hidden file in the allowlists' folder that has the edited
        /// document. It becomes the other; it stays where that is refused.
        edited: String,
        /// The SHA-256 of the file that was opened, if there was one: if it is
        /// another by now, nothing is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<String>,
        /// How it is done.
        #[serde(default)]
        how: How,
    },
    /// A workload may run anything for a time.
    Allow {
        /// The workload's canonical name.
        workload: String,
        /// For how long, in seconds; 0 ends it.
        for_s: u64,
        /// How it is done.
        #[serde(default)]
        how: How,
    },
    /// The mode of workloads is set, or what a deviation leads to. With neither, the
    /// operator's word is taken back.
    Promote {
        /// One workload, by its canonical name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
        /// All of this namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// All whose newest pod has these labels.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// The mode.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
        /// What a deviation leads to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<Action>,
        /// With `action: block`: in how many containers of 100; in all, if it is
        /// not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
        /// With `action: block`: for how many seconds a workload must not have
        /// deviated; a day, if it is not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quiet_s: Option<u64>,
        /// Also where what was learned may lack something.
        #[serde(default)]
        even_incomplete: bool,
        /// How it is done.
        #[serde(default)]
        how: How,
    },
}

/// How a change is made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// Whether it is made; else the answer only says what would be.
    #[serde(default)]
    pub apply: bool,
    /// The plan that the asker has seen: if another one would be carried out
    /// now, none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why, for the journal; at most [`How::TEXT`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whom the asker says to act for, for the journal; as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl How {
    /// The most bytes of a reason or a name.
    pub const TEXT: usize = 1024;
}

/// The names of all operations, as they stand in `do`.
const NAMES: [&str; 10] = [
    "test-alert",
    "alerts",
    "why",
    "log",
    "accept",
    "allowlist-remove",
    "allowlist-restore",
    "allowlist-edit",
    "allow",
    "promote",
];

impl Operation {
    /// The fields on the line, without the version.
    pub fn encode(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads the fields of a request of the right version; `None` if it is none
    /// of these.
    pub fn decode(line: &Value) -> Option<Result<Self, Refusal>> {
        let name = line.get("do")?.as_str()?;
        if !NAMES.contains(&name) {
            return None;
        }
        let mut fields = line.clone();
        fields.as_object_mut()?.remove("v");
        let operation = serde_json::from_value(fields).map_err(|error| {
            let message = format!("the request is not understood: {error}");
            Refusal::new(RefusalKind::BadRequest, message)
        });
        Some(operation)
    }
}

/// One alert with all that is kept of it. The JSON form is an interface.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Its line in the list.
    #[serde(flatten)]
    pub row: AlertRow,
    /// Its first record, in the form of docs/ALERTS.md.
    pub alert: Value,
    /// What would allow it.
    pub remedy: Remedy,
}

/// A test that was sent. The JSON form is an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TestAlert {
    /// The record's number.
    pub number: u64,
    /// Where it was sent: `status` says of each up to which sequence it was written
    /// and received.
    pub targets: Vec<TestedTarget>,
}

/// One target of a test.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TestedTarget {
    /// The target, as `status` has it.
    pub target: String,
    /// The record's sequence there.
    pub sequence: u64,
}

/// What a change does, or would do. The JSON form is an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Whether it is done.
    pub applied: bool,
    /// Names this very plan, for [`How::plan`].
    pub plan: String,
    /// The workloads that it changes.
    pub workloads: Vec<WorkloadChange>,
}

/// What changes for one workload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkloadChange {
    /// The workload's canonical name.
    pub workload: String,
    /// What comes and what goes, in the order in which it is read.
    pub changes: Vec<Difference>,
    /// What else is to be known, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One thing that comes or goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// Whether it comes or goes.
    pub sign: Sign,
    /// The part of the document it stands in: `processes`, `removed`, `mode`.
    pub part: String,
    /// It, as the document has it: YAML of one or more lines.
    pub text: String,
}

/// Whether something comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// It comes.
    Added,
    /// It goes.
    Removed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Request;

    fn how() -> How {
        How {
            apply: true,
            plan: Some("1f".to_owned()),
            reason: Some("it is ours".to_owned()),
            by: None,
        }
    }

    #[test]
    fn operations_are_what_the_documentation_says() {
        let workload = || "runc/web".to_owned();
        let manual = include_str!("../../../docs/CONFIGURATION.md");
        let all = [
            (
                Operation::Alerts {
                    since_s: Some(7200),
                    workload: Some(workload()),
                    reason: Some(Reason::Drift),
                },
                r#"{"v":1,"do":"alerts","since_s":7200,"workload":"runc/web","reason":"drift"}"#,
            ),
            (
                Operation::Why {
                    id: "d783".to_owned(),
                },
                r#"{"v":1,"do":"why","id":"d783"}"#,
            ),
            (
                Operation::TestAlert { by: None },
                r#"{"v":1,"do":"test-alert"}"#,
            ),
            (
                Operation::Log {
                    since_s: None,
                    workload: None,
                },
                r#"{"v":1,"do":"log"}"#,
            ),
            (
                Operation::Accept {
                    id: "d783".to_owned(),
                    any_args: false,
                    glob: None,
                    how: how(),
                },
                r#"{"v":1,"do":"accept","id":"d783","how":{"apply":true,"plan":"1f","reason":"it is ours"}}"#,
            ),
            (
                Operation::AllowlistRemove {
                    workload: workload(),
                    path: "/usr/bin/curl".to_owned(),
                    applet: None,
                    script_of: None,
                    layer: None,
                    how: How::default(),
                },
                r#"{"v":1,"do":"allowlist-remove","workload":"runc/web","path":"/usr/bin/curl"}"#,
            ),
            (
                Operation::AllowlistRestore {
                    workload: workload(),
                    what: vec!["/usr/bin/curl".to_owned()],
                    how: How::default(),
                },
                r#"{"v":1,"do":"allowlist-restore","workload":"runc/web","what":["/usr/bin/curl"]}"#,
            ),
            (
                Operation::AllowlistEdit {
                    workload: workload(),
                    edited: ".web.edit-4711.yaml".to_owned(),
                    was: None,
                    how: How::default(),
                },
                r#"{"v":1,"do":"allowlist-edit","workload":"runc/web","edited":".web.edit-4711.yaml"}"#,
            ),
            (
                Operation::Allow {
                    workload: workload(),
                    for_s: 1800,
                    how: How::default(),
                },
                r#"{"v":1,"do":"allow","workload":"runc/web","for_s":1800}"#,
            ),
            (
                Operation::Promote {
                    workload: Some(workload()),
                    namespace: None,
                    labels: BTreeMap::new(),
                    mode: Some(Mode::Enforce),
                    action: None,
                    percent: None,
                    quiet_s: None,
                    even_incomplete: false,
                    how: How::default(),
                },
                r#"{"v":1,"do":"promote","workload":"runc/web","mode":"enforce"}"#,
            ),
        ];
        assert_eq!(all.len(), NAMES.len());
        for (operation, line) in all {
            let request = Request::Operation(operation);
            assert_eq!(Request::decode(line.as_bytes()), Ok(request.clone()));
            assert_eq!(
                Request::decode(request.encode().as_bytes()),
                Ok(request),
                "{line}"
            );
            assert!(manual.contains(line), "the manual has no line {line}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_operation_is_named() {
        for (line, expected) in [
            (r#"{"v":1,"do":"why"}"#, "missing field `id`"),
            (r#"{"v":1,"do":"why","id":7}"#, "expected a string"),
            (r#"{"v":1,"do":"why","id":"a","x":1}"#, "unknown field `x`"),
            (r#"{"v":1,"do":"alerts","reason":"odd"}"#, "`odd`"),
            (r#"{"v":1,"do":"alerts","since_s":-1}"#, "-1"),
            (
                r#"{"v":1,"do":"accept","id":"a","how":{"force":true}}"#,
                "unknown field `force`",
            ),
            (
                r#"{"v":1,"do":"promote","mode":"block"}"#,
                "unknown variant `block`",
            ),
        ] {
            let refusal = Request::decode(line.as_bytes()).expect_err(line);

            assert_eq!(refusal.kind, RefusalKind::BadRequest, "{line}");
            assert!(refusal.message.contains(expected), "{line} gave {refusal}");
        }
    }
}
