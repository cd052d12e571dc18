//! A folder whose documents have to be signed.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

const OPS: &str = include_str!("../fixtures/ops.pub");
const DEV: &str = include_str!("../fixtures/dev.pub");
const WEB: &str = include_str!("../fixtures/web.yaml");
const BY_OPS: &str = include_str!("../fixtures/web.yaml.minisig");
const BY_DEV: &str = include_str!("../fixtures/web.yaml.dev.minisig");
const LEGACY: &str = include_str!("../fixtures/web.yaml.legacy.minisig");
/// What comes after it.
const NEXT: &str = include_str!("../fixtures/next.yaml");
const NEXT_BY_OPS: &str = include_str!("../fixtures/next.yaml.minisig");
/// What is no document, and signed.
const BROKEN: &str = include_str!("../fixtures/broken.yaml");
const BROKEN_BY_OPS: &str = include_str!("../fixtures/broken.yaml.minisig");

const SIGNATURE: &str = "web.yaml.minisig";

struct Place {
    dir: tempfile::TempDir,
    keys: tempfile::TempDir,
    folder: Folder,
}

impl Place {
    /// Where ops' signature counts.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = tempfile::tempdir().expect("a folder");
        fs::write(keys.path().join("keys.pub"), OPS).expect("written");
        let keyring = Keyring::open(&[keys.path().join("keys.pub")]).expect("keys");
        assert!(keyring.is_some());
        let folder = Folder::signed(dir.path(), keyring);
        Self { dir, keys, folder }
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn put_keys(&self, text: &str) {
        fs::write(self.keys.path().join("keys.pub"), text).expect("written");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir.path().join(name)).expect("removed");
    }

    /// Reloads; expects these errors, and that this is what may run then.
    fn check(&mut self, errors: &[&str], path: Option<&str>) {
        let reload = self.folder.reload();
        let found: Vec<String> = reload.errors.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), errors.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(errors) {
            assert!(found.contains(expected), "{expected} is not in {found}");
        }
        let unit = "web.service".to_owned();
        let loaded = self.folder.get(&WorkloadId::Unit { unit });
        let in_force = loaded.and_then(|loaded| loaded.document.spec.processes.first());
        let in_force = in_force.map(|process| process.path().to_string());
        assert_eq!(in_force.as_deref(), path, "{found:#?}");
        let is_signed = |(_, loaded): (_, &Loaded)| loaded.signed_by.is_some();
        assert!(self.folder.iter().all(is_signed));
    }
}

#[test]
fn a_document_counts_when_it_is_signed() {
    let mut place = Place::new();
    place.put("web.yaml", WEB);
    place.check(&["web.yaml: it is not signed: there is no "], None);

    place.put(SIGNATURE, BY_OPS);
    place.check(&[], Some("/usr/bin/web"));
    place.check(&[], Some("/usr/bin/web"));
}

#[test]
fn an_error_says_what_is_wrong_and_what_to_do() {
    for (signature, expected) in [
        (None, "it is not signed: there is no "),
        (Some(BY_DEV), "web.yaml.minisig is by the key "),
        (Some(NEXT_BY_OPS), "web.yaml.minisig does not hold: "),
        (
            Some(LEGACY),
            "web.yaml.minisig is a signature of minisign's old kind",
        ),
        (
            Some("nothing"),
            "web.yaml.minisig is no signature of minisign's",
        ),
    ] {
        let mut place = Place::new();
        place.put("web.yaml", WEB);
        if let Some(signature) = signature {
            place.put(SIGNATURE, signature);
        }
        let error = place.folder.reload().errors.remove(0).to_string();

        let file = place.dir.path().join("web.yaml");
        assert!(
            error.starts_with(&format!("{}: ", file.display())),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
        assert!(
            error.ends_with("; sign it with a key that counts here: minisign -Sm web.yaml"),
            "{error}"
        );
    }
}

#[test]
fn nothing_that_is_not_signed_changes_what_is_in_force() {
    let mut place = Place::new();
    place.put("web.yaml", WEB);
    place.put(SIGNATURE, BY_OPS);
    place.check(&[], Some("/usr/bin/web"));
    let old = Some("/usr/bin/web");

    place.put("web.yaml", NEXT);
    place.check(&["does not hold"], old);
    place.put(SIGNATURE, BY_DEV);
    place.check(&["none of those that count here"], old);
    place.put(SIGNATURE, "");
    place.check(&["is no signature"], old);
    place.remove(SIGNATURE);
    place.check(&["is not signed"], old);
    place.put("web.yaml", "no document");
    place.check(&["is not signed"], old);
    place.put("web.yaml", WEB);
    place.check(&["is not signed"], old);

    place.put("web.yaml", NEXT);
    place.put(SIGNATURE, NEXT_BY_OPS);
    place.check(&[], Some("/usr/bin/next"));
}

#[test]
fn a_signature_does_not_make_a_document_of_what_is_none() {
    let mut place = Place::new();
    place.put("web.yaml", BROKEN);
    place.put(SIGNATURE, BROKEN_BY_OPS);

    place.check(&["web.yaml:6:3: unknown field"], None);
}

#[test]
fn what_a_document_says_of_itself_signs_nothing() {
    let mut place = Place::new();
    let by_agent = WEB.replace(
        "metadata: { name: web }",
        "metadata: { name: web, annotations: { execwarden.dev/written-by: execwarden } }",
    );
    assert_ne!(by_agent, WEB);
    place.put("unit.web.service.yaml", &by_agent);
    place.check(&["is not signed"], None);

    // Nor does it matter what it is called: the workload is in what was signed.
    place.put("other.yml", WEB);
    place.put("other.yml.minisig", BY_OPS);
    place.check(&["is not signed"], Some("/usr/bin/web"));
}

#[test]
fn a_document_that_is_gone_is_gone() {
    let mut place = Place::new();
    place.put("web.yaml", WEB);
    place.put(SIGNATURE, BY_OPS);
    place.check(&[], Some("/usr/bin/web"));

    place.remove("web.yaml");
    place.check(&[], None);
}

#[test]
fn a_signature_that_cannot_be_read_is_none_and_does_not_block() {
    let mut place = Place::new();
    place.put("web.yaml", WEB);
    let signature = place.dir.path().join(SIGNATURE);
    let mode = rustix::fs::Mode::RWXU;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &signature, fifo, mode, 0).expect("made");
    place.check(&["it is not a regular file"], None);

    place.remove(SIGNATURE);
    fs::create_dir(&signature).expect("made");
    place.check(&["it is not a regular file"], None);

    fs::remove_dir(&signature).expect("removed");
    symlink("nowhere", &signature).expect("made");
    place.check(&["is not signed"], None);

    place.remove(SIGNATURE);
    symlink("/dev/zero", &signature).expect("made");
    place.check(&["it is not a regular file"], None);

    // What is right at first, and then too long.
    place.remove(SIGNATURE);
    place.put(SIGNATURE, &format!("{BY_OPS}{}", "#".repeat(4096)));
    place.check(&["it is larger than 4096 bytes"], None);
}

#[test]
fn a_config_map_has_both_in_one_swap() {
    let mut place = Place::new();
    let root = place.dir.path().to_owned();
    for (revision, text, signature) in [
        ("..1", WEB, BY_OPS),
        ("..2", NEXT, BY_OPS),
        ("..3", NEXT, NEXT_BY_OPS),
    ] {
        fs::create_dir(root.join(revision)).expect("made");
        fs::write(root.join(revision).join("web.yaml"), text).expect("written");
        fs::write(root.join(revision).join(SIGNATURE), signature).expect("written");
    }
    for name in ["web.yaml", SIGNATURE] {
        symlink(format!("..data/{name}"), root.join(name)).expect("made");
    }
    for (revision, errors, path) in [
        ("..1", &[][..], "/usr/bin/web"),
        ("..2", &["does not hold"], "/usr/bin/web"),
        ("..3", &[], "/usr/bin/next"),
    ] {
        symlink(revision, root.join("..data_tmp")).expect("made");
        fs::rename(root.join("..data_tmp"), root.join("..data")).expect("renamed");
        place.check(errors, Some(path));
    }
}

#[test]
fn keys_are_read_again_and_are_those_of_before_where_they_cannot_be() {
    let mut place = Place::new();
    place.put("web.yaml", WEB);
    place.put(SIGNATURE, BY_DEV);
    place.check(&["none of those that count here"], None);

    place.put_keys("nothing");
    place.check(&["keys.pub:1: ", "none of those that count here"], None);
    place.put_keys(&format!("{OPS}{DEV}"));
    place.check(&[], Some("/usr/bin/web"));

    for broken in ["", &"#".repeat(5000), "nothing"] {
        place.put_keys(broken);
        place.check(
            &["the keys that there were go on to count"],
            Some("/usr/bin/web"),
        );
    }
    fs::remove_file(place.keys.path().join("keys.pub")).expect("removed");
    place.put("web.yaml", NEXT);
    place.put(SIGNATURE, NEXT_BY_OPS);
    place.check(&["cannot read the public keys in "], Some("/usr/bin/next"));

    // Whose key is taken away signs no more.
    place.put_keys(DEV);
    place.check(&["none of those that count here"], Some("/usr/bin/next"));
}

#[test]
fn without_keys_a_signature_is_not_looked_at() {
    let mut place = Place::new();
    let keyring = Keyring::open(&[]).expect("nothing to read");
    place.folder = Folder::signed(place.dir.path(), keyring);
    place.put("web.yaml", WEB);
    place.put(SIGNATURE, "nothing");

    let reload = place.folder.reload();

    assert!(reload.errors.is_empty(), "{:?}", reload.errors);
    assert!(!place.folder.is_signed());
    assert_eq!(place.folder.iter().count(), 1);
}

#[test]
fn a_file_without_keys_opens_no_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("keys.pub");
    let open = || match Keyring::open(std::slice::from_ref(&file)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("there are no keys"),
    };
    assert!(open().contains("cannot read the public keys in "));

    for (text, expected) in [
        ("", "keys.pub has no public key"),
        (BY_OPS, "keys.pub:2: this is no public key of minisign's"),
        (&"\n".repeat(4097), "it is larger than 4096 bytes"),
    ] {
        fs::write(&file, text).expect("written");
        assert!(open().contains(expected), "{}", open());
    }
}
