//! What is said to the checks: the variables `STAGEn_…`, which say what is graded, and
//! the options that a test runner does not have.

use std::ffi::OsString;
use std::ops::Range;
use std::sync::OnceLock;

/// How the checks are to be run. Each option has a variable of the environment too, for
/// programs that start the checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `--sessions N`, `CHECK_SESSIONS`: how many random sessions, however long it takes.
    pub sessions: Option<usize>,
    /// `--seed N`, `CHECK_SEED`: which ones.
    pub seed: Option<u64>,
    /// `--session N`, `CHECK_SESSION`: the one with this number, and no other.
    pub session: Option<usize>,
    /// `--whole`, `CHECK_WHOLE=1`: a session that fails is shown as it was drawn, not made
    /// shorter first.
    pub whole: bool,
    /// `--strict`, `CHECK_STRICT=1`: every check is judged by itself, and tried once.
    pub strict: bool,
}

impl Options {
    /// Those of this run; the usual ones where the command line is wrong.
    pub fn get() -> Self {
        Self::of_this_run().as_ref().map(|(options, _)| *options).unwrap_or_default()
    }

    /// The numbers of the sessions to play, where there usually are `usual`.
    pub fn numbers(&self, usual: usize) -> Range<usize> {
        match self.session {
            Some(number) => number..number + 1,
            None => 0..self.sessions.unwrap_or(usual),
        }
    }

    /// Those of this run, and the words of the command line that are the test runner's.
    pub fn of_this_run() -> &'static Result<(Self, Vec<String>), String> {
        static OPTIONS: OnceLock<Result<(Options, Vec<String>), String>> = OnceLock::new();
        OPTIONS.get_or_init(|| Self::taken(std::env::args(), |name| std::env::var(name).ok()))
    }

    fn taken(
        mut words: impl Iterator<Item = String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Vec<String>), String> {
        let number = |name: &str, value: Option<String>| -> Result<u64, String> {
            let value = value.ok_or_else(|| format!("{name} takes a number"))?;
            value.trim().parse().map_err(|_| format!("{name} takes a number, and not {value:?}"))
        };
        let of_variable = |name: &str| variable(name).map(|value| number(name, Some(value))).transpose();
        let is_set = |name: &str| variable(name).is_some_and(|value| value == "1");
        let mut options = Self {
            sessions: of_variable("CHECK_SESSIONS")?.map(|count| count as usize),
            seed: of_variable("CHECK_SEED")?,
            session: of_variable("CHECK_SESSION")?.map(|number| number as usize),
            whole: is_set("CHECK_WHOLE"),
            strict: is_set("CHECK_STRICT"),
        };
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            match name {
                "--sessions" => {
                    options.sessions = Some(number(name, value.or_else(|| words.next()))? as usize);
                }
                "--seed" => options.seed = Some(number(name, value.or_else(|| words.next()))?),
                "--session" => {
                    options.session = Some(number(name, value.or_else(|| words.next()))? as usize);
                }
                "--whole" => options.whole = true,
                "--strict" => options.strict = true,
                _ => rest.push(word),
            }
        }
        Ok((options, rest))
    }
}

/// What may be said about the programs under test in `STAGEn_…`.
const SETTINGS: [&str; 5] = ["SERVER", "CLIENT", "PROGRAMS", "CA", "LOGIN_TIMEOUT"];

/// A variable that is blank, is no text, or has a name that means nothing is an
/// error: our own programs would be graded in place of those that were meant.
pub(crate) fn understood(
    stage: u8,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), String> {
    let start = format!("STAGE{stage}_");
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(setting) = name.strip_prefix(&start) else { continue };
        if !SETTINGS.contains(&setting) {
            return Err(format!(
                "{name} means nothing; there are: {start}{}",
                SETTINGS.join(&format!(", {start}"))
            ));
        }
        match value.to_str() {
            None => return Err(format!("{name} is not UTF-8")),
            Some(text) if text.trim().is_empty() => {
                return Err(format!("{name} is empty: name a command, or unset it"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Options, understood};

    #[test]
    fn options_come_from_the_command_line_and_else_from_variables() {
        let taken = |line: &str, variables: &[(&str, &str)]| {
            let variable = |name: &str| Some(variables.iter().find(|(n, _)| *n == name)?.1.to_owned());
            Options::taken(line.split_whitespace().map(str::to_owned), variable)
        };
        let (options, rest) = taken("x --sessions 50 --exact --seed=2 --strict name", &[]).unwrap();
        let expected = Options { sessions: Some(50), seed: Some(2), strict: true, ..Options::default() };
        assert_eq!(options, expected);
        assert_eq!(rest, ["x", "--exact", "name"]);
        assert_eq!(options.numbers(3), 0..50);
        let (options, _) = taken("x --session 7 --whole", &[("CHECK_SESSIONS", "5")]).unwrap();
        assert!(options.whole && options.numbers(3) == (7..8), "{options:?}");
        assert_eq!(Options::default().numbers(3), 0..3);
        let variables = [("CHECK_SESSIONS", "7"), ("CHECK_SEED", "3"), ("CHECK_STRICT", "0")];
        let (options, _) = taken("x --seed 4", &variables).unwrap();
        assert_eq!(options, Options { sessions: Some(7), seed: Some(4), ..Options::default() });
        assert_eq!(taken("x --seed", &[]).unwrap_err(), "--seed takes a number");
        assert!(taken("x --sessions many", &[]).unwrap_err().contains("and not \"many\""));
        assert!(taken("x", &[("CHECK_SEED", "no")]).unwrap_err().contains("CHECK_SEED takes a number"));
    }

    fn said(name: &str, value: &str) -> Result<(), String> {
        understood(4, [(name.into(), value.into())].into_iter())
    }

    #[test]
    fn a_setting_that_is_blank_or_misspelt_is_an_error() {
        for blank in ["", " ", "\t\n"] {
            for name in ["STAGE4_SERVER", "STAGE4_CLIENT", "STAGE4_PROGRAMS"] {
                assert!(said(name, blank).unwrap_err().contains(&format!("{name} is empty")));
            }
        }
        assert!(said("STAGE4_SEVER", "python3 x.py").unwrap_err().contains("there are: STAGE4_SERVER, "));
        assert_eq!(said("STAGE4_SERVER", "python3 x.py"), Ok(()));
        assert_eq!(said("STAGE5_SERVER", ""), Ok(()), "another stage's");
    }
}
