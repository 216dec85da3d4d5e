//! What the scripts of the pages say, held against the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::document::document;

/// Every script by its name.
fn scripts() -> BTreeMap<String, String> {
    let scripts = Files::iter().filter(|name| name.ends_with(".js"));
    let read = |name: String| {
        let file = Files::get(&name).unwrap();
        let text = String::from_utf8(file.data.into_owned()).unwrap();
        (name, text)
    };
    scripts.map(|name| read(name.into_owned())).collect()
}

/// What stands in double quotes, of every script.
fn quoted() -> Vec<(String, String)> {
    let of = |(name, text): (String, String)| {
        let lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
        let pieces = lines.into_iter().flat_map(|line| {
            let pieces = line.split('"').map(str::to_owned).collect::<Vec<_>>();
            pieces.into_iter().skip(1).step_by(2)
        });
        pieces.map(|piece| (name.clone(), piece)).collect::<Vec<_>>()
    };
    scripts().into_iter().flat_map(of).collect()
}

#[test]
fn every_operation_that_a_page_calls_is_documented() {
    let document = document();
    let methods = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "];
    let mut called = BTreeSet::new();
    for (script, text) in quoted() {
        if !methods.iter().any(|method| text.starts_with(method)) {
            continue;
        }
        let (method, path) = text.split_once(' ').unwrap();
        let operation = &document["paths"][format!("/api/{path}")][method.to_lowercase()];
        assert!(operation.is_object(), "{script} calls {text}");
        called.insert(text);
    }
    assert!(called.len() > 20, "{called:?}");
}

/// An operation is named as a whole, or the test above would not see it; and only one script fetches.
#[test]
fn there_is_no_other_way_to_the_server() {
    for (name, text) in scripts() {
        assert_eq!(text.contains("fetch("), name == "api.js", "{name}");
        for way in
            ["XMLHttpRequest", "sendBeacon", "EventSource", "innerHTML", "eval(", "document.write"]
        {
            assert!(!text.contains(way), "{name}: {way}");
        }
    }
    for (script, text) in quoted() {
        assert!(!text.starts_with("admin/") || script == "api.js", "{script}: {text}");
    }
}

/// The keys of a file of texts.
fn keys(name: &str) -> BTreeSet<String> {
    let text = scripts().remove(name).unwrap();
    let keys = text.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": "));
    keys.map(|(key, _)| key.to_owned()).collect()
}

#[test]
fn both_languages_have_the_same_texts() {
    let (persian, english) = (keys("fa.js"), keys("en.js"));
    assert!(english.len() > 200);
    assert_eq!(english, persian);
}

#[test]
fn every_text_that_a_page_shows_is_there() {
    let keys = keys("en.js");
    for (name, text) in scripts() {
        let asked = text.match_indices("t(\"").filter_map(|(at, found)| {
            let before = text[..at].chars().next_back()?;
            let rest = &text[at + found.len()..];
            (!before.is_alphanumeric()).then(|| rest.split('"').next().unwrap_or_default())
        });
        for key in asked {
            assert!(keys.contains(key), "{name} shows {key}");
        }
    }
}

/// Pages load what is there, from this server, and have neither scripts nor styles in themselves.
#[test]
fn pages_are_bare_and_load_what_is_there() {
    let pages: Vec<_> = Files::iter().filter(|name| name.ends_with(".html")).collect();
    assert_eq!(pages.len(), 5, "{pages:?}");
    for page in pages {
        let html = String::from_utf8(Files::get(&page).unwrap().data.into_owned()).unwrap();
        assert!(!html.contains("<style") && !html.contains(" style="), "{page}");
        for attribute in ["src=\"", "href=\""] {
            for (at, _) in html.match_indices(attribute) {
                let address = html[at + attribute.len()..].split('"').next().unwrap();
                let name = address.strip_prefix("/admin/assets/");
                let name = name.unwrap_or_else(|| panic!("{page} loads {address}"));
                assert!(Files::get(name).is_some() && content_type(name).is_some(), "{address}");
            }
        }
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script type=\"module\" src=").count()
        );
    }
}

/// What scripts import is there.
#[test]
fn every_import_is_a_script() {
    for (name, text) in scripts() {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (_, imported) in text.lines().filter_map(|line| line.split_once(" from \"")) {
            let imported = imported.trim_end_matches("\";");
            let path = match imported.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None if folder.is_empty() => imported.trim_start_matches("./").to_owned(),
                None => format!("{folder}/{}", imported.trim_start_matches("./")),
            };
            assert!(Files::get(&path).is_some(), "{name} imports {imported}");
        }
    }
}

#[test]
fn what_is_searched_and_filtered_by_is_a_parameter() {
    let document = document();
    let text = scripts().remove("resources.js").unwrap();
    for entry in text.split("\nconst ") {
        let Some((_, rest)) = entry.split_once("list: \"GET ") else { continue };
        let path = rest.split('"').next().unwrap();
        let parameters = &document["paths"][format!("/api/{path}")]["get"]["parameters"];
        let known: Vec<_> = parameters
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["name"].as_str())
            .collect();
        let filters = entry.split_once("filters: [").map_or("", |(_, rest)| rest);
        let filters = filters.split("],\n").next().unwrap_or_default();
        let names = filters.match_indices("{ name: \"");
        let names = names.filter_map(|(at, found)| filters[at + found.len()..].split('"').next());
        let search = entry.contains(" search: \"").then_some("search");
        let sort = entry.contains("sorts: ").then_some("sort");
        for name in names.chain(search).chain(sort) {
            assert!(known.contains(&name), "{path} has no {name}: {known:?}");
        }
    }
}

/// What stands in answers and is shown by no page under its name: envelopes, and a link for payers.
const NEVER_SHOWN: [&str; 5] = ["looked_back_to", "next", "previous", "results", "status_url"];
/// Words that say the same in every language, and those of the old system's `status`, which is not shown.
const NO_WORDS: [&str; 5] = ["IRR", "IRT", "canceled", "refounded", "unpaid"];

/// Names of fields and words of enums below a schema.
fn read(
    schema: &serde_json::Value,
    document: &serde_json::Value,
    inside: &mut BTreeSet<String>,
    found: &mut BTreeSet<String>,
) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        if inside.insert(name.to_owned()) {
            read(&document["components"]["schemas"][name], document, inside, found);
        }
        return;
    }
    let list = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
    let words = list("enum").into_iter().filter_map(|word| Some(format!("w.{}", word.as_str()?)));
    found.extend(words.filter(|word| !NO_WORDS.contains(&&word[2..])));
    for part in ["allOf", "anyOf", "oneOf"].into_iter().flat_map(list) {
        read(&part, document, inside, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if !NEVER_SHOWN.contains(&name.as_str()) {
            found.insert(format!("f.{name}"));
        }
        read(property, document, inside, found);
    }
    if schema["items"].is_object() {
        read(&schema["items"], document, inside, found);
    }
}

#[test]
fn every_field_and_every_word_that_lists_and_details_show_has_a_text() {
    let (document, texts) = (document(), keys("en.js"));
    let (mut inside, mut found) = (BTreeSet::new(), BTreeSet::new());
    let scripts = scripts();
    for name in ["resources.js", "pages/queues.js"] {
        for at in ["list: \"GET ", "item: \"GET "] {
            for path in scripts[name].split(at).skip(1).filter_map(|rest| rest.split('"').next()) {
                let answer = &document["paths"][format!("/api/{path}")]["get"]["responses"]["200"];
                let content = answer["content"].as_object().and_then(|it| it.values().next());
                let schema = &content.unwrap_or_else(|| panic!("{path} answers nothing"))["schema"];
                read(schema, &document, &mut inside, &mut found);
            }
        }
    }
    assert!(found.len() > 200, "{found:?}");
    let silent: Vec<_> = found.difference(&texts).collect();
    assert!(silent.is_empty(), "no text for {silent:?}");
}
