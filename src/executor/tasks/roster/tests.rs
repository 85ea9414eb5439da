//! What follows from what happens to tasks, a line for each action.

use super::*;

const RUNNING: PodReport = PodReport::Running {
    healthy: None,
    addresses: Vec::new(),
};

/// What follows, a line each: `a Starting`, `launch 0`.
fn lines(actions: &[Action]) -> String {
    let line = |action: &Action| match action {
        Action::Tell(update) => {
            let reason = update
                .reason
                .map(|it| format!(" {it:?}"))
                .unwrap_or_default();
            format!("{} {:?}{reason}", update.task, update.state)
        }
        Action::Launch(ordinal) => format!("launch {}", ordinal.0),
        Action::Abandon(ordinal) => format!("abandon {}", ordinal.0),
        Action::Stop(ordinal, reason, within) => {
            let within = within
                .map(|it| format!(" within {it:?}"))
                .unwrap_or_default();
            format!("stop {}: {reason:?}{within}", ordinal.0)
        }
    };
    actions.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn newcomer(id: &str, kill_grace: Option<Duration>) -> Newcomer {
    Newcomer {
        id: id.into(),
        kill_grace,
        purpose: Purpose::Batch,
    }
}

fn admit(roster: &mut Roster, ids: &[&str]) -> Vec<Ordinal> {
    let tasks = ids.iter().map(|id| newcomer(id, None)).collect();
    roster.admit(tasks).0.into_iter().flatten().collect()
}

/// A group of tasks whose pods run.
fn launched(roster: &mut Roster, ids: &[&str]) -> Vec<Ordinal> {
    let group = admit(roster, ids);
    for ordinal in &group {
        roster.ready(*ordinal);
    }
    group
}

fn end(cause: EndCause) -> PodEnd {
    PodEnd {
        cause,
        place: None,
        services: Vec::new(),
        shim_hung: false,
    }
}

#[test]
fn a_task_is_launched_as_soon_as_it_is_prepared() {
    let mut roster = Roster::default();
    let (_, told) = roster.admit(vec![newcomer("a", None)]);
    assert_eq!(lines(&told), "a Starting");
    assert_eq!(lines(&roster.ready(Ordinal(0))), "launch 0");
    assert_eq!(lines(&roster.goes_on(Ordinal(0), RUNNING)), "a Running");
    let told = roster.ended(Ordinal(0), &end(EndCause::Finished));
    assert_eq!(lines(&told), "a Finished");
    assert!(roster.is_empty() && roster.was_used());
}

#[test]
fn tasks_that_came_one_by_one_do_not_touch_each_other() {
    let mut roster = Roster::default();
    let [a, b, c] = ["a", "b", "c"].map(|id| launched(&mut roster, &[id])[0]);
    let told = roster.ended(a, &end(EndCause::SandboxDied));
    assert_eq!(lines(&told), "a Failed");
    let told = roster.kill(&"b".into(), None);
    assert_eq!(lines(&told), "stop 1: Kill");
    assert_eq!(lines(&roster.goes_on(c, RUNNING)), "c Running");
    let told = roster.ended(b, &end(EndCause::Stopped(StopReason::Kill)));
    assert_eq!(lines(&told), "b Killed");
    assert!(!roster.is_empty());
}

#[test]
fn a_group_waits_for_its_last() {
    let mut roster = Roster::default();
    let group = admit(&mut roster, &["a", "b", "c"]);
    assert_eq!(lines(&roster.ready(group[2])), "");
    assert_eq!(lines(&roster.ready(group[0])), "");
    assert_eq!(
        lines(&roster.ready(group[1])),
        "launch 0, launch 1, launch 2"
    );
}

#[test]
fn none_of_a_group_is_launched_when_one_can_not_be() {
    let mut roster = Roster::default();
    let group = admit(&mut roster, &["a", "b", "c"]);
    let bystander = admit(&mut roster, &["d"]);
    roster.ready(group[0]);
    let told = roster.refused(group[1], &Refusal::NotRoot);
    assert_eq!(
        lines(&told),
        "b Failed TaskInvalid, abandon 0, a Failed TaskGroupInvalid, \
         abandon 2, c Failed TaskGroupInvalid"
    );
    assert_eq!(lines(&roster.ready(group[2])), "", "it came too late");
    assert_eq!(lines(&roster.ready(bystander[0])), "launch 3");
}

#[test]
fn what_holds_for_every_task_is_told_to_every_task() {
    let mut roster = Roster::default();
    let group = admit(&mut roster, &["a", "b"]);
    let told: Vec<String> = group
        .iter()
        .map(|it| lines(&roster.refused_alone(*it, &Refusal::NotRoot)))
        .collect();
    assert_eq!(told, ["a Failed TaskInvalid", "b Failed TaskInvalid"]);
}

#[test]
fn a_group_ends_as_one_when_one_fails_but_not_when_one_finishes() {
    let mut roster = Roster::default();
    let group = launched(&mut roster, &["a", "b", "c"]);
    let told = roster.ended(group[0], &end(EndCause::Finished));
    assert_eq!(lines(&told), "a Finished");
    let told = roster.ended(group[1], &end(EndCause::RuntimeLost));
    assert_eq!(lines(&told), "b Failed, stop 2: Group");
    let told = roster.ended(group[2], &end(EndCause::Stopped(StopReason::Group)));
    assert_eq!(lines(&told), "c Killed");
    assert!(roster.is_empty());
}

#[test]
fn a_group_is_killed_as_one_each_with_its_own_grace() {
    let mut roster = Roster::default();
    let second = Duration::from_secs(1);
    let tasks = vec![newcomer("a", None), newcomer("b", Some(2 * second))];
    roster.admit(tasks);
    roster.ready(Ordinal(0));
    roster.ready(Ordinal(1));
    let told = roster.kill(&"a".into(), Some(second));
    assert_eq!(
        lines(&told),
        "stop 0: Kill within 1s, stop 1: Group within 2s"
    );
    let told = roster.ended(Ordinal(0), &end(EndCause::Stopped(StopReason::Kill)));
    assert_eq!(lines(&told), "a Killed", "the other is being stopped");
    let told = roster.kill(&"b".into(), Some(second));
    assert_eq!(
        lines(&told),
        "stop 1: Kill within 1s",
        "a later KILL may shorten"
    );
}

#[test]
fn a_kill_before_the_launch_ends_the_group_at_once() {
    let mut roster = Roster::default();
    let group = admit(&mut roster, &["a", "b"]);
    roster.ready(group[0]);
    let told = roster.kill(&"b".into(), None);
    assert_eq!(lines(&told), "abandon 1, b Killed, abandon 0, a Killed");
    assert!(roster.is_empty());
}

#[test]
fn killing_is_told_once_and_only_to_who_wants_to_hear_it() {
    let mut roster = Roster::default();
    roster.tell_killing(true);
    launched(&mut roster, &["a"]);
    let told = roster.kill(&"a".into(), None);
    assert_eq!(lines(&told), "a Killing, stop 0: Kill");
    assert_eq!(lines(&roster.kill(&"a".into(), None)), "stop 0: Kill");
    assert_eq!(
        lines(&roster.goes_on(Ordinal(0), RUNNING)),
        "",
        "it is too late for that"
    );
}

#[test]
fn who_is_not_here_is_not_killed_and_who_is_is_not_launched_again() {
    let mut roster = Roster::default();
    assert_eq!(lines(&roster.kill(&"a".into(), None)), "");
    assert!(!roster.was_used());
    launched(&mut roster, &["a"]);
    let (ordinals, told) = roster.admit(vec![newcomer("a", None)]);
    assert_eq!((ordinals, lines(&told)), (vec![None], String::new()));
    roster.ended(Ordinal(0), &end(EndCause::Finished));
    assert_eq!(
        admit(&mut roster, &["a"]),
        [Ordinal(1)],
        "a new pod by then"
    );
}

#[test]
fn after_a_shutdown_nothing_is_launched() {
    let mut roster = Roster::default();
    launched(&mut roster, &["a"]);
    admit(&mut roster, &["b"]);
    let second = Some(Duration::from_secs(1));
    let told = roster.stop_all(StopReason::Shutdown, second);
    assert_eq!(
        lines(&told),
        "stop 0: Shutdown within 1s, abandon 1, b Killed"
    );
    let (ordinals, told) = roster.admit(vec![newcomer("c", None)]);
    assert_eq!(
        (ordinals, lines(&told)),
        (vec![None], "c Killed".to_owned())
    );
}

#[test]
fn only_the_first_task_has_ever_been_alone() {
    let mut roster = Roster::default();
    admit(&mut roster, &["a"]);
    assert!(roster.is_only(Ordinal(0)));
    admit(&mut roster, &["b"]);
    assert!(!roster.is_only(Ordinal(0)) && !roster.is_only(Ordinal(1)));
}
