//! The one name of several containers: replicas of a service of compose or
//! swarm, instances of a unit.
//!
//! Pure. Who starts containers by a tool has it label and name them by rule. A
//! label that the container's name does not agree with counts for nothing: an
//! image brings its labels along to whatever is started from it, and compose
//! labels the images that it builds.

use super::plain::{plain_name, put_together};
use super::pod_owner::Labels;

/// Characters of a swarm task's id, in base 36.
const TASK_ID: usize = 25;

/// The name that the workload of all of them goes by. It has a character that
/// no container's name may have, so that none is taken for another's.
///
/// | labels | container | name |
/// | --- | --- | --- |
/// | `com.docker.compose.project`, `….service` | `<project>-<service>-<number>`, also with `_` | `<project>/<service>` |
/// | the same | `<project>-<service>-run-<random>`; podman-compose: `…_tmp<number>` | `<project>/<service>/run` |
/// | `com.docker.swarm.service.name`, `….task.id` | `<service>.<slot or node>.<task id>` | `swarm/<service>` |
/// | `PODMAN_SYSTEMD_UNIT`: `<unit>@<instance>.service` | `systemd-<unit>_<instance>` (Quadlet) | `<unit>@.service` |
pub(super) fn shared_name(container: &str, labels: &Labels) -> Option<String> {
    of_compose(container, labels)
        .or_else(|| of_swarm(container, labels))
        .or_else(|| of_unit(container, labels))
        .and_then(put_together)
}

fn label(labels: &Labels, key: &str) -> Option<String> {
    labels.get(key).and_then(|value| plain_name(value))
}

fn of_compose(container: &str, labels: &Labels) -> Option<String> {
    let project = label(labels, "com.docker.compose.project")?;
    let service = label(labels, "com.docker.compose.service")?;
    let rest = container.strip_prefix(project.as_str())?;
    let rest = rest.strip_prefix(['-', '_'])?;
    let rest = rest.strip_prefix(service.as_str())?;
    let rest = rest.strip_prefix(['-', '_'])?;
    if is_number(rest) {
        return Some(format!("{project}/{service}"));
    }
    // What is run once in its place is something else than the service.
    let random = ["run-", "run_", "tmp"]
        .iter()
        .find_map(|word| rest.strip_prefix(word))?;
    let is_random = !random.is_empty() && random.bytes().all(|b| b.is_ascii_hexdigit());
    is_random.then(|| format!("{project}/{service}/run"))
}

fn of_swarm(container: &str, labels: &Labels) -> Option<String> {
    let service = label(labels, "com.docker.swarm.service.name")?;
    let task = label(labels, "com.docker.swarm.task.id")?;
    let rest = container
        .strip_prefix(service.as_str())?
        .strip_prefix('.')?;
    let (place, last) = rest.split_once('.')?;
    let is_place = !place.is_empty() && place.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_place && last == task && task.len() == TASK_ID).then(|| format!("swarm/{service}"))
}

fn of_unit(container: &str, labels: &Labels) -> Option<String> {
    let unit = labels.get("PODMAN_SYSTEMD_UNIT")?;
    let (template, instance) = unit.strip_suffix(".service")?.split_once('@')?;
    let named = container
        .strip_prefix("systemd-")?
        .strip_prefix(plain_name(template)?.as_str())?
        .strip_prefix('_')?;
    (!instance.is_empty() && named == instance).then(|| format!("{template}@.service"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TASK: &str = "x7k2p9q4z8m1n5c3v6b0a7s2d";

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn compose(project: &str, service: &str) -> Labels {
        labels(&[
            ("com.docker.compose.config-hash", "c2600da7ca9c296c0376c458"),
            ("com.docker.compose.container-number", "1"),
            ("com.docker.compose.oneoff", "False"),
            ("com.docker.compose.project", project),
            ("com.docker.compose.project.working_dir", "/srv/shop"),
            ("com.docker.compose.service", service),
            ("com.docker.compose.version", "2.21.0"),
        ])
    }

    /// As podman-compose 1.0.6 labels them.
    fn podman_compose(project: &str, service: &str) -> Labels {
        labels(&[
            (
                "PODMAN_SYSTEMD_UNIT",
                &format!("podman-compose@{project}.service"),
            ),
            ("com.docker.compose.container-number", "1"),
            ("com.docker.compose.project", project),
            ("com.docker.compose.service", service),
            ("io.podman.compose.project", project),
            ("io.podman.compose.version", "1.0.6"),
        ])
    }

    fn swarm(service: &str, task: &str) -> Labels {
        labels(&[
            ("com.docker.stack.namespace", "shop"),
            ("com.docker.swarm.node.id", "dsx1m0d3kfmlkj6ghd8g6nh4w"),
            ("com.docker.swarm.service.id", "n8c3yb1tq1ojgzjkcn5gtp3yo"),
            ("com.docker.swarm.service.name", service),
            ("com.docker.swarm.task", ""),
            ("com.docker.swarm.task.id", task),
            ("com.docker.swarm.task.name", &format!("{service}.3.{task}")),
        ])
    }

    fn unit(name: &str) -> Labels {
        labels(&[("PODMAN_SYSTEMD_UNIT", name)])
    }

    #[test]
    fn replicas_have_one_name() {
        let task_of = |front: &str| format!("{front}.{TASK}");
        for (container, labels, name) in [
            ("shop-web-1", compose("shop", "web"), "shop/web"),
            ("shop-web-12", compose("shop", "web"), "shop/web"),
            ("shop_web_1", compose("shop", "web"), "shop/web"),
            (
                "my-shop-the-api-3",
                compose("my-shop", "the-api"),
                "my-shop/the-api",
            ),
            ("shop-web.v2-1", compose("shop", "web.v2"), "shop/web.v2"),
            (
                "shop-web-run-3fd2a90b71c4",
                compose("shop", "web"),
                "shop/web/run",
            ),
            (
                "shop_web_run_3fd2a90b71c4",
                compose("shop", "web"),
                "shop/web/run",
            ),
            (
                "compose-demo_web_1",
                podman_compose("compose-demo", "web"),
                "compose-demo/web",
            ),
            (
                "shop_web_tmp41223",
                podman_compose("shop", "web"),
                "shop/web/run",
            ),
            (
                &task_of("shop_web.3"),
                swarm("shop_web", TASK),
                "swarm/shop_web",
            ),
            (
                &task_of("agent.dsx1m0d3kfmlkj6ghd8g6nh4w"),
                swarm("agent", TASK),
                "swarm/agent",
            ),
            (
                "systemd-sleep_10",
                unit("sleep@10.service"),
                "sleep@.service",
            ),
            ("systemd-a_b_x-1", unit("a_b@x-1.service"), "a_b@.service"),
        ] {
            let found = shared_name(container, &labels);
            assert_eq!(found.as_deref(), Some(name), "{container}");
        }
    }

    #[test]
    fn a_name_of_its_own_is_kept() {
        for (container, labels) in [
            // What an image that compose built brings along.
            ("quirky_bose", compose("shop", "web")),
            // `container_name` in compose's file: there can be one only.
            ("frontend", compose("shop", "web")),
            ("shop-web", compose("shop", "web")),
            ("shop-web-", compose("shop", "web")),
            ("shop-web-1x", compose("shop", "web")),
            ("shop-webb-1", compose("shop", "web")),
            ("shop-web-run-", compose("shop", "web")),
            ("shop-web-run-mine", compose("shop", "web")),
            ("web.3.x", swarm("web", "x")),
            (
                &format!("web.3.{}", "y".repeat(TASK_ID)),
                swarm("web", TASK),
            ),
            (&format!("web..{TASK}"), swarm("web", TASK)),
            (&format!("web.3.4.{TASK}"), swarm("web", TASK)),
            ("systemd-web", unit("web.service")),
            ("web", unit("web@1.service")),
            ("systemd-web_2", unit("web@1.service")),
            ("systemd-web_", unit("web@.service")),
            ("web", unit("container-web.service")),
            ("web", Labels::new()),
        ] {
            assert_eq!(shared_name(container, &labels), None, "{container}");
        }
    }

    #[test]
    fn hostile_labels_count_for_nothing() {
        let long = "a".repeat(254);
        for hostile in ["", "a b", "a/b", "../x", "a\nb", "\u{1b}[31m", "ä", &long] {
            for (container, labels) in [
                (format!("{hostile}-web-1"), compose(hostile, "web")),
                (format!("shop-{hostile}-1"), compose("shop", hostile)),
                (format!("{hostile}.1.{TASK}"), swarm(hostile, TASK)),
                (
                    format!("systemd-{hostile}_1"),
                    unit(&format!("{hostile}@1.service")),
                ),
            ] {
                assert_eq!(shared_name(&container, &labels), None, "{container}");
            }
        }
        let half = "a".repeat(200);
        let name = format!("{half}-{half}-1");
        assert_eq!(shared_name(&name, &compose(&half, &half)), None);
    }

    proptest! {
        #[test]
        fn a_shared_name_is_bounded_and_plain(
            project in "\\PC{0,300}", service in "[a-z]{1,200}", number in 0u32..
        ) {
            let name = format!("{project}-{service}-{number}");
            if let Some(found) = shared_name(&name, &compose(&project, &service)) {
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/@".contains(&b);
                prop_assert!(found.len() <= 255 && found.bytes().all(is_plain));
            }
        }
    }
}
