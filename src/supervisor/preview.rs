//! The runtime documents of a pod that is not launched: what `plan` shows. They are made by the
//! same functions as a launch's, from the same facts; what only a running pod has, its pause
//! container's pid, is left open.

use super::documents;
use super::images;
use super::launch_error::LaunchError;
use super::pause_root;
use super::sandbox::RunDir;
use super::user_files::UserFiles;
use crate::image::ImageConfig;
use crate::journal::Folders;
use crate::oci::{
    self, Accounts, BaseSpecs, ContainerInput, HostFacts, ImageDefaults, PauseRef, Spec, SpecError,
};
use crate::pod::plan::{ContainerPlan, PodPlan};

/// Stands where the image's own words would.
const FROM_IMAGE: &str = "(from the image)";

/// The documents of a pod.
#[derive(Debug)]
pub struct Preview {
    pub pause: Spec,
    /// In the plan's order.
    pub containers: Vec<ContainerPreview>,
}

/// A service's document.
#[derive(Debug)]
pub struct ContainerPreview {
    pub document: Spec,
    /// The parts that its image decides, and that could not be looked at.
    pub from_image: Vec<&'static str>,
    /// What the file asks for and this host can't give.
    pub lowered: Vec<String>,
}

/// Makes the documents, and adds to the plan what the images add. Archives that the plan names are read for what their images say; an image
/// that is in none of them leaves parts open.
pub async fn preview(
    plan: &mut PodPlan,
    folders: &Folders,
    facts: &HostFacts,
    files: &UserFiles,
) -> Result<Preview, LaunchError> {
    let base = BaseSpecs::embedded();
    let pause_root = pause_root::place(folders.root());
    let run = RunDir(folders.pod_state(&plan.id));
    let configs = images::configs(plan, files).await;
    let volumes =
        |config: &Option<ImageConfig>| config.iter().flat_map(|it| it.volumes.clone()).collect();
    let declared: Vec<Vec<String>> = configs.iter().map(volumes).collect();
    let declared: Vec<&[String]> = declared.iter().map(Vec::as_slice).collect();
    plan.add_image_volumes(&declared);
    let mut containers = Vec::with_capacity(plan.containers.len());
    for (service, (container, config)) in plan.containers.iter().zip(configs).enumerate() {
        let found = documents::find(container, files)?;
        let container_files = documents::files(&run, service, &pause_root);
        let (defaults, from_image) = defaults(container, config);
        let input = ContainerInput {
            plan: container,
            sandbox: &plan.sandbox,
            image: &defaults,
            accounts: &Accounts::default(),
            files: &container_files,
            devices: &found.devices,
            seccomp: found.seccomp.as_ref(),
            pause: PauseRef::Unknown,
        };
        containers.push(ContainerPreview {
            document: document(&base, facts, &input)
                .map_err(|error| LaunchError::Spec(Box::new(error)))?,
            from_image,
            lowered: oci::lowered(container, facts),
        });
    }
    Ok(Preview {
        pause: oci::pause_spec(&base, facts, &plan.sandbox, &pause_root),
        containers,
    })
}

/// The document; with the numbers of users and groups left open where their names are the image's.
fn document(
    base: &BaseSpecs,
    facts: &HostFacts,
    input: &ContainerInput<'_>,
) -> Result<Spec, SpecError> {
    match oci::container_spec(base, facts, input) {
        Err(SpecError::User { .. } | SpecError::Group { .. }) => {
            let mut plan = input.plan.clone();
            plan.process.user = None;
            plan.process.groups.clear();
            let image = ImageDefaults {
                user: None,
                ..input.image.clone()
            };
            let input = ContainerInput {
                plan: &plan,
                image: &image,
                ..*input
            };
            oci::container_spec(base, facts, &input)
        }
        document => document,
    }
}

/// What the image says, or what stands for it; and the parts of the document that it decides.
fn defaults(
    plan: &ContainerPlan,
    config: Option<ImageConfig>,
) -> (ImageDefaults, Vec<&'static str>) {
    let process = &plan.process;
    // Names, homes and memberships are in files of the image's.
    let mut open = vec!["process.user"];
    if let Some(config) = config {
        return (images::defaults(config), open);
    }
    let mut defaults = ImageDefaults::default();
    if process.entrypoint.is_none() {
        open.push("process.args");
        defaults.entrypoint = vec![FROM_IMAGE.to_owned()];
    }
    open.push("process.env");
    // Volumes that it declares.
    open.push("mounts");
    if process.working_dir.is_none() {
        open.push("process.cwd");
    }
    (defaults, open)
}
