//! A pod's controller, from what the pod is called and labelled with.
//!
//! Pure. Where nobody asks the API server, or it does not answer: controllers mark
//! their pods, and name them by rule. A mark that the pod's name does not agree with is somebody's own
//! label and means nothing. Replicas of a workload get one answer, and two
//! workloads of a namespace do not.

use super::plain::plain_name;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A pod's labels, or its annotations.
pub type Labels = BTreeMap<String, String>;

/// What is known of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels; `None` where nobody has told them.
    pub labels: Option<&'a Labels>,
    /// Its annotations; empty where nobody has told them.
    pub annotations: &'a Labels,
    /// The node's name, which static pods carry in theirs.
    pub node: &'a str,
}

/// The controller of a pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Its kind, as Kubernetes spells it; `StaticPod` for what a kubelet runs by
    /// itself, `Pod` where there is no controller or none that can be told.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
}

/// What Kubernetes makes random suffixes of: no vowels, and nothing that looks
/// like one (`k8s.io/apimachinery/pkg/util/rand`).
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The ten of them that a ReplicaSet's hash is made of: its decimal digits,
/// each taken modulo 27 (`rand.SafeEncodeString`).
const HASH: &[u8] = b"456789bcdf";
/// Characters in a random suffix (`k8s.io/apiserver/pkg/storage/names`).
const RANDOM: usize = 5;
/// Characters that are left of a name before the random ones are put behind it.
const STEM_MAX: usize = 58;

impl Owner {
    fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
        }
    }

    /// The controller of a pod.
    ///
    /// | marks of the pod | its name | controller |
    /// | --- | --- | --- |
    /// | annotation `kubernetes.io/config.source`, not `api` | `<name>-<node>` | `StaticPod` |
    /// | `rollouts-pod-template-hash` | `<name>-<hash>-<5>` | `Rollout` (Argo) |
    /// | `pod-template-hash` | `<name>-<hash>-<5>` | `Deployment` |
    /// | `job-name` or `batch.kubernetes.io/job-name` | `<job>-…` | `CronJob` if the job's name ends with a scheduled minute, else `Job` |
    /// | `statefulset.kubernetes.io/pod-name` | `<name>-<ordinal>` | `StatefulSet` |
    /// | `controller-revision-hash` | `<name>-<5>` | `DaemonSet` |
    /// | annotation `openshift.io/deployment-config.name` | `<name>-<number>-<5>` | `DeploymentConfig` |
    /// | none of these | any | `Pod`, without a random suffix: a bare ReplicaSet, another controller's |
    ///
    /// Where nobody has told the labels, the name alone is [guessed](Self::by_name)
    /// from. A name that Kubernetes cut to have room for its suffix is completed
    /// from the mark, as far as that tells.
    pub fn of(pod: &Pod<'_>) -> Self {
        let Some(labels) = pod.labels else {
            return Self::by_name(pod.name);
        };
        let label = |key: &str| labels.get(key).map(String::as_str);
        let annotation = |key: &str| pod.annotations.get(key).map(String::as_str);
        static_pod(pod, annotation("kubernetes.io/config.source"))
            .or_else(|| {
                let hash = label("rollouts-pod-template-hash")?;
                Some(Self::new("Rollout", before_hash(pod.name, hash)?))
            })
            .or_else(|| {
                let hash = label("pod-template-hash")?;
                Some(Self::new("Deployment", before_hash(pod.name, hash)?))
            })
            .or_else(|| {
                let job = label("batch.kubernetes.io/job-name").or_else(|| label("job-name"))?;
                job_or_cron_job(pod.name, job)
            })
            .or_else(|| {
                let own = label("statefulset.kubernetes.io/pod-name")?;
                let (name, ordinal) = split_last(pod.name)?;
                let is_one = own == pod.name && is_number(ordinal);
                is_one.then(|| Self::new("StatefulSet", name))
            })
            .or_else(|| {
                label("controller-revision-hash")?;
                let stem = stem_of(pod.name)?;
                Some(Self::new("DaemonSet", without_dash(stem)))
            })
            .or_else(|| {
                let name = annotation("openshift.io/deployment-config.name")?;
                let rest = without_dash(stem_of(pod.name)?);
                let number = rest.strip_prefix(name)?.strip_prefix('-')?;
                is_number(number).then(|| Self::new("DeploymentConfig", name))
            })
            .unwrap_or_else(|| Self::new("Pod", without_random_suffix(pod.name)))
    }

    /// The controller, guessed from the pod's name. Only suffixes that Kubernetes
    /// generates are taken off.
    ///
    /// | pod | controller |
    /// | --- | --- |
    /// | `<name>-<8 to 10 of HASH>-<5 of SAFE>` | `Deployment` |
    /// | `<name>-<minutes since 1970>-<5 of SAFE>` | `CronJob` |
    /// | `<name>-<5 of SAFE>` | `Pod` with this name: a DaemonSet, a Job, a bare ReplicaSet |
    /// | anything else | `Pod` with its whole name, so also `web-0` of a StatefulSet |
    pub fn by_name(pod: &str) -> Self {
        let name = without_random_suffix(pod);
        if name == pod {
            return Self::new("Pod", pod);
        }
        match split_last(name) {
            Some((front, last)) if is_hash(last) => Self::new("Deployment", front),
            Some((front, last)) if is_minute(last) => Self::new("CronJob", front),
            _ => Self::new("Pod", name),
        }
    }
}

/// What a kubelet runs from a file of its own, under the node's name.
fn static_pod(pod: &Pod<'_>, source: Option<&str>) -> Option<Owner> {
    source.filter(|source| *source != "api")?;
    let name = pod
        .name
        .strip_suffix(pod.node)
        .and_then(|front| front.strip_suffix('-'))
        .filter(|front| !front.is_empty());
    Some(Owner::new("StaticPod", name.unwrap_or(pod.name)))
}

/// The name of the controller whose ReplicaSet has this hash, in a pod's name.
fn before_hash<'a>(pod: &'a str, hash: &str) -> Option<&'a str> {
    let stem = stem_of(pod)?;
    let whole = stem
        .strip_suffix('-')
        .and_then(|stem| stem.strip_suffix(hash))
        .and_then(|stem| stem.strip_suffix('-'));
    let name = match whole {
        Some(name) => name,
        // Cut: the most of the hash that may be left, down to none.
        None if stem.len() == STEM_MAX => (0..=hash.len())
            .rev()
            .find_map(|kept| stem.strip_suffix(hash.get(..kept)?)?.strip_suffix('-'))
            .unwrap_or(stem),
        None => return None,
    };
    (!name.is_empty() && !hash.is_empty()).then_some(name)
}

fn job_or_cron_job(pod: &str, job: &str) -> Option<Owner> {
    let is_whole = pod
        .strip_prefix(job)
        .is_some_and(|rest| rest.starts_with('-'));
    let is_cut = || job.get(..STEM_MAX).is_some_and(|cut| pod.starts_with(cut));
    // A cut pod's name tells nothing of the mark's end, which is somebody's own.
    if plain_name(job).is_none() || !(is_whole || is_cut()) {
        return None;
    }
    Some(match split_last(job) {
        Some((name, last)) if is_minute(last) => Owner::new("CronJob", name),
        _ => Owner::new("Job", job),
    })
}

/// What stands before a pod's random suffix, the dash included; it may be cut in
/// the middle of a word.
fn stem_of(pod: &str) -> Option<&str> {
    let (stem, suffix) = pod.split_at_checked(pod.len().checked_sub(RANDOM)?)?;
    let is_generated = stem.ends_with('-') && stem.len() > 1 || stem.len() == STEM_MAX;
    (is_random(suffix) && is_generated).then_some(stem)
}

/// Whether this is a random suffix.
pub(super) fn is_random(suffix: &str) -> bool {
    suffix.len() == RANDOM && suffix.bytes().all(|b| SAFE.contains(&b))
}

/// A pod's name without a random suffix, if it has one behind a dash.
fn without_random_suffix(pod: &str) -> &str {
    let stem = stem_of(pod).and_then(|stem| stem.strip_suffix('-'));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(pod)
}

fn without_dash(stem: &str) -> &str {
    stem.strip_suffix('-').unwrap_or(stem)
}

fn split_last(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(front, _)| !front.is_empty())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_hash(text: &str) -> bool {
    (8..=10).contains(&text.len()) && text.bytes().all(|b| HASH.contains(&b))
}

/// A CronJob's controller names each Job after its scheduled minute: eight
/// digits that begin with 2 or 3 from 2008 to 2046, which no hash has.
fn is_minute(text: &str) -> bool {
    text.len() == 8 && is_number(text) && text.starts_with(['2', '3'])
}

#[cfg(test)]
#[path = "pod_owner_tests.rs"]
mod tests;
