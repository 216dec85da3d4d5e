//! No test sleeps to let time pass: it waits for a condition with a deadline (`harness::wait_for`), or
//! moves a clock.

use std::path::{Path, PathBuf};

use regex::Regex;

/// Where time may pass: the file, how often, and why it is not a test that waits so.
const PASSES: [(&str, usize, &str); 13] = [
    ("api/src/middleware/mod.rs", 1, "a clock that stands still but for this"),
    ("script/lib-check", 1, "between two looks of wait_until"),
    ("tests/sdk/login.rs", 1, "between two looks, by a program of its own"),
    ("tests/sdk/login.ts", 1, "likewise"),
    ("tests/sdk/waiting.py", 1, "between two looks of wait_for"),
    ("tests/src/chaos/load.rs", 1, "the even pace of a load"),
    ("tests/src/compat/player.rs", 1, "the name of a recorded step, which does not"),
    ("tests/src/fake/http.rs", 1, "an answer that drips"),
    ("tests/src/harness/mod.rs", 1, "between two looks of wait_for"),
    ("tests/src/simulated.rs", 2, "what passes outside: slow answers, somebody's pace"),
    ("tests/tests/it/batch.rs", 1, "a statement that is cut in its middle; waits for no lock"),
    ("tests/tests/it/bulk.rs", 1, "the pace of senders whose times are measured"),
    ("tests/tests/it/chaos/hanging.rs", 2, "likewise"),
];

/// What lets time pass in the languages of the tests.
fn ways() -> Regex {
    let rust = r"\bsleep(?:_until|_ms)?\b|\bpark_timeout\b|\binterval(?:_at)?\(";
    Regex::new(&format!(r"{rust}|\bpg_sleep|\bsetTimeout\b")).unwrap()
}

/// How often a source lets time pass, comments apart.
fn passes(ways: &Regex, source: &str) -> usize {
    let is_code = |line: &&str| !["//", "#", "* "].iter().any(|mark| line.starts_with(mark));
    let code = source.lines().map(str::trim_start).filter(is_code);
    code.map(|line| ways.find_iter(line).count()).sum()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// All of the tests, the sources that have tests in them, and the scripts that check something.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root.join("tests"), &mut found);
    for name in ["shared", "api", "worker", "bench"] {
        files(&root.join(name).join("src"), &mut found);
    }
    found.retain(|path| {
        path.extension().is_some_and(|end| ["rs", "py", "ts"].iter().any(|known| end == *known))
    });
    let mut scripts = Vec::new();
    files(&root.join("script"), &mut scripts);
    let checks = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with("-check") || ["contract", "soak", "test"].contains(&name)
    };
    found.extend(scripts.into_iter().filter(checks));
    found
}

/// The tests of a source of the crates: all of it where it is a file of tests, else its module of tests.
fn tests_of(name: &str, source: String) -> String {
    let whole = name.starts_with("tests/") || name.starts_with("script/");
    if whole || name.split(['/', '.']).any(|part| part == "tests" || part.ends_with("_tests")) {
        return source;
    }
    let module = source.split_once("#[cfg(test)]\nmod tests {");
    module.map(|(_, tests)| tests.to_owned()).unwrap_or_default()
}

#[test]
fn no_test_lets_time_pass_without_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found = sources(root);
    assert!(found.len() > 150, "{} files", found.len());
    let (ways, mut passing) = (ways(), Vec::new());
    for path in found {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let count = passes(&ways, &tests_of(&name, source));
        // Here are the words that are searched for.
        if count > 0 && !name.ends_with("it/sleeps.rs") {
            passing.push((name, count));
        }
    }
    let allowed = PASSES.map(|(name, count, _)| (name.to_owned(), count));
    let new: Vec<_> = passing.iter().filter(|it| !allowed.contains(it)).collect();
    assert!(new.is_empty(), "wait for a condition, or say here why time has to pass: {new:?}");
    let stale: Vec<_> = allowed.iter().filter(|it| !passing.contains(it)).collect();
    assert!(stale.is_empty(), "no time passes here: {stale:?}");
}

#[test]
fn a_source_is_searched_from_its_tests_on() {
    let source = "sleep(a);\n#[cfg(test)]\nmod tests {\n    sleep(b);\n}";
    let tests = |name: &str| tests_of(name, source.to_owned());
    assert_eq!(tests("shared/src/queue.rs"), "\n    sleep(b);\n}");
    for name in ["shared/src/chat/room_tests/mod.rs", "api/src/console/tests.rs", "tests/src/x.rs"]
    {
        assert_eq!(tests(name), source, "{name}");
    }
    assert_eq!(tests_of("api/src/main.rs", "sleep(a)".to_owned()), "");
}

#[test]
fn the_search_finds_every_way_to_let_time_pass() {
    let ways = ways();
    for source in [
        "tokio::time::sleep(pause).await;",
        "    time.sleep(0.1)",
        "sleep \"0.00$((RANDOM % 10))\"",
        "SELECT pg_sleep(1)",
        "setTimeout(resolve, 100)",
        "let mut ticks = tokio::time::interval(gap);",
    ] {
        assert_eq!(passes(&ways, source), 1, "{source}");
    }
    for source in ["// Nobody may sleep.", "fn asleep() {}", "now() - interval '1 hour'"] {
        assert_eq!(passes(&ways, source), 0, "{source}");
    }
}
