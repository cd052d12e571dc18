//! Names that try to be more than a name.

use super::scene::{ELEMENT, Scene, shell};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use testbed::intruders;

pub fn b31_every_name_is_one_record() -> Result<()> {
    let scene = Scene::new()?;
    let names = names();
    let (programs, scripts) = (PathBuf::from("/evil"), PathBuf::from("/scripts"));
    // A script's name is cut at 512 bytes of escaped text; docs/ALERTS.md.
    let of_scripts: BTreeSet<Vec<u8>> = names
        .iter()
        .filter(|name| name.len() <= 100)
        .cloned()
        .collect();
    for name in &names {
        let program = in_image(&scene, &programs)?.join(OsStr::from_bytes(name));
        fs::hard_link(scene_program(&scene)?, &program)
            .with_context(|| format!("cannot link {}", program.display()))?;
    }
    for name in &of_scripts {
        let script = in_image(&scene, &scripts)?.join(OsStr::from_bytes(name));
        fs::write(&script, "#!/bin/busybox true\n")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    // Each is to be told by itself.
    let agent = scene.agent(&["--enforce", "--alert-burst", "10000"])?;

    // find passes a name on as it is; a shell would look into it.
    let container = scene.idle()?;
    shell(
        &container,
        "find /evil /scripts -type f -exec {} \\; > /dev/null",
    )?;

    scene.finish_with(agent, |records| {
        let told = |field: &str, folder: &Path| -> Result<BTreeSet<Vec<u8>>> {
            let texts = records
                .iter()
                .filter_map(|record| record.parameter(ELEMENT, field));
            let paths = texts.map(unescaped).collect::<Result<Vec<_>>>()?;
            let names = paths.iter().filter_map(|path| {
                path.strip_prefix(folder.as_os_str().as_bytes())?
                    .strip_prefix(b"/")
            });
            Ok(names.map(<[u8]>::to_vec).collect())
        };
        for (field, folder, names) in [
            ("path", &programs, &names),
            ("script", &scripts, &of_scripts),
        ] {
            let told = told(field, folder)?;
            let text = |name: &Vec<u8>| name.escape_ascii().to_string();
            let missing: Vec<_> = names.difference(&told).map(text).collect();
            let other: Vec<_> = told.difference(names).map(text).collect();
            ensure!(
                missing.is_empty() && other.is_empty(),
                "of {field}, missing: {missing:#?}, other: {other:#?}"
            );
        }
        for record in records {
            ensure!(
                !record.raw.chars().any(char::is_control) && record.app_name == "execwarden",
                "{:?}",
                record.raw
            );
        }
        // Not one more: a name that broke out would have made another.
        ensure!(
            records.len() == names.len() + of_scripts.len(),
            "{} records",
            records.len()
        );
        Ok(())
    })
}

/// Every byte but the two that no name has, and what attacks are made of.
fn names() -> BTreeSet<Vec<u8>> {
    let allowed = || (1..=255u8).filter(|byte| *byte != b'/');
    let attacks: [&[u8]; 9] = [
        b"x\n<80>1 2026-01-01T00:00:00Z host execwarden - - - all is well",
        b"x\"] [execwarden@32473 reason=\"none\"] nothing",
        b"\x1b[2J\x1b[31mred\x07",
        b"]\"\\",
        b"\\x0a",
        b"\xff\xfe\x80",
        b"\xef\xbb\xbfmark",
        "a\u{202e}txt.exe".as_bytes(),
        "\u{e4}\u{1f512}".as_bytes(),
    ];
    allowed()
        .map(|byte| vec![b'a', byte, b'z'])
        .chain(attacks.map(<[u8]>::to_vec))
        .chain([allowed().collect(), vec![0xe2; 250]])
        .collect()
}

/// What an escaped text stands for, as docs/ALERTS.md says.
fn unescaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else if let Some(after) = rest.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('x') {
            let digits = after
                .get(..2)
                .with_context(|| format!("two digits in {text}"))?;
            bytes.push(u8::from_str_radix(digits, 16)?);
            rest = &after[2..];
        } else if let Some((digits, after)) = rest
            .strip_prefix("u{")
            .and_then(|rest| rest.split_once('}'))
        {
            let code = u32::from_str_radix(digits, 16)?;
            let c = char::from_u32(code).context("a character")?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            bail!("{text:?} has an escape that the documentation lacks");
        }
    }
    Ok(bytes)
}

fn in_image(scene: &Scene, folder: &Path) -> Result<PathBuf> {
    let folder = scene.image.inside(&folder.display().to_string());
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn scene_program(scene: &Scene) -> Result<PathBuf> {
    let program = scene.image.inside("/app/silent");
    if !program.exists() {
        scene
            .image
            .program(&intruders::build("hello")?, "/app/silent")?;
    }
    Ok(program)
}
