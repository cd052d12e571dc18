//! A pod's controller, guessed from the pod's name.
//!
//! Pure. Used where nobody has asked the API server. Only suffixes that
//! Kubernetes generates are taken off, so that the replicas of a workload share
//! a baseline and two workloads do not.

/// What Kubernetes makes random suffixes of: no vowels, and nothing that looks
/// like one (`k8s.io/apimachinery/pkg/util/rand`).
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The ten of them that a ReplicaSet's hash is made of: its decimal digits,
/// each taken modulo 27 (`rand.SafeEncodeString`).
const HASH: &[u8] = b"456789bcdf";

/// The kind and the name of a pod's controller.
///
/// | pod | controller |
/// | --- | --- |
/// | `<name>-<8 to 10 of HASH>-<5 of SAFE>` | `Deployment` |
/// | `<name>-<minutes since 1970>-<5 of SAFE>` | `CronJob` |
/// | `<name>-<5 of SAFE>` | `Pod` with this name: a DaemonSet, a Job, a bare ReplicaSet |
/// | anything else | `Pod` with its whole name, so also `web-0` of a StatefulSet |
pub(super) fn owner_of(pod: &str) -> (&'static str, &str) {
    let Some(name) = without_random_suffix(pod) else {
        return ("Pod", pod);
    };
    let Some((front, last)) = split_last(name) else {
        return ("Pod", name);
    };
    if (8..=10).contains(&last.len()) && last.bytes().all(|b| HASH.contains(&b)) {
        ("Deployment", front)
    } else if is_minute(last) {
        ("CronJob", front)
    } else {
        ("Pod", name)
    }
}

fn without_random_suffix(pod: &str) -> Option<&str> {
    let (name, suffix) = split_last(pod)?;
    let random = suffix.len() == 5 && suffix.bytes().all(|b| SAFE.contains(&b));
    random.then_some(name)
}

fn split_last(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(front, _)| !front.is_empty())
}

/// A CronJob's controller names each Job after its scheduled minute: eight
/// digits that begin with 2 or 3 from 2008 to 2046, which no hash has.
fn is_minute(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) && text.starts_with(['2', '3'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pod: &str, kind: &str, name: &str) {
        assert_eq!(owner_of(pod), (kind, name), "{pod}");
    }

    #[test]
    fn generated_suffixes_are_taken_off() {
        for (pod, kind, name) in [
            ("checkout-6d4cf56db6-x7k2p", "Deployment", "checkout"),
            ("shop-api-5f78d8c9b4-2bq9z", "Deployment", "shop-api"),
            ("coredns-76f75df574-v9wjp", "Deployment", "coredns"),
            ("backup-29384756-zt4xw", "CronJob", "backup"),
            ("kube-proxy-8zvlx", "Pod", "kube-proxy"),
            ("migrate-3-8zvlx", "Pod", "migrate-3"),
        ] {
            check(pod, kind, name);
        }
    }

    #[test]
    fn what_a_person_may_have_written_stays() {
        for pod in [
            "web",
            "web-0",
            "web-1",
            "etcd-node-1",
            "kube-apiserver-node1",
            "app-prod1",
            "app-nginx",
            "-8zvlx",
            "",
            "-",
            "8zvlx",
            "checkout-6d4cf56db6",
        ] {
            check(pod, "Pod", pod);
        }
    }

    #[test]
    fn what_only_resembles_a_hash_stays_in_the_name() {
        // 3 is no digit of a hash; `version2` and `1234567` are words.
        for (pod, name) in [
            ("app-6d3cf56db6-x7k2p", "app-6d3cf56db6"),
            ("app-4d5b6-x7k2p", "app-4d5b6"),
            ("app-version2-x7k2p", "app-version2"),
            ("app-12345678-x7k2p", "app-12345678"),
            ("-6d4cf56db6-x7k2p", "-6d4cf56db6"),
        ] {
            check(pod, "Pod", name);
        }
    }
}
