//! The table in the book, which is what came of the attacks and nothing else.

use super::catalog::{ATTACKS, Attack};
use super::finding::Outcome;
use anyhow::{Context, bail};
use lab::registry::Registry;
use lab::say;
use lab::workspace::root;
use std::fs;

/// The page, and the lines between which the table stands.
const PAGE: &str = "docs/src/attacks.md";
const BEGIN: &str = "<!-- table: written by `lab attack --table --write` -->\n";
const END: &str = "<!-- end of the table -->\n";

/// The table in Markdown; `outcomes` has a row for each attack.
pub fn render(all: &Registry, outcomes: &[Vec<Outcome>]) -> String {
    let numbers: Vec<String> = all.stages.iter().map(|stage| stage.number.to_string()).collect();
    let mut text = format!("| attack | {} | ended by |\n", numbers.join(" | "));
    text += &format!("| --- |{} --- |\n", " --- |".repeat(numbers.len()));
    for (attack, row) in ATTACKS.iter().zip(outcomes) {
        let cells: Vec<&str> = row.iter().map(|outcome| cell(*outcome)).collect();
        text += &format!("| `{}` | {} | {} |\n", attack.name, cells.join(" | "), ended_by(attack));
    }
    text
}

fn ended_by(attack: &Attack) -> String {
    attack.ended_by.map_or_else(|| "none".to_owned(), |stage| stage.to_string())
}

fn cell(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Works => "**works**",
        Outcome::DoesNotApply => "·",
        Outcome::Defeated => "defeated",
    }
}

/// Puts the table into the book.
///
/// # Errors
/// When the page is not there, or has no place for it.
pub fn write(table: &str) -> anyhow::Result<()> {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let Some((before, rest)) = page.split_once(BEGIN) else { bail!("{PAGE} has no line {BEGIN}") };
    let Some((_, after)) = rest.split_once(END) else { bail!("{PAGE} has no line {END}") };
    fs::write(&path, format!("{before}{BEGIN}\n{table}\n{END}{after}"))
        .with_context(|| format!("cannot write {PAGE}"))?;
    say!("{PAGE} has the table");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attack_is_defeated_from_the_stage_that_is_said_to_end_it() {
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        for attack in &ATTACKS {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` | ", attack.name)));
            let row = row.unwrap_or_else(|| panic!("{} is not in the table", attack.name));
            let cells: Vec<&str> = row.split(" | ").skip(1).collect();
            let (last, stages) = cells.split_last().unwrap();
            assert_eq!(last.trim_end_matches(" |"), ended_by(attack), "{row}");
            for (number, found) in (1..).zip(stages) {
                assert_eq!(
                    *found == cell(Outcome::Defeated),
                    attack.ended_by.is_some_and(|end| number >= end),
                    "stage {number}: {row}"
                );
            }
        }
    }

    #[test]
    fn the_page_explains_each_attack() {
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        for attack in &ATTACKS {
            assert!(page.contains(&format!("\n### {}\n", attack.name)), "{}", attack.name);
        }
    }
}
