//! Money is counted in whole numbers.

use std::path::{Path, PathBuf};

/// Where money is reckoned with: files and folders of the workspace. Those that are not there yet are
/// nobody's fault.
const MONEY: [&str; 8] = [
    "shared/src/money.rs",
    "shared/src/payments",
    "shared/src/wallets",
    "shared/src/import/parts/wallets.rs",
    "api/src/routes/payments",
    "api/src/routes/wallets",
    "api/src/ledger.rs",
    "api/src/routes/returns.rs",
];

/// Where one of these words stands for a time and not for money: the file and the word.
const TIMES: [(&str, &str); 6] = [
    ("shared/src/payments/store/returns.rs", "as_secs_f64"),
    ("shared/src/payments/store/returns.rs", "f64"),
    ("shared/src/payments/store/returns.rs", "try_from_secs_f64"),
    ("shared/src/payments/store/verify.rs", "as_secs_f64"),
    ("shared/src/payments/store/verify.rs", "f64"),
    ("shared/src/payments/store/verify.rs", "try_from_secs_f64"),
];

fn files(path: &Path, into: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), into);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
        into.push(path.to_owned());
    }
}

/// The words of a source that name a floating-point number: `f64`, `as_f64`, `from_secs_f32` …
fn floats(source: &str) -> Vec<&str> {
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    source.split(word).filter(|word| word.contains("f32") || word.contains("f64")).collect()
}

#[test]
fn no_money_is_a_floating_point_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for path in MONEY {
        files(&root.join(path), &mut found);
    }
    assert!(found.len() > 15, "{found:?}");
    for file in found {
        let source = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let words: Vec<_> =
            floats(&source).into_iter().filter(|word| !TIMES.contains(&(&*name, word))).collect();
        assert!(words.is_empty(), "{name}: {words:?}");
    }
}

#[test]
fn the_search_finds_every_way_to_name_one() {
    for source in ["let a: f64 = 1.0", "x as f32", "value.as_f64()", "Vec<f64>", "from_secs_f64(1)"]
    {
        assert_eq!(floats(source).len(), 1, "{source}");
    }
    assert!(floats("half of 64 is 32; a5f320").len() < 2);
}
