//! `VOLUME` of an image: a path that is a volume without a name, unless the service mounts something
//! there. Only the image tells, so these join the plan when the images are there.

use std::path::{Path, PathBuf};

use super::plan::{MountPlan, MountSource, PodPlan, VolumePlan};
use super::volumes_from;
use crate::compose::source::Spanned;

impl PodPlan {
    /// Adds the volumes that the containers' images declare, as lists of paths in the plan's order.
    /// Whether a path can be mounted on is for the runtime document to tell.
    pub fn add_image_volumes(&mut self, declared: &[&[String]]) {
        for container in volumes_from::in_order(&self.containers) {
            volumes_from::inherit(&mut self.containers, container, &mut self.pins);
            for path in declared[container] {
                let plan = &self.containers[container];
                let path: PathBuf = Path::new(path).components().collect();
                if plan.mounts.iter().any(|mount| mount.clean_target() == path) {
                    continue;
                }
                let target = Spanned::new(path, plan.image.span);
                let volume = VolumePlan::anonymous(&mut self.anonymous);
                let source = MountSource::Volume {
                    name: volume.name.clone(),
                    subpath: None,
                    copy: true,
                    pinned: self.pins.next(),
                };
                self.volumes.push(volume);
                self.containers[container].mounts.push(MountPlan {
                    source,
                    target,
                    read_only: false,
                });
            }
            let mounts = &mut self.containers[container].mounts;
            mounts.sort_by_key(MountPlan::depth);
        }
    }
}
