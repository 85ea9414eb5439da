//! Volumes: what a top-level entry of `volumes`, and one without a name, is on the host.

use std::path::{Path, PathBuf};

use super::context::{PodContext, VolumeLife};
use super::plan::{Numbered, VolumePlace, VolumePlan};
use super::{tmpfs, verdict};
use crate::compose::diagnostic::{Diagnostic, Kind};
use crate::compose::model::{Project, Volume};
use crate::compose::source::{Span, Spanned};

/// Where volumes are that are in memory: below the pod's own folder.
const MEMORY_FOLDER: &str = "volumes";

/// Collects the volumes of a pod.
#[derive(Debug)]
pub(super) struct Volumes<'a> {
    project: &'a Project,
    context: &'a PodContext,
    pub(super) planned: Vec<VolumePlan>,
    pub(super) anonymous: Numbered,
    memory: Numbered,
}

impl<'a> Volumes<'a> {
    pub(super) fn new(project: &'a Project, context: &'a PodContext) -> Self {
        Self {
            project,
            context,
            planned: Vec::new(),
            anonymous: Numbered::new(context.volumes.anonymous.clone()),
            memory: Numbered::new(context.run_dir.join(MEMORY_FOLDER)),
        }
    }

    /// The plan's name of the volume that a mount in `at` names.
    pub(super) fn named(
        &mut self,
        at: &str,
        source: &Spanned<String>,
    ) -> Result<String, Box<Diagnostic>> {
        let mut declared = self.project.volumes.iter();
        let Some(volume) = declared.find(|volume| volume.key.value == source.value) else {
            let text = format!("{at}: the volume \"{}\" is not declared", source.value);
            return Err(invalid(text, source.span).into());
        };
        if !self.planned.iter().any(|known| known.name == volume.name) {
            let place = self.place(volume)?;
            self.planned.push(VolumePlan {
                name: volume.name.clone(),
                place,
                declared: Some(volume.key.span),
            });
        }
        Ok(volume.name.clone())
    }

    /// A new volume that nobody else knows.
    pub(super) fn anonymous(&mut self) -> String {
        let volume = VolumePlan::anonymous(&mut self.anonymous);
        let name = volume.name.clone();
        self.planned.push(volume);
        name
    }

    fn place(&mut self, volume: &Volume) -> Result<VolumePlace, Box<Diagnostic>> {
        let at = format!("volumes.{}", volume.key.value);
        let refused = |key: &str, span: Span| {
            let verdict = verdict::of("volumes.*", key, &at, span);
            verdict.expect("the table refuses it")
        };
        if let Some(driver) = &volume.driver
            && !matches!(driver.value.as_str(), "" | "local" | "default")
        {
            return Err(refused("driver: not local", driver.span).into());
        }
        let named = kept_folder(&self.context.volumes.named, &volume.name);
        let path = named.ok_or_else(|| {
            let text = format!("{at}: \"{}\" can't be a volume's name", volume.name);
            let help = "a name has a-z A-Z 0-9 _ . - and begins with a letter or digit";
            Diagnostic::invalid(text).at(volume.key.span).help(help)
        })?;
        match (&volume.external, self.context.volumes.life) {
            (Some(_), VolumeLife::Kept) => return Ok(VolumePlace::External { path }),
            (Some(external), VolumeLife::Sandbox) => {
                return Err(refused("external", external.span).into());
            }
            (None, _) => {}
        }
        if volume.driver_opts.is_empty() {
            return Ok(match self.context.volumes.life {
                VolumeLife::Kept => VolumePlace::Kept { path },
                VolumeLife::Sandbox => VolumePlace::Pod {
                    // The sandbox is the task's own: there the short name is enough.
                    path: self.context.volumes.named.join(&volume.key.value),
                },
            });
        }
        self.local(volume, &at)
    }

    /// What the options of the local driver ask mount(2) for.
    fn local(&mut self, volume: &Volume, at: &str) -> Result<VolumePlace, Box<Diagnostic>> {
        let (mut kind, mut device, mut options) = ("", None, None);
        for (key, value) in &volume.driver_opts {
            match key.value.as_str() {
                "type" => kind = value,
                "device" => device = Some((value, key.span)),
                "o" => options = Some((value, key.span)),
                other => {
                    let text =
                        format!("{at}.driver_opts: the local driver has no option \"{other}\"");
                    return Err(invalid(text, key.span).into());
                }
            }
        }
        let span = volume.driver_opts[0].0.span;
        let (given, options_span) =
            options.map_or(("", span), |(text, span)| (text.as_str(), span));
        let words: Vec<&str> = given.split(',').filter(|word| !word.is_empty()).collect();
        let is_bind = words.iter().any(|word| matches!(*word, "bind" | "rbind"));
        match kind {
            "tmpfs" => {
                if let Some(bad) = words.iter().find(|word| !tmpfs::is_option(word)) {
                    let text = format!("{at}.driver_opts.o: \"{bad}\" is no option for a tmpfs");
                    return Err(invalid(text, options_span).into());
                }
                Ok(VolumePlace::Tmpfs {
                    path: self.memory.next(),
                    options: words.into_iter().map(str::to_owned).collect(),
                })
            }
            "" | "none" | "bind" if is_bind => {
                let other = words
                    .iter()
                    .find(|word| !matches!(**word, "bind" | "rbind" | "rw" | "defaults"));
                if let Some(other) = other {
                    let text = format!("{at}.driver_opts.o: \"{other}\" is no option for a bind");
                    return Err(invalid(text, options_span).into());
                }
                let (device, span) = device.ok_or_else(|| {
                    invalid(format!("{at}.driver_opts: a bind needs a device"), span)
                })?;
                self.device(at, device, span)
            }
            _ => {
                let verdict = verdict::of("volumes.*", "driver_opts: another type", at, span);
                Err(verdict.expect("the table refuses it").into())
            }
        }
    }

    fn device(&self, at: &str, device: &str, span: Span) -> Result<VolumePlace, Box<Diagnostic>> {
        let path = PathBuf::from(device);
        if !path.is_absolute() {
            let text = format!("{at}.driver_opts.device: \"{device}\" is no absolute path");
            let help = "say `driver: local`, and it is seen from the Compose file's folder";
            return Err(Box::new(Diagnostic::invalid(text).at(span).help(help)));
        }
        if !self.context.binds.allow(&path) {
            let text =
                format!("{at}.driver_opts.device: \"{device}\" is outside the task's sandbox");
            return Err(Box::new(Diagnostic::error(Kind::Forbidden, text).at(span)));
        }
        Ok(VolumePlace::Bind { path })
    }
}

/// The folder of a volume of that name in `home`; none where the name is not what Docker's volumes
/// are called: no name climbs out of it.
pub fn kept_folder(home: &Path, name: &str) -> Option<PathBuf> {
    const NAME_MAX: usize = 255;
    let good = name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    good.then(|| home.join(name))
}

fn invalid(text: String, span: Span) -> Diagnostic {
    Diagnostic::invalid(text).at(span)
}

#[cfg(test)]
mod tests {
    use super::super::context::testing::context;
    use super::*;
    use crate::compose::testing::project_of;

    /// Where the volume `data` is, or why it can't be.
    fn planned(volume: &str, life: VolumeLife) -> String {
        let project = project_of(&format!(
            "name: app\nservices: {{a: {{image: i, volumes: ['data:/d']}}}}\nvolumes: {{data: {volume}}}\n"
        ));
        let mut context = context();
        context.volumes.life = life;
        let mut volumes = Volumes::new(&project, &context);
        let source = Spanned::new("data".to_owned(), project.volumes[0].key.span);
        match volumes.named("services.a.volumes", &source) {
            Ok(name) => format!("{name}: {:?}", volumes.planned[0].place),
            Err(error) => error.message,
        }
    }

    #[test]
    fn a_volume_dies_with_the_sandbox_or_is_kept_under_its_full_name() {
        insta::assert_snapshot!(planned("{}", VolumeLife::Sandbox), @r#"app_data: Pod { path: "/p/own/volumes/data" }"#);
        insta::assert_snapshot!(planned("{}", VolumeLife::Kept), @r#"app_data: Kept { path: "/p/own/volumes/app_data" }"#);
        insta::assert_snapshot!(planned("{name: other}", VolumeLife::Kept), @r#"other: Kept { path: "/p/own/volumes/other" }"#);
    }

    #[test]
    fn an_external_volume_is_one_that_up_has_kept() {
        let external = "{external: true, name: other}";
        insta::assert_snapshot!(planned(external, VolumeLife::Kept), @r#"other: External { path: "/p/own/volumes/other" }"#);
        insta::assert_snapshot!(planned(external, VolumeLife::Sandbox), @"volumes.data.external: a volume of a pod lives in its task's sandbox, and none is there before the task");
    }

    #[test]
    fn the_local_driver_binds_folders_and_mounts_memory() {
        let sandbox = |options: &str| {
            planned(
                &format!("{{driver: local, driver_opts: {options}}}"),
                VolumeLife::Sandbox,
            )
        };
        insta::assert_snapshot!(sandbox("{type: tmpfs, device: tmpfs, o: 'size=1m,uid=70'}"), @r#"app_data: Tmpfs { path: "/run/pod/volumes/0", options: ["size=1m", "uid=70"] }"#);
        insta::assert_snapshot!(sandbox("{type: none, o: bind, device: ./data}"), @r#"app_data: Bind { path: "/p/data" }"#);
        insta::assert_snapshot!(sandbox("{type: none, o: bind, device: /etc}"), @r#"volumes.data.driver_opts.device: "/etc" is outside the task's sandbox"#);
        insta::assert_snapshot!(sandbox("{type: tmpfs, o: suid}"), @r#"volumes.data.driver_opts.o: "suid" is no option for a tmpfs"#);
        insta::assert_snapshot!(sandbox("{type: none, o: 'bind,dev', device: ./data}"), @r#"volumes.data.driver_opts.o: "dev" is no option for a bind"#);
        insta::assert_snapshot!(sandbox("{size: 1g}"), @r#"volumes.data.driver_opts: the local driver has no option "size""#);
        insta::assert_snapshot!(sandbox("{type: nfs, o: 'addr=10.0.0.1,rw', device: ':/x'}"), @"volumes.data.driver_opts: another type: the host's root would mount what a file asks for");
    }

    #[test]
    fn no_name_leads_out_of_the_volumes_folder() {
        for name in [
            "..",
            "../x",
            "a/b",
            "",
            ".hidden",
            "a\0",
            "+0",
            &"x".repeat(256),
        ] {
            assert_eq!(kept_folder(Path::new("/v"), name), None, "{name:?}");
        }
        let told = planned("{name: ../../etc}", VolumeLife::Kept);
        insta::assert_snapshot!(told, @r#"volumes.data: "../../etc" can't be a volume's name"#);
        let told = planned("{name: ../../etc}", VolumeLife::Sandbox);
        insta::assert_snapshot!(told, @r#"volumes.data: "../../etc" can't be a volume's name"#);
    }

    #[test]
    fn a_plug_in_is_refused() {
        insta::assert_snapshot!(planned("{driver: rexray}", VolumeLife::Kept), @"volumes.data.driver: not local: storage plug-ins are not run: the volumes of a pod are folders in its task's sandbox");
    }
}
