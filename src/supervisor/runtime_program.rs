//! What a pod's shim starts as the runtime: crun's program, bound read-only in the pod's folder.
//!
//! A container must not write to the program that started it (CVE-2019-5736). So crun, whenever it is
//! called, binds itself read-only to a file in /tmp, unmounts that, and starts again from it, unless it
//! lies on something read-only already. Bound once for all of a pod's calls, it is as safe, and takes
//! half the time: it is linked once for a call, and the host's mounts don't change with each.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::runtime::OciRuntime;
use super::sandbox::RunDir;
use crate::journal::{Journal, JournalError, Step};
use crate::sys::PathError;
use crate::sys::pin;

const ELF: [u8; 4] = *b"\x7fELF";

/// The programs of one pod's runtimes.
#[derive(Clone, Debug, Default)]
pub(super) struct RuntimePrograms {
    /// None where it is found by its name.
    crun: Option<PathBuf>,
}

impl RuntimePrograms {
    /// Binds crun's program. Where that can't be, pods start slower.
    pub(super) fn place(
        crun: Option<&Path>,
        run: &RunDir,
        journal: &Journal,
    ) -> Result<Self, JournalError> {
        let Some(program) = crun else {
            return Ok(Self::default());
        };
        let place = run.crun();
        journal.intent(&Step::Mount {
            path: place.clone(),
        })?;
        let placed = bind(program, &place).unwrap_or_else(|error| {
            warn!(%error, "crun starts twice at each call: its program can't be bound");
            None
        });
        Ok(Self { crun: placed })
    }

    /// `binary_name` of the shim's options.
    pub(super) fn of(&self, runtime: OciRuntime) -> String {
        let placed = self.crun.as_ref().filter(|_| runtime == OciRuntime::Crun);
        placed.map_or_else(
            || runtime.binary().to_owned(),
            |path| path.display().to_string(),
        )
    }
}

/// None for a script: what it starts may lie beside it.
fn bind(program: &Path, place: &Path) -> Result<Option<PathBuf>, PathError> {
    let failed = |source| PathError::new("open", program, source);
    let mut file = File::open(program).map_err(failed)?;
    if !is_elf(&mut file).map_err(failed)? {
        return Ok(None);
    }
    pin::pin_program(&file, place)?;
    Ok(Some(place.to_owned()))
}

fn is_elf(file: &mut File) -> io::Result<bool> {
    let mut magic = [0; ELF.len()];
    match file.read_exact(&mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| magic == ELF),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn a_script_is_left_where_it_is() {
        let mut file = tempfile::tempfile().unwrap();
        for (text, elf) in [("", false), ("#!/bin/sh\n", false), ("\x7fELF\x02", true)] {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.rewind().unwrap();
            assert_eq!(is_elf(&mut file).unwrap(), elf, "{text:?}");
        }
    }

    #[test]
    fn only_crun_is_placed() {
        let programs = RuntimePrograms {
            crun: Some("/state/pods/1/crun".into()),
        };
        assert_eq!(programs.of(OciRuntime::Crun), "/state/pods/1/crun");
        assert_eq!(programs.of(OciRuntime::Runc), "runc");
        assert_eq!(RuntimePrograms::default().of(OciRuntime::Crun), "crun");
    }
}
