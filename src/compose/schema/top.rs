//! The top level, and the resources that services refer to.

use super::service::{DRIVER_OPTS, PLAIN_TEXTS, SERVICE};
use super::{
    BOOL_OR_STRING, FLAG, Form, LABELS, Named, Names, Object, Shape, TEXT, TRISTATE, Types, always,
    key, list, nullable, object, scalar,
};

/// A whole file.
pub(crate) static PROJECT: Shape = object(
    &[
        key("version", &TEXT),
        key("name", &TEXT),
        key("include", &INCLUDE),
        key("services", &SERVICES),
        key("models", &MODELS),
        key("networks", &NETWORKS),
        key("volumes", &VOLUMES),
        key("secrets", &SECRETS),
        key("configs", &CONFIGS),
    ],
    &[],
);

/// Looked at by [`crate::compose::include`], which takes it out.
static INCLUDE: Shape = list(&Shape::Any);

const fn named(item: &'static Shape, closed: bool) -> Shape {
    Shape::Named(Named {
        item,
        names: Names::Resource,
        closed,
    })
}

static SERVICES: Shape = named(&SERVICE, true);
static MODELS: Shape = named(&MODEL, false);
static NETWORKS: Shape = named(&NETWORK, false);
static VOLUMES: Shape = named(&VOLUME, true);
static SECRETS: Shape = named(&SECRET, true);
static CONFIGS: Shape = named(&CONFIG, true);

static MODEL: Shape = object(
    &[
        key("name", &TEXT),
        key("model", &TEXT),
        key("context_size", &CONTEXT_SIZE),
        key("runtime_flags", PLAIN_TEXTS),
    ],
    &["model"],
);
static CONTEXT_SIZE: Shape = scalar(Types::INTEGER, Form::Integer);

static EXTERNAL: Shape = Shape::OneOf(&[
    scalar(BOOL_OR_STRING, Form::Flag),
    object(&[key("name", &TEXT)], &[]),
]);

/// As [`EXTERNAL`], but the specification's schema does not close it.
static EXTERNAL_OPEN: Shape = Shape::OneOf(&[
    scalar(BOOL_OR_STRING, Form::Flag),
    Shape::Object(Object {
        keys: &[key("name", &TEXT)],
        required: &[],
        extensible: true,
        closed: false,
        nullable: false,
    }),
]);

static NETWORK: Shape = nullable(&[
    key("name", &TEXT),
    key("driver", &TEXT),
    key("driver_opts", &DRIVER_OPTS),
    always("ipam", &IPAM),
    key("external", &EXTERNAL),
    key("internal", &FLAG),
    key("enable_ipv4", &TRISTATE),
    key("enable_ipv6", &TRISTATE),
    key("attachable", &FLAG),
    key("labels", &LABELS),
]);

static IPAM: Shape = object(
    &[
        key("driver", &TEXT),
        key("config", &POOLS),
        key("options", &IPAM_OPTIONS),
    ],
    &[],
);
static IPAM_OPTIONS: Shape = Shape::Options(Types::STRING);
static POOLS: Shape = list(&POOL);
static POOL: Shape = object(
    &[
        key("subnet", &TEXT),
        key("ip_range", &TEXT),
        key("gateway", &TEXT),
        key("aux_addresses", &IPAM_OPTIONS),
    ],
    &[],
);

static VOLUME: Shape = nullable(&[
    key("name", &TEXT),
    key("driver", &TEXT),
    key("driver_opts", &DRIVER_OPTS),
    key("external", &EXTERNAL),
    key("labels", &LABELS),
]);

static SECRET: Shape = object(
    &[
        key("name", &TEXT),
        key("environment", &TEXT),
        key("file", &TEXT),
        key("external", &EXTERNAL_OPEN),
        key("labels", &LABELS),
        key("driver", &TEXT),
        key("driver_opts", &DRIVER_OPTS),
        key("template_driver", &TEXT),
    ],
    &[],
);

static CONFIG: Shape = object(
    &[
        key("name", &TEXT),
        key("content", &TEXT),
        key("environment", &TEXT),
        key("file", &TEXT),
        key("external", &EXTERNAL_OPEN),
        key("labels", &LABELS),
        key("template_driver", &TEXT),
    ],
    &[],
);
