use crate::store::Store;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn refused(dir: &Path, expected: &str) {
    let error = Store::open(dir).expect_err("this folder must not be trusted");

    let expected = expected.replace("DIR", dir.to_str().unwrap());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn folder_and_file_are_ours_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");

    drop(Store::open(&state).unwrap());

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("execwarden.redb")), 0o600);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o777, 0o1777, 0o770] {
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();

        refused(
            dir.path(),
            &format!("DIR can be written by others (mode {mode:04o})"),
        );
    }
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let file = dir.path().join("execwarden.redb");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();

    refused(
        dir.path(),
        "DIR/execwarden.redb can be written by others (mode 0666)",
    );
}

#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    drop(Store::open(&real).unwrap());
    symlink(&real, &link).unwrap();
    refused(&link, "DIR is not a folder, or a symbolic link to one");

    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    symlink(real.join("execwarden.redb"), other.join("execwarden.redb")).unwrap();
    refused(&other, "DIR/execwarden.redb is not a regular file");

    let hard = dir.path().join("hard");
    fs::create_dir(&hard).unwrap();
    fs::hard_link(real.join("execwarden.redb"), hard.join("execwarden.redb")).unwrap();
    refused(&hard, "DIR/execwarden.redb is not a regular file");
}

#[test]
fn what_is_no_folder_or_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&file, "DIR is not a folder");

    let state = dir.path().join("state");
    fs::create_dir_all(state.join("execwarden.redb")).unwrap();
    refused(&state, "DIR/execwarden.redb is not a regular file");
}

#[test]
fn a_folder_that_takes_no_file_is_named() {
    // sysfs refuses new files, to root as well.
    refused(
        Path::new("/sys/kernel"),
        "cannot create DIR/execwarden.redb.new: ",
    );
    refused(
        Path::new("/proc/execwarden"),
        "cannot make the state folder DIR: ",
    );
}

#[test]
fn a_second_agent_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    refused(dir.path(), "another execwarden is using DIR; stop it");

    drop(first);

    Store::open(dir.path()).unwrap();
}

#[test]
fn an_unfinished_file_of_a_crashed_first_start_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("execwarden.redb.new"), "half").unwrap();

    Store::open(dir.path()).unwrap();
}
