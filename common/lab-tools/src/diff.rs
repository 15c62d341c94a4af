//! `lab diff A B`: the difference between two stages, as a lesson. First what is
//! new, what changed and what is no longer imported, with a sentence each; then
//! the lines.
//!
//! What there is to say about is read from the code, the sentences come from
//! `lessons.toml`. So nothing can be missing or made up without a test noticing,
//! and in a student's working copy the list is of the student's own modules.

mod html;
mod pager;
mod text;

use crate::lessons::{Lesson, Lessons, Why};
use crate::parts::{self, Change, PartFile, Size};
use crate::sources::{FLOW, Flow, Module, Sources};
use anyhow::Context;
use clap::Args;
use lab::registry::{Part, Registry, Stage};
use lab::say;
use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;

/// What `lab diff` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    make diff 4                             what stage 4 changes against stage 3, and its parts\n  \
    make diff 4 limits                      its part limits alone, with the modules to read\n  \
    make diff 4 6                           what happened on the way from 4 to 6\n  \
    make diff 4 > step.txt                  plain text\n  \
    make diff 4 ARGS=\"--html step.html\"    a page of its own, side by side")]
pub struct Options {
    /// The stage that is compared with the one below it; or the first of two
    pub stage: Option<String>,
    /// The second of two, or a part of the stage
    pub other: Option<String>,
    /// Write a page for a browser instead, side by side
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// The difference between two stages.
pub(crate) struct Comparison<'a> {
    /// `None` below the first stage.
    pub from: Option<&'a Stage>,
    pub to: &'a Stage,
    /// In the order of the stages on the way.
    pub new: Vec<Point>,
    pub changed: Vec<Point>,
    pub gone: Vec<Point>,
    pub files: Vec<FileChange>,
    /// The parts of the stage, where it is compared with the one below it; one of them
    /// where one was asked for.
    pub chapters: Vec<Chapter<'a>>,
    /// Whether one part was asked for: then the rest is not shown.
    pub is_part: bool,
}

/// A part of a stage, as far as it shows in the sources.
pub(crate) struct Chapter<'a> {
    pub part: &'a Part,
    pub size: Size,
    /// Its modules that the stage's lesson has a sentence about.
    pub new: Vec<Point>,
    /// Its changes, for each of the flow files.
    pub changes: Vec<Vec<Change>>,
    pub files: Vec<PartFile>,
}

/// One thing to know, and why it is so.
#[derive(Clone)]
pub(crate) struct Point {
    /// The stage that brought it, where the two are not neighbours.
    pub stage: Option<u16>,
    pub name: String,
    /// Empty where there is no sentence: in a student's copy.
    pub why: String,
}

/// A flow file before and after.
pub(crate) struct FileChange {
    pub name: String,
    pub old: Option<Flow>,
    pub new: Option<Flow>,
    /// Where there is nothing to compare: why.
    pub note: Option<String>,
}

/// Shows the difference.
///
/// # Errors
/// When the page cannot be written.
pub fn run(compared: &Compared<'_>, all: &Registry, options: &Options) -> anyhow::Result<()> {
    let comparison = Comparison::new(compared, all);
    if let Some(file) = &options.html {
        fs::write(file, html::page(&comparison))
            .with_context(|| format!("cannot write {}", file.display()))?;
        say!("{} is a page for a browser", file.display());
        return Ok(());
    }
    let terminal = stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let shown = text::render(&comparison, colour);
    if !terminal || !pager::show(&shown) {
        // A closed output is no failure: `| head` has seen enough.
        let _ = stdout().write_all(shown.as_bytes());
    }
    Ok(())
}

/// What is compared.
pub struct Compared<'a> {
    /// `None` below the first stage.
    pub from: Option<&'a Stage>,
    /// The higher one.
    pub to: &'a Stage,
    /// The one part that is wanted.
    pub part: Option<&'a Part>,
}

/// What the words mean: a stage and the one below it, one of its parts, or two stages.
///
/// # Errors
/// A sentence for wrong usage.
pub fn compared<'a>(all: &'a Registry, options: &Options) -> Result<Compared<'a>, String> {
    let to = all.stage(options.stage.as_deref())?;
    let below = Sources::of_course(all).below(to);
    let Some(other) = &options.other else { return Ok(Compared { from: below, to, part: None }) };
    if !other.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Compared { from: below, to, part: Some(all.part(to, other)?) });
    }
    let other = all.stage(Some(other))?;
    match to.number.cmp(&other.number) {
        std::cmp::Ordering::Less => Ok(Compared { from: Some(to), to: other, part: None }),
        std::cmp::Ordering::Greater => Ok(Compared { from: Some(other), to, part: None }),
        std::cmp::Ordering::Equal => Err(format!("stage {} does not differ from itself", to.number)),
    }
}

impl<'a> Comparison<'a> {
    fn new(compared: &Compared<'a>, all: &'a Registry) -> Comparison<'a> {
        let &Compared { from, to, part } = compared;
        let (sources, lessons) = (Sources::of_course(all), Lessons::load());
        let lowest = from.map_or(0, |stage| stage.number);
        let on_the_way = |s: &&Stage| s.number > lowest && s.number <= to.number;
        let way: Vec<_> = all.stages.iter().filter(on_the_way).collect();
        let of = |stage: &Stage| (way.len() > 1).then_some(stage.number);
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for stage in &way {
            let lesson = lessons.of(stage);
            for name in news(&sources, stage) {
                let why = lesson.map_or("", |l| sentence(&l.new, &name)).to_owned();
                new.push(Point { stage: of(stage), name, why });
            }
            for file in FLOW {
                let name = format!("{file}.rs");
                let why = lesson.map_or("", |l| change_of(l, file)).to_owned();
                changed.push(Point { stage: of(stage), name, why });
            }
        }
        new.sort_by_key(|point| (point.stage, rank(&lessons, &way, &point.name)));
        let gone = from.map(|from| gone(&sources, all, from, to)).unwrap_or_default();
        let gone = gone.into_iter().map(|name| {
            // Of the stage that let go of it first.
            let found = way.iter().find_map(|s| {
                let why = lessons.of(s).map_or("", |l| sentence(&l.gone, &name));
                (!why.is_empty()).then(|| (of(s), why.to_owned()))
            });
            let (stage, why) = found.unwrap_or_default();
            Point { stage, name, why }
        });
        let gone = gone.collect();
        let files = FLOW.map(|file| FileChange::new(&sources, from, to, file)).into();
        let mut comparison =
            Comparison { from, to, new, changed, gone, files, chapters: Vec::new(), is_part: part.is_some() };
        if from.map(|s| s.number) == sources.below(to).map(|s| s.number) {
            let wanted = |p: &&Part| part.is_none_or(|part| part.name == p.name);
            let parts = to.parts.iter().filter(wanted);
            comparison.chapters = parts.map(|p| comparison.chapter(&sources, p)).collect();
        }
        comparison
    }

    fn chapter(&self, sources: &Sources<'_>, part: &'a Part) -> Chapter<'a> {
        let at = self.to.parts_before(part).len();
        let program =
            |name: &str| format!("bin/{}", name.trim_start_matches(&format!("stage{}-", self.to.number)));
        let is_new =
            |point: &&Point| part.modules.iter().any(|m| *m == point.name || *m == program(&point.name));
        let changes = |file: &FileChange| -> Vec<Change> {
            if file.note.is_some() {
                return Vec::new();
            }
            let (old, new) = file.texts();
            parts::changes(self.to, old, new).into_iter().filter(|change| change.part == at).collect()
        };
        Chapter {
            part,
            size: parts::size(sources, self.to, part),
            new: self.new.iter().filter(is_new).cloned().collect(),
            changes: self.files.iter().map(changes).collect(),
            files: parts::files(sources, self.to, part),
        }
    }
}

/// Modules and further programs that a stage brings, as it calls them.
pub fn news(sources: &Sources<'_>, stage: &Stage) -> Vec<String> {
    let tools = sources.tools(stage).into_iter().map(|tool| format!("stage{}-{tool}", stage.number));
    sources.modules(stage).into_iter().chain(tools).collect()
}

/// Modules that the code of `from` imports, and that of `to` does not: neither
/// itself nor through a module of `from` that it imports.
pub fn gone(sources: &Sources<'_>, all: &Registry, from: &Stage, to: &Stage) -> Vec<String> {
    let (before, after) = (sources.uses(from), sources.uses(to));
    let borrowed =
        after.iter().filter(|module| module.stage == from.number).map(|module| module.name.clone());
    let along = sources.brought_by(from, borrowed);
    let name = |module: &Module| {
        let stage = all.stages.iter().find(|s| s.number == module.stage)?;
        Some(format!("{}::{}", stage.crate_name(), module.name))
    };
    before
        .iter()
        .filter(|module| !after.contains(*module) && !along.contains(*module))
        .filter_map(name)
        .collect()
}

/// The sentence about a flow file.
fn change_of<'l>(lesson: &'l Lesson, file: &str) -> &'l str {
    if file == "server" { &lesson.server } else { &lesson.client }
}

fn sentence<'l>(list: &'l [Why], name: &str) -> &'l str {
    list.iter().find(|w| w.name == name).map_or("", |w| &w.why)
}

/// Where the lessons have it: the concept comes first there.
fn rank(lessons: &Lessons, way: &[&Stage], name: &str) -> usize {
    let lists = way.iter().filter_map(|s| lessons.of(s)).flat_map(|l| &l.new);
    lists.enumerate().find(|(_, w)| w.name == name).map_or(usize::MAX, |(at, _)| at)
}

impl FileChange {
    fn new(sources: &Sources<'_>, from: Option<&Stage>, to: &Stage, file: &str) -> FileChange {
        let old = from.and_then(|from| sources.flow(from, file));
        let new = sources.flow(to, file);
        let name = format!("{file}.rs");
        let note = match (&old, &new) {
            (_, None) => Some(format!("Stage {} has no {name} yet.", to.number)),
            (Some(old), Some(new)) if old.of == new.of => Some(format!(
                "Stage {} imports it: it is stage {}'s, unchanged ({}).",
                to.number,
                new.of,
                new.path.display()
            )),
            _ => None,
        };
        FileChange { name, old, new, note }
    }

    /// The two texts; an absent one is empty.
    fn texts(&self) -> (&str, &str) {
        (self.old.as_ref().map_or("", |f| f.text.as_str()), self.new.as_ref().map_or("", |f| f.text.as_str()))
    }

    /// The two paths, as `diff` shows them.
    fn paths(&self) -> (String, String) {
        let path = |flow: &Option<Flow>| {
            flow.as_ref().map_or("/dev/null".to_owned(), |f| f.path.display().to_string())
        };
        (path(&self.old), path(&self.new))
    }
}

impl Chapter<'_> {
    /// How much there is to do, in one line.
    fn effort(&self) -> String {
        let Size { modules, flow: [server, client] } = self.size;
        let Part { reading, writing, optional, .. } = self.part;
        let optional = if *optional { "; can be left out" } else { "" };
        format!(
            "{modules} lines of modules; {server} changed in server.rs, {client} in client.rs; \
             {reading} minutes to read, {writing} to write{optional}"
        )
    }
}

impl Comparison<'_> {
    /// What stands above everything.
    fn title(&self) -> (String, String) {
        let named = |s: &Stage| format!("stage {}, {}", s.number, s.title);
        let mut title = format!("S{}", &named(self.to)[1..]);
        if self.is_part
            && let [chapter] = &self.chapters[..]
        {
            let (at, count) = (self.to.parts_before(chapter.part).len() + 1, self.to.parts.len());
            title += &format!(", part {at} of {count}: {}", chapter.part.name);
        }
        let against = match self.from {
            Some(from) => format!("against {}", named(from)),
            None => "the first one, and so all of it is new".to_owned(),
        };
        (title, against)
    }

    /// The three lists, those that are not empty, with their headings.
    fn lists(&self) -> Vec<(&'static str, &[Point])> {
        let all = [("New", &self.new), ("Changed", &self.changed), ("No longer imported", &self.gone)];
        all.into_iter().filter(|(_, points)| !points.is_empty()).map(|(h, p)| (h, p.as_slice())).collect()
    }
}
