//! A text to a project: loads or is refused, its messages can be rendered, and what it prints means
//! the same when it is read again.

#![no_main]

use std::path::Path;

use compose_executor::compose::{
    FileError, FileKind, Files, LoadOptions, Printed, engine_checks, load, to_json, to_yaml,
};
use libfuzzer_sys::fuzz_target;

/// The text as `compose.yaml`, and as whatever file it names.
struct Everywhere<'a>(&'a str);

impl Files for Everywhere<'_> {
    fn read(&self, _: &Path) -> Result<Vec<u8>, FileError> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        (path.extension()? == "yaml").then_some(FileKind::File)
    }
}

fuzz_target!(|text: &str| {
    let options = LoadOptions::new("/p");
    match load(&options, &Everywhere(text)) {
        Err(error) => {
            let _ = (error.to_string(), error.render(true));
        }
        Ok(loaded) => {
            let _ = (
                engine_checks(&loaded.project),
                to_json(&loaded.tree, Printed::Project),
            );
            let printed = to_yaml(&loaded.tree, Printed::Project);
            // What is inactive is not printed, and what is printed is active.
            let all = LoadOptions {
                profiles: vec!["*".to_owned()],
                ..LoadOptions::new("/p")
            };
            let _ = load(&all, &Everywhere(&printed));
        }
    }
});
