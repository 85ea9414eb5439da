//! `build` and `develop`: nothing here acts on them, but what they hold is checked and passed on.

use super::service::{FILE_REFERENCES, HOOK, ULIMITS};
use super::{
    BOOL_OR_STRING, ENVIRONMENT, FLAG, Form, INTEGER_OR_STRING, Key, LABELS, Pairs, Rule, Shape,
    TEXT, TEXT_LIST, Types, key, list, nullable, object, ruled, scalar,
};

pub(super) static BUILD: Shape =
    Shape::OneOf(&[scalar(Types::STRING, Form::Text), object(BUILD_KEYS, &[])]);

static SHM_SIZE: Shape = scalar(INTEGER_OR_STRING, Form::Bytes);
/// `true` and `false` are kept as text.
static ATTESTATION: Shape = scalar(BOOL_OR_STRING, Form::Text);
static SSH: Shape = Shape::Pairs(Pairs::Environment);

const BUILD_KEYS: &[Key] = &[
    key("context", &TEXT),
    key("dockerfile", &TEXT),
    key("dockerfile_inline", &TEXT),
    key("entitlements", &TEXT_LIST),
    key("args", &ENVIRONMENT),
    key("ssh", &SSH),
    key("labels", &LABELS),
    key("cache_from", &TEXT_LIST),
    key("cache_to", &TEXT_LIST),
    key("no_cache", &FLAG),
    key("additional_contexts", &LABELS),
    key("network", &TEXT),
    key("provenance", &ATTESTATION),
    key("sbom", &ATTESTATION),
    key("pull", &FLAG),
    key("target", &TEXT),
    key("shm_size", &SHM_SIZE),
    key("extra_hosts", &Shape::Hosts),
    key("isolation", &TEXT),
    key("privileged", &FLAG),
    key("secrets", &FILE_REFERENCES),
    key("tags", &TEXT_LIST),
    key("ulimits", &ULIMITS),
    key("platforms", &TEXT_LIST),
];

pub(super) static DEVELOP: Shape = nullable(&[key("watch", &WATCH)]);

static WATCH: Shape = list(&TRIGGER);

static TRIGGER: Shape = object(
    &[
        key("ignore", &Shape::Texts),
        key("include", &Shape::Texts),
        key("path", &TEXT),
        key("action", &ACTION),
        key("target", &TEXT),
        key("exec", &HOOK),
        key("initial_sync", &INITIAL_SYNC),
    ],
    &["path", "action"],
);

static ACTION: Shape = ruled(
    Types::STRING,
    Form::Text,
    Rule::Words(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"]),
);

static INITIAL_SYNC: Shape = scalar(Types::BOOL, Form::Flag);
