use super::*;
use std::fs;
use std::os::unix::fs::symlink;

fn unit(name: &str) -> WorkloadId {
    WorkloadId::Unit {
        unit: name.to_owned(),
    }
}

fn document(unit: &str, path: &str) -> String {
    format!(
        "apiVersion: execwarden.dev/v1alpha1\nkind: ProcessAllowlist\n\
         metadata: {{ name: x }}\nspec:\n  workload: {{ unit: {unit} }}\n  \
         processes:\n    - path: {path}\n"
    )
}

struct Place {
    dir: tempfile::TempDir,
    folder: Folder,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(dir.path());
        Self { dir, folder }
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir.path().join(name)).expect("removed");
    }

    /// Reloads; expects these workloads to have changed and so many errors.
    fn check(&mut self, changed: &[&str], errors: usize) -> Vec<String> {
        let reload = self.folder.reload();
        let found: Vec<String> = reload.errors.iter().map(ToString::to_string).collect();
        let expected: BTreeSet<_> = changed.iter().map(|name| unit(name)).collect();
        assert_eq!(reload.changed, expected, "{found:?}");
        assert_eq!(found.len(), errors, "{found:?}");
        found
    }

    fn path_of(&self, name: &str) -> Option<String> {
        let loaded = self.folder.get(&unit(name))?;
        let first = loaded.document.spec.processes.first();
        first.map(|process| process.path().to_string())
    }
}

#[test]
fn says_what_changed() {
    let mut place = Place::new();
    place.put("a.yaml", &document("a", "/a"));
    place.put("b.yml", &document("b", "/b"));
    place.put("notes.txt", "no allowlist");
    place.put(".hidden.yaml", "neither");
    place.check(&["a", "b"], 0);
    place.check(&[], 0);

    place.put("a.yaml", &document("a", "/a2"));
    place.check(&["a"], 0);
    assert_eq!(place.path_of("a").as_deref(), Some("/a2"));

    place.put("a.yaml", &format!("# a remark\n{}", document("a", "/a2")));
    place.check(&[], 0);

    place.remove("b.yml");
    place.check(&["b"], 0);
    assert_eq!(place.path_of("b"), None);
}

#[test]
fn a_broken_file_changes_nothing_that_is_loaded() {
    let mut place = Place::new();
    place.put("a.yaml", &document("a", "/a"));
    place.put("b.yaml", &document("b", "/b"));
    place.check(&["a", "b"], 0);

    place.put("a.yaml", &document("a", "relative"));
    place.put("b.yaml", &document("b", "/b2"));
    let errors = place.check(&["b"], 1);

    assert!(errors[0].contains("/a.yaml:7:13: "), "{errors:?}");
    assert_eq!(place.path_of("a").as_deref(), Some("/a"));
    assert_eq!(place.path_of("b").as_deref(), Some("/b2"));

    place.put("a.yaml", &document("a", "/mended"));
    place.check(&["a"], 0);
}

#[test]
fn two_files_for_one_workload_are_an_error_and_the_first_stays_in_force() {
    let mut place = Place::new();
    place.put("m.yaml", &document("a", "/m"));
    place.check(&["a"], 0);

    place.put("b.yaml", &document("a", "/b"));
    let errors = place.check(&[], 1);
    assert!(
        errors[0].contains("b.yaml") && errors[0].contains("m.yaml"),
        "{errors:?}"
    );

    place.put("m.yaml", &document("a", "/m2"));
    place.check(&["a"], 1);
    assert_eq!(place.path_of("a").as_deref(), Some("/m2"));

    place.remove("m.yaml");
    place.check(&["a"], 0);
    assert_eq!(place.path_of("a").as_deref(), Some("/b"));
}

#[test]
fn a_file_that_changes_its_workload_gives_the_old_one_up() {
    let mut place = Place::new();
    place.put("a.yaml", &document("a", "/a"));
    place.check(&["a"], 0);

    place.put("a.yaml", &document("b", "/a"));
    place.check(&["a", "b"], 0);

    place.put("0.yaml", &document("b", "/0"));
    place.remove("a.yaml");
    place.check(&["b"], 0);
    assert_eq!(place.folder.iter().count(), 1);
}

#[test]
fn a_folder_that_is_missing_is_empty_and_one_that_goes_takes_nothing_with_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("allowlists");
    let mut folder = Folder::new(&path);
    let missing = folder.reload();
    assert!(missing.missing && missing.errors.is_empty());

    fs::create_dir(&path).expect("made");
    fs::write(path.join("a.yaml"), document("a", "/a")).expect("written");
    assert_eq!(folder.reload().changed.len(), 1);

    fs::remove_dir_all(&path).expect("removed");
    let gone = folder.reload();
    assert!(matches!(gone.errors[..], [FolderError::List { .. }]));
    assert!(gone.changed.is_empty() && !gone.missing);
    assert!(folder.get(&unit("a")).is_some());
}

#[test]
fn what_is_no_file_is_an_error_and_does_not_block() {
    let mut place = Place::new();
    fs::create_dir(place.dir.path().join("folder.yaml")).expect("made");
    symlink("nowhere", place.dir.path().join("dangling.yaml")).expect("made");
    let fifo = place.dir.path().join("fifo.yaml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .expect("made");
    place.put("a.yaml", &document("a", "/a"));

    let errors = place.check(&["a"], 3);

    assert!(
        errors[1].contains("fifo.yaml: it is not a regular file"),
        "{errors:?}"
    );
}

#[test]
fn follows_a_config_map_through_its_swap() {
    let mut place = Place::new();
    let root = place.dir.path().to_owned();
    for (revision, path) in [("..1", "/old"), ("..2", "/new")] {
        fs::create_dir(root.join(revision)).expect("made");
        fs::write(root.join(revision).join("a.yaml"), document("a", path)).expect("written");
    }
    symlink("..1", root.join("..data")).expect("made");
    symlink("..data/a.yaml", root.join("a.yaml")).expect("made");
    place.check(&["a"], 0);

    symlink("..2", root.join("..data_tmp")).expect("made");
    fs::rename(root.join("..data_tmp"), root.join("..data")).expect("renamed");
    place.check(&["a"], 0);

    assert_eq!(place.path_of("a").as_deref(), Some("/new"));
}
