//! Walking through a tar, plain or gzipped, without trusting it.
//!
//! The tar reader is asked for raw members: it would read the headers that hold long names whole
//! into memory, and a gzipped archive of a few kilobytes can hold a gigabyte of such a name.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entries, EntryType, PaxExtensions};
use tokio_util::sync::CancellationToken;

use super::error::{ArchiveError, PastLimit};
use super::limits::Limits;
use super::path;

/// Bytes that a header of a long name or of extended attributes may take.
const MAX_HEADER: u64 = 64 << 10;

/// What a tar has, as far as an archive of images needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// In its one form; see [`path`].
    pub(super) path: String,
    pub(super) kind: MemberKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    /// A regular file of so many bytes.
    File(u64),
    /// Another name of a member, by a symbolic or a hard link.
    Link(String),
    /// Folders, devices and the like: of no use here.
    Other,
}

/// What is done with each member; it may read the member's content, and may end the walk.
pub(super) type Visit<'a> =
    dyn FnMut(&Member, &mut dyn Read) -> Result<ControlFlow<()>, ArchiveError> + 'a;

/// Visits the members in their order, until the end or the visitor's, or until nobody waits for it
/// any more, which is an error that nobody sees.
pub(super) fn walk(
    file: &Arc<File>,
    limits: &Limits,
    given_up: &CancellationToken,
    visit: &mut Visit<'_>,
) -> Result<(), ArchiveError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ArchiveError::NotAFile);
    }
    let reader = Positioned {
        file: Arc::clone(file),
        position: 0,
        given_up: given_up.clone(),
    };
    match magic(file)? {
        [0x1f, 0x8b, ..] => {
            let plain = Capped {
                reader: MultiGzDecoder::new(BufReader::with_capacity(1 << 16, reader)),
                limit: limits.total,
                left: limits.total,
            };
            let mut archive = Archive::new(plain);
            walk_members(archive.entries()?, None, limits, visit)
        }
        [0x28, 0xb5, 0x2f, 0xfd] => Err(ArchiveError::Zstd),
        _ if metadata.len() > limits.total => Err(ArchiveError::TooLarge {
            limit: limits.total,
        }),
        _ => {
            let mut archive = Archive::new(reader);
            let members = archive.entries_with_seek()?;
            walk_members(members, Some(metadata.len()), limits, visit)
        }
    }
}

/// `length` is the archive's, where members are skipped by seeking, which does not notice its end.
fn walk_members<R: Read>(
    members: Entries<'_, R>,
    length: Option<u64>,
    limits: &Limits,
    visit: &mut Visit<'_>,
) -> Result<(), ArchiveError> {
    let mut ahead = Ahead::default();
    for (count, member) in members.raw(true).enumerate() {
        if count >= limits.entries {
            return Err(ArchiveError::TooManyEntries {
                limit: limits.entries,
            });
        }
        let mut member = match member {
            // The first header decides whether it is a tar at all.
            Err(error) if count == 0 && error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(ArchiveError::NotATar(error));
            }
            member => member?,
        };
        let end = member.raw_file_position().checked_add(member.size());
        if length.is_some_and(|length| end.is_none_or(|end| end > length)) {
            return Err(ArchiveError::Truncated);
        }
        let kind = member.header().entry_type();
        if ahead.take(kind, &mut member)? {
            continue;
        }
        let described = std::mem::take(&mut ahead).describe(
            member.path_bytes().into_owned(),
            member.link_name_bytes().map(std::borrow::Cow::into_owned),
            kind,
            member.size(),
        )?;
        if visit(&described, &mut member)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// What headers of their own have said of the member to come.
#[derive(Debug, Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

impl Ahead {
    /// Whether a member is such a header; then it has been read.
    fn take<R: Read>(
        &mut self,
        kind: EntryType,
        member: &mut tar::Entry<'_, R>,
    ) -> Result<bool, ArchiveError> {
        match kind {
            EntryType::GNULongName => self.name = Some(header(member)?),
            EntryType::GNULongLink => self.link = Some(header(member)?),
            EntryType::XHeader => self.pax = Some(header(member)?),
            // For all members: it holds comments, as of git.
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn describe(
        self,
        name: Vec<u8>,
        link: Option<Vec<u8>>,
        kind: EntryType,
        size: u64,
    ) -> Result<Member, ArchiveError> {
        let pax = |key: &str| -> Result<Option<Vec<u8>>, ArchiveError> {
            let mut found = None;
            for extension in PaxExtensions::new(self.pax.as_deref().unwrap_or_default()) {
                let extension = extension?;
                if extension.key_bytes() == key.as_bytes() {
                    found = Some(extension.value_bytes().to_vec());
                }
            }
            Ok(found)
        };
        let name = pax("path")?.or(self.name).unwrap_or(name);
        let shown = || String::from_utf8_lossy(&name).into_owned();
        let leads_out = || ArchiveError::Path { path: shown() };
        // The plain header's size is what the walk has gone by.
        if pax("size")?.is_some_and(|text| text != size.to_string().as_bytes()) {
            return Err(ArchiveError::EntryTooLarge { path: shown() });
        }
        let path = path::normal(&name).ok_or_else(leads_out)?;
        let target = || -> Result<Vec<u8>, ArchiveError> {
            let link = pax("linkpath")?.or(self.link).or(link);
            Ok(link.unwrap_or_default())
        };
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous => MemberKind::File(size),
            EntryType::Symlink => {
                let target = path::link_target(&path, &target()?);
                MemberKind::Link(target.ok_or_else(leads_out)?)
            }
            EntryType::Link => MemberKind::Link(path::normal(&target()?).ok_or_else(leads_out)?),
            _ => MemberKind::Other,
        };
        Ok(Member { path, kind })
    }
}

fn header<R: Read>(member: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, ArchiveError> {
    if member.size() > MAX_HEADER {
        return Err(ArchiveError::HeaderTooLarge {
            path: String::from_utf8_lossy(&member.path_bytes()).into_owned(),
            limit: MAX_HEADER,
        });
    }
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The first four bytes, or zeros.
fn magic(file: &File) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(bytes),
    }
}

/// A file read from a place of its own, so that nobody else's reading moves it.
#[derive(Debug)]
struct Positioned {
    file: Arc<File>,
    position: u64,
    /// Looked at here, since one member of a compressed archive may take minutes to pass.
    given_up: CancellationToken,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given_up.is_cancelled() {
            return Err(io::Error::other("the reading was given up"));
        }
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.file.metadata()?.len().checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// A reader that fails when it has given too much.
#[derive(Debug)]
struct Capped<R> {
    reader: R,
    limit: u64,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(PastLimit { limit: self.limit }))?;
        Ok(count)
    }
}
