//! The runtime documents of a pod's services: what of the host and of the user's files goes into
//! them is looked up here, alike for a launch and for `plan`.

use std::collections::BTreeSet;
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
    Ok(Found {
        devices: devices(plan)?,
        seccomp: seccomp(plan, files)?,
    })
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

fn devices(plan: &ContainerPlan) -> Result<HostDevices, LaunchError> {
    let failed = |span: Span, source: sys::PathError| LaunchError::Device {
        service: plan.service.value.clone(),
        span,
        source,
    };
    let mut devices = HostDevices::default();
    let named = plan.rights.devices.iter();
    let named = named.map(|device| (device.source.value.clone(), device.source.span));
    let block_io = plan.limits.block_io.lists().into_iter().flatten();
    let block_io = block_io.map(|device| (PathBuf::from(&device.path.value), device.path.span));
    let mut seen = BTreeSet::new();
    for (path, span) in named.chain(block_io) {
        if seen.insert(path.clone()) {
            let nodes = device::at(&path).map_err(|source| failed(span, source))?;
            let nodes = nodes.into_iter().map(of_node).collect();
            devices.named.insert(path, nodes);
        }
    }
    if plan.rights.privileged {
        let all = device::all().map_err(|source| failed(plan.service.span, source))?;
        devices.all = all.into_iter().map(of_node).collect();
    }
    Ok(devices)
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
