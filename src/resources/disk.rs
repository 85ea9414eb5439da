//! What of the sandbox a pod fills: logs, the writable layers that have a size, sized volumes.
//!
//! Images and snapshots are containerd's and lie outside of the sandbox: they are not counted.

use std::collections::HashSet;

use super::figure::{Figure, Origin};
use super::findings::Findings;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, Logging, MountKind, Project, Service, Volume};
use crate::compose::source::{Span, Spanned};
use crate::compose::units;

/// What the logs of a container are counted as where nothing bounds them.
const LOGS: ByteSize = ByteSize(10 << 20);
/// kompose takes a service's disk from this label.
const KOMPOSE_LABEL: &str = "kompose.ephemeral-storage.request";

/// A volume whose size the file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizedVolume {
    pub name: String,
    pub size: ByteSize,
    /// A tmpfs takes memory, any other volume disk.
    pub in_memory: bool,
}

/// Disk of one instance.
pub(super) fn of_service(service: &Service, findings: &mut Findings) -> Figure<ByteSize> {
    if let Some(disk) = &service.pod.resources.disk {
        return Figure::new(disk.value, Origin::Override, disk.span);
    }
    let label = service
        .labels
        .iter()
        .find(|(key, _)| key.value == KOMPOSE_LABEL);
    if let Some((key, text)) = label {
        let size = quantity(text);
        if size.is_none() {
            let name = &service.name.value;
            let problem =
                format!("services.{name}.labels.{KOMPOSE_LABEL}: `{text}` is no quantity");
            let help = "as Kubernetes writes them: 512Mi, 1Gi";
            findings.add(Diagnostic::invalid(problem).at(key.span).help(help));
        }
        return Figure::new(size.unwrap_or_default(), Origin::Label, key.span);
    }
    let layer = service
        .storage_opt
        .iter()
        .find(|(key, _)| key.value == "size");
    let layer = layer.and_then(|(key, text)| {
        let what = format!("services.{}.storage_opt.size", service.name.value);
        let size = size(&what, text, key.span, findings)?;
        Some(Spanned::new(size, key.span))
    });
    let logs = logs(service, findings);
    let stated = layer.as_ref().or(logs.as_ref()).map(|size| size.span);
    let layer = layer.map_or(0, |size| size.0);
    let logs = logs.map_or(LOGS.0, |size| size.0);
    let amount = ByteSize(layer.saturating_add(logs));
    match stated {
        Some(span) => Figure::new(amount, Origin::Options, span),
        None => Figure::default(amount),
    }
}

/// The most that a service's logs take, where its options tell.
fn logs(service: &Service, findings: &mut Findings) -> Option<Spanned<ByteSize>> {
    let logging = service.logging.as_ref()?;
    let option = |name: &str| logging.options.iter().find(|(key, _)| key.value == name);
    match logging
        .driver
        .as_ref()
        .map_or("json-file", |driver| driver.as_str())
    {
        "none" => return Some(Spanned::new(ByteSize(0), logging.span)),
        "" | "json-file" | "local" => {}
        _ => return None,
    }
    let (key, text) = option("max-size").filter(|(_, text)| text != "-1")?;
    let what = format!("services.{}.logging.options.max-size", service.name.value);
    let each = size(&what, text, key.span, findings)?;
    let files = files(service, logging, findings);
    Some(Spanned::new(
        ByteSize(each.0.saturating_mul(files)),
        key.span,
    ))
}

fn files(service: &Service, logging: &Logging, findings: &mut Findings) -> u64 {
    let most = logging
        .options
        .iter()
        .find(|(key, _)| key.value == "max-file");
    let Some((key, text)) = most else {
        return 1;
    };
    match text.parse() {
        Ok(files) if files > 0 => files,
        _ => {
            let name = &service.name.value;
            let problem =
                format!("services.{name}.logging.options.max-file: `{text}` is no number of files");
            findings.add(Diagnostic::invalid(problem).at(key.span));
            1
        }
    }
}

/// The volumes with a size. One in memory counts only if a service without a memory limit of its
/// own mounts it: the pages are charged to who touches them.
pub(super) fn volumes(
    project: &Project,
    services: &[(&Service, bool)],
    findings: &mut Findings,
) -> Vec<SizedVolume> {
    let mut unbounded = HashSet::new();
    for (service, limited) in services {
        for mount in &service.volumes {
            if let MountKind::Volume {
                source: Some(source),
                ..
            } = &mount.kind
                && !limited
            {
                unbounded.insert(source.as_str());
            }
        }
    }
    let sized = project.volumes.iter().filter_map(|volume| {
        let size = volume_size(volume, findings)?;
        Some(SizedVolume {
            name: volume.key.value.clone(),
            size,
            in_memory: option(volume, "type").is_some_and(|(text, _)| text == "tmpfs"),
        })
    });
    sized
        .filter(|volume| !volume.in_memory || unbounded.contains(volume.name.as_str()))
        .collect()
}

fn option<'v>(volume: &'v Volume, name: &str) -> Option<(&'v str, Span)> {
    let mut options = volume.driver_opts.iter();
    let (key, text) = options.find(|(key, _)| key.value == name)?;
    Some((text, key.span))
}

fn volume_size(volume: &Volume, findings: &mut Findings) -> Option<ByteSize> {
    let local = volume
        .driver
        .as_ref()
        .is_none_or(|driver| matches!(driver.as_str(), "" | "local"));
    if volume.external.is_some() || !local {
        return None;
    }
    let (text, span) = option(volume, "size").or_else(|| {
        let (options, span) = option(volume, "o")?;
        let size = options
            .split(',')
            .find_map(|option| option.strip_prefix("size="))?;
        Some((size, span))
    })?;
    let key = &volume.key.value;
    if text.ends_with('%') {
        let problem = format!("volumes.{key}: a size in percent is not counted");
        findings.add(Diagnostic::warning(problem).at(span));
        return None;
    }
    size(&format!("volumes.{key}: size"), text, span, findings)
}

fn size(what: &str, text: &str, span: Span, findings: &mut Findings) -> Option<ByteSize> {
    let problem = match units::bytes(text) {
        Ok(Some(bytes)) => match u64::try_from(bytes) {
            Ok(bytes) => return Some(ByteSize(bytes)),
            Err(_) => "is negative".to_owned(),
        },
        Ok(None) => "is more than 64 bits hold".to_owned(),
        Err(error) => error.to_string(),
    };
    findings.add(Diagnostic::invalid(format!("{what}: {problem}")).at(span));
    None
}

/// A size as Kubernetes writes it: `512Mi`, `1Gi`, `1G`, `1000`.
fn quantity(text: &str) -> Option<ByteSize> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
    Some(ByteSize(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::sample::{mounting, service, volume};

    const MIB: u64 = 1 << 20;

    fn logging(driver: Option<&str>, options: &[(&str, &str)]) -> Logging {
        let spanned = |text: &str| Spanned::new(text.to_owned(), Span::default());
        Logging {
            span: Span::default(),
            driver: driver.map(spanned),
            options: options
                .iter()
                .map(|(key, value)| (spanned(key), (*value).to_owned()))
                .collect(),
        }
    }

    fn disk(service: &Service) -> Result<(u64, Origin), String> {
        let mut findings = Findings::default();
        let figure = of_service(service, &mut findings);
        match findings.errors.first() {
            None => Ok((figure.amount.0, figure.origin)),
            Some(error) => Err(error.message.clone()),
        }
    }

    #[test]
    fn logs_are_bounded_by_their_options_or_assumed() {
        let mut web = service("web");
        assert_eq!(disk(&web), Ok((10 * MIB, Origin::Default)));
        web.logging = Some(logging(None, &[("max-size", "50m"), ("max-file", "3")]));
        assert_eq!(disk(&web), Ok((150 * MIB, Origin::Options)));
        web.logging = Some(logging(Some("none"), &[]));
        assert_eq!(disk(&web), Ok((0, Origin::Options)));
        web.logging = Some(logging(Some("fluentd"), &[("max-size", "1m")]));
        assert_eq!(disk(&web), Ok((10 * MIB, Origin::Default)));
        web.logging = Some(logging(None, &[("max-size", "64Mi")]));
        assert!(disk(&web).unwrap_err().starts_with("services.web.logging"));
    }

    #[test]
    fn a_layer_with_a_size_and_a_label_count() {
        let span = Span::default();
        let mut web = service("web");
        web.storage_opt = vec![(Spanned::new("size".to_owned(), span), "1g".to_owned())];
        assert_eq!(disk(&web), Ok((1034 * MIB, Origin::Options)));
        web.labels = vec![(
            Spanned::new(KOMPOSE_LABEL.to_owned(), span),
            "512Mi".to_owned(),
        )];
        assert_eq!(disk(&web), Ok((512 * MIB, Origin::Label)));
        web.pod.resources.disk = Some(Spanned::new(ByteSize(MIB), span));
        assert_eq!(disk(&web), Ok((MIB, Origin::Override)));
    }

    #[test]
    fn volumes_count_where_they_have_a_size() {
        let project = Project {
            volumes: vec![
                volume("plain", &[]),
                volume("sized", &[("o", "uid=1,size=1g")]),
                volume("memory", &[("type", "tmpfs"), ("o", "size=64m")]),
                volume("share", &[("type", "tmpfs"), ("o", "size=10%")]),
            ],
            ..Project::default()
        };
        let web = mounting("web", &["sized", "memory"]);
        let count = |limited: bool| {
            let mut findings = Findings::default();
            let volumes = volumes(&project, &[(&web, limited)], &mut findings);
            let volumes: Vec<_> = volumes
                .into_iter()
                .map(|volume| (volume.name, volume.size.0 / MIB))
                .collect();
            (volumes, findings.warnings.len())
        };
        let sized = ("sized".to_owned(), 1024);
        assert_eq!(count(true), (vec![sized.clone()], 1));
        assert_eq!(count(false), (vec![sized, ("memory".to_owned(), 64)], 1));
    }
}
