//! The journal of decisions: who changed what is in force, when and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One row. The JSON form is an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// Its place in the journal, from 1; a row that is missing at the beginning
    /// gave way to newer ones.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who; `None` for what the agent did by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// What.
    pub what: What,
    /// The workload's canonical name, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// What changed, one line each.
    #[serde(default)]
    pub changes: Vec<String>,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An alert's exec may run.
    Accept,
    /// Something may not run, and is never learned again.
    Remove,
    /// An earlier decision was taken back.
    Restore,
    /// A workload's mode, or what a deviation leads to, was set.
    Promote,
    /// The agent does not stop what deviates any more: the workload did not stay up.
    StepBack,
    /// A workload may run anything for a time.
    Allow,
    /// That time is over.
    AllowEnded,
    /// A person's document was edited.
    Edit,
    /// Documents were read again and had changed.
    Reload,
}

impl What {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Remove => "remove",
            Self::Restore => "restore",
            Self::Promote => "promote",
            Self::StepBack => "step-back",
            Self::Allow => "allow",
            Self::AllowEnded => "allow-ended",
            Self::Edit => "edit",
            Self::Reload => "reload",
        }
    }
}

/// Who asked over the control socket. All but `sudo_uid` and `by` is the
/// kernel's word.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Who {
    /// The user id of the process that asked.
    pub uid: u32,
    /// That user's name, where this machine knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user who logged in, if anybody did (loginuid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// That user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_user: Option<String>,
    /// `SUDO_UID` of the process that asked: its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_uid: Option<u32>,
    /// Whom it said to act for (`--by`): its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `root (login alice, sudo 1000, by "Alice")`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "{user}")?,
            None => write!(f, "uid {}", self.uid)?,
        }
        let login = match (&self.login_user, self.login_uid) {
            (Some(user), _) => Some(format!("login {user}")),
            (None, Some(uid)) => Some(format!("login uid {uid}")),
            (None, None) => None,
        };
        let sudo = self.sudo_uid.map(|uid| format!("sudo uid {uid}"));
        let by = self.by.as_ref().map(|by| format!("by {by:?}"));
        let more: Vec<String> = [login, sudo, by].into_iter().flatten().collect();
        match more.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", more.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_said_with_all_that_is_known_and_what_was_only_claimed() {
        let root = Who::default();
        let full = Who {
            uid: 0,
            user: Some("root".to_owned()),
            login_uid: Some(1000),
            login_user: Some("alice".to_owned()),
            sudo_uid: Some(1000),
            by: Some("Alice\n".to_owned()),
        };

        assert_eq!(root.to_string(), "uid 0");
        assert_eq!(
            full.to_string(),
            "root (login alice, sudo uid 1000, by \"Alice\\n\")"
        );
    }
}
