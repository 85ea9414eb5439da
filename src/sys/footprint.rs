//! How much memory this process holds on to while it has little to do.

use std::ffi::c_void;
use std::io;

use nix::errno::Errno;
use nix::libc;
use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};

/// What of the process can't be found out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the kernel does not tell what this process has mapped")]
    Maps(#[source] procfs::ProcError),
    #[error("a part of the program can't be given back")]
    Advise(#[source] io::Error),
}

/// Gives back what was needed once: free memory of the heap, and the pages of this program's file.
///
/// Pages that are only read stay in the kernel's cache of files, where the next step that needs one
/// finds it (a minor fault, of a microsecond, for 16 of them), and whence the kernel may take them
/// when it is short of memory. What goes on being used is back at once. Takes about a millisecond.
pub fn give_back() -> Result<(), Error> {
    let process = Process::myself().map_err(Error::Maps)?;
    let program = process.exe().map_err(Error::Maps)?;
    let maps = process.smaps().map_err(Error::Maps)?;
    let of_program =
        |map: &&MemoryMap| matches!(&map.pathname, MMapPath::Path(path) if *path == program);
    for map in maps
        .iter()
        .filter(of_program)
        .filter(|map| is_as_in_its_file(map))
    {
        forget(map)?;
    }
    trim_heap();
    Ok(())
}

/// Nobody can write to it, and nobody has: neither the loader, which relocates, nor a debugger.
fn is_as_in_its_file(map: &MemoryMap) -> bool {
    let none = |what: &str| map.extension.map.get(what) == Some(&0);
    map.perms.contains(MMPermissions::PRIVATE)
        && !map.perms.contains(MMPermissions::WRITE)
        && none("Anonymous")
        && none("Swap")
}

fn forget(map: &MemoryMap) -> Result<(), Error> {
    let (start, end) = map.address;
    // SAFETY: the kernel has told this mapping of this process, of its own program's file, which is
    // never unmapped. All its pages are the file's (`is_as_in_its_file`), so that whoever reads or
    // runs them reads the same again.
    let result = unsafe {
        libc::madvise(
            start as *mut c_void,
            usize::try_from(end - start).unwrap_or_default(),
            libc::MADV_DONTNEED,
        )
    };
    Errno::result(result).map_err(|errno| Error::Advise(errno.into()))?;
    Ok(())
}

/// Other C libraries do so by themselves, or not at all.
#[cfg(target_env = "gnu")]
fn trim_heap() {
    // SAFETY: malloc_trim(3) may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim_heap() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident() -> u64 {
        let process = Process::myself().unwrap();
        let program = process.exe().unwrap();
        let maps = process.smaps().unwrap();
        let of_program = maps
            .iter()
            .filter(|map| matches!(&map.pathname, MMapPath::Path(path) if *path == program))
            .filter(|map| map.perms.contains(MMPermissions::EXECUTE));
        of_program.map(|map| map.extension.map["Rss"]).sum()
    }

    /// Far from everything else that a test runs: a reader that touches the program's pages.
    fn touch() -> u64 {
        let process = Process::myself().unwrap();
        let program = process.exe().unwrap();
        let maps = process.maps().unwrap();
        let text = maps.iter().find(|map| {
            matches!(&map.pathname, MMapPath::Path(path) if *path == program)
                && map.perms.contains(MMPermissions::EXECUTE)
        });
        let (start, end) = text.unwrap().address;
        (start..end)
            .step_by(4096)
            // SAFETY: the program's text is mapped, can be read, and is never written to.
            .map(|place| u64::from(unsafe { *(place as *const u8) }))
            .sum()
    }

    #[test]
    fn the_programs_pages_go_and_are_the_same_when_they_come_back() {
        let before = touch();
        let full = resident();
        give_back().unwrap();
        assert!(resident() < full);
        assert_eq!(touch(), before);
    }
}
