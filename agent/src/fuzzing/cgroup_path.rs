//! Fuzzing of cgroups' names: whoever may make a cgroup chooses one.

use crate::containers::{CgroupName, Recognised, recognise};

/// Any path below the hierarchy's root.
pub fn cgroup_path(bytes: &[u8]) {
    let Recognised::Container { name, at } = recognise(bytes) else {
        return;
    };
    let CgroupName { id, pod_uid, .. } = &name;
    let own = bytes.get(..at).expect("it ends within the path");
    let behind = &bytes[at..];
    assert!(behind.is_empty() || behind.starts_with(b"/"), "{at}");
    let id = id.as_str().as_bytes();
    assert!(own.windows(id.len()).any(|part| part == id), "{name:?}");
    if let Some(uid) = pod_uid {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        assert!(!uid.is_empty() && uid.bytes().all(is_plain), "{uid:?}");
    }
    // What is below a container belongs to it, whatever it is called.
    assert_eq!(
        recognise(own),
        Recognised::Container {
            name: name.clone(),
            at
        }
    );
    let below = [own, b"/docker-", &[b'0'; 64], b".scope"].concat();
    assert_eq!(recognise(&below), Recognised::Container { name, at });
}
