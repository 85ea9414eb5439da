//! A document as text, the same text every time.

use oci_spec::runtime::Spec;
use serde_json::Value;

/// `config.json`. The types keep capabilities, annotations and sysctls in hash tables; here they
/// are sorted, so that `plan` prints the same twice and two documents can be compared.
///
/// # Panics
/// Never: a document has no key that is not a text.
pub fn to_json(spec: &Spec) -> Value {
    let mut json = serde_json::to_value(spec).expect("a document is made of JSON's own types");
    if let Some(sets) = json
        .pointer_mut("/process/capabilities")
        .and_then(Value::as_object_mut)
    {
        for set in sets.values_mut().filter_map(Value::as_array_mut) {
            set.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    for table in ["/annotations", "/linux/sysctl"] {
        if let Some(table) = json.pointer_mut(table).and_then(Value::as_object_mut) {
            table.sort_keys();
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::super::base::BaseSpecs;
    use super::super::fixture::Fixture;
    use super::super::spec::container_spec;
    use super::*;

    #[test]
    fn a_document_is_written_the_same_each_time_and_read_back() {
        let fixture = Fixture::new();
        let text = || {
            let base = BaseSpecs::embedded();
            let spec = container_spec(&base, &fixture.host, &fixture.input()).unwrap();
            (to_json(&spec).to_string(), spec)
        };
        let (first, spec) = text();
        // Hash tables differ in order from one to the next within a process, too.
        for _ in 0..8 {
            assert_eq!(text().0, first);
        }
        assert_eq!(serde_json::from_str::<Spec>(&first).unwrap(), spec);
    }
}
