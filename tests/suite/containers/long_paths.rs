//! Paths at the kernel's bounds, and beyond.

use super::expect::count;
use super::scene::{ELEMENT, Scene, at, exec};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// What is under the root, in folders of one letter: the folders, and whether
/// the programs can read the whole path.
const PATHS: [(&str, &[&str], bool); 6] = [
    // 513 bytes: longer than what a record has room for.
    ("a", &["2x255"], true),
    // 4,095 bytes, the longest path that a call takes.
    ("b", &["15x255", "1x252"], true),
    ("c", &["15x255", "1x253"], false),
    // 16 names that are as long as a name can be.
    ("d", &["16x255"], false),
    ("e", &["40x255"], false),
    // Short, and too deep.
    ("f", &["400x1"], false),
];

pub fn b26_a_path_that_is_too_long_is_reported() -> Result<()> {
    let scene = Scene::new()?;
    scene.intruder("deep")?;
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /opt/intruders/deep\n",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    let before = errors(&agent.status()?)?;
    // Twice: the second time nothing is new.
    for _ in 0..2 {
        for (name, folders, _) in PATHS {
            exec(
                &container,
                &[&[at("deep").as_str(), "/app/worker", name], folders].concat(),
            )?;
        }
    }
    let after = errors(&agent.status()?)?;

    let unread = PATHS.iter().filter(|(_, _, whole)| !whole).count() as u64;
    // Nothing else on the node has such a path.
    ensure!(
        after - before == 2 * unread,
        "{before} errors, then {after}"
    );
    scene.finish_with(agent, |records| {
        let mut told: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for record in records {
            let field = |name| record.parameter(ELEMENT, name).unwrap_or_default();
            // `/` and the letter.
            let begins = field("path").get(..2).unwrap_or("");
            let key = (field("reason"), field("layer"), begins);
            *told.entry(key).or_default() += count(record);
        }
        // What has no path that could be read has no layer either.
        let expected = [
            (("drift", "upper", "/a"), 2),
            (("drift", "upper", "/b"), 2),
            (("unlisted", "unknown", ""), 2 * unread),
        ];
        ensure!(told == BTreeMap::from(expected), "{told:#?}");
        Ok(())
    })
}

fn errors(status: &serde_json::Value) -> Result<u64> {
    let errors = status["accounting"]["errors"].as_u64();
    errors.with_context(|| format!("no number of errors in {status:#}"))
}
