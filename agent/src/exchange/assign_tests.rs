use super::*;
use crate::allowlist::{Mode, PathPattern, Process, RunAs};
use crate::model::Layer;

fn part(name: &str, about: About, path: &str) -> Part {
    let path = PathPattern::new(path).expect("a path");
    let process = Process::new(path, RunAs::Program, Layer::Image).expect("an entry");
    Part {
        name: name.to_owned(),
        about,
        body: Body::Entries {
            mode: Mode::Enforce,
            processes: [process].into(),
        },
    }
}

fn container(name: &str) -> About {
    About::Container {
        namespace: Some("shop".to_owned()),
        container: name.to_owned(),
    }
}

/// Each document as its workload with its paths, or the error.
fn check(parts: Vec<Part>, says: &[&str], expected: &[&str]) {
    let says: Vec<Assignment> = says
        .iter()
        .map(|text| text.parse().expect("valid"))
        .collect();
    let lines = match assign(parts, &says) {
        Err(error) => vec![error.to_string()],
        Ok(documents) => documents
            .iter()
            .map(|document| {
                let paths = document.spec.processes.iter().map(|p| p.path().as_str());
                let paths: Vec<&str> = paths.collect();
                format!("{} {}", document.spec.workload, paths.join(" "))
            })
            .collect(),
    };
    assert_eq!(lines, expected);
}

#[test]
fn a_controller_is_for_every_container() {
    check(
        vec![
            part("checkout/api", container("api"), "/a"),
            part("checkout/sidecar", container("sidecar"), "/b"),
        ],
        &["shop/Deployment/checkout"],
        &[
            "shop/Deployment/checkout/api /a",
            "shop/Deployment/checkout/sidecar /b",
        ],
    );
}

#[test]
fn two_policies_for_one_workload_are_one_document() {
    check(
        vec![
            part("a", About::Namespace(None), "/a"),
            part("b", About::Namespace(None), "/b"),
        ],
        &["a=runc/web", "b=runc/web"],
        &["runc/web /a /b"],
    );
}

#[test]
fn what_could_mean_another_workload_is_refused() {
    let parts = || {
        vec![
            part("a", About::Namespace(Some("shop".to_owned())), "/a"),
            part("b/api", container("api"), "/b"),
        ]
    };
    for (says, expected) in [
        (
            &[][..],
            "which workload is meant is not said in the file: say \
             --workload a=shop/KIND/NAME/CONTAINER --workload b/api=shop/KIND/NAME",
        ),
        (
            &["runc/web"],
            "--workload runc/web would be for a, b/api; say for each which is meant: --workload a=…",
        ),
        (
            &["shop/Deployment/x", "shop/Deployment/y"],
            "--workload is given twice without a part; write --workload PART=WORKLOAD",
        ),
        (
            &["shop/Deployment/x"],
            "a names no container; say NAMESPACE/KIND/NAME/CONTAINER for it",
        ),
        (
            &["a=runc/web", "b=shop/Deployment/x", "c=runc/web"],
            "there is no part \"c\"; there are a, b/api",
        ),
    ] {
        check(parts(), says, &[expected]);
    }
}

#[test]
fn a_part_is_meant_by_its_resource_too() {
    check(
        vec![
            part("checkout/api", container("api"), "/a"),
            part("checkout-2/api", container("api"), "/b"),
        ],
        &["checkout=shop/Deployment/x", "checkout-2=shop/Deployment/y"],
        &["shop/Deployment/x/api /a", "shop/Deployment/y/api /b"],
    );
}
