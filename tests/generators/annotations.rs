//! Annotations at random within the grammar: every key of every mutator, with values that it takes and some that it does
//! not.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value};

/// Where log files are,
const FILES: &[&str] = &[
    "/app/logs/*.log",
    "/app/logs/app.log",
    "/app/logs/*/deep/*.log",
    "/app/logs/gc/*.log",
    "/var/log/app/*.log",
    "/data/*.log",
    "/app//logs/./x.log",
    "/logs.d/[a-c]*.log",
];
/// and where they could be.
const ODD_FILES: &[&str] = &[
    "/var/log/*.log",
    "/opt/shop/logs/**/*.log",
    "/tmp/*.log",
    "/srv/äöü/*.log",
    "/srv/with space/*.log",
    "/srv/a:b/*.log",
    "/srv/$(POD_NAME)/*.log",
    "/srv/-/*.log",
    "/srv/\\*/*.log",
    "/run/agent/*.log",
];

/// One annotation of ours whose container is not chosen yet.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    container: Option<Index>,
    domain: &'static str,
    name: String,
    value: String,
}

impl Wish {
    /// Its key and value in a Pod with these containers.
    pub(crate) fn among(self, containers: &[String]) -> (String, Value) {
        let container = self.container.map(|index| format!("{}.", index.get(containers))).unwrap_or_default();
        (format!("{container}{}.podwright.dev/{}", self.domain, self.name), self.value.into())
    }
}

/// What others write, and what looks as if Podwright had.
pub(crate) fn foreign() -> impl Strategy<Value = Map<String, Value>> {
    let others = subsequence(
        vec![
            ("example.com/a~b", "1"),
            ("prometheus.io/scrape", "true"),
            ("kubectl.kubernetes.io/default-container", "web"),
            ("kubectl.kubernetes.io/default-container", "gone"),
        ],
        0..3,
    );
    let forged = option::weighted(
        0.3,
        select(vec![
            ("podwright.dev/status", r#"{"generation":"forged"}"#),
            ("podwright.dev/status", "x"),
            ("podwright.dev/filebeat.yml", "output.file: {path: /}"),
        ]),
    );
    // All annotations of an object may have 256 KiB.
    let large = option::weighted(0.03, select(vec![200_000_usize, 255_000, 260_000, 261_500]));
    (others, forged, large).prop_map(|(others, forged, large)| {
        let large = large.map(|size| ("example.com/large".to_owned(), "x".repeat(size).into()));
        let fixed = others.into_iter().chain(forged).map(|(key, value)| (key.to_owned(), value.into()));
        fixed.chain(large).collect()
    })
}

/// Those of our mutators. Mostly sound, as one mistake among them has the Pod refused.
pub(crate) fn own() -> impl Strategy<Value = Vec<Wish>> {
    let sound = || (sound_logs().boxed(), sound_lxcfs(), sound_faketime().boxed(), sound_sidecar());
    let joined = |(logs, lxcfs, faketime, sidecar): (Vec<_>, Vec<_>, Vec<_>, Vec<_>)| {
        [logs, lxcfs, faketime, sidecar].concat()
    };
    prop_oneof![
        2 => Just(Vec::new()),
        7 => sound().prop_map(joined).boxed(),
        1 => (sound().prop_map(joined).boxed(), wrong()).prop_map(|(mut all, wrong)| {
            all.push(wrong);
            all
        }),
    ]
}

fn wish(domain: &'static str, name: &str, value: &str) -> Wish {
    Wish { container: None, domain, name: name.to_owned(), value: value.to_owned() }
}

fn container() -> impl Strategy<Value = Option<Index>> {
    option::weighted(0.3, any::<Index>())
}

/// Inputs: paths, and settings that go together.
fn sound_logs() -> impl Strategy<Value = Vec<Wish>> {
    let input = (container(), select(&["", "", "1.", "2.", "17."][..]), log_settings());
    let input = input.prop_map(|(container, number, settings)| {
        let narrowed = |(name, value): (String, String)| {
            let name = format!("{number}{name}");
            Wish { container, domain: "logs", name, value }
        };
        settings.into_iter().map(narrowed).collect::<Vec<_>>()
    });
    let inject = select(vec![None, None, None, Some("true"), Some("false"), Some("filebeat"), Some("shop")]);
    (option::weighted(0.7, vec(input, 1..3)), inject).prop_map(|(inputs, inject)| {
        let mut all: Vec<_> = inputs.into_iter().flatten().flatten().collect();
        if !all.is_empty() {
            all.extend(inject.map(|value| wish("logs", "inject", value)));
        }
        all
    })
}

fn log_settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let files =
        vec(prop_oneof![9 => select(FILES), 1 => select(ODD_FILES)], 1..4).prop_map(|files| files.join(","));
    let lines = select(LINES).prop_flat_map(some_of);
    let json = select(JSON).prop_flat_map(some_of);
    let others = subsequence(OTHERS.to_vec(), 0..4);
    (files, option::weighted(0.4, lines), option::weighted(0.3, json), others).prop_map(
        |(files, lines, json, others)| {
            let settings = lines.into_iter().flatten().chain(json.into_iter().flatten()).chain(others);
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            [("paths".to_owned(), files)].into_iter().chain(settings).collect()
        },
    )
}

/// Those that need each other, and those that need them.
type Settings = (&'static [Setting], &'static [Setting]);
type Setting = (&'static str, &'static str);

fn some_of((needed, others): Settings) -> impl Strategy<Value = Vec<Setting>> {
    subsequence(others.to_vec(), 0..=others.len()).prop_map(move |some| [needed, &some].concat())
}

const LINES: &[Settings] = &[
    (
        &[("multiline.pattern", r"^\d{4}-")],
        &[
            ("multiline.negate", "true"),
            ("multiline.match", "after"),
            ("multiline.max_lines", "1000"),
            ("multiline.timeout", "10s"),
            ("multiline.flush_pattern", "^END"),
            ("multiline.skip_newline", "false"),
        ],
    ),
    (&[("multiline.type", "count"), ("multiline.count_lines", "3")], &[]),
    (
        &[("multiline.pattern", "^\"\\s: [#]"), ("multiline.type", "while_pattern")],
        &[("multiline.negate", "false")],
    ),
];
const JSON: &[Settings] = &[
    (
        &[("json.target", "shop")],
        &[
            ("json.overwrite_keys", "true"),
            ("json.expand_keys", "true"),
            ("json.add_error_key", "false"),
            ("json.ignore_decoding_error", "true"),
            ("json.message_key", "msg"),
            ("json.document_id", "id"),
        ],
    ),
    (&[("json.keys_under_root", "true")], &[("json.expand_keys", "true"), ("json.message_key", "log.msg")]),
];
const OTHERS: &[(&str, &str)] = &[
    ("include_lines", "ERROR, WARN"),
    ("exclude_lines", r#"["^DEBUG", "a{1,3}"]"#),
    ("encoding", "utf-16le"),
    ("fields.team", "shop ü \u{1f4a5} # : 'x'"),
    ("fields", "a=b,c=d"),
    ("target", "logs-shop"),
];

fn sound_lxcfs() -> impl Strategy<Value = Vec<Wish>> {
    let mount = (container(), prop_oneof![4 => Just("true"), 1 => Just("false")])
        .prop_map(|(container, value)| Wish { container, ..wish("lxcfs", "mount", value) });
    option::weighted(0.35, vec(mount, 1..3)).prop_map(Option::unwrap_or_default)
}

fn sound_faketime() -> impl Strategy<Value = Vec<Wish>> {
    let plain =
        select(&["+2d", "-30m", "+1.5h", "2027-01-01 00:00:00"][..]).prop_map(|time| vec![("time", time)]);
    let starting = select(&["@2027-01-01 00:00:00", "+90 x2", "@2030-12-31 23:59:59 i2.5"][..])
        .prop_map(|time| vec![("time", time), ("keep-start", "true")]);
    let time = prop_oneof![2 => plain, 1 => starting];
    let settings = subsequence(vec![("libc", "musl"), ("threads", "false"), ("monotonic", "true")], 0..3);
    let whole = subsequence(vec![("init-containers", "true"), ("policy", "faketime")], 0..2);
    let asked = (container(), time, settings, whole).prop_map(|(container, time, settings, whole)| {
        let narrow = |(name, value): (&str, &str)| Wish { container, ..wish("faketime", name, value) };
        let narrowed = time.into_iter().chain(settings).map(narrow);
        narrowed
            .chain(whole.into_iter().map(|(name, value)| wish("faketime", name, value)))
            .collect::<Vec<_>>()
    });
    option::weighted(0.35, asked).prop_map(Option::unwrap_or_default)
}

fn sound_sidecar() -> impl Strategy<Value = Vec<Wish>> {
    let names = select(&["agent", "agent", "proxy", "proxy, agent"][..]);
    option::weighted(0.35, names)
        .prop_map(|names| names.map(|names| wish("sidecar", "inject", names)).into_iter().collect())
}

/// A key or a value that the grammar does not have, as people and attackers write them.
fn wrong() -> impl Strategy<Value = Wish> {
    let key = select(vec![
        ("logs", "path"),
        ("log", "paths"),
        ("logs", ""),
        ("logs", "01.paths"),
        ("logs", "4294967296.paths"),
        ("logs", "paths"),
        ("logs", "multiline.pattern"),
        ("logs", "fields..a"),
        ("ipam", "addresses"),
        ("lxcfs", "mount"),
        ("faketime", "time"),
        ("faketime", "libc"),
        ("sidecar", "inject"),
    ]);
    let value = prop_oneof![
        select(WRONG_VALUES).prop_map(str::to_owned),
        ".{0,10}",
        "[a-z]{0,3}[.]?logs\\.podwright\\.dev/[a-z0-9.]{0,8}",
    ];
    (container(), key, value).prop_map(|(container, (domain, name), value)| Wish {
        container,
        domain,
        name: name.to_owned(),
        value,
    })
}

const WRONG_VALUES: &[&str] = &[
    "",
    "relative.log",
    "/",
    "/etc/x.log",
    "/a/../b",
    "/a/[",
    "/a/{b,c}",
    "yes",
    "(",
    "${X}",
    "\u{0}",
    "10.20.0.1-10.20.0.9",
    "true",
    "agent",
    "-7h20m",
];
