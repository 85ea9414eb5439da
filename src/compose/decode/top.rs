//! Networks, volumes, configs and secrets.

use std::path::PathBuf;

use super::fields::Fields;
use crate::compose::model::{
    Config, ConfigSource, External, Network, Secret, SecretSource, Volume,
};
use crate::compose::node::Node;
use crate::compose::source::{Span, Spanned};

type Entry<'a> = (&'a str, Span, &'a Node);

fn name(fields: Fields<'_>, key: &str) -> String {
    fields
        .text("name")
        .map_or_else(|| key.to_owned(), |name| name.value)
}

fn external(fields: Fields<'_>) -> Option<External> {
    let flag = fields.flag("external").filter(|flag| flag.value)?;
    Some(External { span: flag.span })
}

pub(super) fn network((key, key_span, node): Entry<'_>) -> Network {
    let fields = Fields::plain(node);
    let ipam = fields.node("ipam").and_then(Node::as_map);
    Network {
        key: Spanned::new(key.to_owned(), key_span),
        name: name(fields, key),
        driver: fields.text("driver"),
        internal: fields.flag("internal"),
        external: external(fields),
        ipam: ipam
            .filter(|ipam| !ipam.is_empty())
            .and(fields.node("ipam"))
            .map(|ipam| ipam.span),
    }
}

pub(super) fn volume((key, key_span, node): Entry<'_>) -> Volume {
    let fields = Fields::plain(node);
    Volume {
        key: Spanned::new(key.to_owned(), key_span),
        name: name(fields, key),
        driver: fields.text("driver"),
        driver_opts: fields.pairs("driver_opts"),
        external: external(fields),
    }
}

pub(super) fn config((key, key_span, node): Entry<'_>) -> Config {
    let fields = Fields::plain(node);
    let source = if let Some(external) = external(fields) {
        ConfigSource::External(external)
    } else if let Some(file) = fields.text("file") {
        ConfigSource::File(file.map(PathBuf::from))
    } else if let Some(variable) = fields.text("environment") {
        ConfigSource::Environment(variable)
    } else {
        // An empty content is left out of normal form, and is a content all the same.
        let content = fields.text("content");
        ConfigSource::Content(content.unwrap_or(Spanned::new(String::new(), key_span)))
    };
    Config {
        key: Spanned::new(key.to_owned(), key_span),
        name: name(fields, key),
        source,
    }
}

/// None for a secret without a source, which the checks have refused.
pub(super) fn secret((key, key_span, node): Entry<'_>) -> Option<Secret> {
    let fields = Fields::plain(node);
    let source = if let Some(external) = external(fields) {
        SecretSource::External(external)
    } else if let Some(file) = fields.text("file") {
        SecretSource::File(file.map(PathBuf::from))
    } else if let Some(variable) = fields.text("environment") {
        SecretSource::Environment(variable)
    } else {
        SecretSource::Driver(fields.text("driver")?)
    };
    Some(Secret {
        key: Spanned::new(key.to_owned(), key_span),
        name: name(fields, key),
        source,
    })
}
