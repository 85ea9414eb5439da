//! Where an archive's documents and blobs are read from: a tar, or a folder.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::ArchiveError;
use super::limits::Limits;
use super::tar::{self, MemberKind};
use crate::image::digest::{Digest, Hasher};

/// How much of a blob is handed on at once.
const PIECE: usize = 1 << 20;

/// Opens the files of an OCI image layout that is a folder.
///
/// The names are of the layout's own making (`index.json`, `blobs/sha256/…`), but what they stand
/// for is whatever the folder's owner put there: who implements this decides about links, and must
/// not open what blocks.
pub trait LayoutFolder: Send + Sync {
    fn open(&self, path: &str) -> io::Result<File>;
}

impl<F> LayoutFolder for F
where
    F: Fn(&str) -> io::Result<File> + Send + Sync,
{
    fn open(&self, path: &str) -> io::Result<File> {
        self(path)
    }
}

/// An archive of images, opened by who knows how to.
pub enum Source {
    /// A tar, plain or gzipped: an OCI image layout, or what `docker save` writes.
    Tar(File),
    /// An OCI image layout.
    Folder(Box<dyn LayoutFolder>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tar(_) => "Tar",
            Self::Folder(_) => "Folder",
        })
    }
}

/// A piece of the blobs that are read, in order: a beginning, data, an end; then the next blob's.
#[derive(Debug)]
pub(in crate::image) enum Piece {
    /// The blob of this number in the list of wanted ones.
    Begin(usize),
    Data(Vec<u8>),
    /// With the digest of all its data.
    End(Digest),
}

/// An archive that has been looked through once.
pub(in crate::image) enum Contents {
    Tar {
        file: Arc<File>,
        limits: Limits,
        inventory: Inventory,
    },
    Folder {
        folder: Box<dyn LayoutFolder>,
        limits: Limits,
    },
}

/// What a tar holds.
#[derive(Debug, Default)]
pub(in crate::image) struct Inventory {
    files: BTreeMap<String, u64>,
    links: BTreeMap<String, String>,
    /// Those files that look like JSON.
    documents: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tar { .. } => "Tar",
            Self::Folder { .. } => "Folder",
        })
    }
}

impl Contents {
    /// Looks through the archive. Takes as long as reading it does, if it is compressed.
    pub(super) fn open(
        source: Source,
        limits: Limits,
        given_up: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        match source {
            Source::Folder(folder) => Ok(Self::Folder { folder, limits }),
            Source::Tar(file) => {
                let file = Arc::new(file);
                let inventory = Inventory::of(&file, &limits, given_up)?;
                Ok(Self::Tar {
                    file,
                    limits,
                    inventory,
                })
            }
        }
    }

    /// A JSON document; none if it is not there.
    pub(super) fn document(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self {
            Self::Tar {
                limits, inventory, ..
            } => inventory.document(path, limits),
            Self::Folder { folder, limits } => match open(folder.as_ref(), path) {
                Ok((file, _)) => document(path, file, limits).map(Some),
                Err(ArchiveError::Missing { .. }) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// The name under which a file's content is found: its own, or that which a link leads to.
    pub(super) fn resolve(&self, path: &str) -> Result<String, ArchiveError> {
        let missing = || ArchiveError::Missing {
            path: path.to_owned(),
        };
        match self {
            Self::Folder { .. } => Ok(path.to_owned()),
            Self::Tar { inventory, .. } => {
                let target = inventory.target(path);
                let file = inventory.files.get_key_value(target);
                file.map(|(name, _)| name.clone()).ok_or_else(missing)
            }
        }
    }

    /// Reads some files, by their [resolved](Self::resolve) names and each once, in whatever order
    /// they come. Ends early, without an error, when nobody takes the pieces any more.
    pub(in crate::image) fn stream(
        &self,
        wanted: &[String],
        given_up: &CancellationToken,
        take: &mut dyn FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        match self {
            Self::Folder { folder, .. } => {
                for (number, path) in wanted.iter().enumerate() {
                    let (mut file, size) = open(folder.as_ref(), path)?;
                    if pieces(number, path, size, &mut file, take)?.is_break() {
                        return Ok(());
                    }
                }
                Ok(())
            }
            Self::Tar {
                file,
                limits,
                inventory,
            } => {
                let absent = wanted
                    .iter()
                    .find(|path| !inventory.files.contains_key(*path));
                if let Some(path) = absent {
                    return Err(ArchiveError::Missing { path: path.clone() });
                }
                let mut left: BTreeMap<&str, usize> =
                    wanted.iter().map(String::as_str).zip(0..).collect();
                tar::walk(file, limits, given_up, &mut |member, content| {
                    if let MemberKind::File(size) = member.kind
                        && let Some(number) = left.remove(member.path.as_str())
                        && pieces(number, &member.path, size, content, take)?.is_break()
                    {
                        left.clear();
                    }
                    if left.is_empty() {
                        return Ok(ControlFlow::Break(()));
                    }
                    Ok(ControlFlow::Continue(()))
                })?;
                match left.keys().next() {
                    // It was there a moment ago.
                    Some(path) => Err(ArchiveError::Missing {
                        path: (*path).to_owned(),
                    }),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Hands on a file piece by piece, if it has the size that it had when it was looked at.
pub(super) fn pieces(
    number: usize,
    path: &str,
    size: u64,
    content: &mut dyn Read,
    take: &mut dyn FnMut(Piece) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ArchiveError> {
    if take(Piece::Begin(number)).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    // One byte more would show a file that has grown.
    let mut content = content.take(size.saturating_add(1));
    let mut found = 0;
    let mut hasher = Hasher::default();
    loop {
        let mut piece = Vec::new();
        (&mut content).take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        found += piece.len() as u64;
        hasher.update(&piece);
        if take(Piece::Data(piece)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    if found < size {
        return Err(ArchiveError::Truncated);
    }
    if found > size {
        return Err(ArchiveError::Size {
            path: path.to_owned(),
            named: size,
            found,
        });
    }
    Ok(take(Piece::End(hasher.finish())))
}

/// A regular file of the folder, and its size.
fn open(folder: &dyn LayoutFolder, path: &str) -> Result<(File, u64), ArchiveError> {
    let file = match folder.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ArchiveError::Missing {
                path: path.to_owned(),
            });
        }
        file => file?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ArchiveError::NotAFile);
    }
    Ok((file, metadata.len()))
}

fn document(path: &str, content: impl Read, limits: &Limits) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    let more = limits.document.saturating_add(1);
    content.take(more).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.document {
        return Err(ArchiveError::DocumentTooLarge {
            path: path.to_owned(),
            limit: limits.document,
        });
    }
    Ok(bytes)
}

impl Inventory {
    fn of(
        file: &Arc<File>,
        limits: &Limits,
        given_up: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        let mut inventory = Self::default();
        let mut kept = 0;
        tar::walk(file, limits, given_up, &mut |member, content| {
            let path = &member.path;
            match &member.kind {
                MemberKind::Other => return Ok(ControlFlow::Continue(())),
                _ if inventory.files.contains_key(path) || inventory.links.contains_key(path) => {
                    return Err(ArchiveError::Duplicate { path: path.clone() });
                }
                MemberKind::Link(target) => {
                    inventory.links.insert(path.clone(), target.clone());
                }
                MemberKind::File(size) => {
                    inventory.files.insert(path.clone(), *size);
                    if *size <= limits.document
                        && let Some(bytes) = json(content)?
                    {
                        kept += bytes.len() as u64;
                        if kept > limits.documents {
                            return Err(ArchiveError::DocumentsTooLarge {
                                limit: limits.documents,
                            });
                        }
                        inventory.documents.insert(path.clone(), bytes);
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(inventory)
    }

    /// Where a link leads, or the path itself. One step: nobody makes links to links.
    fn target<'a>(&'a self, path: &'a str) -> &'a str {
        self.links.get(path).map_or(path, String::as_str)
    }

    fn document(&self, path: &str, limits: &Limits) -> Result<Option<Vec<u8>>, ArchiveError> {
        let path = self.target(path);
        match (self.documents.get(path), self.files.get(path)) {
            (Some(bytes), _) => Ok(Some(bytes.clone())),
            (None, Some(size)) if *size > limits.document => Err(ArchiveError::DocumentTooLarge {
                path: path.to_owned(),
                limit: limits.document,
            }),
            // Not JSON, whatever it is: the parser will say so.
            (None, Some(_)) => Ok(Some(Vec::new())),
            (None, None) => Ok(None),
        }
    }
}

/// A member's content, if it begins as a JSON object or list does.
fn json(content: &mut dyn Read) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut bytes = vec![0];
    if content.read(&mut bytes)? == 0 || !matches!(bytes[0], b'{' | b'[') {
        return Ok(None);
    }
    content.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
