//! A run as a space-time diagram (Lamport, 1978): a lane for each user, server and service,
//! time from left to right, what was done to them, and the way of a line that is wrong.

use super::check::Violation;
use super::history::{History, Line, Millis, Session};
use crate::wire::svg::xml;
use std::fmt::Write;

/// Pixels.
const WIDTH: u64 = 1160;
const LEFT: u64 = 110;
const RIGHT: u64 = 20;
const TOP: u64 = 60;
const LANE: u64 = 34;
const ROW: u64 = 18;

/// The ways of so many wrong lines are drawn, and so many broken promises are written.
const MOST: usize = 6;

/// Light, and dark where the reader's system is.
const STYLE: &str = "
svg { background: #fff } text { font: 12px sans-serif; fill: #1b1f24 } .title { font-size: 15px; font-weight: bold }
.small { font-size: 10px; fill: #57606a } .lane { stroke: #d0d7de } .open { stroke: #0969da; stroke-width: 3 }
.sent { stroke: #0969da; fill: none } .fault { fill: #bc4c00; fill-opacity: .3; stroke: #bc4c00 }
.wrong { stroke: #cf222e; stroke-width: 1.5; fill: none } circle.wrong { stroke-width: 2.5 } text.broken { fill: #cf222e }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 } .lane { stroke: #3d444d }
.open, .sent { stroke: #4493f8 } .fault { fill: #db6d28; stroke: #db6d28 } .wrong { stroke: #f85149 }
text.broken { fill: #f85149 }
}";

/// The finished SVG file. `title` stands above it.
pub fn draw(title: &str, history: &History, violations: &[Violation]) -> String {
    let diagram = Diagram { lanes: lanes(history), end: end(history) };
    let notes = notes(history, violations);
    let below = TOP + LANE * diagram.lanes.len() as u64 + 30;
    let height = below + ROW * notes.len() as u64 + 10;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title text">
<title id="title">{title}</title>
<desc id="text">{text}</desc>
<style>{STYLE}</style>
<text class="title" x="{LEFT}" y="26">{title}</text>
"#,
        title = xml(title),
        text = xml(&notes.iter().map(|(_, note)| format!("{note}. ")).collect::<String>()),
    );
    diagram.lanes(&mut svg);
    history.sessions.iter().for_each(|session| diagram.session(&mut svg, session));
    for fault in &history.faults {
        let (x, y) = (diagram.x(fault.begins), diagram.y(&fault.place));
        let width = diagram.x(fault.ends).saturating_sub(x).max(3);
        let top = y - 10;
        add(&mut svg, format_args!(r#"<rect class="fault" x="{x}" y="{top}" width="{width}" height="20"/>"#));
        let (x, number, y) = (x + 3, fault.number, y + 4);
        add(&mut svg, format_args!(r#"<text x="{x}" y="{y}">F{number}</text>"#));
    }
    let mut wrong: Vec<&Line> = Vec::new();
    for line in violations.iter().filter_map(|violation| violation.line.as_ref()) {
        if wrong.len() < MOST && !wrong.contains(&line) {
            wrong.push(line);
        }
    }
    wrong.into_iter().for_each(|line| diagram.way(&mut svg, line, history));
    for ((class, note), row) in notes.iter().zip(0..) {
        let (y, note) = (below + ROW * row, xml(note));
        add(&mut svg, format_args!(r#"<text class="{class}" x="{LEFT}" y="{y}">{note}</text>"#));
    }
    svg + "</svg>\n"
}

/// Writing to a String cannot fail.
fn add(svg: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(svg, "{line}");
}

/// Users in the order in which they came, then the servers and what they share.
fn lanes(history: &History) -> Vec<String> {
    let mut lanes: Vec<String> = Vec::new();
    let servers = history.sessions.iter().map(|session| session.server).max().unwrap_or(0);
    let users = history.sessions.iter().map(|session| session.user.clone());
    let servers = (1..=servers.max(3)).map(|n| format!("server-{n}"));
    for lane in users.chain(servers).chain(["Redis".to_owned(), "MariaDB".to_owned()]) {
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    lanes
}

/// When the last thing happened.
fn end(history: &History) -> Millis {
    let of_sessions = history.sessions.iter().flat_map(|session| {
        session.shown_at.iter().chain(&session.sent_at).chain(&session.ends).chain([&session.begins])
    });
    let of_faults = history.faults.iter().map(|fault| &fault.ends);
    of_sessions.chain(of_faults).max().copied().unwrap_or(0).max(1000)
}

/// What stands below the diagram, each with its class. Together they are its text alternative.
fn notes(history: &History, violations: &[Violation]) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    for fault in &history.faults {
        let [begins, ends] = [fault.begins, fault.ends].map(|at| at as f32 / 1000.0);
        notes
            .push(("fault-text", format!("F{}: {begins:.1} s to {ends:.1} s, {}", fault.number, fault.what)));
    }
    for violation in violations.iter().take(MOST) {
        notes.push(("broken", format!("Broken: {}: {}", violation.rule.name, violation.detail)));
    }
    if violations.len() > MOST {
        notes.push(("broken", format!("And {} more", violations.len() - MOST)));
    }
    notes
}

struct Diagram {
    lanes: Vec<String>,
    end: Millis,
}

impl Diagram {
    fn x(&self, at: Millis) -> u64 {
        LEFT + at.min(self.end) * (WIDTH - LEFT - RIGHT) / self.end
    }

    fn y(&self, lane: &str) -> u64 {
        let place = self.lanes.iter().position(|other| other == lane).unwrap_or(0);
        TOP + LANE * place as u64 + LANE / 2
    }

    /// The lanes with their names, and the time.
    fn lanes(&self, svg: &mut String) {
        let right = WIDTH - RIGHT;
        for lane in &self.lanes {
            let (y, below, name) = (self.y(lane), self.y(lane) + 4, xml(lane));
            add(svg, format_args!(r#"<text x="10" y="{below}">{name}</text>"#));
            add(svg, format_args!(r#"<line class="lane" x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}"/>"#));
        }
        // About fifteen marks.
        let step = (self.end / 15_000 + 1) as usize;
        for second in (0..=self.end / 1000).step_by(step) {
            let (x, y) = (self.x(second * 1000), TOP - 8);
            add(svg, format_args!(r#"<text class="small" x="{x}" y="{y}">{second} s</text>"#));
        }
    }

    /// A connection, with the server's number, and a stroke for each line that was sent.
    fn session(&self, svg: &mut String, session: &Session) {
        let (y, from) = (self.y(&session.user), self.x(session.begins));
        let to = self.x(session.ends.unwrap_or(self.end));
        let (above, server) = (y - 8, session.server);
        add(svg, format_args!(r#"<line class="open" x1="{from}" y1="{y}" x2="{to}" y2="{y}"/>"#));
        add(svg, format_args!(r#"<text class="small" x="{from}" y="{above}">on server-{server}</text>"#));
        let strokes: String = session.sent_at.iter().map(|at| format!("M{} {y}v-6", self.x(*at))).collect();
        if !strokes.is_empty() {
            add(svg, format_args!(r#"<path class="sent" d="{strokes}"/>"#));
        }
    }

    /// A circle where the line was said, and a stroke to each place where it was shown.
    fn way(&self, svg: &mut String, line: &Line, history: &History) {
        let said = history.sessions.iter().find_map(|session| {
            let place = session.sent.iter().position(|other| other == line)?;
            Some((session.sent_at.get(place)?, session))
        });
        let Some((at, sender)) = said else { return };
        let (x1, y1) = (self.x(*at), self.y(&sender.user));
        let (above, text) = (y1 - 9, xml(line));
        add(svg, format_args!(r#"<circle class="wrong" cx="{x1}" cy="{y1}" r="5"/>"#));
        add(svg, format_args!(r#"<text class="small broken" x="{x1}" y="{above}">{text}</text>"#));
        for session in &history.sessions {
            for (_, at) in session.shown.iter().zip(&session.shown_at).filter(|(shown, _)| *shown == line) {
                let (x2, y2) = (self.x(*at), self.y(&session.user));
                add(svg, format_args!(r#"<line class="wrong" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
            }
        }
    }
}

#[cfg(test)]
mod tests;
