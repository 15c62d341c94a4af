//! `stages.toml`, the one list of the stages, as types.

use serde::Deserialize;

/// The registry's text; a part of the program, so that it is there wherever the
/// program is started.
const TEXT: &str = include_str!("../stages.toml");

/// All stages, in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The stages, from 1 up.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
}

/// One stage of the course.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stage {
    /// N, as in `make run-stage N`.
    pub number: u16,
    /// The cargo package.
    pub package: String,
    /// One word.
    pub title: String,
    /// One sentence.
    pub teaches: String,
    /// Binaries that a run needs; a binary `stageN-…` belongs to stage N's package.
    pub programs: Vec<String>,
    /// Arguments of the server in every run.
    #[serde(default)]
    pub server_args: Vec<String>,
    /// Arguments of every client in every run.
    #[serde(default)]
    pub client_args: Vec<String>,
    /// Files that the programs need in their working folder.
    #[serde(default)]
    pub prepare: Vec<Prepare>,
    /// Files that the server makes, and clients read.
    #[serde(default)]
    pub server_makes: Vec<Made>,
    /// The database of a server that is started by `lab server`, one for each
    /// stage: their tables differ.
    pub database: Option<String>,
    /// Said on a terminal before the client starts.
    pub first_words: String,
    /// The second client on a terminal.
    pub classmate: Option<Classmate>,
    /// How a load test talks to the server; `None` for a stage without a load test.
    pub load: Option<Shape>,
    /// What its bytes on the wire are.
    pub wire: WireFormat,
    /// A diff budget of its own.
    pub budget: Option<Budget>,
    /// The script of a run without a terminal.
    pub script: Vec<Step>,
    /// What is learned in one sitting each, in the order of the course.
    #[serde(rename = "part")]
    pub parts: Vec<Part>,
}

/// A file made by one of the stage's programs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prepare {
    /// The file.
    pub creates: String,
    /// The program and its arguments.
    pub run: Vec<String>,
    /// The client's option that names the file where it lies elsewhere.
    pub client_option: String,
}

/// A file made by the stage's server at its first start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Made {
    /// The file.
    pub file: String,
    /// The client's option that names the file where it lies elsewhere.
    pub client_option: String,
}

/// A scripted client for a user who is alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Classmate {
    /// Its label.
    pub name: String,
    /// What it says first, unasked.
    #[serde(default)]
    pub first_lines: Vec<String>,
    /// The line that shows it that it is served.
    pub ready: Option<String>,
    /// The line in the server's log that shows it, where the client shows none.
    pub logged: Option<String>,
    /// Whether it greets who joins and answers what is said.
    #[serde(default)]
    pub chats: bool,
    /// Those whom it does not answer: two classmates would never end.
    #[serde(default)]
    pub ignores: Vec<String>,
    /// How long after the first line that waits unread at the server it goes;
    /// without a number it stays to the end.
    pub leaves_after_seconds: Option<u64>,
}

/// How a load test talks to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Every line comes back to its sender.
    Echo,
    /// Every line reaches all others.
    Room,
}

/// What a stage's bytes on the wire are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WireFormat {
    /// Lines of text.
    Lines,
    /// What the clients say is encrypted line by line; the server's own lines are not.
    Encrypted,
    /// Every line is sealed: encrypted and authenticated.
    Sealed,
    /// TLS records.
    Tls,
}

/// A part of a stage: what is learned in one sitting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// As in `make diff 6 accounts`.
    pub name: String,
    /// A few words.
    pub title: String,
    /// One sentence.
    pub teaches: String,
    /// What it brings, in reading order: files without `.rs`, or folders, below `src`.
    pub modules: Vec<String>,
    /// Words that a change of a flow file has where the change is this part's.
    #[serde(default)]
    pub flow: Vec<String>,
    /// Minutes for reading.
    pub reading: u32,
    /// Minutes for writing.
    pub writing: u32,
    /// Returns `true` if nothing that follows needs it.
    #[serde(default)]
    pub optional: bool,
    /// A size beyond the usual one.
    pub larger: Option<Larger>,
}

/// How large a part is that is larger than usual.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Larger {
    /// Lines of modules.
    pub lines: Option<usize>,
    /// Changed lines of the server's flow.
    pub server: Option<usize>,
    /// Changed lines of the client's flow.
    pub client: Option<usize>,
    /// Why the usual size does not do.
    pub reason: String,
}

/// How many lines the flow files may differ from those of the stage before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Budget {
    /// In one file.
    pub file: usize,
    /// In both.
    pub step: usize,
    /// Why the usual budget does not do.
    pub reason: String,
}

/// One step of a script; `stages.toml` says what each does.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields, rename_all_fields = "kebab-case")]
#[allow(missing_docs, reason = "the fields are described where they are written, in stages.toml")]
pub enum Step {
    Note {
        note: String,
    },
    Start {
        start: String,
        #[serde(default)]
        with: Vec<String>,
    },
    Says {
        who: String,
        says: String,
    },
    Sees {
        who: String,
        sees: String,
    },
    HasNotSeen {
        who: String,
        has_not_seen: String,
    },
    Leaves {
        who: String,
        leaves: bool,
    },
    Ends {
        who: String,
        ends: i32,
    },
    Stop {
        stop: String,
    },
    LogShows {
        log_shows: String,
    },
    LogLacks {
        log_lacks: String,
    },
}

impl Registry {
    /// The registry of this course.
    ///
    /// # Panics
    /// When `stages.toml` is not what it should be; a test reads it.
    pub fn load() -> Registry {
        toml::from_str(TEXT).unwrap_or_else(|e| panic!("stages.toml: {e}"))
    }

    /// The stage called `number`.
    ///
    /// # Errors
    /// A sentence that names the stages there are.
    pub fn stage(&self, number: Option<&str>) -> Result<&Stage, String> {
        let Some(number) = number else {
            return Err(format!("which stage? there are: {}", self.numbers()));
        };
        self.stages
            .iter()
            .find(|s| s.number.to_string() == number)
            .ok_or_else(|| format!("no stage '{}'; there are: {}", number.escape_debug(), self.numbers()))
    }

    /// The part of `stage` called `name`.
    ///
    /// # Errors
    /// A sentence that names the parts there are, or the stage whose part it is.
    pub fn part<'a>(&self, stage: &'a Stage, name: &str) -> Result<&'a Part, String> {
        if let Some(part) = stage.parts.iter().find(|part| part.name == name) {
            return Ok(part);
        }
        let names: Vec<_> = stage.parts.iter().map(|part| part.name.as_str()).collect();
        let list = format!("stage {} has: {}", stage.number, names.join(" "));
        Err(match self.stages.iter().find(|s| s.parts.iter().any(|part| part.name == name)) {
            Some(other) => format!("part '{name}' is stage {}'s; {list}", other.number),
            None => format!("no part '{}'; {list}", name.escape_debug()),
        })
    }

    /// The package that a program belongs to, told by the program's name.
    pub fn package_of(&self, program: &str) -> Option<&str> {
        let (stage, _) = program.split_once('-')?;
        self.stages
            .iter()
            .map(|s| s.package.as_str())
            .find(|package| package.split_once('-').is_some_and(|(s, _)| s == stage))
    }

    fn numbers(&self) -> String {
        self.stages.iter().map(|s| s.number.to_string()).collect::<Vec<_>>().join(" ")
    }
}

impl Stage {
    /// The parts before `part`, in their order.
    pub fn parts_before(&self, part: &Part) -> &[Part] {
        let at = self.parts.iter().position(|p| p.name == part.name);
        &self.parts[..at.unwrap_or(0)]
    }

    /// `stageN-server`.
    pub fn server(&self) -> String {
        format!("stage{}-server", self.number)
    }

    /// `stageN-client`.
    pub fn client(&self) -> String {
        format!("stage{}-client", self.number)
    }

    /// `stageN-admin`, where the stage has it: where it has a database.
    pub fn admin(&self) -> Option<String> {
        self.database.as_ref().map(|_| format!("stage{}-admin", self.number))
    }

    /// The package's name in Rust code.
    pub fn crate_name(&self) -> String {
        self.package.replace('-', "_")
    }

    /// The server's port where no option names another.
    pub fn default_port(&self) -> u16 {
        9000 + self.number
    }
}

/// Returns `true` if `text` is what `pattern` describes; `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_can_be_read_and_its_stages_are_numbered_from_one() {
        let numbers: Vec<_> = Registry::load().stages.iter().map(|s| s.number).collect();
        assert!(!numbers.is_empty());
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u16), "{numbers:?}");
    }

    #[test]
    fn a_stage_that_is_not_there_gets_a_sentence_with_those_that_are() {
        let registry = Registry::load();
        let why = |n| registry.stage(n).unwrap_err();
        assert!(why(Some("99")).starts_with("no stage '99'; there are: 1 2 3"));
        assert!(why(Some("04")).starts_with("no stage '04'"));
        assert!(why(None).starts_with("which stage? there are: 1 2 3"));
        assert_eq!(registry.stage(Some("4")).unwrap().server(), "stage4-server");
    }

    #[test]
    fn a_part_that_is_not_there_gets_a_sentence_with_those_that_are() {
        let registry = Registry::load();
        let stage = registry.stage(Some("4")).unwrap();
        assert_eq!(registry.part(stage, "limits").unwrap().name, "limits");
        let before: Vec<_> = stage.parts_before(&stage.parts[2]).iter().map(|p| &p.name).collect();
        assert_eq!(before, ["room", "slow-clients"]);
        let why = |name| registry.part(stage, name).unwrap_err();
        assert_eq!(why("limit"), "no part 'limit'; stage 4 has: room slow-clients limits");
        assert_eq!(why("accounts"), "part 'accounts' is stage 6's; stage 4 has: room slow-clients limits");
    }

    #[test]
    fn each_part_has_a_name_of_its_own_that_can_be_typed() {
        let registry = Registry::load();
        let parts = registry.stages.iter().flat_map(|stage| &stage.parts);
        let mut names: Vec<_> = parts.map(|part| part.name.as_str()).collect();
        let typed = |name: &&str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        assert!(names.iter().all(typed), "{names:?}");
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(registry.stages.iter().all(|stage| !stage.parts.is_empty()));
    }

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("hello", "hello") && !matches("hello", "hello!"));
        assert!(matches("*", "") && matches("*", "x"));
        assert!(matches("[*] hi", "[127.0.0.1:1] hi") && !matches("[*] hi", "[x] hi there"));
        assert!(matches("a*b*c", "a1b2c") && matches("a*b*c", "abbc") && !matches("a*b*c", "acb"));
        assert!(!matches("ab*ba", "aba"), "the two ends must not share a letter");
    }
}
