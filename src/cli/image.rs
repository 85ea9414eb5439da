//! `image load` and `image ls`: names for all pods, made by the operator.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Environment;
use super::containerd::Containerd;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use crate::containerd::{Client, Labels, LeaseId, Namespace};
use crate::executor::config::Config;
use crate::image::{Archive, ImageRef, ImageStore, Limits, Platform, Source, Unpacker};
use crate::supervisor::host::NAMESPACE;
use crate::sys::beneath::Folder;

/// `image …`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum ImageCommand {
    /// Make the images of archives known to all pods
    #[command(after_help = "Examples:
  compose-executor image load app.tar.gz            what docker save or an OCI builder wrote
  compose-executor image load --format json ./oci   an OCI layout that is a folder

A name that is there already moves to the new image; pods that run keep theirs.")]
    Load(LoadArgs),
    /// List the images that all pods know
    Ls(LsArgs),
}

/// Flags of `image load`.
#[derive(Clone, Debug, Args)]
pub(super) struct LoadArgs {
    /// Archives: OCI layouts as folder or tar, or docker save; plain or gzipped
    #[arg(required = true, value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Flags of `image ls`.
#[derive(Clone, Debug, Args)]
pub(super) struct LsArgs {
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(
    command: ImageCommand,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let config = Config::load(host.config.as_deref())?;
    block_on(async {
        let containerd = Containerd::open(host, &config, environment).await?;
        let code = run_with(command, &containerd).await;
        containerd.close().await;
        code
    })
}

async fn run_with(command: ImageCommand, containerd: &Containerd) -> Result<u8, CommandError> {
    let namespace = Namespace::from_str(NAMESPACE).map_err(CommandError::failed)?;
    let client = Client::connect(&containerd.socket, namespace)
        .await
        .map_err(|error| CommandError::NotReady(error.into()))?;
    client
        .namespaces()
        .ensure()
        .await
        .map_err(CommandError::failed)?;
    match command {
        ImageCommand::Load(args) => load(&client, &args).await,
        ImageCommand::Ls(args) => list(&client, args.format).await,
    }
}

/// Under a lease of the command's own: what it has not named by its end is gone with it.
async fn load(client: &Client, args: &LoadArgs) -> Result<u8, CommandError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let lease = LeaseId::from_str(&format!("load-{}-{now}", std::process::id()))
        .map_err(CommandError::failed)?;
    client
        .leases()
        .create(&lease, Labels::new())
        .await
        .map_err(CommandError::failed)?;
    let mut loaded = Ok(Vec::new());
    for path in &args.archives {
        match (&mut loaded, load_one(client, &lease, path).await) {
            (Ok(names), Ok(more)) => names.extend(more),
            (_, Err(error)) => {
                loaded = Err(error);
                break;
            }
            (Err(_), Ok(_)) => {}
        }
    }
    let released = client
        .leases()
        .delete(&lease)
        .await
        .map_err(CommandError::failed);
    let loaded = loaded?;
    released?;
    let text = match args.format {
        Format::Table => table(&loaded),
        Format::Json => {
            let rows: Vec<_> = loaded
                .iter()
                .map(|(name, digest)| json!({"name": name, "digest": digest}))
                .collect();
            format!("{:#}\n", json!({"schema": 1, "images": rows}))
        }
    };
    exit::print(&text)?;
    Ok(exit::SUCCESS)
}

async fn load_one(
    client: &Client,
    lease: &LeaseId,
    path: &Path,
) -> Result<Vec<(String, String)>, CommandError> {
    let source = if path.is_dir() {
        let folder = Folder::open(path).map_err(CommandError::failed)?;
        Source::Folder(Box::new(
            move |name: &str| Ok(folder.file(Path::new(name))?),
        ))
    } else {
        let opened = File::open(path);
        Source::Tar(opened.map_err(|source| {
            CommandError::Usage(format!(
                "the archive {} can't be opened: {source}",
                path.display()
            ))
        })?)
    };
    let archive = Archive::read(&path.display().to_string(), source, Limits::default())
        .await
        .map_err(CommandError::failed)?;
    let store = ImageStore::new(client, lease, Platform::host());
    let unpacker = Unpacker::new(client, lease).map_err(CommandError::failed)?;
    let images = store
        .load(&archive, &unpacker)
        .await
        .map_err(CommandError::failed)?;
    let mut named = Vec::new();
    for image in &images {
        if image.names.is_empty() {
            exit::warn(&format!(
                "warning: {}: an image has no name, so nobody could find it",
                path.display()
            ));
        }
        let digest = image.unpacked.manifest.to_string();
        named.extend(
            image
                .names
                .iter()
                .map(|name: &ImageRef| (name.stored_name(), digest.clone())),
        );
    }
    Ok(named)
}

async fn list(client: &Client, format: Format) -> Result<u8, CommandError> {
    let lease = LeaseId::from_str("image-ls").map_err(CommandError::failed)?;
    let images = ImageStore::new(client, &lease, Platform::host())
        .list()
        .await
        .map_err(CommandError::failed)?;
    let rows: Vec<_> = images
        .into_iter()
        .map(|image| (image.name, image.digest))
        .collect();
    let text = match format {
        Format::Table => table(&rows),
        Format::Json => {
            let rows = rows
                .iter()
                .map(|(name, digest)| json!({"name": name, "digest": digest}));
            let rows: Vec<_> = rows.collect();
            format!("{:#}\n", json!({"schema": 1, "images": rows}))
        }
    };
    exit::print(&text)?;
    Ok(exit::SUCCESS)
}

/// Names and digests, one image a line.
fn table(images: &[(String, String)]) -> String {
    let width = images.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default().max("NAME".len());
    let mut text = format!("{:width$}  DIGEST\n", "NAME");
    for (name, digest) in images {
        writeln!(text, "{name:width$}  {digest}").expect("a string takes all that is written");
    }
    text
}
