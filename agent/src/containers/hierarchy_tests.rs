use super::*;

const UNIFIED: &str = "\
25 1 254:0 / / rw - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
";
const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

fn check(mountinfo: &str, mount_point: &str, mode: Mode) {
    let found = Hierarchy::find(mountinfo.as_bytes()).unwrap();

    assert_eq!(found.mount_point(), Path::new(mount_point));
    assert_eq!(found.mode(), mode);
}

#[test]
fn a_unified_node() {
    check(UNIFIED, "/sys/fs/cgroup", Mode::Unified);
}

#[test]
fn a_hybrid_node() {
    check(HYBRID, "/sys/fs/cgroup/unified", Mode::Hybrid);
}

#[test]
fn the_usual_place_goes_before_others() {
    let second = "50 23 0:38 / /sys/fs/cgroup rw - cgroup2 none rw\n";
    check(
        &format!("{HYBRID}{second}"),
        "/sys/fs/cgroup",
        Mode::Unified,
    );
}

#[test]
fn a_mount_that_another_hides_or_that_shows_a_part_is_passed_over() {
    let hidden = "30 25 0:26 / /a rw - cgroup2 none rw\n31 25 0:27 / /a rw - tmpfs none rw\n";
    let part = "32 25 0:26 /../x /b rw - cgroup2 none rw\n";
    check(
        &format!("{hidden}{part}33 25 0:26 / /c rw - cgroup2 none rw\n"),
        "/c",
        Mode::Unified,
    );
}

#[test]
fn in_a_namespace_of_its_own_a_mount_of_the_whole_is_a_candidate() {
    let text = "30 25 0:26 / /sys/fs/cgroup ro - cgroup2 none rw
31 25 0:26 /../../.. /host/sys/fs/cgroup ro - cgroup2 none rw
32 25 0:26 /../pod2 /elsewhere ro - cgroup2 none rw
";
    let found = Hierarchy::candidates(text.as_bytes());

    let found: Vec<_> = found
        .iter()
        .map(|one| (one.mount_point.to_str().unwrap(), one.up))
        .collect();
    assert_eq!(found, [("/sys/fs/cgroup", 0), ("/host/sys/fs/cgroup", 3)]);
}

#[test]
fn without_v2_it_says_what_to_do() {
    let v1_only = HYBRID.replace("cgroup2", "tmpfs");
    for text in ["", "garbage", &v1_only] {
        let error = Hierarchy::find(text.as_bytes()).unwrap_err().to_string();
        assert!(
            error.starts_with("cgroup v2 is not mounted; boot with"),
            "{error}"
        );
    }
}

/// Plain folders: what matters is names and inodes.
fn node(folders: &[&str]) -> (tempfile::TempDir, Hierarchy) {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["v1", "v2"].iter().chain(folders) {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let hierarchy = Hierarchy {
        mount_point: dir.path().join("v2"),
        mode: Mode::Hybrid,
        v1_mount_points: vec![dir.path().join("v1")],
        up: 0,
        namespace: CgroupNamespace::default(),
    };
    (dir, hierarchy)
}

#[test]
fn scans_parents_before_children_with_the_ids_of_their_folders() {
    let (_dir, hierarchy) = node(&["v2/a/b/c", "v2/d", "v2/a/e"]);

    let found = hierarchy.scan().unwrap();

    let mut paths: Vec<&[u8]> = found.iter().map(|(_, path)| path.as_slice()).collect();
    for (n, path) in paths.iter().enumerate().skip(1) {
        let parent = &path[..path.iter().rposition(|b| *b == b'/').unwrap()];
        let parent = if parent.is_empty() { b"/" } else { parent };
        assert!(paths[..n].contains(&parent), "{path:?} comes too early");
    }
    paths.sort_unstable();
    assert_eq!(
        paths,
        [&b"/"[..], b"/a", b"/a/b", b"/a/b/c", b"/a/e", b"/d"]
    );
    for (id, path) in &found {
        assert_eq!(hierarchy.id_of(path).unwrap(), *id);
    }
}

#[test]
fn a_tree_without_end_is_left_at_its_bound() {
    let (_dir, hierarchy) = node(&[&format!("v2{}", "/d".repeat(DEPTH_MAX + 20))]);

    assert_eq!(hierarchy.scan().unwrap().len(), DEPTH_MAX + 1);
}

#[test]
fn refuses_only_when_containers_are_in_v1_alone() {
    for (folders, refused) in [
        (&["v1/default/web"][..], true),
        (&["v1/default/web", "v2/system.slice"], true),
        (&["v1/default/web", "v2/default/web"], false),
        (&["v2/default/web"], false),
        (&["v1/system.slice"], false),
    ] {
        let (dir, hierarchy) = node(folders);

        let result = hierarchy.check_placement(&RuntimeFiles::new(dir.path()));

        let message = result.err().map(|error| error.to_string());
        assert_eq!(message.is_some(), refused, "{folders:?}");
        if let Some(message) = message {
            let folder = dir.path().join("v1/default/web");
            assert!(message.contains(folder.to_str().unwrap()), "{message}");
        }
    }
}
