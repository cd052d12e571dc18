//! What can be asked and answered.
//!
//! A request is one JSON object on one line, `{"v":1,"do":"status"}`; so is
//! the response, `{"v":1,"ok":…}` or `{"v":1,"error":…}`.

use super::operation::{Alert, Change, Operation, TestAlert};
use super::status::{Status, WorkloadMode};
use crate::history::{AlertRow, Decision};
use crate::journal::Page;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version of the protocol. It grows when an older client would
/// misunderstand an answer; new fields alone do not make it grow.
pub const VERSION: u64 = 1;
/// The longest request with its line break, in bytes.
pub const REQUEST_MAX: usize = 64 << 10;
/// The longest response with its line break, in bytes: 4096 paths of 4 KiB,
/// escaped, stay below it.
pub const RESPONSE_MAX: usize = 64 << 20;

/// What the agent can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Everything that `execwarden status` shows.
    Status,
    /// The allowlists in force and those being learned.
    AllowlistList,
    /// One allowlist as a document.
    AllowlistShow {
        /// The workload's canonical name: `shop/Deployment/checkout/api`.
        workload: String,
    },
    /// What stands behind each entry that a workload learns or has learned.
    AllowlistEvidence {
        /// The workload's canonical name.
        workload: String,
    },
    /// Read the allowlists' folder again, as SIGHUP does.
    Reload,
    /// A part of the journal, in its order.
    Journal {
        /// From this hour on ([`crate::journal::Hour`]); from its beginning, if
        /// none is said.
        since: Option<u32>,
        /// What the last page had for the next one; none for the first.
        after: Option<String>,
    },
    /// Let a workload learn on.
    Extend {
        /// The workload's canonical name.
        workload: String,
        /// For how long at least, in seconds; as ever where it is not said.
        for_s: Option<u64>,
    },
    /// What an operator asks for beside that.
    Operation(Operation),
}

/// What the agent answers.
pub type Response = Result<Answer, Refusal>;

/// The answer to a request that could be answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::AllowlistList`].
    AllowlistList(Vec<AllowlistSummary>),
    /// To [`Request::AllowlistShow`].
    AllowlistShow(AllowlistText),
    /// To [`Request::AllowlistEvidence`].
    AllowlistEvidence(Vec<EntryEvidence>),
    /// To [`Request::Reload`].
    Reload(Reloaded),
    /// To [`Request::Journal`].
    Journal(Box<Page>),
    /// To [`Request::Extend`].
    Extend(Extended),
    /// To [`Operation::Alerts`].
    Alerts(Vec<AlertRow>),
    /// To [`Operation::TestAlert`].
    TestAlert(TestAlert),
    /// To [`Operation::Why`].
    Why(Box<Alert>),
    /// To [`Operation::Log`].
    Log(Vec<Decision>),
    /// To every operation that changes something.
    Change(Change),
}

/// One line of the list of allowlists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AllowlistSummary {
    /// The workload's canonical name.
    pub workload: String,
    /// What the workload's mode is now.
    pub mode: WorkloadMode,
    /// How many processes it lists.
    pub processes: u64,
    /// Where it comes from.
    pub source: AllowlistSource,
    /// Containers of the workload that live now.
    #[serde(default)]
    pub containers: u64,
}

/// Where an allowlist comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllowlistSource {
    /// A person's document: the path of its file.
    File(String),
    /// It was learned, and is whole.
    Learned,
    /// It is being learned: what was seen so far.
    Learning,
    /// There is none, and nothing is learned.
    None,
}

/// One allowlist as a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AllowlistText {
    /// The workload's canonical name.
    pub workload: String,
    /// Where it comes from.
    pub source: AllowlistSource,
    /// The ProcessAllowlist document, with what was decided laid over it.
    pub yaml: String,
    /// The file of those decisions, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<String>,
    /// What they add and take away, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
    /// The file of a person's document: the one that counts, or where one would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether that has to be signed.
    #[serde(default)]
    pub must_be_signed: bool,
}

/// What is known of one entry that was learned. Texts are escaped; a list ends in
/// `…` where there was more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryEvidence {
    /// The program, or the script.
    pub path: String,
    /// Its layer.
    pub layer: String,
    /// As which program of a multi-call binary it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applet: Option<String>,
    /// What runs the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How often it ran; 0 for what was only found running.
    pub execs: u64,
    /// Whether it was only ever put into the container: a probe, a hook.
    pub only_put_in: bool,
    /// In how many containers, as far as they are kept apart.
    pub containers: u64,
    /// On which nodes.
    pub nodes: Vec<String>,
    /// Under which images.
    pub images: Vec<String>,
    /// What its file contained.
    pub sha256: Vec<String>,
    /// As which real user ids.
    pub users: Vec<u32>,
    /// Started by which programs.
    pub parents: Vec<String>,
    /// With which arguments, for example.
    pub arguments: Vec<String>,
}

/// What rereading the folder came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reloaded {
    /// How many documents are in force now.
    pub allowlists: u64,
    /// What is wrong with the others, one sentence each.
    pub errors: Vec<String>,
}

/// A workload that learns on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extended {
    /// The workload's canonical name.
    pub workload: String,
    /// For how long at least, in seconds.
    pub for_s: u64,
}

/// A request that got no answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// A sentence for a person.
    pub message: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The request is malformed, or of another version.
    BadRequest,
    /// What it asks about does not exist.
    NotFound,
    /// The agent has too much to do, or is stopping; ask again.
    Busy,
    /// The answer is no, for the reason that it gives.
    Refused,
    /// The agent tried and failed.
    Failed,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::BadRequest, message)
    }
}

/// A request as it stands on the line. Flat, so that every field that does not
/// belong to it can be refused by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    #[serde(rename = "v")]
    _version: u64,
    #[serde(rename = "do")]
    action: String,
    workload: Option<String>,
    for_s: Option<u64>,
    since: Option<u32>,
    after: Option<String>,
}

impl Request {
    /// The line for it, with its line break.
    pub fn encode(&self) -> String {
        let line = match self {
            Self::Status => json!({"v": VERSION, "do": "status"}),
            Self::AllowlistList => json!({"v": VERSION, "do": "allowlist-list"}),
            Self::AllowlistShow { workload } => {
                json!({"v": VERSION, "do": "allowlist-show", "workload": workload})
            }
            Self::AllowlistEvidence { workload } => {
                json!({"v": VERSION, "do": "allowlist-evidence", "workload": workload})
            }
            Self::Reload => json!({"v": VERSION, "do": "reload"}),
            Self::Extend { workload, for_s } => {
                json!({"v": VERSION, "do": "extend", "workload": workload, "for_s": for_s})
            }
            Self::Journal { since, after } => {
                let mut line = json!({"v": VERSION, "do": "journal"});
                if let Some(since) = since {
                    line["since"] = json!(since);
                }
                if let Some(after) = after {
                    line["after"] = json!(after);
                }
                line
            }
            Self::Operation(operation) => {
                let mut line = operation.encode();
                line["v"] = VERSION.into();
                line
            }
        };
        format!("{line}\n")
    }

    /// Reads a line; the refusal says what is wrong with it.
    pub fn decode(line: &[u8]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| Refusal::bad(format!("the request is not JSON: {error}")))?;
        // Before the fields: another version may have others.
        check_version(&value).map_err(Refusal::bad)?;
        if let Some(operation) = Operation::decode(&value) {
            return operation.map(Self::Operation);
        }
        let line: RequestLine = serde_json::from_value(value)
            .map_err(|error| Refusal::bad(format!("the request is not understood: {error}")))?;
        let action = line.action.as_str();
        if line.for_s.is_some() && action != "extend" {
            return Err(Refusal::bad(format!("{action} takes no `for_s`")));
        }
        if action == "journal" && line.workload.is_none() {
            let RequestLine { since, after, .. } = line;
            return Ok(Self::Journal { since, after });
        }
        if line.since.is_some() || line.after.is_some() {
            let message = format!("{action} takes neither `since` nor `after`");
            return Err(Refusal::bad(message));
        }
        match (action, line.workload) {
            ("extend", Some(workload)) => Ok(Self::Extend {
                workload,
                for_s: line.for_s,
            }),
            ("allowlist-evidence", Some(workload)) => Ok(Self::AllowlistEvidence { workload }),
            ("allowlist-evidence", None) => {
                Err(Refusal::bad("allowlist-evidence needs a `workload`"))
            }
            ("extend", None) => Err(Refusal::bad("extend needs a `workload`")),
            ("status", None) => Ok(Self::Status),
            ("allowlist-list", None) => Ok(Self::AllowlistList),
            ("allowlist-show", Some(workload)) => Ok(Self::AllowlistShow { workload }),
            ("reload", None) => Ok(Self::Reload),
            ("allowlist-show", None) => Err(Refusal::bad("allowlist-show needs a `workload`")),
            ("status" | "allowlist-list" | "reload" | "journal", Some(_)) => {
                Err(Refusal::bad(format!("{} takes no `workload`", line.action)))
            }
            (other, _) => Err(Refusal::bad(format!(
                "there is no request {:?}; docs/CONFIGURATION.md lists those there are",
                other.chars().take(40).collect::<String>()
            ))),
        }
    }
}

fn check_version(value: &Value) -> Result<(), String> {
    match value.get("v") {
        Some(version) if version == VERSION => Ok(()),
        Some(version) if version.is_u64() => Err(format!(
            "this side speaks version {VERSION} of the control protocol, the other version \
             {version}; use the `execwarden` command of the agent's own version"
        )),
        _ => Err(format!(
            "the line has no version; it is a JSON object with \"v\":{VERSION}"
        )),
    }
}

/// The line for a response, with its line break.
pub fn encode_response(response: &Response) -> Vec<u8> {
    let line = match response {
        Ok(answer) => json!({"v": VERSION, "ok": answer}),
        Err(refusal) => json!({"v": VERSION, "error": refusal}),
    };
    format!("{line}\n").into_bytes()
}

/// Reads a response's line; the error is a sentence that says what is wrong
/// with it.
pub fn decode_response(line: &[u8]) -> Result<Response, String> {
    #[derive(Deserialize)]
    struct ResponseLine {
        ok: Option<Answer>,
        error: Option<Refusal>,
    }

    let value: Value =
        serde_json::from_slice(line).map_err(|error| format!("it is not JSON: {error}"))?;
    check_version(&value)?;
    let line: ResponseLine =
        serde_json::from_value(value).map_err(|error| format!("it is not understood: {error}"))?;
    match (line.ok, line.error) {
        (Some(answer), None) => Ok(Ok(answer)),
        (None, Some(refusal)) => Ok(Err(refusal)),
        _ => Err("it has neither an answer nor an error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_refused(line: &str, expected: &str) {
        let refusal = Request::decode(line.as_bytes()).expect_err(line);

        assert_eq!(refusal.kind, RefusalKind::BadRequest, "{line}");
        assert!(refusal.message.contains(expected), "{line} gave {refusal}");
    }

    #[test]
    fn requests_are_what_the_documentation_says() {
        let workload = "runc/\"web\"\n".to_owned();
        for (request, line) in [
            (Request::Status, r#"{"do":"status","v":1}"#),
            (Request::AllowlistList, r#"{"do":"allowlist-list","v":1}"#),
            (
                Request::AllowlistShow { workload },
                r#"{"do":"allowlist-show","v":1,"workload":"runc/\"web\"\n"}"#,
            ),
            (Request::Reload, r#"{"do":"reload","v":1}"#),
            (
                Request::AllowlistEvidence {
                    workload: "runc/web".to_owned(),
                },
                r#"{"do":"allowlist-evidence","v":1,"workload":"runc/web"}"#,
            ),
            (
                Request::Extend {
                    workload: "runc/web".to_owned(),
                    for_s: Some(60),
                },
                r#"{"do":"extend","for_s":60,"v":1,"workload":"runc/web"}"#,
            ),
            (
                Request::Journal {
                    since: None,
                    after: None,
                },
                r#"{"do":"journal","v":1}"#,
            ),
            (
                Request::Journal {
                    since: Some(498_826),
                    after: Some("498826-0a".to_owned()),
                },
                r#"{"after":"498826-0a","do":"journal","since":498826,"v":1}"#,
            ),
        ] {
            assert_eq!(request.encode(), format!("{line}\n"));
            assert_eq!(Request::decode(request.encode().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named() {
        for (line, expected) in [
            ("", "not JSON"),
            ("status", "not JSON"),
            ("[]", "no version"),
            (r#"{"do":"status"}"#, "no version"),
            (r#"{"v":"1","do":"status"}"#, "no version"),
            (r#"{"v":2,"speak":"up"}"#, "the other version 2"),
            (r#"{"v":1}"#, "missing field `do`"),
            (r#"{"v":1,"do":7}"#, "expected a string"),
            (r#"{"v":1,"do":"stop"}"#, "there is no request \"stop\""),
            (r#"{"v":1,"do":"status","for":"me"}"#, "unknown field `for`"),
            (
                r#"{"v":1,"do":"status","workload":"x"}"#,
                "takes no `workload`",
            ),
            (r#"{"v":1,"do":"allowlist-show"}"#, "needs a `workload`"),
            (r#"{"v":1,"do":"extend"}"#, "needs a `workload`"),
            (r#"{"v":1,"do":"status","for_s":1}"#, "takes no `for_s`"),
            (
                r#"{"v":1,"do":"journal","workload":"x"}"#,
                "takes no `workload`",
            ),
            (
                r#"{"v":1,"do":"status","since":1}"#,
                "takes neither `since`",
            ),
            (r#"{"v":1,"do":"journal","since":-1}"#, "invalid value"),
        ] {
            check_refused(line, expected);
        }
    }

    #[test]
    fn responses_survive_the_wire() {
        let answer = Answer::Reload(Reloaded {
            allowlists: 3,
            errors: vec!["a.yaml:1:2: \u{1b}[31m\nno".to_owned()],
        });
        for response in [
            Ok(answer),
            Err(Refusal::new(RefusalKind::NotFound, "no workload x")),
        ] {
            let line = encode_response(&response);

            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(decode_response(&line), Ok(response));
        }
    }

    #[test]
    fn a_response_of_another_version_is_named() {
        let error = decode_response(br#"{"v":2,"ok":{"future":1}}"#).expect_err("newer");

        assert!(error.contains("the other version 2"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>) {
            let _ = Request::decode(&bytes);
            let _ = decode_response(&bytes);
        }
    }
}
