//! `lab watch N`: the checks of a stage again, each time a file is saved.
//!
//! A run that is overtaken by the next save is ended, and with it all that it has
//! started: what it would say is about a program that has changed. Everything is
//! handled by the main thread, since only what that starts is on a leash; the
//! others only tell it what has happened.

mod round;
mod screen;

use anyhow::Context;
use lab::new_checks::later_checks;
use lab::registry::{Part, Registry, Stage};
use lab::run_context::{Interrupted, at_end_signals};
use lab::workspace::root;
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use round::Round;
use screen::Screen;
use signal_hook::consts::SIGINT;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// An editor writes a file in several steps, and "save all" writes several files.
const QUIET: Duration = Duration::from_millis(150);

/// Files that programs are made of; an editor's own are none.
const SOURCES: [&str; 4] = ["rs", "toml", "py", "css"];

/// Whatever the main thread has to know.
pub(crate) enum Event {
    Saved(PathBuf),
    Signal(i32),
    /// From the program that runs just now, by the number of its start.
    Output {
        of: u32,
        line: String,
    },
    Errors {
        of: u32,
        line: String,
    },
    /// Both of its outputs are closed.
    Closed {
        of: u32,
    },
}

/// How a round came to its end.
pub(crate) enum End {
    /// It was through.
    Done,
    /// A file was saved meanwhile.
    Saved(PathBuf),
    /// It is time to go.
    Signal(i32),
}

/// Runs the checks again and again, until a signal ends it; with a `part`, those of
/// later parts are left out.
///
/// # Errors
/// When files cannot be watched, or [`Interrupted`].
pub fn run(stage: &Stage, part: Option<&Part>, all: &Registry, args: &[String]) -> anyhow::Result<()> {
    let (sender, events) = channel();
    let signals = sender.clone();
    at_end_signals(move |signal| drop(signals.send(Event::Signal(signal))))?;
    let _watcher = watch_files(stage, all, sender.clone())?;
    let later = part.map(|part| later_checks(stage, part)).unwrap_or_default();
    let mut screen = Screen::new();
    let mut saved = None;
    let mut starts = 0;
    let signal = loop {
        screen.begin(stage, part, saved.as_deref());
        let round =
            Round { stage, args, later: &later, sender: &sender, events: &events, starts: &mut starts };
        let end = round.play(&mut screen)?;
        let next = match end {
            End::Done => {
                screen.waits();
                wait(&events)
            }
            end => end,
        };
        match next {
            End::Saved(path) => match quiet(&events, path) {
                End::Saved(path) => saved = Some(path),
                End::Signal(signal) => break signal,
                End::Done => {}
            },
            End::Signal(signal) => break signal,
            End::Done => {}
        }
    };
    screen.end();
    // Ctrl-C is how this ends, and no failure.
    if signal == SIGINT { Ok(()) } else { Err(Interrupted(signal).into()) }
}

/// Watches what the stage is made of: itself, the stages below, and `common`.
fn watch_files(stage: &Stage, all: &Registry, sender: Sender<Event>) -> anyhow::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if let Some(path) = event.paths.iter().find(|path| is_save(event.kind, path)) {
            let _ = sender.send(Event::Saved(path.clone()));
        }
    })
    .context("cannot watch files")?;
    let stages = all.stages.iter().filter(|s| s.number <= stage.number).map(|s| s.package.as_str());
    for folder in stages.chain(["common"]).map(|name| root().join(name)).filter(|folder| folder.is_dir()) {
        watcher.watch(&folder, RecursiveMode::Recursive).with_context(|| {
            format!("cannot watch {}; is the limit fs.inotify.max_user_watches reached?", folder.display())
        })?;
    }
    Ok(watcher)
}

/// Returns `true` if a source file has another content now. That a program such as
/// the compiler has read it is an event too.
fn is_save(kind: EventKind, path: &Path) -> bool {
    let changes = match kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(what) => !matches!(what, ModifyKind::Metadata(_)),
        _ => false,
    };
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    changes && !hidden && path.extension().is_some_and(|e| SOURCES.iter().any(|s| e == *s))
}

/// Waits for a save or for the end.
fn wait(events: &Receiver<Event>) -> End {
    loop {
        match events.recv().expect("we hold a sender ourselves") {
            Event::Saved(path) => return End::Saved(path),
            Event::Signal(signal) => return End::Signal(signal),
            // Of a program that was ended.
            Event::Output { .. } | Event::Errors { .. } | Event::Closed { .. } => {}
        }
    }
}

/// Waits until no file was saved for a moment.
fn quiet(events: &Receiver<Event>, mut path: PathBuf) -> End {
    while let Ok(event) = events.recv_timeout(QUIET) {
        match event {
            Event::Saved(last) => path = last,
            Event::Signal(signal) => return End::Signal(signal),
            Event::Output { .. } | Event::Errors { .. } | Event::Closed { .. } => {}
        }
    }
    End::Saved(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, DataChange, MetadataKind, RenameMode};

    #[test]
    fn a_save_is_told_from_the_compilers_reading_and_the_editors_notes() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for kind in [written, renamed, EventKind::Create(CreateKind::File)] {
            assert!(is_save(kind, Path::new("/x/src/server.rs")), "{kind:?}");
            for other in
                ["/x/src/.server.rs.swp", "/x/src/server.rs~", "/x/src/4913", "/x/server_logs.txt", "/x"]
            {
                assert!(!is_save(kind, Path::new(other)), "{other}");
            }
        }
        let touched = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for kind in [touched, EventKind::Access(AccessKind::Any)] {
            assert!(!is_save(kind, Path::new("/x/src/server.rs")), "{kind:?}");
        }
    }
}
