//! What is shipped of a learned document: what may run, and nothing of the node
//! or the day on which that was learned.

use anyhow::{Result, ensure};

/// The learned document with a name of its own and a head that says where it is
/// from. Left out are the agent's mark, its evidence (`status`), and digests:
/// those of the next update of a package are others, and the rest stays.
pub fn shipped(name: &str, versions: &str, learned: &str) -> Result<String> {
    let mut text = format!(
        "# What {name} runs, learned by `cargo xtask learn-allowlists {name}` from\n\
         # {versions}.\n\
         # README.md says what it did meanwhile, and what this list is not.\n"
    );
    let mut skipped_below = None;
    for line in learned.lines() {
        let depth = line.len() - line.trim_start().len();
        if skipped_below.is_some_and(|above| depth > above) {
            continue;
        }
        skipped_below = None;
        let key = line.trim_start().split(':').next().unwrap_or_default();
        match (depth, key) {
            (0, "status") | (2, "annotations") | (2, "digests") | (6, "sha256") => {
                skipped_below = Some(depth);
                continue;
            }
            (2, "name") => text += &format!("  name: {name}"),
            _ => text += line,
        }
        text.push('\n');
    }
    ensure!(
        text.contains("\n    - path: "),
        "nothing was learned:\n{learned}"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEARNED: &str = r#"apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata:
  name: runc.web
  annotations:
    execwarden.dev/written-by: execwarden
spec:
  workload:
    runtime: runc
    name: web
  mode: enforce
  action: alert
  digests: record
  processes:
    - path: /bin/sh
      sha256:
        - 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        - c38645d835d0476d7b8f4a483b62e6a04dad0c5cac1fb87c4a4e0124e6b458a3
      args:
        - "-c"
        - "sha256: x"
    - path: /bin/web
      layer: volume
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
status:
  learnedFrom:
    containers: 2
"#;

    #[test]
    fn leaves_what_may_run_and_under_which_conditions() {
        let text = shipped("web", "web 1.2-3", LEARNED).unwrap();

        assert_eq!(
            text,
            r#"# What web runs, learned by `cargo xtask learn-allowlists web` from
# web 1.2-3.
# README.md says what it did meanwhile, and what this list is not.
apiVersion: execwarden.dev/v1alpha1
kind: ProcessAllowlist
metadata:
  name: web
spec:
  workload:
    runtime: runc
    name: web
  mode: enforce
  action: alert
  processes:
    - path: /bin/sh
      args:
        - "-c"
        - "sha256: x"
    - path: /bin/web
      layer: volume
"#
        );
    }

    #[test]
    fn an_empty_lesson_is_an_error() {
        assert!(shipped("web", "", "spec:\n  processes: []\n").is_err());
    }
}
