//! The runtime documents of a pod's services: what of the host and of the user's files goes into
//! them is looked up here, alike for a launch and for `plan`.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::launch_error::LaunchError;
use super::sandbox::RunDir;
use super::user_files::UserFiles;
use crate::compose::source::Span;
use crate::oci::{ContainerFiles, HostDevice, HostDevices, SeccompFile};
use crate::pod::plan::{ContainerPlan, SeccompPlan};
use crate::sys::{self, beneath, device};

/// Where in the pause container's root the init is that a container may have.
const INIT: &str = "init";

/// What a document needs beside plan and image.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) devices: HostDevices,
    pub(super) seccomp: Option<SeccompFile>,
}

/// Looks up a container's devices, and reads its seccomp profile.
pub(super) fn find(plan: &ContainerPlan, files: &UserFiles) -> Result<Found, LaunchError> {
    let (found, problems) = find_all(plan, files);
    match problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(found),
    }
}

/// The same; what is there, and everything that is not.
pub(super) fn find_all(plan: &ContainerPlan, files: &UserFiles) -> (Found, Vec<LaunchError>) {
    let mut problems = Vec::new();
    let devices = devices(plan, &mut problems);
    let seccomp = seccomp(plan, files).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    (Found { devices, seccomp }, problems)
}

/// The files that the supervisor makes for a container.
pub(super) fn files(run: &RunDir, service: usize, pause_root: &Path) -> ContainerFiles {
    let folder = run.files(service);
    ContainerFiles {
        shm: run.shm(),
        hosts: folder.join("hosts"),
        hostname: folder.join("hostname"),
        resolv_conf: folder.join("resolv.conf"),
        init: pause_root.join(INIT),
    }
}

fn devices(plan: &ContainerPlan, problems: &mut Vec<LaunchError>) -> HostDevices {
    let mut failed = |span: Span, source: sys::PathError| {
        problems.push(LaunchError::Device {
            service: plan.service.value.clone(),
            span,
            source,
        });
        Vec::new()
    };
    let mut devices = HostDevices::default();
    for device in &plan.rights.devices {
        let (path, span) = (&device.source.value, device.source.span);
        if let Entry::Vacant(vacant) = devices.named.entry(path.clone()) {
            let nodes = device::at(path).unwrap_or_else(|source| failed(span, source));
            vacant.insert(nodes.into_iter().map(of_node).collect());
        }
    }
    let mut looked_at = BTreeSet::new();
    for device in plan.limits.block_io.lists().into_iter().flatten() {
        let path = PathBuf::from(&device.path.value);
        if looked_at.insert(path.clone()) {
            let node = device::block_at(&path).map(|node| vec![node]);
            let nodes = node.unwrap_or_else(|source| failed(device.path.span, source));
            let nodes = nodes.into_iter().map(of_node).collect();
            devices.named.insert(path, nodes);
        }
    }
    if plan.rights.privileged {
        let all = device::all().unwrap_or_else(|source| failed(plan.service.span, source));
        devices.all = all.into_iter().map(of_node).collect();
    }
    devices
}

fn of_node(node: device::DeviceNode) -> HostDevice {
    HostDevice {
        path: node.path,
        block: node.block,
        major: node.major,
        minor: node.minor,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
    }
}

fn seccomp(plan: &ContainerPlan, files: &UserFiles) -> Result<Option<SeccompFile>, LaunchError> {
    let SeccompPlan::File(path) = &plan.rights.seccomp else {
        return Ok(None);
    };
    let service = || plan.service.value.clone();
    let unreadable = |source| LaunchError::SeccompRead {
        service: service(),
        span: path.span,
        source,
    };
    let file = files.file(path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(SeccompFile::MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|source| {
            unreadable(beneath::Error::Open {
                path: path.value.clone(),
                source,
            })
        })?;
    if text.len() as u64 > SeccompFile::MAX_BYTES {
        return Err(unreadable(beneath::Error::TooLarge {
            path: path.value.clone(),
            limit: SeccompFile::MAX_BYTES,
        }));
    }
    let profile = SeccompFile::parse(&text).map_err(|source| LaunchError::Seccomp {
        service: service(),
        path: path.value.clone(),
        span: path.span,
        source,
    })?;
    Ok(Some(profile))
}
