//! Volumes: what a top-level entry of `volumes`, and one without a name, is on the host.

use std::path::{Path, PathBuf};

use super::context::{PodContext, VolumeLife};
use super::plan::{Numbered, VolumePlace, VolumePlan};
use super::{tmpfs, verdict};
use crate::compose::diagnostic::{Diagnostic, Kind};
use crate::compose::model::{LocalVolume, Project, Volume};
use crate::compose::source::{Span, Spanned};

/// Where volumes are that are mounted for a pod, of memory or of a server's: below its own folder.
const MOUNTED_FOLDER: &str = "volumes";

/// Collects the volumes of a pod.
#[derive(Debug)]
pub(super) struct Volumes<'a> {
    project: &'a Project,
    context: &'a PodContext,
    pub(super) planned: Vec<VolumePlan>,
    pub(super) anonymous: Numbered,
    mounted: Numbered,
}

impl<'a> Volumes<'a> {
    pub(super) fn new(project: &'a Project, context: &'a PodContext) -> Self {
        Self {
            project,
            context,
            planned: Vec::new(),
            anonymous: Numbered::new(context.volumes.anonymous.clone()),
            mounted: Numbered::new(context.run_dir.join(MOUNTED_FOLDER)),
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

    /// One that has been planned.
    pub(super) fn known(&self, name: &str) -> &VolumePlan {
        let mut planned = self.planned.iter();
        let volume = planned.find(|volume| volume.name == name);
        volume.expect("the volume has been planned")
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
        let rule = &self.context.volumes;
        if let Some(external) = &volume.external {
            let mut operators = rule.external.iter();
            return match (operators.find(|it| it.name == volume.name), rule.life) {
                (Some(known), _) => Ok(VolumePlace::Operators {
                    path: known.path.clone(),
                    read_only: known.read_only,
                }),
                (None, VolumeLife::Kept) => Ok(VolumePlace::External { path }),
                (None, VolumeLife::Sandbox) => Err(refused("external", external.span).into()),
            };
        }
        let local = LocalVolume::of(volume).map_err(|error| {
            let text = format!("{at}.{}: {}", error.key, error.problem);
            invalid(text, error.span)
        })?;
        match (local, rule.life) {
            (LocalVolume::Folder, VolumeLife::Kept) => Ok(VolumePlace::Kept { path }),
            (LocalVolume::Folder, VolumeLife::Sandbox) => Ok(VolumePlace::Pod {
                // The sandbox is the task's own: there the short name is enough.
                path: rule.named.join(&volume.key.value),
            }),
            (LocalVolume::Tmpfs { options, span }, _) => self.tmpfs(&at, &options, span),
            (
                LocalVolume::Bind {
                    device,
                    read_only,
                    span,
                },
                _,
            ) => self.bind(&at, device, read_only, span),
            (LocalVolume::Nfs(volume), _) => Ok(VolumePlace::Nfs {
                path: self.mounted.next(),
                volume,
            }),
            (LocalVolume::Other { span, .. }, _) => {
                Err(refused("driver_opts: another type", span).into())
            }
        }
    }

    fn tmpfs(
        &mut self,
        at: &str,
        options: &[&str],
        span: Span,
    ) -> Result<VolumePlace, Box<Diagnostic>> {
        if let Some(bad) = options.iter().find(|option| !tmpfs::is_option(option)) {
            let text = format!("{at}.driver_opts.o: \"{bad}\" is no option for a tmpfs");
            return Err(invalid(text, span).into());
        }
        Ok(VolumePlace::Tmpfs {
            path: self.mounted.next(),
            options: options.iter().map(ToString::to_string).collect(),
        })
    }

    fn bind(
        &self,
        at: &str,
        device: &str,
        read_only: bool,
        span: Span,
    ) -> Result<VolumePlace, Box<Diagnostic>> {
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
        Ok(VolumePlace::Bind { path, read_only })
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
    use super::super::context::ExternalVolume;
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
        context.volumes.external.push(ExternalVolume {
            name: "models".to_owned(),
            path: "/srv/models".into(),
            read_only: true,
        });
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
        insta::assert_snapshot!(planned(external, VolumeLife::Sandbox), @"volumes.data.external: a volume of a pod lives in its task's sandbox, and the operator has given none this name");
    }

    #[test]
    fn an_external_volume_is_the_operators_where_he_has_one_of_that_name() {
        for life in [VolumeLife::Sandbox, VolumeLife::Kept] {
            let told = planned("{external: true, name: models}", life);
            assert_eq!(
                told,
                r#"models: Operators { path: "/srv/models", read_only: true }"#
            );
        }
        // A volume of the file's own has nothing to do with it.
        let told = planned("{name: models}", VolumeLife::Sandbox);
        assert_eq!(told, r#"models: Pod { path: "/p/own/volumes/data" }"#);
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
        insta::assert_snapshot!(sandbox("{type: none, o: bind, device: ./data}"), @r#"app_data: Bind { path: "/p/data", read_only: false }"#);
        insta::assert_snapshot!(sandbox("{type: none, o: 'bind,ro', device: /p/data}"), @r#"app_data: Bind { path: "/p/data", read_only: true }"#);
        insta::assert_snapshot!(sandbox("{type: none, o: bind, device: /etc}"), @r#"volumes.data.driver_opts.device: "/etc" is outside the task's sandbox"#);
        insta::assert_snapshot!(sandbox("{type: tmpfs, o: suid}"), @r#"volumes.data.driver_opts.o: "suid" is no option for a tmpfs"#);
        insta::assert_snapshot!(sandbox("{type: none, o: 'bind,dev', device: ./data}"), @r#"volumes.data.driver_opts.o: "dev" is no option for a bind"#);
        insta::assert_snapshot!(sandbox("{size: 1g}"), @r#"volumes.data.driver_opts: the local driver has no option "size""#);
        insta::assert_snapshot!(sandbox("{type: cifs, o: 'addr=10.0.0.1,rw', device: '//x/y'}"), @"volumes.data.driver_opts: another type: the host's root would mount what a file asks for");
        insta::assert_snapshot!(sandbox("{type: nfs, o: rw, device: ':/x'}"), @"volumes.data.driver_opts.o: nfs needs addr=, the server's IP address");
        let nfs = sandbox("{type: nfs, o: 'addr=10.0.0.1,rw', device: ':/x'}");
        assert!(nfs.starts_with(r#"app_data: Nfs { path: "/run/pod/volumes/0", volume: NfsVolume { server: 10.0.0.1, path: "/x", read_only: false"#), "{nfs}");
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
