//! Makes an image for a pod from the host's static busybox: `make-image app.tar app:1 httpd -f`.
//!
//! For the demo, and for who wants to try a pod without a registry.

use std::fs;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

#[allow(dead_code, reason = "the tests make images in more ways than this")]
mod image_archive;

use image_archive::{Form, Image};

/// Makes an image archive from the host's static busybox.
#[derive(Parser)]
struct Args {
    /// The archive to write
    file: PathBuf,
    /// The image's name, as Compose files give it
    name: String,
    /// What a container of it runs, unless the Compose file says otherwise
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// A file of the host to put into the image: PATH-IN-IMAGE=FILE
    #[arg(long, value_name = "PATH=FILE", value_parser = parse_pair)]
    add: Vec<(String, PathBuf)>,
    #[arg(long, value_enum, default_value = "oci")]
    form: FormName,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormName {
    /// An OCI image layout in a tar
    Oci,
    /// What `docker save` writes
    Docker,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let form = match args.form {
        FormName::Oci => Form::OciTar,
        FormName::Docker => Form::DockerSave,
    };
    let mut image = Image::busybox(&args.name).form(form);
    if !args.command.is_empty() {
        let words: Vec<_> = args.command.iter().map(String::as_str).collect();
        image = image.cmd(&words);
    }
    for (path, file) in &args.add {
        image = image.file(path, 0o644, &fs::read(file)?);
    }
    image.write(&args.file);
    Ok(())
}

fn parse_pair(text: &str) -> Result<(String, PathBuf), String> {
    let (path, file) = text.split_once('=').ok_or("PATH=FILE is wanted")?;
    Ok((path.to_owned(), file.into()))
}
