//! What the files of this repository say of each other and to whom.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a folder with one of these ends, without what builds leave behind.
fn files(folder: &str, ends: &[&str]) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && name != "node_modules" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if ends.iter().any(|end| name.ends_with(end)) {
                found.push(path);
            }
        }
    }
    found
}

/// Every test as `module::name`, the module by the name of its file, or of its folder where the
/// file is called `mod` or `tests`.
fn tests_of_the_tree() -> BTreeSet<String> {
    let marked = r"#\[(?:tokio::|sqlx::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)";
    let marked = Regex::new(marked).unwrap();
    let rule = Regex::new(r"pub\(crate\) async fn (\w+)<R: Rig>\(\)").unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["shared/src", "api/src", "worker/src", "tests/src", "tests/tests"] {
        for path in files(folder, &[".rs"]) {
            let mut module = path.file_stem().unwrap().to_str().unwrap();
            if ["mod", "tests"].contains(&module) {
                module = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            }
            let text = fs::read_to_string(&path).unwrap();
            let names = marked.captures_iter(&text).chain(rule.captures_iter(&text));
            tests.extend(names.map(|found| format!("{module}::{}", &found[1])));
        }
    }
    tests
}

#[test]
fn every_hole_and_every_item_of_the_tables_is_held_by_tests_that_exist() {
    for (page, least) in [("docs/holes.md", 20), ("docs/security-tests.md", 50)] {
        assert_held(page, least);
    }
}

fn assert_held(page: &str, least: usize) {
    let tests = tests_of_the_tree();
    let name = Regex::new(r"`(\w+::\w+)`").unwrap();
    let table = read(page);
    let rows: Vec<Vec<_>> = table
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|-"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .filter(|cells: &Vec<_>| !["hole", "item"].contains(&cells[0]))
        .collect();
    assert!(rows.len() >= least, "{} rows", rows.len());
    for row in rows {
        let [hole, decision, held_by] = row[..] else { panic!("three cells: {row:?}") };
        assert!(!hole.is_empty() && !decision.is_empty(), "{row:?}");
        let named: Vec<_> = name.captures_iter(held_by).map(|found| found[1].to_owned()).collect();
        assert!(!named.is_empty(), "no test holds: {hole}");
        let missing: Vec<_> = named.iter().filter(|name| !tests.contains(*name)).collect();
        assert!(missing.is_empty(), "{hole}: there is no {missing:?}");
        let rest = name.replace_all(held_by, "").replace([',', ' '], "");
        assert!(rest.is_empty(), "{hole}: what is {rest:?}?");
    }
}

/// What people read first, and what it leads to.
fn documents() -> Vec<PathBuf> {
    let mut documents = files("docs", &[".md"]);
    documents.extend(files("deploy", &[".md"]));
    documents.extend(["README.md", "README.fa.md"].map(|name| root().join(name)));
    documents
}

/// The name a heading has in links: letters, digits, hyphens for blanks.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_';
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut followed = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for found in link.captures_iter(&text) {
            let (path, anchor) = found[1].split_once('#').unwrap_or((&found[1], ""));
            if path.contains("://") {
                continue;
            }
            let target =
                if path.is_empty() { document.clone() } else { document.with_file_name(path) };
            let at = format!("{} in {}", &found[0], document.display());
            assert!(target.exists(), "nothing is at {at}");
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&target).unwrap();
                let mut headings = headings.lines().filter_map(|line| line.strip_prefix('#'));
                let is_it = |heading: &str| slug(heading.trim_start_matches('#')) == anchor;
                assert!(headings.any(is_it), "no heading for {at}");
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed} links");
}

#[test]
fn the_documents_name_the_versions_that_are_needed() {
    let workspace: toml::Table = read("Cargo.toml").parse().unwrap();
    let rust = workspace["workspace"]["package"]["rust-version"].as_str().unwrap().to_owned();
    let services = read("script/services");
    let least = |name: &str| {
        let line = services.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches('=').to_owned()
    };
    let (postgres, redis) = (least("PEYK_POSTGRES_MIN"), least("PEYK_REDIS_MIN"));
    let readme = read("README.md").replace('\n', " ");
    for needed in [
        format!("[Rust](https://rustup.rs) {rust} or newer"),
        format!("PostgreSQL ({postgres} or newer)"),
        format!("Redis ({redis} or newer)"),
    ] {
        assert!(readme.contains(&needed), "README.md does not say {needed:?}");
    }
}

/// Whether a token was ever signed: examples have a word in place of a signature.
fn is_signed(token: &str) -> bool {
    token.rsplit('.').next().is_some_and(|signature| signature.len() >= 40)
}

/// Of the card in ZarinPal's own documentation, with which payments were recorded.
const RECORDED_CARD_HASH: &str = "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69";

#[test]
fn no_document_holds_a_credential_that_could_be_somebodys() {
    let mut published = documents();
    for (folder, ends) in [
        ("openapi", &[".json", ".yaml"][..]),
        ("deploy", &[""]),
        ("script", &[""]),
        ("shared/src/config", &[".toml"]),
        ("tests/compat", &[".json", ".toml"]),
    ] {
        published.extend(files(folder, ends));
    }
    assert!(published.len() > 20);
    let token = Regex::new(r"eyJ[\w-]+\.[\w-]+\.[\w-]+").unwrap();
    let key =
        Regex::new(r"\b[0-9A-Fa-f]{33,}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[\w+/]").unwrap();
    for path in published {
        let text = fs::read_to_string(&path).unwrap();
        let at = path.display();
        for found in token.find_iter(&text) {
            assert!(!is_signed(found.as_str()), "a token somebody signed in {at}");
        }
        let mut keys = key.find_iter(&text).map(|found| found.as_str());
        let found = keys.find(|found| *found != RECORDED_CARD_HASH);
        assert_eq!(found, None, "a key in {at}");
    }
}
