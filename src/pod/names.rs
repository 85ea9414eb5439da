//! Names: of the pod, its containers and its cgroups.
//!
//! Ids are built, never passed through. Two pods never share one, since all carry the pod's id;
//! an operator who lists containers still sees task and service in them.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

/// What containerd takes for an identifier (its `identifiers` package): at most 76 characters.
const CONTAINER_ID_MAX: usize = 76;
const TASK_PART_MAX: usize = 36;
/// Two separators and the pod's id stand between the task's part and the service's.
const SERVICE_PART_MAX: usize = CONTAINER_ID_MAX - TASK_PART_MAX - PodId::LENGTH - 2;
const SHORT_HASH: usize = 6;

/// Twelve hex digits that stand for one pod, on this host and elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodId(String);

/// Not the twelve hex digits of a pod's id.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no pod id: twelve hex digits are")]
pub struct PodIdError(String);

impl PodId {
    const LENGTH: usize = 12;

    /// The id of the executor's pod number `ordinal` (from 0). A Mesos container id is used once,
    /// so a task that is launched again is another pod.
    pub fn of_executor(framework: &str, executor: &str, container: &str, ordinal: u32) -> Self {
        Self::hash(&[framework, executor, container, &ordinal.to_string()])
    }

    /// The id of a pod that `up` runs: `unique` must differ from run to run.
    pub fn of_project(project: &str, working_dir: &str, unique: &str) -> Self {
        Self::hash(&["up", project, working_dir, unique])
    }

    /// Lengths go in too, so that no two lists of parts read the same.
    fn hash(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex(&hash.finalize(), Self::LENGTH))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for PodId {
    type Error = PodIdError;

    fn try_from(text: &str) -> Result<Self, PodIdError> {
        let good = text.len() == Self::LENGTH
            && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| PodIdError(text.to_owned()))
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one of the pod's containers in containerd.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(String);

impl ContainerId {
    /// `pod-<pod id>`: the pause container.
    pub fn pause(pod: &PodId) -> Self {
        Self(format!("pod-{pod}"))
    }

    /// `<task>-<pod id>.<service>`.
    pub fn service(task: &str, pod: &PodId, service: &str) -> Self {
        let task = reduce(task, TASK_PART_MAX);
        let service = reduce(service, SERVICE_PART_MAX);
        Self(format!("{task}-{pod}.{service}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An absolute path within every cgroup hierarchy, of segments that can't climb out of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupPath(String);

/// A cgroup path that is not absolute, or has a segment that is empty, `.`, `..` or of other
/// characters than `[A-Za-z0-9._:@-]`.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no cgroup path that containers can be placed below")]
pub struct CgroupPathError(String);

impl CgroupPath {
    /// The pod's cgroup below `base`.
    #[must_use]
    pub fn pod(&self, pod: &PodId) -> Self {
        Self(format!("{}/pod-{pod}", self.0))
    }

    #[must_use]
    pub fn pause(&self) -> Self {
        Self(format!("{}/pause", self.0))
    }

    #[must_use]
    pub fn shim(&self) -> Self {
        Self(format!("{}/shim", self.0))
    }

    #[must_use]
    pub fn service(&self, service: &str) -> Self {
        Self(format!(
            "{}/svc-{}",
            self.0,
            reduce(service, SERVICE_PART_MAX)
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for CgroupPath {
    type Error = CgroupPathError;

    fn try_from(text: &str) -> Result<Self, CgroupPathError> {
        let checked = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b))
        };
        match text.strip_prefix('/') {
            Some(below) if below.split('/').all(checked) => Ok(Self(text.to_owned())),
            _ => Err(CgroupPathError(text.to_owned())),
        }
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` in `[a-z0-9-]`, without two separators in a row and at most `max` long. What had to be
/// changed or cut gets a short hash of the original, so that it stays apart from its like.
fn reduce(text: &str, max: usize) -> String {
    let mut reduced = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            reduced.push(c.to_ascii_lowercase());
        } else if !reduced.is_empty() && !reduced.ends_with('-') {
            reduced.push('-');
        }
    }
    let trimmed = reduced.trim_end_matches('-');
    if trimmed == text && text.len() <= max && !text.is_empty() {
        return reduced;
    }
    let hash = hex(&Sha256::digest(text.as_bytes()), SHORT_HASH);
    let kept = &trimmed[..trimmed.len().min(max - SHORT_HASH - 1)];
    match kept.trim_end_matches('-') {
        "" => hash,
        kept => format!("{kept}-{hash}"),
    }
}

fn hex(bytes: &[u8], digits: usize) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// containerd's own rule for identifiers.
    fn containerd_takes(id: &str) -> bool {
        id.len() <= CONTAINER_ID_MAX
            && id
                .split(['.', '_', '-'])
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    }

    #[test]
    fn an_id_tells_task_and_service() {
        let pod = PodId::of_executor("f", "e", "c", 0);
        let id = ContainerId::service("web-42", &pod, "db");
        assert_eq!(id.as_str(), format!("web-42-{pod}.db"));
    }

    #[test]
    fn a_pod_differs_by_each_part_of_its_identity() {
        let pod = PodId::of_executor("f", "e", "c", 0);
        for other in [
            ("g", "e", "c", 0),
            ("f", "f", "c", 0),
            ("f", "e", "d", 0),
            ("f", "e", "c", 1),
            ("fe", "", "c", 0),
        ] {
            assert_ne!(pod, PodId::of_executor(other.0, other.1, other.2, other.3));
        }
    }

    #[test]
    fn a_changed_name_gets_a_hash() {
        assert_eq!(reduce("web", 10), "web");
        assert_eq!(
            reduce("a_b", 10),
            format!("a-b-{}", hex(&Sha256::digest("a_b"), SHORT_HASH))
        );
        assert_ne!(reduce("a_b", 10), reduce("a.b", 10));
        assert_eq!(reduce("", 10).len(), SHORT_HASH);
        assert_eq!(
            reduce("ünï", 10),
            format!("n-{}", hex(&Sha256::digest("ünï"), SHORT_HASH))
        );
    }

    #[test]
    fn a_cgroup_path_does_not_climb() {
        for bad in [
            "", "a", "/", "/a/", "/a//b", "/a/../b", "/a/.", "/a b", "/a\n",
        ] {
            assert!(CgroupPath::try_from(bad).is_err(), "{bad:?}");
        }
        let base = CgroupPath::try_from("/mesos/4f0a").unwrap();
        let pod = PodId::of_executor("f", "e", "c", 0);
        assert_eq!(
            base.pod(&pod).service("web").as_str(),
            format!("/mesos/4f0a/pod-{pod}/svc-web")
        );
    }

    proptest! {
        #[test]
        fn containerd_takes_every_id(task in ".*", service in ".*") {
            let pod = PodId::of_executor("f", "e", "c", 0);
            let id = ContainerId::service(&task, &pod, &service);
            prop_assert!(containerd_takes(id.as_str()), "{id}");
        }
    }
}
