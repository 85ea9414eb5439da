//! The loader as a whole: what it says when something is wrong, and the laws that merging keeps.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::canonical::Canonical;
use super::limits::Limits;
use super::load::{LoadOptions, load};
use super::merge::merge;
use super::node::Node;
use super::normal_form::NormalForm;
use super::path::Path;
use super::source::SourceId;
use super::testing::{
    MemoryFiles, errors_of, json_of, load_files, load_text, options, project_of, yaml_of,
};
use super::unique::unique;
use super::yaml;
use super::{Printed, to_yaml};

/// What people are shown.
fn shown(files: &[(&str, &str)]) -> String {
    load_files(files).unwrap_err().render(false)
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = "services:\n  web:\n    imagee: nginx\n    ports: 80\n  db:\n    restart: 5\n";
    insta::assert_snapshot!(shown(&[("compose.yaml", text)]), @r"
    error: services.web has no key `imagee`
     --> compose.yaml:3:5
      |
    3 |     imagee: nginx
      |     ^^^^^^
      |
      = help: did you mean `image`?
    error: services.web.ports must be a list, and this is an integer
     --> compose.yaml:4:12
      |
    4 |     ports: 80
      |            ^^
    error: services.db.restart must be a string, and this is an integer
     --> compose.yaml:6:14
      |
    6 |     restart: 5
      |              ^
      |
      = help: put it in quotes
    ");
}

#[test]
fn a_mistake_names_the_way_by_which_it_came() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web:\n    extends:\n      file: base.yaml\n      service: app\n",
        ),
        (
            "base.yaml",
            "services:\n  app:\n    image: i\n    extends: common\n  common:\n    mem_limit: 64Mi\n",
        ),
    ];
    insta::assert_snapshot!(shown(&files), @r"
    error: services.web.mem_limit: `Mi` is no unit of sizes; they are b, k, m, g, t and p, all by 1024
     --> base.yaml:6:16
      |
    4 |     extends: common
      |              ------ extended from here
    5 |   common:
    6 |     mem_limit: 64Mi
      |                ^^^^
      |
     ::: compose.yaml:4:13
      |
    4 |       file: base.yaml
      |             --------- extended from here
    ");
}

#[test]
fn an_included_mistake_names_the_include() {
    let files = [
        ("compose.yaml", "include:\n  - part/compose.yaml\n"),
        (
            "part/compose.yaml",
            "services:\n  web:\n    image: ${TAG:?say which}\n",
        ),
    ];
    insta::assert_snapshot!(shown(&files), @r"
    error: services.web.image: the variable TAG must be set: say which
     --> part/compose.yaml:3:12
      |
    3 |     image: ${TAG:?say which}
      |            ^^^^^^^^^^^^^^^^^
      |
     ::: compose.yaml:2:5
      |
    2 |   - part/compose.yaml
      |     ----------------- included from here
    ");
}

#[test]
fn traps_are_warned_of_and_kept_from_a_launch() {
    let loaded = load_text("services:\n  web:\n    image: i\n    command: a && b\n").unwrap();
    let warnings = super::render(&loaded.warnings, &loaded.sources, false);
    insta::assert_snapshot!(warnings, @r#"
    warning: services.web.command: no shell runs this; it ends before the `&`
     --> compose.yaml:4:14
      |
    4 |     command: a && b
      |              ^^^^^^
      |
      = help: for a shell, write ["sh", "-c", "a && b"]
    "#);
    assert_eq!(super::engine_checks(&loaded.project).len(), 1);
}

#[test]
fn a_tab_is_told_as_one() {
    let text = "services:\n\tweb: {}\n";
    let error = load_text(text).unwrap_err();
    let help = error.diagnostics[0].help.as_deref();
    assert_eq!(
        help,
        Some("YAML is indented with spaces; this line has a tab")
    );
}

#[test]
fn a_key_that_is_there_twice_shows_both_places() {
    insta::assert_snapshot!(shown(&[("compose.yaml", "services:\n  a: {}\n  a: {}\n")]), @r"
    error: the key `a` is there twice
     --> compose.yaml:3:3
      |
    2 |   a: {}
      |   - here it is first
    3 |   a: {}
      |   ^
    ");
}

#[test]
fn what_is_remote_is_refused() {
    for include in ["https://x/y.yaml", "oci://x/y", "git@x:y"] {
        let text = format!("include: ['{include}']\n");
        assert_eq!(errors_of(&text).len(), 1, "{include}");
    }
}

#[test]
fn an_alias_bomb_is_refused_before_it_grows() {
    let mut text = "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "x-{level}: &a{level} [{aliases}]");
    }
    text.push_str("services: {a: {image: i}}\n");
    assert!(errors_of(&text)[0].contains("more values"));
    assert!(errors_of("x-a: &a [*a]\n")[0].contains("alias within"));
}

#[test]
fn what_is_shown_of_a_long_text_is_cut() {
    let name = "é".repeat(100_000);
    for text in [
        format!("? {name}\n: 1\nservices: {{a: {{image: i}}}}\n"),
        format!("services: {{a: {{image: '${{{name}'}}}}\n"),
    ] {
        let shown = load_text(&text).unwrap_err().render(false);
        assert!(shown.len() < 20_000, "{}", shown.len());
    }
}

#[test]
fn ranges_of_ports_are_counted_in_full() {
    let service = |n: u32| format!("  s{n}: {{image: i, ports: ['1-65535:1-65535']}}\n");
    let services: String = (0..3).map(service).collect();
    let errors = errors_of(&format!("services:\n{services}"));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("more ports"), "{errors:?}");
    assert!(errors_of(&format!("services:\n{}", service(0))).is_empty());
}

#[test]
fn a_long_way_of_services_that_extend_one_another_is_counted() {
    let mut text = "services:\n  s0: {image: i}\n".to_owned();
    for n in 1..2000 {
        let _ = writeln!(text, "  s{n}: {{extends: s{}}}", n - 1);
    }
    assert!(errors_of(&text)[0].contains("more values than a project may have"));
}

#[test]
fn services_that_extend_one_another_are_counted_in_full() {
    let big = (0..200)
        .map(|n| format!("A{n}: {n}"))
        .collect::<Vec<_>>()
        .join(", ");
    let mut text = format!("services:\n  base: {{image: i, environment: {{{big}}}}}\n");
    for n in 0..2000 {
        let _ = writeln!(text, "  s{n}: {{extends: base}}");
    }
    assert!(errors_of(&text)[0].contains("more values than a project may have"));
}

#[test]
fn files_are_bounded_in_number_and_depth() {
    let deep = format!("x-a: {}{}\n", "[".repeat(80), "]".repeat(80));
    assert!(errors_of(&deep)[0].contains("nested"));
    let names: Vec<String> = (0..20).map(|n| format!("f{n}.yaml")).collect();
    let include = format!("include: [{}]\n", names.join(", "));
    let texts: Vec<(String, String)> = names
        .iter()
        .map(|name| {
            (
                name.clone(),
                format!("services: {{{}: {{image: i}}}}\n", &name[..2]),
            )
        })
        .collect();
    let mut files = vec![("compose.yaml", include.as_str())];
    files.extend(
        texts
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    );
    assert!(shown(&files).contains("at most 16 Compose files"));
}

#[test]
fn only_the_folder_itself_is_searched_if_that_is_asked() {
    let files = MemoryFiles::new(&[("compose.yaml", "services: {a: {image: i}}\n")]);
    let below = LoadOptions::new("/p/below");
    assert!(load(&below, &files).is_ok());
    let folder = LoadOptions {
        discovery: super::Discovery::Folder,
        ..below
    };
    assert!(load(&folder, &files).is_err());
}

#[test]
fn an_extension_of_ours_has_no_unknown_keys() {
    let project = project_of(
        "x-pod: {main: a, share_pid: false, images: [a.tar], resources: {cpus: 0.5, mem: 64m}}\n\
         services: {a: {image: i, x-pod: {share_pid: true, resources: {disk: 1g}}}}\n",
    );
    assert_eq!(project.pod.main.unwrap().value, "a");
    assert_eq!(project.pod.resources.cpus.unwrap().nanos, 500_000_000);
    assert!(project.services[0].pod.share_pid.as_ref().unwrap().value);
    let one = |text: &str| errors_of(&format!("{text}\nservices: {{a: {{image: i}}}}\n")).len();
    assert_eq!(one("x-pod: {mian: a}"), 1);
    assert_eq!(one("x-pod: {main: b}"), 1);
    assert_eq!(one("x-pod: {resources: {mem: lots}}"), 1);
    assert_eq!(one("x-other: {mian: a}"), 0);
}

#[test]
fn a_bind_creates_its_source_unless_it_says_not_to() {
    let created = |mount: &str| {
        let project = project_of(&format!(
            "services: {{a: {{image: i, volumes: [{mount}]}}}}\n"
        ));
        match &project.services[0].volumes[0].kind {
            super::model::MountKind::Bind { options, source } => {
                assert!(source.value.is_absolute());
                options.create_host_path
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(created("./x:/x"));
    assert!(created("{type: bind, source: ./x, target: /x}"));
    assert!(!created(
        "{type: bind, source: ./x, target: /x, bind: {create_host_path: false}}"
    ));
}

#[test]
fn secrets_are_never_printed() {
    let mut options = options();
    options
        .environment
        .insert("TOKEN".to_owned(), "hunter2".to_owned());
    let text = "services: {a: {image: i, secrets: [s]}}\nsecrets: {s: {environment: TOKEN}}\n";
    let files = MemoryFiles::new(&[("compose.yaml", text)]);
    let loaded = load(&options, &files).unwrap();
    assert!(!to_yaml(&loaded.tree, Printed::Project).contains("hunter2"));
    assert!(!super::to_json(&loaded.tree, Printed::Project).contains("hunter2"));
}

#[test]
fn json_is_as_docker_compose_prints_it() {
    let json =
        json_of("name: t\nservices: {a: {image: i, mem_limit: 64m, stop_grace_period: 90s}}\n");
    insta::assert_json_snapshot!(json["services"]["a"], @r#"
    {
      "command": null,
      "entrypoint": null,
      "image": "i",
      "mem_limit": "67108864",
      "networks": {
        "default": null
      },
      "stop_grace_period": "1m30s"
    }
    "#);
}

/// The merged files as `config --no-interpolate` prints them.
fn as_written(text: &str, environment: &[(&str, &str)]) -> serde_json::Value {
    let mut options = options();
    options.interpolate = false;
    options.normalize = false;
    let pairs = environment.iter().copied();
    options.environment = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let files = MemoryFiles::new(&[("compose.yaml", text)]);
    let model = super::load_model(&options, &files).unwrap();
    serde_json::from_str(&super::to_json(&model.tree, Printed::Model)).unwrap()
}

#[test]
fn what_is_printed_as_written_has_no_variables_and_nothing_left_out() {
    let text = "services: {a: {image: i, environment: [A, B=$A], mem_limit: 64, x-y: 1}}\n\
                models: {m: {model: q}}\n";
    insta::assert_json_snapshot!(as_written(text, &[("A", "1")]), @r#"
    {
      "models": {
        "m": {
          "model": "q"
        }
      },
      "services": {
        "a": {
          "environment": [
            "A",
            "B=$A"
          ],
          "image": "i",
          "mem_limit": 64,
          "x-y": 1
        }
      }
    }
    "#);
}

#[test]
fn ports_with_variables_in_them_stay_as_they_are_written() {
    let ports = |list: &str| {
        let text = format!("services: {{a: {{image: i, ports: {list}}}}}\n");
        as_written(&text, &[])["services"]["a"]["ports"].to_string()
    };
    assert_eq!(ports("['80:80', '$P:81']"), r#"["80:80","$P:81"]"#);
    assert!(ports("['80:80', '81:81']").contains(r#""target":80"#));
}

/// A text's project, without what is implied.
fn bare(text: &str) -> Result<serde_json::Value, String> {
    let mut options = options();
    options.normalize = false;
    options.environment = [("A".to_owned(), "1".to_owned())].into();
    let loaded = load(&options, &MemoryFiles::new(&[("compose.yaml", text)]));
    let loaded = loaded.map_err(|error| error.to_string())?;
    Ok(serde_json::from_str(&super::to_json(&loaded.tree, Printed::Project)).unwrap())
}

#[test]
fn what_is_not_implied_is_still_resolved_and_checked() {
    let text =
        "services: {a: {image: i, environment: {A: }, volumes: ['vv:/v']}}\nvolumes: {vv: }\n";
    let json = bare(text).unwrap();
    assert_eq!(json["services"]["a"]["environment"]["A"], "1");
    assert_eq!(json["volumes"]["vv"], serde_json::json!({}));
    let text =
        "services:\n  a: {image: i, network_mode: 'service:b'}\n  b: {image: i, profiles: [p]}\n";
    assert!(bare(text).unwrap_err().contains("the service b"));
}

#[test]
fn a_service_selected_by_name_forgets_dependencies_that_are_not_there() {
    let text = "services:\n  a: {image: i, depends_on: {b: {condition: service_started, required: false}}}\n  \
                b: {image: i, profiles: [p]}\n";
    let files = MemoryFiles::new(&[("compose.yaml", text)]);
    let dependencies = |selected: &[&str]| {
        let mut options = options();
        options.selected = selected.iter().map(|&name| name.to_owned()).collect();
        let loaded = load(&options, &files).unwrap();
        loaded.project.services[0].depends_on.len()
    };
    assert_eq!(dependencies(&[]), 1);
    assert_eq!(dependencies(&["a"]), 0);
    assert_eq!(dependencies(&["a", "b"]), 1);
}

#[test]
fn an_include_that_says_nothing_includes_nothing() {
    let text = "include: [null, {path: null}, {path: b/b.yaml, env_file: null, project_directory: null}]\n";
    let yaml = yaml_of(&[
        ("compose.yaml", text),
        ("b/b.yaml", "services: {b: {image: 'i:${TAG}'}}\n"),
        ("b/.env", "TAG=1\n"),
    ]);
    assert!(yaml.contains("image: i:1"), "{yaml}");
}

/// A service's part that every merge rule has something to do with.
fn part() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["a", "b", "c"]);
    let number = 1_u8..4;
    let entry = prop_oneof![
        (word.clone(), number.clone()).prop_map(|(w, n)| format!("environment: {{{w}: {n}}}")),
        (word.clone(), number.clone()).prop_map(|(w, n)| format!("environment: ['{w}={n}']")),
        (word.clone(), number.clone()).prop_map(|(w, n)| format!("labels: {{{w}: {n}}}")),
        number.clone().prop_map(|n| format!("ports: ['80{n}:80']")),
        number
            .clone()
            .prop_map(|n| format!("ports: [{{target: 80, published: '80{n}'}}]")),
        (word.clone(), number).prop_map(|(w, n)| format!("volumes: ['/{w}:/d{n}']")),
        word.clone().prop_map(|w| format!("command: [{w}]")),
        word.clone().prop_map(|w| format!("hostname: {w}")),
        word.clone().prop_map(|w| format!("cap_add: [{w}]")),
        word.clone().prop_map(|w| format!("dns: {w}")),
        word.clone().prop_map(|w| format!("networks: [{w}]")),
        word.clone().prop_map(|w| format!("depends_on: [{w}]")),
        word.prop_map(|w| format!("tmpfs: /{w}")),
    ];
    // One of each key at most: a key twice is an error, and not what this is about.
    prop::collection::vec(entry, 0..5).prop_map(|entries| {
        let mut kept: Vec<String> = Vec::new();
        for entry in entries {
            let key = entry.split(':').next().unwrap_or_default().to_owned();
            if !kept.iter().any(|other| other.starts_with(&key)) {
                kept.push(entry);
            }
        }
        format!("services: {{web: {{image: i, {}}}}}\n", kept.join(", "))
    })
}

/// What every part may refer to.
const REST: &str = "services: {a: {image: i}, b: {image: i}, c: {image: i}}\n\
                    networks: {a: {}, b: {}, c: {}}\n";

/// A text's tree, as it is read.
fn tree(text: &str) -> Node {
    let limits = Limits::default();
    let mut nodes = limits.nodes;
    let mut read = yaml::read(text, SourceId(0), &limits, &mut nodes).unwrap();
    read.documents.remove(0)
}

/// A merged tree in normal form, as it is printed.
fn normal(mut tree: Node) -> String {
    let mut canonical = Canonical {
        ports_left: Limits::default().nodes,
        ..Canonical::default()
    };
    canonical.project(&mut tree);
    unique(&mut tree, Path::default(), &mut Vec::new());
    to_yaml(&NormalForm::default().project(&tree), Printed::Project)
}

/// The normal form of these texts, merged in their order.
fn merged(texts: &[&str]) -> String {
    let names: Vec<String> = (0..=texts.len()).map(|n| format!("{n}.yaml")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip([REST].into_iter().chain(texts.iter().copied()))
        .collect();
    let mut options = options();
    options.limits = Limits::default();
    options.files = names.iter().map(Into::into).collect();
    match load(&options, &MemoryFiles::new(&files)) {
        Ok(loaded) => to_yaml(&loaded.tree, Printed::Project),
        Err(error) => panic!("{}\n{files:?}", error.render(false)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_with_an_empty_file_changes_nothing(part in part()) {
        let empty = "services: {}\n";
        prop_assert_eq!(merged(&[&part, empty]), merged(&[&part]));
        prop_assert_eq!(merged(&[empty, &part]), merged(&[&part]));
    }

    #[test]
    fn a_printed_project_reads_back_as_it_is(part in part()) {
        let printed = merged(&[&part]);
        prop_assert_eq!(yaml_of(&[("compose.yaml", &printed)]), printed);
    }

    #[test]
    fn merging_is_associative(a in part(), b in part(), c in part()) {
        let one = |base, over| {
            let mut errors = Vec::new();
            let mut tree = merge(base, over, Path::default(), &mut errors);
            unique(&mut tree, Path::default(), &mut errors);
            assert!(errors.is_empty());
            tree
        };
        let left = one(one(tree(&a), tree(&b)), tree(&c));
        let right = one(tree(&a), one(tree(&b), tree(&c)));
        prop_assert_eq!(normal(left), normal(right));
    }

    #[test]
    fn no_text_makes_the_loader_panic(
        text in "(services|image|volumes|[a-c]|[:{}\\[\\],&*!<|>'\"$ -]|\n  |\n|: ){0,60}"
    ) {
        match load_text(&text) {
            Ok(loaded) => { let _ = super::engine_checks(&loaded.project); }
            Err(error) => prop_assert!(!error.render(true).is_empty()),
        }
    }
}
