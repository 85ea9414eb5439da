//! The image and the Compose file that most tests need: busybox under the name `app:1`.

use crate::image_archive::Image;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;

/// The image, before a test makes it special.
pub(crate) fn image() -> Image {
    named("app:1")
}

/// The same under another name.
pub(crate) fn named(name: &str) -> Image {
    Image::busybox(name)
}

/// A Compose file with these services, indented by two, and the image from `app.tar`.
pub(crate) fn compose(services: &str) -> String {
    format!("name: app\nx-pod:\n  images: [./app.tar]\nservices:\n{services}")
}

impl<'lab> Task<'lab> {
    /// A task with these services.
    pub(crate) fn app(lab: &'lab Lab, services: &str) -> Self {
        Self::new(lab)
            .archive("app.tar", &image())
            .compose(&compose(services))
    }
}

impl<'lab> Up<'lab> {
    /// The same without Mesos.
    pub(crate) fn app(lab: &'lab Lab, services: &str) -> Self {
        Self::new(lab)
            .archive("app.tar", &image())
            .compose(&compose(services))
    }
}
