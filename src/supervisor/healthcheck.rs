//! How a service's health is told: what its file says over what its image says, over Docker's
//! defaults. As `daemon/health.go` and `merge` of `daemon/commit.go` have it in moby b985e2313a
//! (August 2026), but for a test without a command: Docker's never succeeds, here it is none.

use std::time::Duration;

use super::course::Timing;
use crate::compose::model::{Healthcheck, HealthcheckTest};
use crate::compose::source::Spanned;
use crate::image::ImageHealthcheck;

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
/// Who reads a `CMD-SHELL` line, whatever the image's `SHELL` is: containers don't inherit that.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A probe, and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceProbe {
    /// Run in the container, as the container's own user. Healthy when it exits with 0.
    pub(super) command: Vec<String>,
    /// When it is killed, which is a failure.
    pub(super) timeout: Duration,
    pub(super) timing: Timing,
}

impl ServiceProbe {
    /// None where neither file nor image have a test, or the file wants none.
    pub(super) fn of(file: Option<&Healthcheck>, image: Option<&ImageHealthcheck>) -> Option<Self> {
        let test = match file.and_then(|file| file.test.as_ref()) {
            Some(test) => test.value.clone(),
            None => image_test(image?)?,
        };
        let command = match test {
            HealthcheckTest::None => return None,
            HealthcheckTest::Command(words) | HealthcheckTest::Shell(words) if words.is_empty() => {
                return None;
            }
            HealthcheckTest::Command(words) => words,
            HealthcheckTest::Shell(words) => {
                let shell = SHELL.map(str::to_owned).into_iter();
                shell.chain(words).collect()
            }
        };
        // Zero is Docker's word for "not given".
        let time = |of_file: fn(&Healthcheck) -> &Option<Spanned<Duration>>,
                    of_image: fn(&ImageHealthcheck) -> Option<Duration>| {
            let given = file.and_then(|file| of_file(file).as_ref());
            given
                .map(|given| given.value)
                .filter(|given| !given.is_zero())
                .or_else(|| image.and_then(of_image))
        };
        let retries = file
            .and_then(|file| file.retries.as_ref())
            .map(|retries| retries.value)
            .filter(|&retries| retries > 0);
        Some(Self {
            command,
            timeout: time(|file| &file.timeout, |image| image.timeout).unwrap_or(TIMEOUT),
            timing: Timing {
                interval: time(|file| &file.interval, |image| image.interval).unwrap_or(INTERVAL),
                start_period: time(|file| &file.start_period, |image| image.start_period)
                    .unwrap_or_default(),
                start_interval: time(|file| &file.start_interval, |image| image.start_interval)
                    .unwrap_or(START_INTERVAL),
                retries: retries
                    .or_else(|| image.and_then(|image| image.retries))
                    .unwrap_or(RETRIES),
            },
        })
    }
}

/// None for a test that says nothing, or in words that Docker does not know.
fn image_test(image: &ImageHealthcheck) -> Option<HealthcheckTest> {
    let (kind, rest) = image.test.split_first()?;
    match kind.as_str() {
        "CMD" => Some(HealthcheckTest::Command(rest.to_vec())),
        "CMD-SHELL" => Some(HealthcheckTest::Shell(rest.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::source::Span;

    const SECOND: Duration = Duration::from_secs(1);

    fn spanned<T>(value: T) -> Spanned<T> {
        Spanned::new(value, Span::default())
    }

    fn file(test: Option<HealthcheckTest>) -> Healthcheck {
        Healthcheck {
            span: Span::default(),
            test: test.map(spanned),
            interval: None,
            timeout: None,
            retries: None,
            start_period: None,
            start_interval: None,
        }
    }

    fn image() -> ImageHealthcheck {
        ImageHealthcheck {
            test: vec!["CMD".to_owned(), "/probe".to_owned()],
            interval: Some(7 * SECOND),
            timeout: None,
            start_period: Some(60 * SECOND),
            start_interval: None,
            retries: Some(9),
        }
    }

    #[test]
    fn a_file_alone_has_dockers_defaults() {
        let words = ["curl $0", "localhost"].map(str::to_owned).to_vec();
        let file = file(Some(HealthcheckTest::Shell(words)));
        let probe = ServiceProbe::of(Some(&file), None).unwrap();
        assert_eq!(probe.command, ["/bin/sh", "-c", "curl $0", "localhost"]);
        assert_eq!(probe.timeout, TIMEOUT);
        let timing = Timing {
            interval: INTERVAL,
            start_period: Duration::ZERO,
            start_interval: START_INTERVAL,
            retries: 3,
        };
        assert_eq!(probe.timing, timing);
    }

    #[test]
    fn what_the_file_leaves_open_is_the_images() {
        let mut file = file(None);
        file.retries = Some(spanned(2));
        file.start_period = Some(spanned(Duration::ZERO));
        let probe = ServiceProbe::of(Some(&file), Some(&image())).unwrap();
        assert_eq!(probe.command, ["/probe"]);
        assert_eq!(probe.timing.retries, 2);
        assert_eq!(probe.timing.interval, 7 * SECOND);
        assert_eq!(probe.timing.start_period, 60 * SECOND);
        assert_eq!(
            ServiceProbe::of(None, Some(&image()))
                .unwrap()
                .timing
                .retries,
            9
        );
    }

    #[test]
    fn an_image_may_give_times_alone() {
        let times = ImageHealthcheck {
            test: Vec::new(),
            ..image()
        };
        let file = file(Some(HealthcheckTest::Command(vec!["/probe".to_owned()])));
        let probe = ServiceProbe::of(Some(&file), Some(&times)).unwrap();
        assert_eq!(probe.timing.interval, 7 * SECOND);
        assert_eq!(ServiceProbe::of(None, Some(&times)), None);
    }

    #[test]
    fn a_check_can_be_turned_off_and_a_strange_one_is_none() {
        let off = file(Some(HealthcheckTest::None));
        assert_eq!(ServiceProbe::of(Some(&off), Some(&image())), None);
        assert_eq!(ServiceProbe::of(None, None), None);
        assert_eq!(ServiceProbe::of(Some(&file(None)), None), None);
        let strange: [&[&str]; 5] = [&[], &["NONE"], &["WHAT"], &["CMD"], &["CMD-SHELL"]];
        for test in strange {
            let test = test.iter().map(|word| (*word).to_owned()).collect();
            let strange = ImageHealthcheck { test, ..image() };
            assert_eq!(ServiceProbe::of(None, Some(&strange)), None);
        }
    }
}
