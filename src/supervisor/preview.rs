//! The runtime documents of a pod that is not launched: what `plan` shows. They are made by the
//! same functions as a launch's, from the same facts; what only a running pod has, its pause
//! container's pid and the compiled form of the filter where its runtime takes that, is left open.

use std::path::PathBuf;

use super::documents::{self, Found};
use super::images;
use super::known_images::{self, KnownImage, Stock};
use super::launch_error::LaunchError;
use super::obstacles::obstacles;
use super::programs;
use super::sandbox::RunDir;
use super::user_files::UserFiles;
use crate::image::ImageConfig;
use crate::journal::Folders;
use crate::oci::{
    self, Accounts, BaseSpecs, ContainerInput, HostFacts, ImageDefaults, PauseRef, Spec, SpecError,
    UserError,
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
    /// Why there are such parts.
    pub open_because: Option<String>,
    /// What the file asks for and this host can't give.
    pub lowered: Vec<String>,
}

/// Makes the documents, and adds to the plan what the images add. Archives that the plan names are
/// read, and where a containerd is given its images are, down to their users; what is in neither
/// leaves parts open.
///
/// # Errors
/// All that would stop a launch on this host, as far as it can be seen without making anything.
pub async fn preview(
    plan: &mut PodPlan,
    folders: &Folders,
    facts: &HostFacts,
    files: &UserFiles,
    stock: Option<&Stock>,
) -> Result<Preview, Vec<LaunchError>> {
    let mut problems = obstacles(plan, folders, facts, files);
    let images = known_images::of_plan(plan, files, stock).await;
    let images: Vec<KnownImage> = images
        .into_iter()
        .map(|image| {
            image.unwrap_or_else(|problem| {
                problems.push(problem);
                KnownImage::default()
            })
        })
        .collect();
    let declared: Vec<&[String]> = images
        .iter()
        .map(|image| match &image.config {
            Some(config) => config.volumes.as_slice(),
            None => &[],
        })
        .collect();
    plan.add_image_volumes(&declared);
    let draft = Draft::new(plan, folders, facts);
    let mut containers = Vec::with_capacity(plan.containers.len());
    for (service, image) in images.into_iter().enumerate() {
        if problems.is_empty() {
            match draft.container(service, image, files) {
                Ok(container) => containers.push(container),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Preview {
        pause: oci::pause_spec(&draft.base, facts, &plan.sandbox, &draft.pause_root),
        containers,
    })
}

/// What the documents of a plan are made from.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    plan: &'a PodPlan,
    facts: &'a HostFacts,
    base: BaseSpecs,
    pause_root: PathBuf,
    run: RunDir,
}

impl<'a> Draft<'a> {
    pub(super) fn new(plan: &'a PodPlan, folders: &Folders, facts: &'a HostFacts) -> Self {
        Self {
            plan,
            facts,
            base: BaseSpecs::embedded(),
            pause_root: programs::pause_root(folders.root()),
            run: RunDir(folders.pod_state(&plan.id)),
        }
    }

    /// The document of a service, by its place in the plan, of whose image nothing is known.
    pub(super) fn without_image(&self, service: usize, found: &Found) -> Result<Spec, LaunchError> {
        let (image, _) = defaults(&self.plan.containers[service], None);
        self.document(service, found, &image, None)
    }

    fn container(
        &self,
        service: usize,
        image: KnownImage,
        files: &UserFiles,
    ) -> Result<ContainerPreview, LaunchError> {
        let container = &self.plan.containers[service];
        let found = documents::find(container, files)?;
        let (defaults, mut from_image) = defaults(container, image.config);
        if image.accounts.is_none() {
            // Names, homes and memberships are in files of the image's.
            from_image.insert(0, "process.user");
        }
        Ok(ContainerPreview {
            document: self.document(service, &found, &defaults, image.accounts.as_ref())?,
            from_image,
            open_because: image.unknown,
            lowered: oci::lowered(container, self.facts),
        })
    }

    /// The document; where the image's users are not known, with their numbers left open.
    fn document(
        &self,
        service: usize,
        found: &Found,
        image: &ImageDefaults,
        accounts: Option<&Accounts>,
    ) -> Result<Spec, LaunchError> {
        let plan = &self.plan.containers[service];
        let files = documents::files(&self.run, service, &self.pause_root);
        let nobody = Accounts::default();
        let input = ContainerInput {
            plan,
            sandbox: &self.plan.sandbox,
            image,
            accounts: accounts.unwrap_or(&nobody),
            files: &files,
            devices: &found.devices,
            seccomp: found.seccomp.as_ref(),
            pause: PauseRef::Unknown,
        };
        let document = match oci::container_spec(&self.base, self.facts, &input) {
            Err(error) if accounts.is_none() && is_about_names(&error) => {
                let mut plan = plan.clone();
                plan.process.user = None;
                plan.process.groups.clear();
                let image = ImageDefaults {
                    user: None,
                    ..image.clone()
                };
                let input = ContainerInput {
                    plan: &plan,
                    image: &image,
                    ..input
                };
                oci::container_spec(&self.base, self.facts, &input)
            }
            document => document,
        };
        document.map_err(|error| LaunchError::Spec(Box::new(error)))
    }
}

/// A name that the image may know.
fn is_about_names(error: &SpecError) -> bool {
    let (SpecError::User { source, .. } | SpecError::Group { source, .. }) = error else {
        return false;
    };
    matches!(
        source,
        UserError::NoSuchUser { .. } | UserError::NoSuchGroup { .. }
    )
}

/// What the image says, or what stands for it; and the parts of the document that it decides.
fn defaults(
    plan: &ContainerPlan,
    config: Option<ImageConfig>,
) -> (ImageDefaults, Vec<&'static str>) {
    if let Some(config) = config {
        return (images::defaults(config), Vec::new());
    }
    let process = &plan.process;
    let mut open = Vec::new();
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
