//! Long lives, with time as it is told: a thousand crashes, a day of probes. What is watched is
//! that nothing grows with them; what real containers cost is measured in `integration/`.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::tests::made;
use super::{Action, Course, ProbeResult, RunningMeans, Timing, Verdict};
use crate::compose::model::Condition;
use crate::pod::life::{DependencyPlan, LifePlan, RestartPlan, RestartWhen};

const DAY: Duration = Duration::from_hours(24);

/// What a scripted container does in time.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Started(usize),
    Exited(usize),
    Probed(super::Probing),
}

/// A world in which each start succeeds, each probe takes a moment, and services crash as told.
struct World {
    course: Course,
    now: Instant,
    to_come: BTreeMap<(Instant, u64), Happening>,
    told: u64,
    /// How long service 0 runs before it crashes; none for ever.
    crashes_after: Option<Duration>,
    starts: usize,
    probes: usize,
    most_to_come: usize,
}

impl World {
    fn new(course: Course, crashes_after: Option<Duration>) -> Self {
        Self {
            course,
            now: Instant::now(),
            to_come: BTreeMap::new(),
            told: 0,
            crashes_after,
            starts: 0,
            probes: 0,
            most_to_come: 0,
        }
    }

    fn expect(&mut self, after: Duration, happening: Happening) {
        self.told += 1;
        self.to_come
            .insert((self.now + after, self.told), happening);
        self.most_to_come = self.most_to_come.max(self.to_come.len());
    }

    /// Goes on to the next thing that happens or is due.
    fn step(&mut self) {
        for action in self.course.due(self.now) {
            match action {
                Action::Start(i) | Action::StartAgain(i) => {
                    self.starts += 1;
                    self.expect(Duration::from_millis(40), Happening::Started(i));
                }
                Action::Probe(probing) => {
                    self.probes += 1;
                    self.expect(Duration::from_millis(30), Happening::Probed(probing));
                }
            }
        }
        let due = self.course.next();
        let happening = self.to_come.first_key_value().map(|((at, _), _)| *at);
        match (due, happening) {
            (Some(due), Some(at)) if due < at => self.now = due,
            (_, Some(_)) => {
                let ((at, _), happening) = self.to_come.pop_first().expect("there is one");
                self.now = at;
                self.happen(happening);
            }
            (Some(due), None) => self.now = due,
            (None, None) => panic!("nothing will ever happen again"),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Started(i) => {
                self.course.started(i, self.now);
                self.course.settled(i);
                if let Some(after) = self.crashes_after.filter(|_| i == 0) {
                    self.expect(after, Happening::Exited(i));
                }
            }
            Happening::Exited(i) => {
                self.course.exited(i, false, self.now);
            }
            Happening::Probed(probing) => {
                let output = "x".repeat(4096);
                let result = ProbeResult {
                    success: true,
                    output,
                };
                self.course.probed(probing, Some(result), self.now);
            }
        }
    }
}

fn timing() -> Timing {
    Timing {
        interval: Duration::from_secs(30),
        start_period: Duration::ZERO,
        start_interval: Duration::from_secs(5),
        retries: 3,
    }
}

fn always() -> LifePlan {
    LifePlan {
        restart: RestartPlan {
            when: RestartWhen::Always,
            ..RestartPlan::default()
        },
        ..LifePlan::default()
    }
}

#[test]
fn a_thousand_crashes_leave_nothing_behind() {
    let lives = [always(), always()];
    let services = lives.iter().map(|life| (life, Some(timing())));
    let course = made(Course::new(services, None, RunningMeans::Healthy));
    let mut world = World::new(course, Some(Duration::from_millis(5)));
    while world.course.restarts(0) < 1000 {
        world.step();
        assert_eq!(world.course.verdict(), None);
    }
    // Two services: a start or an end, and a probe, of each.
    assert!(world.most_to_come <= 4, "{}", world.most_to_come);
    assert!(world.starts >= 1000);
    assert_eq!(world.course.restarts(1), 0, "the other one is let be");
    assert_eq!(world.course.probe_outputs(1).len(), 5);
}

#[test]
fn a_day_of_probes_leaves_nothing_behind() {
    let lives = [always(), always(), always()];
    let services = lives.iter().map(|life| (life, Some(timing())));
    let course = made(Course::new(services, None, RunningMeans::Healthy));
    let mut world = World::new(course, None);
    let end = world.now + DAY;
    while world.now < end {
        world.step();
    }
    // One each thirty seconds and the moment that each takes.
    let each = DAY.as_millis() / (30_000 + 30);
    assert_eq!(world.probes as u128 / 3, each);
    assert!(world.most_to_come <= 3, "one probe at a time for each");
    for i in 0..3 {
        assert_eq!(world.course.probe_outputs(i).len(), 5);
    }
}

#[test]
fn a_chain_of_healthy_services_waits_for_nothing_but_the_probes() {
    const LINKS: usize = 10;
    let healthy = |on| DependencyPlan {
        on,
        condition: Condition::Healthy,
        required: true,
    };
    let lives: Vec<LifePlan> = (0..LINKS)
        .map(|i| LifePlan {
            depends_on: i.checked_sub(1).map(healthy).into_iter().collect(),
            ..LifePlan::default()
        })
        .collect();
    let services = lives.iter().map(|life| (life, Some(timing())));
    let course = made(Course::new(services, None, RunningMeans::Healthy));
    let mut world = World::new(course, None);
    let begin = world.now;
    while !world.course.take_running() {
        world.step();
    }
    // Each link: its start, its interval, its probe, and not a moment more.
    let link = Duration::from_millis(40 + 30_000 + 30);
    assert_eq!(world.now - begin, link * 10);
    assert_eq!(world.course.verdict(), None::<Verdict>);
}
