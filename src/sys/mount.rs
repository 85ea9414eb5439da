//! Mounts: made, found in the kernel's table, taken away.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::PathError;

/// How often a mount that is in use is tried to be unmounted, and how long is waited between.
const UNMOUNT_TRIES: u32 = 10;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(10);

/// A line of a process's mount table, as far as it is of use here (proc(5), `mountinfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// What of the file system is mounted.
    pub root: PathBuf,
    pub point: PathBuf,
    /// The file system's type.
    pub kind: String,
    pub super_options: String,
    /// It is in a group of mounts that share what is mounted below them.
    pub shared: bool,
}

/// Binds an open file or folder to `target`, which exists.
pub fn bind(source: &impl AsFd, target: &Path) -> Result<(), PathError> {
    let source = format!("/proc/self/fd/{}", source.as_fd().as_raw_fd());
    bind_path(Path::new(&source), target)
}

pub(super) fn bind_path(source: &Path, target: &Path) -> Result<(), PathError> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| PathError::new("mount", target, errno))
}

/// Adds flags to a bind mount. Those that it has from its file system's mount stay: a remount
/// sets them all anew.
pub(super) fn restrict(target: &Path, flags: MsFlags) -> Result<(), PathError> {
    let failed = |errno: Errno| PathError::new("remount", target, errno);
    let inherited = statvfs(target).map_err(failed)?.flags();
    let kept = [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = kept
        .iter()
        .filter(|(has, _)| inherited.contains(*has))
        .fold(MsFlags::empty(), |all, (_, keep)| all | *keep);
    mount(
        None::<&str>,
        target,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REMOUNT | kept | flags,
        None::<&str>,
    )
    .map_err(failed)
}

/// Mounts an empty file system of memory at a folder, for data only: no programs, no devices.
pub fn tmpfs(target: &Path, bytes: u64, mode: u32) -> Result<(), PathError> {
    let options = format!("size={bytes},mode={mode:o}");
    mount(
        Some("tmpfs"),
        target,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        Some(options.as_str()),
    )
    .map_err(|errno| PathError::new("mount a tmpfs at", target, errno))
}

/// Mounts an empty file system at a folder that is in memory and stays there: what a tmpfs holds
/// may be swapped out, to a disk. It has no limit on its size.
pub fn ramfs(target: &Path, mode: u32) -> Result<(), PathError> {
    let options = format!("mode={mode:o}");
    mount(
        Some("ramfs"),
        target,
        Some("ramfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )
    .map_err(|errno| PathError::new("mount a ramfs at", target, errno))
}

/// Mounts an empty file system of memory with the file's options, tmpfs(5) and mount(8): data only
/// unless `exec` is among them.
pub fn tmpfs_with(target: &Path, options: &[String]) -> Result<(), PathError> {
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mut data = Vec::new();
    for option in options {
        match (option.as_str(), flag(option)) {
            ("exec", _) => flags.remove(MsFlags::MS_NOEXEC),
            ("async" | "strictatime", _) => {}
            (_, Some(known)) => flags |= known,
            (own, None) => data.push(own),
        }
    }
    let data = data.join(",");
    let kind = Some("tmpfs");
    mount(kind, target, kind, flags, Some(data.as_str()))
        .map_err(|errno| PathError::new("mount a tmpfs at", target, errno))
}

/// Takes the topmost mount at `target` away, with what is mounted below it. No mount there is
/// success.
///
/// One that stays in use is detached: it leaves the tree at once, and ends with its last user.
pub fn unmount(target: &Path) -> Result<(), PathError> {
    // What is mounted below a shared mount would go in all the other places as well.
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    match mount(None::<&str>, target, None::<&str>, private, None::<&str>) {
        Ok(()) | Err(Errno::ENOENT | Errno::EINVAL) => {}
        Err(errno) => return Err(PathError::new("unmount", target, errno)),
    }
    for last in (0..UNMOUNT_TRIES).rev() {
        let flags = if last == 0 {
            MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH
        } else {
            MntFlags::UMOUNT_NOFOLLOW
        };
        match umount2(target, flags) {
            // EINVAL: nothing is mounted there.
            Ok(()) | Err(Errno::ENOENT | Errno::EINVAL) => return Ok(()),
            Err(Errno::EBUSY) => thread::sleep(UNMOUNT_PAUSE),
            Err(errno) => return Err(PathError::new("unmount", target, errno)),
        }
    }
    Err(PathError::new("unmount", target, Errno::EBUSY))
}

/// Takes away what is mounted at a path and below it, the last mounted first.
pub fn unmount_all(path: &Path) -> Result<(), PathError> {
    tops(path)?.iter().try_for_each(|point| unmount(point))
}

/// As [`below`], less what is mounted within one of the others: users can rename what leads there,
/// and it goes with the one that it is in.
pub fn tops(path: &Path) -> Result<Vec<PathBuf>, PathError> {
    let all = below(path)?;
    let within = |point: &PathBuf| {
        let mut others = all.iter();
        others.any(|other| point != other && point.starts_with(other))
    };
    Ok(all.iter().filter(|point| !within(point)).cloned().collect())
}

/// Where something is mounted at a path or below it; a place once for each mount, the last
/// mounted first.
pub fn below(path: &Path) -> Result<Vec<PathBuf>, PathError> {
    let mut points: Vec<PathBuf> = read_mountinfo(Path::new("/proc/thread-self/mountinfo"))?
        .into_iter()
        .map(|mount| mount.point)
        .filter(|point| point.starts_with(path))
        .collect();
    points.reverse();
    Ok(points)
}

/// Where the kernel's own files are mounted: what shows and sets what the kernel does, on the whole
/// machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelsFiles {
    /// The path is in such a mount.
    pub around: Option<PathBuf>,
    /// Such a mount is below the path.
    pub below: Option<PathBuf>,
}

/// Looks for the kernel's own files around a path and below it.
pub fn kernels_files(path: &Path) -> Result<KernelsFiles, PathError> {
    let real = fs::canonicalize(path).map_err(|source| PathError::new("find", path, source))?;
    let table = read_mountinfo(Path::new("/proc/thread-self/mountinfo"))?;
    Ok(find_kernels(&table, &real))
}

fn find_kernels(table: &[MountInfo], path: &Path) -> KernelsFiles {
    const KINDS: [&str; 17] = [
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "nsfs",
        "proc",
        "pstore",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    ];
    let is_kernels = |mount: &&MountInfo| KINDS.contains(&mount.kind.as_str());
    // The deepest, and of several on one point the last.
    let above = table.iter().filter(|mount| path.starts_with(&mount.point));
    let around = above.max_by_key(|mount| mount.point.components().count());
    let mut below = table
        .iter()
        .filter(|mount| mount.point != path && mount.point.starts_with(path));
    KernelsFiles {
        around: around.filter(is_kernels).map(|mount| mount.point.clone()),
        below: below.find(is_kernels).map(|mount| mount.point.clone()),
    }
}

/// Reads a mount table, in the order in which it was mounted.
pub fn read_mountinfo(table: &Path) -> Result<Vec<MountInfo>, PathError> {
    let text = fs::read(table).map_err(|source| PathError::new("read", table, source))?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(parse)
        .collect())
}

/// `36 35 98:0 /root /point rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue`:
/// the number of fields before the dash varies. As bytes, since names need not be UTF-8.
fn parse(line: &[u8]) -> Option<MountInfo> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let mut rest = fields.clone().skip_while(|field| *field != b"-").skip(1);
    let mut optional = fields.take_while(|field| *field != b"-");
    let kind = rest.next()?;
    let super_options = rest.nth(1)?;
    Some(MountInfo {
        root: unescape(root).into(),
        point: unescape(point).into(),
        kind: String::from_utf8_lossy(kind).into_owned(),
        super_options: String::from_utf8_lossy(super_options).into_owned(),
        shared: optional.any(|field| field.starts_with(b"shared:")),
    })
}

/// The kernel writes a blank, a tab, a line feed and a backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits
            .filter(|_| first == b'\\')
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            &behind[3..]
        } else {
            behind
        };
    }
    OsString::from_vec(bytes)
}

/// An empty file, for something to be mounted on.
pub(super) fn make_file(path: &Path) -> Result<(), PathError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| PathError::new("create the file", path, source))
}

/// The kernel's flag for a mount option; none for one of the file system's own.
pub(super) fn flag(option: &str) -> Option<MsFlags> {
    Some(match option {
        "ro" => MsFlags::MS_RDONLY,
        "bind" => MsFlags::MS_BIND,
        "rbind" => MsFlags::MS_BIND | MsFlags::MS_REC,
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        "sync" => MsFlags::MS_SYNCHRONOUS,
        "rw" | "defaults" => MsFlags::empty(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_line_is_read_whatever_stands_before_the_dash() {
        for (optional, shared) in [
            ("", false),
            ("shared:5 ", true),
            ("master:1 propagate_from:2 ", false),
        ] {
            let line = format!("36 35 98:0 /a /mnt rw,noatime {optional}- ext3 /dev/root rw,x=y");
            let mount = parse(line.as_bytes()).unwrap();
            assert_eq!(mount.root, Path::new("/a"));
            assert_eq!(mount.point, Path::new("/mnt"));
            assert_eq!(mount.kind, "ext3");
            assert_eq!(mount.super_options, "rw,x=y");
            assert_eq!(mount.shared, shared);
        }
    }

    #[test]
    fn names_are_unescaped_and_need_not_be_utf8() {
        assert_eq!(unescape(br"/a\040b\134c\x"), r"/a b\c\x");
        let line = b"36 35 98:0 / /\xff\\011 rw - ext3 /dev/root rw";
        let point = parse(line).unwrap().point;
        assert_eq!(point.as_os_str(), OsStr::from_bytes(b"/\xff\t"));
    }

    #[test]
    fn the_kernels_files_are_told_by_their_kind_wherever_they_are_mounted() {
        let mount = |point: &str, kind: &str| {
            parse(format!("36 35 0:1 / {point} rw - {kind} x rw").as_bytes()).unwrap()
        };
        let table = [
            mount("/", "ext4"),
            mount("/proc", "proc"),
            mount("/srv", "ext4"),
            mount("/srv/root/proc", "proc"),
            mount("/srv/root/proc/data", "ext4"),
            mount("/proc/hidden", "tmpfs"),
        ];
        let find = |path: &str| {
            let found = find_kernels(&table, Path::new(path));
            let text = |point: Option<PathBuf>| point.map(|it| it.display().to_string());
            (text(found.around), text(found.below))
        };
        let at = |point: &str| Some(point.to_owned());
        assert_eq!(find("/srv"), (None, at("/srv/root/proc")));
        assert_eq!(find("/srv/rootless"), (None, None));
        assert_eq!(find("/srv/root/proc"), (at("/srv/root/proc"), None));
        assert_eq!(find("/srv/root/proc/sys"), (at("/srv/root/proc"), None));
        assert_eq!(find("/srv/root/proc/data"), (None, None));
        assert_eq!(find("/proc/hidden"), (None, None));
        assert_eq!(find("/"), (None, at("/proc")));
    }

    #[test]
    fn a_line_that_is_cut_is_passed_over() {
        assert_eq!(parse(b"36 35 98:0 / /mnt rw shared:1"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn the_root_of_this_process_is_a_mount() {
        let points = below(Path::new("/")).unwrap();
        assert!(points.contains(&PathBuf::from("/proc")));
        assert!(below(Path::new("/nonexistent")).unwrap().is_empty());
    }
}
