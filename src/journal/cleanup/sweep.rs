//! Objects in containerd that carry our mark and that no record leads to.
//!
//! There should be none: a record comes before the first object. They are found after somebody has
//! removed `--root`, or put an old copy of containerd's in its place.

use std::collections::HashMap;

use super::findings::{Findings, blocking, chain};
use super::report::Remnant;
use super::runtime::{Connect, Runtime};
use super::{Options, Sweep};
use crate::journal::folders::Folders;
use crate::journal::lock::PodLock;
use crate::pod::names::PodId;

/// Removes them. A pod's record is looked for after its object was seen: one that is being made
/// right now has had its record before.
pub(super) async fn run<C: Connect>(
    options: &Options,
    connect: &C,
    sweep: &Sweep,
) -> Result<Vec<Remnant>, String> {
    let connected = connect.connect(&sweep.socket, &sweep.namespace).await;
    let runtime = connected.map_err(|error| chain(&error))?;
    let marked = runtime.marked(&options.folders.mark()).await;
    let marked = marked.map_err(|error| chain(&error))?;
    let folders = options.folders.clone();
    let pods: Vec<String> = marked.iter().map(|it| it.pod.clone()).collect();
    let known: HashMap<String, bool> = blocking(move || {
        let known = |pod: String| (pod.clone(), is_known(&folders, &pod));
        pods.into_iter().map(known).collect()
    })
    .await;
    let mut findings = Findings::new(options.dry_run);
    for orphan in marked.iter().filter(|it| !known[&it.pod]) {
        let object = &orphan.object;
        let remove = runtime.remove(object);
        findings.remove(object.kind(), object, remove).await;
    }
    Ok(findings.remnants)
}

/// Whether a pod has an owner, or a record that leads to its objects. In doubt it is left alone.
fn is_known(folders: &Folders, pod: &str) -> bool {
    PodId::try_from(pod).is_ok_and(|pod| {
        folders.record(&pod).exists() || PodLock::is_held(&folders.lock(&pod)).unwrap_or(true)
    })
}
