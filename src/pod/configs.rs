//! `configs` and `secrets` of a service: small files, each with an owner and a mode of its own.

use std::path::{Path, PathBuf};

use super::context::PodContext;
use super::plan::{FileContent, FileOrigin, FilePlan, MountPlan, MountSource, SECRETS_FOLDER};
use super::verdict;
use crate::compose::diagnostic::{Diagnostic, Kind};
use crate::compose::model::{ConfigSource, FileReference, Project, SecretSource, Service};
use crate::compose::source::{Span, Spanned};

/// Everybody may read it, as the Compose Specification has it.
const MODE: u32 = 0o444;
/// Numbers above it are negative to programs that keep ids in an `int`.
const MAX_ID: u32 = i32::MAX as u32;

/// Collects the files of all services of a pod.
#[derive(Debug)]
pub(super) struct Files<'a> {
    project: &'a Project,
    context: &'a PodContext,
    /// How many were planned: each is written to a path of its own.
    count: usize,
}

/// Which of the two a reference is in.
#[derive(Clone, Copy)]
enum Section {
    Configs,
    Secrets,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Self::Configs => "configs",
            Self::Secrets => "secrets",
        }
    }

    /// Where a relative target begins, and one that is not given lies.
    fn folder(self) -> &'static Path {
        Path::new(match self {
            Self::Configs => "/",
            Self::Secrets => "/run/secrets",
        })
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(project: &'a Project, context: &'a PodContext) -> Self {
        Self {
            project,
            context,
            count: 0,
        }
    }

    pub(super) fn of(&mut self, service: &Service, errors: &mut Vec<Diagnostic>) -> Vec<MountPlan> {
        let configs = service.configs.iter().map(|it| (Section::Configs, it));
        let secrets = service.secrets.iter().map(|it| (Section::Secrets, it));
        let mut mounts = Vec::new();
        for (section, reference) in configs.chain(secrets) {
            match self.file(service, section, reference) {
                Ok(mount) => mounts.push(mount),
                Err(error) => errors.push(*error),
            }
        }
        mounts
    }

    fn file(
        &mut self,
        service: &Service,
        section: Section,
        reference: &FileReference,
    ) -> Result<MountPlan, Box<Diagnostic>> {
        let at = format!("services.{}.{}", service.name.value, section.name());
        let name = format!("{}.{}", section.name(), reference.source.value);
        let origin = match section {
            Section::Configs => self.config(reference)?,
            Section::Secrets => self.secret(reference)?,
        };
        let given = reference.target.clone();
        let target = given.unwrap_or_else(|| reference.source.clone().map(PathBuf::from));
        let mode = reference.mode.unwrap_or(MODE);
        if mode > 0o777 {
            let text = format!("{at}: {mode:o} are no permissions of a file");
            return Err(invalid(text, reference.source.span).into());
        }
        let path = self
            .context
            .run_dir
            .join(SECRETS_FOLDER)
            .join(self.count.to_string());
        self.count += 1;
        Ok(MountPlan {
            target: target.map(|target| section.folder().join(target)),
            read_only: true,
            source: MountSource::File(FilePlan {
                name,
                origin,
                uid: id(&at, reference.uid.as_ref())?,
                gid: id(&at, reference.gid.as_ref())?,
                mode,
                path,
            }),
        })
    }

    fn config(&self, reference: &FileReference) -> Result<FileOrigin, Box<Diagnostic>> {
        let key = &reference.source.value;
        let declared = self.project.configs.iter().find(|it| it.key.value == *key);
        match declared.map(|config| &config.source) {
            Some(ConfigSource::File(path)) => self.user_file("configs", key, path),
            Some(ConfigSource::Environment(name)) => self.variable("configs", key, name),
            Some(ConfigSource::Content(text)) => {
                Ok(FileOrigin::Content(FileContent(text.value.clone())))
            }
            Some(ConfigSource::External(external)) => {
                Err(refused("configs", key, "external", external.span).into())
            }
            None => Err(undeclared("configs", reference).into()),
        }
    }

    fn secret(&self, reference: &FileReference) -> Result<FileOrigin, Box<Diagnostic>> {
        let key = &reference.source.value;
        let declared = self.project.secrets.iter().find(|it| it.key.value == *key);
        match declared.map(|secret| &secret.source) {
            Some(SecretSource::File(path)) => self.user_file("secrets", key, path),
            Some(SecretSource::Environment(name)) => self.variable("secrets", key, name),
            Some(SecretSource::External(external)) => {
                Err(refused("secrets", key, "external", external.span).into())
            }
            Some(SecretSource::Driver(driver)) => {
                Err(refused("secrets", key, "driver", driver.span).into())
            }
            None => Err(undeclared("secrets", reference).into()),
        }
    }

    fn user_file(
        &self,
        section: &str,
        key: &str,
        path: &Spanned<PathBuf>,
    ) -> Result<FileOrigin, Box<Diagnostic>> {
        if !self.context.binds.allow(path) {
            let text = format!(
                "{section}.{key}: \"{}\" is outside the task's sandbox",
                path.display()
            );
            return Err(Box::new(
                Diagnostic::error(Kind::Forbidden, text)
                    .at(path.span)
                    .help("have the task fetch the file, and name it by a path relative to the Compose file"),
            ));
        }
        Ok(FileOrigin::File(path.value.clone()))
    }

    fn variable(
        &self,
        section: &str,
        key: &str,
        name: &Spanned<String>,
    ) -> Result<FileOrigin, Box<Diagnostic>> {
        let Some(value) = self.context.variables.0.get(&name.value) else {
            let text = format!("{section}.{key}: the variable {} is not set", name.value);
            return Err(invalid(text, name.span).into());
        };
        let content = FileContent(value.clone());
        Ok(FileOrigin::Environment(name.value.clone(), content))
    }
}

fn invalid(text: String, span: Span) -> Diagnostic {
    Diagnostic::invalid(text).at(span)
}

fn undeclared(section: &str, reference: &FileReference) -> Diagnostic {
    let text = format!("{section}.{} is not declared", reference.source.value);
    invalid(text, reference.source.span)
}

/// What the table of verdicts refuses.
fn refused(section: &str, key: &str, what: &str, span: Span) -> Diagnostic {
    let at = format!("{section}.{key}");
    let verdict = verdict::of(&format!("{section}.*"), what, &at, span);
    verdict.expect("the table refuses it")
}

/// Whose the file is; root's unless it is said.
fn id(at: &str, given: Option<&Spanned<String>>) -> Result<u32, Box<Diagnostic>> {
    let Some(text) = given else { return Ok(0) };
    match text.parse() {
        Ok(id) if id <= MAX_ID => Ok(id),
        _ => {
            let problem = format!("{at}: \"{}\" is no user's or group's number", text.value);
            Err(invalid(problem, text.span).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::testing::context;
    use super::*;
    use crate::compose::testing::project_of;

    const SECTIONS: &str = "
configs:
  app: {file: ./app.conf}
  inline: {content: 'a: 1'}
secrets:
  token: {environment: TOKEN}
  key: {file: ./key}
  gone: {environment: GONE}
  far: {external: true}
";

    /// The files of a service with these references, and what is wrong with them.
    fn planned(references: &str) -> (Vec<String>, Vec<String>) {
        let project = project_of(&format!(
            "services: {{a: {{image: i, {references}}}}}{SECTIONS}"
        ));
        let mut context = context();
        context
            .variables
            .0
            .insert("TOKEN".to_owned(), "hunter2".to_owned());
        let mut errors = Vec::new();
        let mounts = Files::new(&project, &context).of(&project.services[0], &mut errors);
        let line = |mount: &MountPlan| {
            let MountSource::File(file) = &mount.source else {
                panic!("{mount:?}");
            };
            format!(
                "{} {}:{} {:o} {:?} {}",
                mount.target.display(),
                file.uid,
                file.gid,
                file.mode,
                file.origin,
                file.path.display()
            )
        };
        let errors = errors.into_iter().map(|it| it.message).collect();
        (mounts.iter().map(line).collect(), errors)
    }

    #[test]
    fn a_name_alone_has_the_usual_place_owner_and_mode() {
        let (files, errors) = planned("configs: [app, inline], secrets: [token, key]");
        insta::assert_snapshot!(files.join("\n"), @r#"
        /app 0:0 444 File("/p/app.conf") /run/pod/secrets/0
        /inline 0:0 444 Content((4 bytes)) /run/pod/secrets/1
        /run/secrets/token 0:0 444 Environment("TOKEN", (7 bytes)) /run/pod/secrets/2
        /run/secrets/key 0:0 444 File("/p/key") /run/pod/secrets/3
        "#);
        assert_eq!(errors.len(), 0);
    }

    #[test]
    fn the_long_form_says_it_all() {
        let (files, errors) = planned(
            "secrets: [{source: key, target: db/key, uid: '70', gid: '71', mode: 0400}, \
             {source: token, target: /etc/token, mode: 288}]",
        );
        insta::assert_snapshot!(files.join("\n"), @r#"
        /run/secrets/db/key 70:71 400 File("/p/key") /run/pod/secrets/0
        /etc/token 0:0 440 Environment("TOKEN", (7 bytes)) /run/pod/secrets/1
        "#);
        assert_eq!(errors.len(), 0);
    }

    #[test]
    fn what_can_not_be_had_is_refused() {
        let (files, errors) = planned(
            "secrets: [gone, far, {source: key, uid: app}, {source: key, target: b, gid: '4294967296'}]",
        );
        assert_eq!(files.len(), 0);
        insta::assert_snapshot!(errors.join("\n"), @r#"
        secrets.gone: the variable GONE is not set
        secrets.far.external: there is no cluster that keeps secrets
        services.a.secrets: "app" is no user's or group's number
        services.a.secrets: "4294967296" is no user's or group's number
        "#);
    }
}
