//! `x-pod`: what a pod has and Compose has no word for. Unlike other extensions it is ours, so a key
//! that nobody knows is an error.

use std::path::PathBuf;

use super::Decoder;
use super::fields::{self, Fields};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, PodExtension, PodResources, Project, ServiceExtension};
use crate::compose::near::nearest;
use crate::compose::node::{Node, Value};
use crate::compose::source::Spanned;
use crate::compose::units;

const KEY: &str = "x-pod";

impl Decoder {
    pub(super) fn pod_extension(&mut self, top: &Node) -> PodExtension {
        let known = ["images", "main", "share_pid", "resources"];
        let Some(node) = self.extension(KEY, top.get(KEY), &known) else {
            return PodExtension::default();
        };
        let images = match node.get("images").map(|images| (images, images.as_list())) {
            None => Vec::new(),
            Some((_, Some(items))) => items
                .iter()
                .filter_map(|item| self.string("x-pod.images", item))
                .map(|path| path.map(PathBuf::from))
                .collect(),
            Some((images, None)) => {
                self.mistyped("x-pod.images", "a list of paths", images);
                Vec::new()
            }
        };
        PodExtension {
            images,
            main: node
                .get("main")
                .and_then(|main| self.string("x-pod.main", main)),
            share_pid: self.share_pid(KEY, node),
            resources: self.pod_resources(KEY, node),
        }
    }

    pub(super) fn service_extension(&mut self, service: &str, node: &Node) -> ServiceExtension {
        let at = format!("services.{service}.{KEY}");
        let Some(node) = self.extension(&at, node.get(KEY), &["share_pid", "resources"]) else {
            return ServiceExtension::default();
        };
        ServiceExtension {
            share_pid: self.share_pid(&at, node),
            resources: self.pod_resources(&at, node),
        }
    }

    /// The service that decides on the pod's end must be one.
    pub(super) fn check_main(&mut self, project: &Project) {
        let Some(main) = &project.pod.main else {
            return;
        };
        if project.service(main).is_none() {
            let names = project.services.iter().map(|service| service.name.as_str());
            let near = nearest(main, names).map(|near| format!("did you mean {near}?"));
            let problem = format!("x-pod.main: there is no active service {}", main.value);
            let mut error = Diagnostic::invalid(problem).at(main.span);
            error.help = near;
            self.fail(error);
        }
    }

    /// The mapping of an extension, its keys looked at.
    fn extension<'n>(
        &mut self,
        at: &str,
        node: Option<&'n Node>,
        known: &[&str],
    ) -> Option<&'n Node> {
        let node = node.filter(|node| !node.is_null())?;
        let Some(map) = node.as_map() else {
            self.mistyped(at, "a mapping", node);
            return None;
        };
        for (key, span, _) in map.iter() {
            if !known.contains(&key) {
                let near = nearest(key, known.iter().copied());
                let mut error = Diagnostic::invalid(format!("{at} has no key `{key}`")).at(span);
                error.help = Some(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its keys are {}", known.join(", ")),
                });
                self.fail(error);
            }
        }
        Some(node)
    }

    fn mistyped(&mut self, at: &str, wanted: &str, node: &Node) {
        let problem = format!("{at} must be {wanted}, and this is {}", node.value.kind());
        self.fail(Diagnostic::invalid(problem).at(node.span));
    }

    fn string(&mut self, at: &str, node: &Node) -> Option<Spanned<String>> {
        if let Some(text) = node.as_str() {
            Some(Spanned::new(text.to_owned(), node.span))
        } else {
            self.mistyped(at, "a string", node);
            None
        }
    }

    fn share_pid(&mut self, at: &str, node: &Node) -> Option<Spanned<bool>> {
        let node = node.get("share_pid")?;
        let flag = match &node.value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => crate::compose::normal_form::flag(text),
            _ => None,
        };
        if flag.is_none() {
            self.mistyped(&format!("{at}.share_pid"), "true or false", node);
        }
        Some(Spanned::new(flag?, node.span))
    }

    fn pod_resources(&mut self, at: &str, node: &Node) -> PodResources {
        let at = format!("{at}.resources");
        let known = ["cpus", "mem", "disk"];
        let Some(node) = self.extension(&at, node.get("resources"), &known) else {
            return PodResources::default();
        };
        let resources = Fields::plain(node);
        let mut size = |key: &str| {
            let node = resources.node(key)?;
            let bytes = match &node.value {
                Value::Int(bytes) => u64::try_from(*bytes).ok(),
                Value::String(text) => match units::bytes(text) {
                    Ok(Some(bytes)) => u64::try_from(bytes).ok(),
                    _ => None,
                },
                _ => None,
            };
            if bytes.is_none() {
                self.mistyped(&format!("{at}.{key}"), "a size, as in 64m", node);
            }
            Some(Spanned::new(ByteSize(bytes?), node.span))
        };
        let (mem, disk) = (size("mem"), size("disk"));
        let cpus = resources.node("cpus").and_then(|node| {
            let cpus = fields::cpus(node);
            if cpus.is_none() {
                self.mistyped(&format!("{at}.cpus"), "a number of CPUs", node);
            }
            Some(Spanned::new(cpus?, node.span))
        });
        PodResources { cpus, mem, disk }
    }
}
