//! `healthcheck` and hooks.

use super::fields::Fields;
use crate::compose::merge::to_text;
use crate::compose::model::{Healthcheck, HealthcheckTest, Hook};
use crate::compose::source::Spanned;

pub(super) fn healthcheck(fields: Fields<'_>) -> Healthcheck {
    let test = match fields.flag("disable") {
        Some(disable) if disable.value => Some(disable.map(|_| HealthcheckTest::None)),
        _ => test(fields),
    };
    let retries = fields.unsigned("retries");
    Healthcheck {
        span: fields.span(),
        test,
        interval: fields.duration("interval"),
        timeout: fields.duration("timeout"),
        retries: retries.map(|retries| retries.map(|n| u32::try_from(n).unwrap_or(u32::MAX))),
        start_period: fields.duration("start_period"),
        start_interval: fields.duration("start_interval"),
    }
}

fn test(fields: Fields<'_>) -> Option<Spanned<HealthcheckTest>> {
    let node = fields.node("test")?;
    let words = fields.strings("test");
    let (kind, rest) = words.split_first()?;
    let test = match kind.as_str() {
        "NONE" => HealthcheckTest::None,
        "CMD-SHELL" => HealthcheckTest::Shell(rest.to_vec()),
        _ => HealthcheckTest::Command(rest.to_vec()),
    };
    Some(Spanned::new(test, node.span))
}

pub(super) fn hook(fields: Fields<'_>) -> Hook {
    Hook {
        span: fields.span(),
        command: fields.strings("command"),
        user: fields.text("user"),
        privileged: fields.is_set("privileged"),
        working_dir: fields.text("working_dir"),
        environment: fields
            .map("environment")
            .map(|(name, _, node)| {
                let value = (!node.is_null()).then(|| to_text(&node.value));
                (name.to_owned(), value)
            })
            .collect(),
    }
}
