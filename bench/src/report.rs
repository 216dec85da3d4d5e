//! The results as Markdown.

use std::{fmt::Write, path::Path};

use anyhow::Context;

/// Between these lines of a page the results stand.
const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// What was measured, in the order it was.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Vec<(&'static str, String)>,
    targets: Vec<Target>,
    sections: String,
}

#[derive(Debug)]
struct Target {
    what: String,
    wanted: String,
    measured: String,
    met: bool,
}

impl Report {
    pub(crate) fn new(machine: Vec<(&'static str, String)>) -> Self {
        Self { machine, targets: Vec::new(), sections: String::new() }
    }

    /// A figure that has to stay within a bound.
    pub(crate) fn target(&mut self, what: &str, wanted: &str, measured: String, met: bool) {
        crate::progress(&format!("{what}: {measured} (wanted {wanted})"));
        let (what, wanted) = (what.to_owned(), wanted.to_owned());
        self.targets.push(Target { what, wanted, measured, met });
    }

    /// A table with a heading, and what has to be known to read it.
    pub(crate) fn table(&mut self, title: &str, about: &str, table: &Table) {
        let _ = write!(self.sections, "\n### {title}\n\n{about}\n\n{}", table.0);
    }

    pub(crate) fn text(&self) -> String {
        let mut machine = Table::new(&["Measured on", ""]);
        for (name, value) in &self.machine {
            machine.row(&[(*name).to_owned(), value.clone()]);
        }
        let mut targets = Table::new(&["Target", "Wanted", "Measured", ""]);
        for target in &self.targets {
            let met = if target.met { "met" } else { "**missed**" };
            let Target { what, wanted, measured, .. } = target;
            targets.row(&[what.clone(), wanted.clone(), measured.clone(), met.to_owned()]);
        }
        format!("{}\n### Targets\n\n{}{}", machine.0, targets.0, self.sections)
    }
}

/// A Markdown table.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(&columns.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        table.row(&vec!["---".to_owned(); columns.len()]);
        table
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }
}

/// Writes the results between the markers of a page.
pub(crate) async fn publish(page: &Path, results: &str) -> anyhow::Result<()> {
    let text = tokio::fs::read_to_string(page).await?;
    let replaced = replace(&text, results)
        .with_context(|| format!("{} has no {BEGIN} and {END}", page.display()))?;
    Ok(tokio::fs::write(page, replaced).await?)
}

fn replace(text: &str, results: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{results}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_replace_those_before_and_nothing_else() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = replace(&page, "new").unwrap();
        assert_eq!(new, format!("above\n{BEGIN}\n\nnew\n{END}\nbelow\n"));
        assert_eq!(replace("nothing", "new"), None);
    }
}
