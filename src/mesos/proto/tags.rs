//! Every tag of `mesos.proto` against the protocol's own, which stand in `fields.txt` and
//! `enums.txt`: all fields and values that Mesos 1.11 has in the messages that are declared here.
//!
//! A line of the first is a field, its tag, label, type and default; of the second, a value.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mesos.fds"));
const FIELDS: &str = include_str!("fields.txt");
const ENUMS: &str = include_str!("enums.txt");

/// Messages on the wire that are declared as bytes, so that they are not touched.
const RAW: &[&str] = &[
    "Call.Subscribe.unacknowledged_tasks",
    "Event.Launch.task",
    "TaskGroupInfo.tasks",
];

/// Declared names with the rest of their line, in the tables' form.
#[derive(Default)]
struct Declared {
    fields: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
}

fn declared() -> Declared {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut declared = Declared::default();
    for file in &set.file {
        for message in &file.message_type {
            declare(&mut declared, "", message);
        }
        for each in &file.enum_type {
            declare_enum(&mut declared, "", each);
        }
    }
    declared
}

fn declare(declared: &mut Declared, outer: &str, message: &DescriptorProto) {
    let name = format!("{outer}{}", message.name());
    for field in &message.field {
        let name = format!("{name}.{}", field.name());
        declared.fields.insert(name, line(field));
    }
    for each in &message.enum_type {
        declare_enum(declared, &format!("{name}."), each);
    }
    for inner in &message.nested_type {
        let of_a_map = inner
            .options
            .as_ref()
            .is_some_and(|options| options.map_entry());
        if !of_a_map {
            declare(declared, &format!("{name}."), inner);
        }
    }
}

fn declare_enum(declared: &mut Declared, outer: &str, each: &EnumDescriptorProto) {
    for value in &each.value {
        let name = format!("{outer}{}.{}", each.name(), value.name());
        declared.values.insert(name, value.number().to_string());
    }
}

fn line(field: &FieldDescriptorProto) -> String {
    let tag = field.number();
    if field.type_name().ends_with("Entry") {
        return format!("{tag} map map<string,Value.Scalar>");
    }
    let label = match field.label() {
        Label::Optional => "optional",
        Label::Required => "required",
        Label::Repeated => "repeated",
    };
    let kind = match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches(".mesos.").to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    match field.default_value.as_deref() {
        Some(default) => format!("{tag} {label} {kind} {default}"),
        None => format!("{tag} {label} {kind}"),
    }
}

fn table(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect()
}

#[test]
fn every_field_has_mesos_tag_label_type_and_default() {
    let table = table(FIELDS);
    let declared = declared().fields;
    assert!(
        declared.len() > 100,
        "the descriptors are those of mesos.proto"
    );
    for (name, line) in &declared {
        let expected = *table.get(name.as_str()).unwrap_or(&"not a field of Mesos");
        if RAW.contains(&name.as_str()) {
            assert!(expected.ends_with(" TaskInfo"), "{name} is a task");
            let (tag_and_label, _) = expected.rsplit_once(' ').unwrap();
            assert_eq!(line, &format!("{tag_and_label} bytes"), "{name}");
        } else {
            assert_eq!(line, expected, "{name}");
        }
    }
}

#[test]
fn every_enum_value_has_mesos_number() {
    let table = table(ENUMS);
    let declared = declared().values;
    assert!(
        declared.len() > 50,
        "the descriptors are those of mesos.proto"
    );
    for (name, number) in &declared {
        assert_eq!(table.get(name.as_str()), Some(&number.as_str()), "{name}");
    }
}
