//! The journal as plain values that can be written and read back: JSON, in the
//! store and on the control socket.
//!
//! Reading checks everything: what is read may be another version's, or damaged.

use super::{Arguments, Circumstances, Head, Hour, Parent, Place, Ran, Subject};
use crate::learn::Bytes;
use crate::model::{Content, Digest, Identity, Layer, Role, Script, Untrusted, WorkloadId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The most rows of a page.
const MAX_ROWS: usize = 4096;
/// How many bytes a page's subjects have, about: far less than an answer of the
/// control socket may have.
const MAX_SUBJECT_BYTES: usize = 4 << 20;

/// A written subject that is none.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of one.
    #[error("it is no subject: {0}")]
    Json(#[from] serde_json::Error),
    /// Bytes that are no hex digits.
    #[error("it has bytes that cannot be read: {0}")]
    Bytes(#[from] crate::learn::RecordError),
    /// An applet and a script, or the details of a script without one.
    #[error("it is more than one thing, or a part of one")]
    Role,
    /// Text that is no SHA-256.
    #[error("it has {0:?} for a SHA-256")]
    Digest(String),
}

/// The name of a subject: of equal ones the same, on every node and in every
/// run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SubjectId(pub [u8; 16]);

impl SubjectId {
    /// That of a subject.
    pub fn of(subject: &Subject) -> Self {
        let hash = Sha256::digest(subject.encode());
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }

    fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        (text.len() == 32).then(|| Self(number.to_be_bytes()))
    }
}

impl std::fmt::Display for SubjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A place in the journal: behind it a page begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cursor {
    /// The hour of the last row.
    pub hour: Hour,
    /// Its subject.
    pub id: SubjectId,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.hour.0, self.id)
    }
}

impl Cursor {
    /// Reads what [`Display`](std::fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, id) = text.split_once('-')?;
        Some(Self {
            hour: Hour(hour.parse().ok()?),
            id: SubjectId::parse(id)?,
        })
    }
}

/// A part of the journal, in its order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// What the journal says of itself.
    pub head: Head,
    /// What ran: the hour, the subject, and what is known of it.
    pub rows: Vec<(Hour, String, Ran)>,
    /// The subjects of these rows.
    subjects: BTreeMap<String, SubjectRecord>,
    /// Rows on the way here that could not be read.
    pub damaged: u64,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
    #[serde(skip)]
    bytes: usize,
}

impl Page {
    /// An empty one.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            rows: Vec::new(),
            subjects: BTreeMap::new(),
            damaged: 0,
            next: None,
            bytes: 0,
        }
    }

    /// Whether no further row belongs here.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= MAX_ROWS || self.bytes >= MAX_SUBJECT_BYTES
    }

    /// Whether it has a subject already.
    pub fn has(&self, id: SubjectId) -> bool {
        self.subjects.contains_key(&id.to_string())
    }

    /// Adds a row. `subject` is looked at where the page does not have it; where
    /// there is none or it cannot be read, the row is counted as damaged.
    pub fn push(&mut self, at: Cursor, ran: Ran, subject: Option<&[u8]>) {
        let id = at.id.to_string();
        if !self.subjects.contains_key(&id) {
            let bytes = subject.unwrap_or_default();
            let Ok(record) = serde_json::from_slice::<SubjectRecord>(bytes) else {
                self.damaged += 1;
                return;
            };
            self.bytes += bytes.len();
            self.subjects.insert(id.clone(), record);
        }
        self.rows.push((at.hour, id, ran));
    }

    /// The subjects of its rows, by the name that the rows have for them.
    pub fn subjects(self) -> impl Iterator<Item = (String, Result<Subject, RecordError>)> {
        self.subjects
            .into_iter()
            .map(|(id, record)| (id, record.try_into()))
    }
}

impl Subject {
    /// The bytes for it.
    pub fn encode(&self) -> Vec<u8> {
        let record = SubjectRecord::from(self);
        serde_json::to_vec(&record).expect("strings, numbers and lists are JSON")
    }

    /// Reads them.
    ///
    /// # Errors
    /// They are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice::<SubjectRecord>(bytes)?.try_into()
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectRecord {
    workload: WorkloadId,
    file: Bytes,
    /// Left out where the kernel could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<Layer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applet: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<ScriptRecord>,
    #[serde(default, skip_serializing_if = "is_default")]
    place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    circumstances: Option<CircumstancesRecord>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptRecord {
    path: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<Layer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    via: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CircumstancesRecord {
    applet: Bytes,
    filename: Bytes,
    links: u32,
    uid: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    init: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    injected: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    from_outside: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ParentRecord>,
    arguments: ArgumentsRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<ContentRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<ContentRecord>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParentRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<Bytes>,
    #[serde(default, skip_serializing_if = "is_default")]
    cut: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    init: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum ArgumentsRecord {
    Withheld,
    Unread,
    Whole(Vec<Bytes>),
    Cut(Vec<Bytes>),
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    multicall: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    loader: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    certain: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn word(layer: Layer) -> Option<Layer> {
    (layer != Layer::Unknown).then_some(layer)
}

impl From<&Subject> for SubjectRecord {
    fn from(subject: &Subject) -> Self {
        let identity = &subject.identity;
        Self {
            workload: subject.workload.clone(),
            file: (&identity.file).into(),
            layer: word(identity.layer),
            applet: match &identity.role {
                Role::Applet(name) => Some(name.into()),
                Role::Program | Role::Script(_) => None,
            },
            script: identity.as_script().map(|script| ScriptRecord {
                path: (&script.path).into(),
                layer: word(script.layer),
                via: script.via.iter().map(Bytes::from).collect(),
            }),
            place: subject.place,
            circumstances: subject.circumstances.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<SubjectRecord> for Subject {
    type Error = RecordError;

    fn try_from(record: SubjectRecord) -> Result<Self, RecordError> {
        let role = match (record.applet, record.script) {
            (None, None) => Role::Program,
            (Some(name), None) => Role::Applet(name.try_into()?),
            (None, Some(script)) => Role::Script(Script {
                path: script.path.try_into()?,
                via: untrusted(script.via)?,
                layer: script.layer.unwrap_or(Layer::Unknown),
            }),
            (Some(_), Some(_)) => return Err(RecordError::Role),
        };
        Ok(Self {
            workload: record.workload,
            identity: Identity {
                file: record.file.try_into()?,
                role,
                layer: record.layer.unwrap_or(Layer::Unknown),
            },
            place: record.place,
            circumstances: record.circumstances.map(TryInto::try_into).transpose()?,
        })
    }
}

fn untrusted(texts: Vec<Bytes>) -> Result<Vec<Untrusted>, RecordError> {
    let texts = texts.into_iter().map(Untrusted::try_from);
    Ok(texts.collect::<Result<_, _>>()?)
}

impl From<&Circumstances> for CircumstancesRecord {
    fn from(seen: &Circumstances) -> Self {
        Self {
            applet: (&seen.applet).into(),
            filename: (&seen.filename).into(),
            links: seen.links,
            uid: seen.uid,
            init: seen.is_init,
            injected: seen.injected,
            from_outside: seen.from_outside,
            parent: seen.parent.as_ref().map(|parent| ParentRecord {
                path: parent.path.as_ref().map(Bytes::from),
                cut: parent.cut,
                init: parent.is_init,
            }),
            arguments: match &seen.arguments {
                Arguments::Withheld => ArgumentsRecord::Withheld,
                Arguments::Unread => ArgumentsRecord::Unread,
                Arguments::Kept { list, cut } => {
                    let list = list.iter().map(Bytes::from).collect();
                    match cut {
                        true => ArgumentsRecord::Cut(list),
                        false => ArgumentsRecord::Whole(list),
                    }
                }
            },
            program: seen.program.map(Into::into),
            script: seen.script.map(Into::into),
        }
    }
}

impl TryFrom<CircumstancesRecord> for Circumstances {
    type Error = RecordError;

    fn try_from(record: CircumstancesRecord) -> Result<Self, RecordError> {
        let parent = |parent: ParentRecord| -> Result<Parent, RecordError> {
            Ok(Parent {
                path: parent.path.map(Untrusted::try_from).transpose()?,
                cut: parent.cut,
                is_init: parent.init,
            })
        };
        Ok(Self {
            applet: record.applet.try_into()?,
            filename: record.filename.try_into()?,
            links: record.links,
            uid: record.uid,
            is_init: record.init,
            injected: record.injected,
            from_outside: record.from_outside,
            parent: record.parent.map(parent).transpose()?,
            arguments: match record.arguments {
                ArgumentsRecord::Withheld => Arguments::Withheld,
                ArgumentsRecord::Unread => Arguments::Unread,
                ArgumentsRecord::Whole(list) => Arguments::Kept {
                    list: untrusted(list)?,
                    cut: false,
                },
                ArgumentsRecord::Cut(list) => Arguments::Kept {
                    list: untrusted(list)?,
                    cut: true,
                },
            },
            program: record.program.map(TryInto::try_into).transpose()?,
            script: record.script.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<Content> for ContentRecord {
    fn from(content: Content) -> Self {
        Self {
            sha256: content.sha256.map(|digest| digest.to_string()),
            multicall: content.multicall,
            loader: content.loader,
            certain: content.certain,
        }
    }
}

impl TryFrom<ContentRecord> for Content {
    type Error = RecordError;

    fn try_from(record: ContentRecord) -> Result<Self, RecordError> {
        let digest = |text: String| {
            let digest = text.parse::<Digest>();
            digest.map_err(|_| RecordError::Digest(text))
        };
        Ok(Self {
            sha256: record.sha256.map(digest).transpose()?,
            multicall: record.multicall,
            loader: record.loader,
            certain: record.certain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowlist::arbitrary;
    use crate::model::{Ancestor, Args, Exec, Inspection, Origin};
    use proptest::prelude::*;

    fn any_exec() -> impl Strategy<Value = Exec> {
        let bytes = || any::<Vec<u8>>().prop_map(Untrusted::new);
        let flags = any::<(bool, bool, bool, bool, bool, bool)>();
        let args = (proptest::collection::vec(bytes(), 0..3), any::<bool>());
        (
            arbitrary::identity(),
            proptest::option::of(bytes()),
            (bytes(), bytes(), args),
            any::<(u32, bool, bool)>(),
            flags,
        )
            .prop_map(
                |(
                    identity,
                    parent,
                    (applet, filename, (list, cut)),
                    (uid, init, of_init),
                    flags,
                )| {
                    let mut exec = Exec::plain(identity);
                    exec.called.applet = applet;
                    exec.called.filename = filename;
                    exec.uid = uid;
                    exec.euid = uid;
                    exec.args = Args {
                        list,
                        cut,
                        unread: false,
                    };
                    exec.ancestors = vec![Ancestor {
                        pid: 0,
                        start_ns: 0,
                        path: parent,
                        path_cut: flags.0,
                        inside: false,
                        init: of_init,
                    }];
                    exec.origin = if init { Origin::Init } else { Origin::Injected };
                    exec.escaped = flags.1;
                    exec.outside_cwd = flags.2;
                    exec.outside_file = flags.3;
                    exec.host_mntns = flags.4;
                    exec.from_outside = flags.5;
                    exec
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_is_the_same_exec(
            exec in any_exec(),
            multicall: bool,
            with_arguments: bool,
        ) {
            let workload = WorkloadId::Unit { unit: "x.service".to_owned() };
            let content = Content { sha256: Some(Digest([7; 32])), multicall, loader: false, certain: true };
            let inspection = Inspection { program: Some(content), script: None };
            let identity = exec.identity.clone();
            let subject = Subject::seen(workload, identity, &exec, &inspection, with_arguments);

            let read = Subject::decode(&subject.encode()).expect("read back");

            prop_assert_eq!(&read, &subject);
            prop_assert_eq!(SubjectId::of(&read), SubjectId::of(&subject));
            let (mut again, seen) = read.exec();
            prop_assert_eq!(seen, inspection);
            if !with_arguments {
                prop_assert!(again.args.unread && again.args.list.is_empty());
                again.args = exec.args.clone();
            }
            // What no judge asks for.
            again.container = exec.container;
            again.cgroup = exec.cgroup;
            (again.pid, again.ns_pid, again.ppid) = (exec.pid, exec.ns_pid, exec.ppid);
            prop_assert_eq!(again, exec);
        }

        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>) {
            let _ = Subject::decode(&bytes);
        }
    }

    #[test]
    fn what_is_damaged_is_named() {
        for (text, expected) in [
            ("{}", "missing field"),
            (
                r#"{"workload":{"unit":"x"},"file":{"hex":"0"},"layer":"image"}"#,
                "hex digits",
            ),
            (
                r#"{"workload":{"unit":"x"},"file":"/a","applet":"b","script":{"path":"/c"}}"#,
                "more than one thing",
            ),
            (
                r#"{"workload":{"unit":"x"},"file":"/a","new":1}"#,
                "unknown field",
            ),
        ] {
            let error = Subject::decode(text.as_bytes())
                .expect_err(text)
                .to_string();
            assert!(error.contains(expected), "{text} gave {error}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = Cursor {
            hour: Hour(498_826),
            id: SubjectId([0x0a; 16]),
        };

        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in [
            "",
            "1",
            "1-",
            "x-0a",
            "1-0a",
            "-1-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        ] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
