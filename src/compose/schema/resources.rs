//! What a service may use: `deploy`, `gpus`, `blkio_config`, `ulimits`.

use super::{
    DURATION, Form, INTEGER_OR_STRING, Key, LABELS, NUMBER_OR_STRING, Named, Names, Object, Rule,
    Shape, TEXT, TEXT_LIST, TEXT_SET, Types, always, kept, key, list, nullable, object, ruled,
    scalar, strict,
};

pub(super) static DEPLOY: Shape = nullable(&[
    key("mode", &TEXT),
    key("endpoint_mode", &TEXT),
    key("replicas", &COUNTED),
    key("labels", &LABELS),
    key("rollback_config", &UPDATE),
    key("update_config", &UPDATE),
    always("resources", &RESOURCES),
    key("restart_policy", &RESTART_POLICY),
    always("placement", &PLACEMENT),
]);

/// A number whose zero differs from its absence.
pub(super) static COUNTED: Shape = kept(INTEGER_OR_STRING, Form::Integer);
static UNSIGNED: Shape = kept(INTEGER_OR_STRING, Form::Unsigned);
static DELAY: Shape = scalar(Types::STRING, Form::Duration);
static RATIO: Shape = scalar(NUMBER_OR_STRING, Form::Float);
static ORDER: Shape = ruled(
    Types::STRING,
    Form::Text,
    Rule::Words(&["start-first", "stop-first"]),
);

static UPDATE: Shape = object(
    &[
        key("parallelism", &UNSIGNED),
        key("delay", &DELAY),
        key("failure_action", &TEXT),
        key("monitor", &DELAY),
        key("max_failure_ratio", &RATIO),
        key("order", &ORDER),
    ],
    &[],
);

static RESOURCES: Shape = object(
    &[key("limits", &LIMITS), key("reservations", &RESERVATIONS)],
    &[],
);

static CPUS: Shape = scalar(NUMBER_OR_STRING, Form::Float);
static MEMORY: Shape = scalar(Types::STRING, Form::Bytes);
static PIDS: Shape = scalar(INTEGER_OR_STRING, Form::Integer);

static LIMITS: Shape = object(
    &[
        key("cpus", &CPUS),
        key("memory", &MEMORY),
        key("pids", &PIDS),
    ],
    &[],
);

static RESERVATIONS: Shape = object(
    &[
        key("cpus", &CPUS),
        key("memory", &MEMORY),
        key("generic_resources", &GENERIC),
        key("devices", &DEVICE_REQUESTS),
    ],
    &[],
);

static GENERIC: Shape = list(&GENERIC_ITEM);
static GENERIC_ITEM: Shape = object(&[key("discrete_resource_spec", &DISCRETE)], &[]);
static DISCRETE: Shape = object(&[key("kind", &TEXT), key("value", &DISCRETE_VALUE)], &[]);
static DISCRETE_VALUE: Shape = kept(NUMBER_OR_STRING, Form::Integer);

static DEVICE_REQUESTS: Shape = list(&DEVICE_REQUEST);
static DEVICE_COUNT: Shape = scalar(INTEGER_OR_STRING, Form::Count);

const DEVICE_REQUEST_KEYS: &[Key] = &[
    key("capabilities", &TEXT_SET),
    key("count", &DEVICE_COUNT),
    key("device_ids", &TEXT_SET),
    key("driver", &TEXT),
    key("options", &LABELS),
];

static DEVICE_REQUEST: Shape = object(DEVICE_REQUEST_KEYS, &["capabilities"]);

pub(super) static GPUS: Shape = Shape::OneOf(&[
    ruled(Types::STRING, Form::Text, Rule::Words(&["all"])),
    list(&GPU),
]);

/// The specification's schema does not close this one.
static GPU: Shape = Shape::Object(Object {
    keys: DEVICE_REQUEST_KEYS,
    required: &[],
    extensible: true,
    closed: false,
    nullable: false,
});

static RESTART_POLICY: Shape = object(
    &[
        key("condition", &TEXT),
        key("delay", &DURATION),
        key("max_attempts", &UNSIGNED),
        key("window", &DURATION),
    ],
    &[],
);

static PLACEMENT: Shape = object(
    &[
        key("constraints", &TEXT_LIST),
        key("preferences", &PREFERENCES),
        key("max_replicas_per_node", &MAX_REPLICAS),
    ],
    &[],
);

static PREFERENCES: Shape = list(&PREFERENCE);
static PREFERENCE: Shape = object(&[key("spread", &TEXT)], &[]);
static MAX_REPLICAS: Shape = scalar(INTEGER_OR_STRING, Form::Unsigned);

pub(super) static BLKIO: Shape = strict(
    &[
        key("device_read_bps", &THROTTLES),
        key("device_read_iops", &THROTTLES),
        key("device_write_bps", &THROTTLES),
        key("device_write_iops", &THROTTLES),
        key("weight", &WEIGHT),
        key("weight_device", &WEIGHTS),
    ],
    &[],
);

static WEIGHT: Shape = scalar(INTEGER_OR_STRING, Form::Unsigned);
static DEVICE_WEIGHT: Shape = kept(INTEGER_OR_STRING, Form::Unsigned);
static RATE: Shape = kept(INTEGER_OR_STRING, Form::Bytes);
static DEVICE_PATH: Shape = kept(Types::STRING, Form::Text);
static THROTTLES: Shape = list(&THROTTLE);
static THROTTLE: Shape = strict(&[always("path", &DEVICE_PATH), always("rate", &RATE)], &[]);
static WEIGHTS: Shape = list(&WEIGHT_DEVICE);
static WEIGHT_DEVICE: Shape = strict(
    &[
        always("path", &DEVICE_PATH),
        always("weight", &DEVICE_WEIGHT),
    ],
    &[],
);

pub(super) static ULIMITS: Shape = Shape::Named(Named {
    item: &ULIMIT,
    names: Names::Lowercase,
    closed: false,
});

static ULIMIT: Shape = Shape::OneOf(&[
    kept(INTEGER_OR_STRING, Form::Digits),
    object(
        &[key("hard", &ULIMIT_VALUE), key("soft", &ULIMIT_VALUE)],
        &["soft", "hard"],
    ),
]);

static ULIMIT_VALUE: Shape = scalar(INTEGER_OR_STRING, Form::Digits);
