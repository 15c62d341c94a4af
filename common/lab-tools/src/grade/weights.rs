//! What each check is worth.
//!
//! ```toml
//! default = 1          # what is not named below; 1 without this line
//!
//! [checks]
//! a_line_reaches_every_other_client = 5
//! "the_server_outlives_*" = 2
//! several_lines_in_one_packet_are_several_lines = 0
//!
//! [parts]
//! slow-clients = 3     # each check that is new in this part of its stage
//! ```
//!
//! A name counts more than a pattern, a long pattern more than a short one, and each
//! pattern more than a part.

use super::sources;
use super::verdict::Checked;
use anyhow::{Context, bail};
use lab::registry::{Registry, matches};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The weights of all checks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    #[serde(default = "one")]
    default: f64,
    #[serde(default)]
    checks: BTreeMap<String, f64>,
    #[serde(default)]
    parts: BTreeMap<String, f64>,
}

fn one() -> f64 {
    1.0
}

impl Default for Weights {
    fn default() -> Weights {
        Weights { default: one(), checks: BTreeMap::new(), parts: BTreeMap::new() }
    }
}

impl Weights {
    /// Reads a file of weights.
    ///
    /// # Errors
    /// When it is not what it should be.
    pub fn read(path: &Path) -> anyhow::Result<Weights> {
        let text = String::from_utf8(sources::read(path)?).context("weights are text")?;
        Weights::parse(&text).with_context(|| format!("{}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Weights> {
        let weights: Weights = toml::from_str(sources::without_bom(text))?;
        let good = |weight: f64| weight.is_finite() && weight >= 0.0;
        if let Some(wrong) = weights.checks.iter().chain(&weights.parts).find(|(_, weight)| !good(**weight)) {
            bail!("{} cannot be worth {}", wrong.0, wrong.1);
        }
        if !good(weights.default) {
            bail!("a check cannot be worth {}", weights.default);
        }
        Ok(weights)
    }

    /// What the check is worth.
    pub fn of(&self, check: &Checked) -> f64 {
        if let Some(weight) = self.checks.get(&check.name) {
            return *weight;
        }
        let fitting = self.checks.iter().filter(|(pattern, _)| matches(pattern, &check.name));
        let by_name = fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, weight)| *weight);
        let by_part = || self.parts.get(check.part.as_deref()?).copied();
        by_name.or_else(by_part).unwrap_or(self.default)
    }

    /// A part that no stage has: a typing error, too.
    pub fn unknown_part(&self) -> Option<&str> {
        let all = Registry::load();
        let known = |name: &&String| all.stages.iter().flat_map(|s| &s.parts).any(|part| part.name == **name);
        self.parts.keys().find(|name| !known(name)).map(String::as_str)
    }

    /// A name or pattern that fits none of these checks: a typing error, which
    /// would else be found out by whoever complains about a mark.
    pub fn misfit<'a>(&'a self, checks: &[String]) -> Option<&'a str> {
        let fits = |pattern: &&String| !checks.iter().any(|check| matches(pattern, check));
        self.checks.keys().find(fits).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Outcome;
    use super::*;

    fn check(name: &str, part: Option<&str>) -> Checked {
        Checked { name: name.into(), part: part.map(str::to_owned), outcome: Outcome::Passed, seconds: 0.1 }
    }

    #[test]
    fn a_part_counts_for_its_checks_that_have_no_weight_of_their_own() {
        let weights = Weights::parse("[parts]\nlimits = 3\n[checks]\nnamed = 5\n").unwrap();
        let of = |name, part| weights.of(&check(name, part));
        assert_eq!((of("a", Some("limits")), of("named", Some("limits"))), (3.0, 5.0));
        assert_eq!((of("a", Some("room")), of("a", None)), (1.0, 1.0));
        assert_eq!(weights.unknown_part(), None);
        assert_eq!(Weights::parse("[parts]\nlimit = 3").unwrap().unknown_part(), Some("limit"));
        assert!(Weights::parse("[parts]\nlimits = -3").is_err());
    }

    #[test]
    fn a_name_counts_more_than_a_pattern_and_a_long_pattern_more_than_a_short_one() {
        let text = "default = 2\n[checks]\n\"a*\" = 3\n\"a_line_*\" = 4\na_line_arrives = 0\n";
        let weights = Weights::parse(text).unwrap();
        let of =
            ["b", "apart", "a_line_is_lost", "a_line_arrives"].map(|name| weights.of(&check(name, None)));
        assert_eq!(of, [2.0, 3.0, 4.0, 0.0]);
        assert_eq!(Weights::parse("").unwrap().of(&check("b", None)), 1.0);
    }

    #[test]
    fn what_no_check_can_be_worth_is_an_error_and_so_is_a_name_that_none_has() {
        for wrong in
            ["default = -1", "[checks]\na = -0.5", "[checks]\na = inf", "check = 1", "[checks]\na = nan"]
        {
            assert!(Weights::parse(wrong).is_err(), "{wrong}");
        }
        let weights = Weights::parse("[checks]\n\"a*\" = 3\nbb = 1").unwrap();
        assert_eq!(weights.misfit(&["ab".to_owned(), "bb".to_owned()]), None);
        assert_eq!(weights.misfit(&["ab".to_owned()]), Some("bb"));
    }
}
