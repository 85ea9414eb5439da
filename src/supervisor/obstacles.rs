//! What stands in a launch's way and can be seen before anything is made: files and devices that
//! are not there, profiles that can't be read, documents that can't be written. A launch looks at
//! all of it again, since it may change meanwhile; what only an image can tell comes then.

use super::launch_error::LaunchError;
use super::preview;
use super::user_files::UserFiles;
use super::{configs, documents, storage};
use crate::image::ImageRef;
use crate::journal::Folders;
use crate::oci::HostFacts;
use crate::pod::plan::PodPlan;

/// Everything that keeps a plan from being launched on this host, whatever its images say.
pub fn obstacles(
    plan: &PodPlan,
    folders: &Folders,
    facts: &HostFacts,
    files: &UserFiles,
) -> Vec<LaunchError> {
    let mut found = Vec::new();
    let draft = preview::Draft::new(plan, folders, facts);
    for (service, container) in plan.containers.iter().enumerate() {
        if let Err(source) = container.image.parse::<ImageRef>() {
            found.push(LaunchError::ImageName {
                service: container.service.value.clone(),
                span: container.image.span,
                source,
            });
        }
        let (parts, problems) = documents::find_all(container, files);
        // Without a device that it names there is no document to speak of.
        if problems.is_empty() {
            found.extend(draft.without_image(service, &parts).err());
        }
        found.extend(problems);
    }
    found.extend(storage::problems(plan, files));
    found.extend(configs::problems(plan, files));
    // What is wrong with the host may be over when the launch comes to it.
    found.retain(LaunchError::is_users);
    found
}
