//! `mounts`: what every container has, the pod's own files, and what the plan says.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;

use super::error::SpecError;
use super::process::INIT;
use crate::compose::model::Propagation;
use crate::pod::plan::{ContainerPlan, IpcPlan, MountPlan, MountSource};
use crate::pod::tmpfs;

/// Files and folders on the host that the supervisor makes for a container before it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFiles {
    /// A tmpfs of the pod's shm size, the same for all its containers: `/dev/shm` is shared as the
    /// IPC namespace is.
    pub shm: PathBuf,
    pub hosts: PathBuf,
    pub hostname: PathBuf,
    pub resolv_conf: PathBuf,
    /// The program that a container may have as its init.
    pub init: PathBuf,
}

/// What a tmpfs gets where the file names no size. The kernel's own default is half of the memory.
const TMPFS_SIZE: &str = "size=64m";

/// The standard mounts, the pod's files and the plan's mounts, a path before those below it. The
/// plan's take the place of any other on the same path.
pub(super) fn mounts(
    standard: Vec<Mount>,
    plan: &ContainerPlan,
    files: &ContainerFiles,
) -> Result<Vec<Mount>, SpecError> {
    let mut mounts = standard;
    if plan.rights.privileged {
        mounts.iter_mut().for_each(make_writable);
    }
    mounts.extend(shm(plan, files));
    if plan.process.init {
        let options = ["rbind", "rprivate", "nosuid", "nodev"];
        mounts.push(bind(&files.init, Path::new(INIT), &options, true));
    }
    for (source, target) in [
        (&files.hosts, "/etc/hosts"),
        (&files.hostname, "/etc/hostname"),
        (&files.resolv_conf, "/etc/resolv.conf"),
    ] {
        // Writable as Docker's are, unless nothing of the container is to be.
        mounts.push(bind(
            source,
            Path::new(target),
            &["rbind", "rprivate", "nosuid", "noexec", "nodev"],
            plan.read_only,
        ));
    }
    let own: Vec<Mount> = plan
        .mounts
        .iter()
        .map(|mount| planned(mount, plan))
        .collect::<Result<_, _>>()?;
    mounts.retain(|mount| {
        own.iter()
            .all(|own| own.destination() != mount.destination())
    });
    mounts.extend(own);
    // Stable, so that mounts of one depth keep their order.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
}

/// /sys and the cgroups, which a privileged container may change.
fn make_writable(mount: &mut Mount) {
    if mount.destination().starts_with("/sys") {
        for option in mount.options_mut().iter_mut().flatten() {
            if option == "ro" {
                "rw".clone_into(option);
            }
        }
    }
}

/// /dev/shm goes with the IPC namespace.
fn shm(plan: &ContainerPlan, files: &ContainerFiles) -> Option<Mount> {
    const TARGET: &str = "/dev/shm";
    let options = ["rbind", "rprivate", "nosuid", "noexec", "nodev"];
    let shared = |source: &Path| bind(source, Path::new(TARGET), &options, false);
    match plan.namespaces.ipc {
        IpcPlan::Pod => Some(shared(&files.shm)),
        IpcPlan::Host => Some(shared(Path::new(TARGET))),
        IpcPlan::OwnWithoutShm => None,
        IpcPlan::Own { shm_size } => {
            let size = format!("size={}", shm_size.0);
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            let options = options.map(str::to_owned).into();
            Some(of_type(
                "tmpfs",
                Path::new("shm"),
                Path::new(TARGET),
                options,
            ))
        }
    }
}

fn planned(mount: &MountPlan, plan: &ContainerPlan) -> Result<Mount, SpecError> {
    let target = target(mount, plan)?;
    // Neither devices nor set-user-id programs come in from outside the image.
    let options = |propagation| ["rbind", propagation, "nosuid", "nodev"];
    let (source, propagation) = match &mount.source {
        MountSource::Tmpfs { options } => return tmpfs_mount(mount, &target, options, plan),
        MountSource::Bind {
            pinned,
            propagation,
            ..
        } => (pinned, word(*propagation)),
        MountSource::Volume { pinned, .. } | MountSource::Image { pinned, .. } => {
            (pinned, "rprivate")
        }
        MountSource::File(file) => (&file.path, "rprivate"),
    };
    Ok(bind(
        source,
        &target,
        &options(propagation),
        mount.read_only,
    ))
}

fn word(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Private => "private",
        Propagation::RPrivate => "rprivate",
        Propagation::Shared => "shared",
        Propagation::RShared => "rshared",
        Propagation::Slave => "slave",
        Propagation::RSlave => "rslave",
    }
}

/// How the root's mounts must spread for those of the plan to spread as it says; none where they
/// are private.
pub(super) fn root_propagation(plan: &ContainerPlan) -> Option<&'static str> {
    let given = |mount: &MountPlan| match &mount.source {
        MountSource::Bind { propagation, .. } => Some(*propagation),
        _ => None,
    };
    let all: Vec<Propagation> = plan.mounts.iter().filter_map(given).collect();
    let any = |wanted: [Propagation; 2]| all.iter().any(|it| wanted.contains(it));
    if any([Propagation::Shared, Propagation::RShared]) {
        Some("shared")
    } else if any([Propagation::Slave, Propagation::RSlave]) {
        Some("rslave")
    } else {
        None
    }
}

/// Whether a path in a container is the runtime's to mount and mask: nothing goes over it.
pub fn is_reserved(path: &Path) -> bool {
    path == Path::new("/")
        || path == Path::new("/dev")
        || path.starts_with("/proc")
        || path.starts_with("/sys")
}

/// A path that is absolute, does not climb, and hides nothing that the runtime mounts and masks.
fn target(mount: &MountPlan, plan: &ContainerPlan) -> Result<PathBuf, SpecError> {
    let target = &mount.target.value;
    let clean: PathBuf = target.components().collect();
    let climbs = target.components().any(|part| part == Component::ParentDir);
    if !target.is_absolute() || climbs || is_reserved(&clean) {
        return Err(SpecError::MountTarget {
            service: plan.service.value.clone(),
            target: target.clone(),
            span: mount.target.span,
        });
    }
    Ok(clean)
}

fn bind(source: &Path, target: &Path, options: &[&str], read_only: bool) -> Mount {
    let access = if read_only { "ro" } else { "rw" };
    let options = options.iter().chain([&access]).map(ToString::to_string);
    of_type("bind", source, target, options.collect())
}

fn of_type(typ: &str, source: &Path, target: &Path, options: Vec<String>) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(target.to_owned())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source.to_owned()))
        .set_options(Some(options));
    mount
}

/// Docker's options for a tmpfs, then the file's: `exec` takes `noexec` back.
fn tmpfs_mount(
    mount: &MountPlan,
    target: &Path,
    given: &[String],
    plan: &ContainerPlan,
) -> Result<Mount, SpecError> {
    if let Some(option) = given.iter().find(|option| !tmpfs::is_option(option)) {
        return Err(SpecError::TmpfsOption {
            service: plan.service.value.clone(),
            target: target.to_owned(),
            option: option.clone(),
            span: mount.target.span,
        });
    }
    let mut options: Vec<String> = vec!["nosuid".into(), "nodev".into()];
    if !given.iter().any(|option| option == "exec") {
        options.push("noexec".into());
    }
    if !given.iter().any(|option| option.starts_with("size=")) {
        options.push(TMPFS_SIZE.into());
    }
    for option in given {
        if !options.contains(option) {
            options.push(option.clone());
        }
    }
    if mount.read_only && !options.iter().any(|option| option == "ro") {
        options.push("ro".into());
    }
    Ok(of_type("tmpfs", Path::new("tmpfs"), target, options))
}

#[cfg(test)]
mod tests {
    use super::super::base::BaseSpecs;
    use super::super::fixture::{Fixture, spanned};
    use super::*;
    use crate::pod::plan::Submounts;

    fn planned(source: MountSource, target: &str, read_only: bool) -> MountPlan {
        MountPlan {
            source,
            target: spanned(PathBuf::from(target), 40),
            read_only,
        }
    }

    fn volume(target: &str) -> MountPlan {
        let source = MountSource::Volume {
            name: "data".into(),
            subpath: None,
            copy: true,
            pinned: "/run/pod/binds/7".into(),
        };
        planned(source, target, false)
    }

    fn tmpfs(options: &[&str]) -> MountPlan {
        let options = options.iter().map(ToString::to_string).collect();
        planned(MountSource::Tmpfs { options }, "/tmp", false)
    }

    fn all(fixture: &Fixture) -> Result<Vec<Mount>, SpecError> {
        let rest = BaseSpecs::embedded();
        let process = rest.container.process.clone();
        let mut spec = rest.container.with(process, rest.container.linux.clone());
        let standard = spec.mounts_mut().take().unwrap();
        mounts(standard, &fixture.plan, &fixture.files)
    }

    /// `destination source options`, the planned mounts alone.
    fn own(plan: Vec<MountPlan>) -> Result<Vec<String>, SpecError> {
        let mut fixture = Fixture::new();
        let standard = all(&fixture)?;
        fixture.plan.mounts = plan;
        let mounts = all(&fixture)?;
        let line = |mount: &Mount| {
            format!(
                "{} {} {}",
                mount.destination().display(),
                mount.source().as_ref().unwrap().display(),
                mount.options().as_ref().unwrap().join(",")
            )
        };
        Ok(mounts
            .iter()
            .filter(|mount| !standard.contains(mount))
            .map(line)
            .collect())
    }

    #[test]
    fn binds_bring_in_neither_devices_nor_set_user_id_programs() {
        let bind = MountSource::Bind {
            path: "/sandbox/conf".into(),
            create: false,
            submounts: Submounts::AsTop,
            propagation: Propagation::RSlave,
            pinned: "/run/pod/binds/0".into(),
        };
        let mounts = own(vec![planned(bind, "/etc/app/", true), volume("/data")]).unwrap();
        assert_eq!(
            mounts,
            [
                "/data /run/pod/binds/7 rbind,rprivate,nosuid,nodev,rw",
                "/etc/app /run/pod/binds/0 rbind,rslave,nosuid,nodev,ro",
            ]
        );
    }

    #[test]
    fn a_path_is_mounted_before_what_lies_below_it() {
        let mut fixture = Fixture::new();
        fixture.plan.mounts = vec![
            volume("/etc/app/conf"),
            volume("/etc"),
            volume("/dev/shm/x"),
        ];
        let mounts = all(&fixture).unwrap();
        let place = |target: &str| {
            mounts
                .iter()
                .position(|mount| mount.destination() == Path::new(target))
                .unwrap()
        };
        assert!(place("/etc") < place("/etc/hosts"));
        assert!(place("/etc") < place("/etc/app/conf"));
        assert!(place("/dev") < place("/dev/shm"));
        assert!(place("/dev/shm") < place("/dev/shm/x"));
        assert!(place("/sys") < place("/sys/fs/cgroup"));
    }

    #[test]
    fn a_mount_of_the_plans_takes_the_place_of_the_pods() {
        for target in ["/dev/shm", "/etc/hosts", "/etc/resolv.conf", "/dev/mqueue"] {
            let mut fixture = Fixture::new();
            fixture.plan.mounts = vec![volume(target)];
            let mounts = all(&fixture).unwrap();
            let here: Vec<_> = mounts
                .iter()
                .filter(|mount| mount.destination() == Path::new(target))
                .collect();
            assert_eq!(here.len(), 1, "{target}");
            assert_eq!(here[0].source(), &Some("/run/pod/binds/7".into()));
        }
    }

    #[test]
    fn nothing_goes_over_what_the_runtime_mounts_and_masks() {
        for target in [
            "/",
            "/.",
            "/dev",
            "/proc",
            "/proc/sys",
            "/sys",
            "/sys/fs/cgroup",
            "/./proc/x",
            "/data/../proc",
            "data",
            "",
        ] {
            let error = own(vec![volume(target)]).unwrap_err();
            assert!(matches!(error, SpecError::MountTarget { .. }), "{target}");
            assert_eq!(error.span().start, 40);
        }
        assert!(own(vec![volume("/dev/log"), volume("/process")]).is_ok());
    }

    #[test]
    fn a_tmpfs_has_a_size_and_dockers_options() {
        let one = |options: &[&str]| own(vec![tmpfs(options)]).unwrap().remove(0);
        assert_eq!(one(&[]), "/tmp tmpfs nosuid,nodev,noexec,size=64m");
        assert_eq!(
            one(&["size=1048576", "mode=1777", "noexec"]),
            "/tmp tmpfs nosuid,nodev,noexec,size=1048576,mode=1777"
        );
        assert_eq!(one(&["exec"]), "/tmp tmpfs nosuid,nodev,size=64m,exec");
        let read_only = MountPlan {
            read_only: true,
            ..tmpfs(&[])
        };
        assert_eq!(
            own(vec![read_only]).unwrap(),
            ["/tmp tmpfs nosuid,nodev,noexec,size=64m,ro"]
        );
    }

    #[test]
    fn a_tmpfs_takes_no_option_that_gives_something_away() {
        for option in [
            "suid",
            "dev",
            "size=",
            "size=1,suid",
            "mode=-1",
            "bind",
            "huge=always",
            "",
            "=1",
        ] {
            let error = own(vec![tmpfs(&[option])]).unwrap_err();
            assert!(matches!(error, SpecError::TmpfsOption { .. }), "{option}");
        }
    }

    #[test]
    fn the_pods_files_are_read_only_with_the_root() {
        let mut fixture = Fixture::new();
        let hosts = |fixture: &Fixture| {
            let mounts = all(fixture).unwrap();
            let hosts = mounts
                .iter()
                .find(|mount| mount.destination() == Path::new("/etc/hosts"))
                .unwrap();
            hosts.options().as_ref().unwrap().last().unwrap().clone()
        };
        assert_eq!(hosts(&fixture), "rw");
        fixture.plan.read_only = true;
        assert_eq!(hosts(&fixture), "ro");
    }
}
