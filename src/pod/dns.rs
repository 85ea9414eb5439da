//! `dns`, `dns_search` and `dns_opt`: what a service's resolver is told.

use super::plan::DnsPlan;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Service;
use crate::compose::source::Spanned;

/// resolv.conf(5) has a word a name: what holds a blank or a line's end would be another setting.
pub(super) fn plan(service: &Service, found: &mut Vec<Diagnostic>) -> DnsPlan {
    let mut words = |key: &str, values: &[Spanned<String>]| {
        let mut kept = Vec::with_capacity(values.len());
        for value in values {
            if is_word(value) {
                kept.push(value.value.clone());
            } else {
                let text = format!(
                    "services.{}.{key}: {:?} is not one word",
                    service.name.value, value.value
                );
                found.push(Diagnostic::invalid(text).at(value.span));
            }
        }
        kept
    };
    DnsPlan {
        servers: words("dns", &service.dns),
        search: words("dns_search", &service.dns_search),
        options: words("dns_opt", &service.dns_opt),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '#' | ';'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::project_of;

    fn planned(service: &str) -> (DnsPlan, Vec<Diagnostic>) {
        let project = project_of(&format!("services: {{a: {{image: i, {service}}}}}"));
        let mut found = Vec::new();
        (plan(&project.services[0], &mut found), found)
    }

    #[test]
    fn each_setting_is_taken_as_it_is_written() {
        let (dns, found) =
            planned("dns: 192.0.2.1, dns_search: [a.example, b], dns_opt: ['ndots:3']");
        assert_eq!(dns.servers, ["192.0.2.1"]);
        assert_eq!(dns.search, ["a.example", "b"]);
        assert_eq!(dns.options, ["ndots:3"]);
        assert_eq!(found.len(), 0);
    }

    #[test]
    fn nothing_brings_in_a_line_of_its_own() {
        let (dns, found) =
            planned(r#"dns_search: ["a\nnameserver 192.0.2.66"], dns_opt: ["x y", ""]"#);
        assert_eq!(dns, DnsPlan::default());
        assert_eq!(found.len(), 3);
    }
}
