//! Who asks over the control socket, for the journal of decisions.

use super::Node;
use crate::control::protocol::{Refusal, RefusalKind};
use crate::control::server::Peer;
use crate::history::Who;
use std::path::Path;

/// Not set: the user who logged in is not known.
const NO_LOGIN: u32 = u32::MAX;
/// The most bytes of another process's environment that are read.
const ENVIRONMENT: u64 = 1 << 20;

impl Node {
    /// Who is at the other end, with all that can be told of them. Only root may
    /// change something; the socket is root's alone already.
    pub(super) fn root_at(&self, peer: Option<Peer>, by: Option<&str>) -> Result<Who, Refusal> {
        let who = peer.map(|peer| self.who(peer));
        let by = by.map(str::to_owned);
        who.filter(|who| who.uid == 0)
            .map(|who| Who { by, ..who })
            .ok_or_else(|| Refusal::new(RefusalKind::Failed, "only root may change this"))
    }

    /// All that is known of a peer.
    pub(super) fn who(&self, peer: Peer) -> Who {
        let process = peer.pid.map(|pid| format!("/proc/{pid}"));
        let login_uid = process.as_ref().and_then(|process| {
            let text = std::fs::read_to_string(format!("{process}/loginuid")).ok()?;
            let uid = text.trim().parse().ok()?;
            (uid != NO_LOGIN).then_some(uid)
        });
        let sudo_uid = process.as_ref().and_then(|process| {
            let environment = read_some(Path::new(&format!("{process}/environ")))?;
            sudo_uid(&environment)
        });
        // The node's users, not those of a container of the agent's own.
        let users = self.config.host_root.join("etc/passwd");
        let users = read_some(&users).unwrap_or_default();
        Who {
            uid: peer.uid,
            user: name_in(&users, peer.uid),
            login_uid,
            login_user: login_uid.and_then(|uid| name_in(&users, uid)),
            sudo_uid,
            by: None,
        }
    }
}

fn read_some(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The user who called sudo, as sudo leaves it in the environment.
fn sudo_uid(environment: &[u8]) -> Option<u32> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(b"SUDO_UID="))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A user's name in the text of `/etc/passwd`.
fn name_in(users: &[u8], uid: u32) -> Option<String> {
    let mut lines = users.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_id() {
        let users = b"root:x:0:0:root:/root:/bin/bash\n\xff\nalice:x:1000:1000::/:/bin/sh\n:x:7:\n";

        for (uid, expected) in [
            (0, Some("root")),
            (1000, Some("alice")),
            (7, None),
            (5, None),
        ] {
            assert_eq!(name_in(users, uid).as_deref(), expected, "{uid}");
        }
    }

    #[test]
    fn who_called_sudo_is_in_the_environment() {
        assert_eq!(sudo_uid(b"A=1\0SUDO_UID=1000\0B=2\0"), Some(1000));
        assert_eq!(sudo_uid(b"SUDO_UID=-1\0"), None);
        assert_eq!(sudo_uid(b"XSUDO_UID=1000\0"), None);
    }
}
