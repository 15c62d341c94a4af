//! The session as a sequence diagram: a file of its own that any browser shows,
//! small enough for a slide.

use crate::wire::annotation::Annotated;
use crate::wire::recorder::Id;
use crate::wire::tap::Side;
use crate::wire::{Connection, Event};
use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

/// More are hard to read, and a browser draws them slowly.
const ARROWS: usize = 200;
const CLIENTS: usize = 12;

/// Pixels. Letters are all of one width, so that a label can be cut to fit.
const LETTER: f64 = 6.7;
const TIMES: usize = 130;
const BOX: usize = 170;
const HEAD: usize = 96;
const ROW: usize = 34;
/// A row whose arrow has a second label, below it.
const TALL_ROW: usize = 48;
/// Between two lifelines there is room for the longest label, within these.
const NARROW: usize = 280;
const WIDE: usize = 490;
const LABEL: usize = ((WIDE - 30) as f64 / LETTER) as usize;

/// A diagram in the making.
pub struct Diagram {
    title: String,
    clients: Vec<(String, String)>,
    column_of: HashMap<Id, usize>,
    server: String,
    arrows: Vec<Arrow>,
    more_arrows: usize,
    more_clients: usize,
}

struct Arrow {
    at: Duration,
    client: usize,
    from: Side,
    label: String,
    below: Option<String>,
    kind: &'static str,
}

impl Diagram {
    /// An empty diagram.
    pub fn new(title: &str) -> Diagram {
        Diagram {
            title: title.to_owned(),
            clients: Vec::new(),
            column_of: HashMap::new(),
            server: String::new(),
            arrows: Vec::new(),
            more_arrows: 0,
            more_clients: 0,
        }
    }

    /// The arrows of one event of connection number `id`.
    pub fn event(&mut self, at: Duration, id: Id, of: &Connection, event: &Event<'_>, annotated: &Annotated) {
        let from = event.side();
        if matches!(event, Event::Opened | Event::Refused(_)) && !self.join(id, of) {
            return;
        }
        let Some(client) = self.column_of.get(&id).copied() else { return };
        let mut arrow = |label: &str, below: Option<String>, kind: &'static str| {
            if self.arrows.len() < ARROWS {
                let label = cut(label, LABEL);
                self.arrows.push(Arrow {
                    at,
                    client,
                    from,
                    label,
                    below: below.map(|b| cut(&b, LABEL)),
                    kind,
                });
            } else {
                self.more_arrows += 1;
            }
        };
        match event {
            Event::Opened => arrow("connects (SYN, SYN-ACK, ACK)", None, "tcp"),
            Event::Refused(_) => arrow("cannot connect", None, "tcp"),
            Event::Ended(_) => arrow("ends (FIN)", None, "tcp"),
            Event::Reset(_) => arrow("breaks off (RST)", None, "tcp"),
            Event::Sent(..) => {
                for summary in &annotated.summaries {
                    let secret = summary.secret.as_ref().map(|text| format!("with the key: {text}"));
                    arrow(&summary.open, secret, if from == Side::Client { "client" } else { "server" });
                }
            }
        }
    }

    /// A lifeline for a new connection; `false` when there are too many.
    fn join(&mut self, id: Id, of: &Connection) -> bool {
        if self.clients.len() == CLIENTS {
            self.more_clients += 1;
            return false;
        }
        self.column_of.insert(id, self.clients.len());
        self.clients.push((of.name.clone(), of.client.to_string()));
        self.server = of.server.to_string();
        true
    }

    /// The finished file.
    pub fn render(&self) -> String {
        let height: usize = self.arrows.iter().map(Arrow::height).sum::<usize>() + HEAD + 60;
        let width = TIMES + self.column() * self.clients.len().max(1) + BOX / 2 + 20;
        let mut svg = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<title>{title}</title>
<style>
text {{ font: 11px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1b1f24 }}
.title {{ font-size: 15px; font-weight: bold }} .name {{ font-size: 13px; font-weight: bold }}
.small {{ fill: #656d76; font-size: 10px }} .secret {{ fill: #8250df; font-style: italic }}
.life {{ stroke: #afb8c1; stroke-width: 1.5; stroke-dasharray: 5 4 }} .box {{ fill: #f6f8fa; stroke: #57606a }}
.client {{ stroke: #0969da; fill: #0969da; stroke-width: 1.5 }} .server {{ stroke: #bc4c00; fill: #bc4c00; stroke-width: 1.5 }}
.tcp {{ stroke: #8c959f; fill: #8c959f; stroke-width: 1.2; stroke-dasharray: 3 3 }} .tip {{ stroke-dasharray: none }}
</style>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text class="title" x="{TIMES}" y="24">{title}</text>
"##,
            title = xml(&self.title)
        );
        self.lifelines(&mut svg, height);
        let mut y = HEAD;
        for arrow in &self.arrows {
            self.arrow(&mut svg, arrow, y);
            y += arrow.height();
        }
        if let Some(rest) = self.left_out() {
            let _ = writeln!(svg, r#"<text class="small" x="{TIMES}" y="{}">{}</text>"#, y + 26, xml(&rest));
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn left_out(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.more_arrows > 0 {
            parts.push(format!("{} more arrows", self.more_arrows));
        }
        if self.more_clients > 0 {
            parts.push(format!("{} more connections", self.more_clients));
        }
        (!parts.is_empty())
            .then(|| format!("... and {} that are not drawn; a capture has them all", parts.join(", ")))
    }

    /// From one lifeline to the next.
    fn column(&self) -> usize {
        let labels = self.arrows.iter().flat_map(|arrow| [Some(&arrow.label), arrow.below.as_ref()]);
        let longest = labels.flatten().map(|label| label.chars().count()).max().unwrap_or(0);
        ((longest as f64 * LETTER) as usize + 30).clamp(NARROW, WIDE)
    }

    /// Where a lifeline is. The server stands in the middle, so that most arrows
    /// cross no other client's line.
    fn x(&self, client: Option<usize>) -> usize {
        let left = self.clients.len().div_ceil(2);
        let column = match client {
            None => left,
            Some(client) if client < left => client,
            Some(client) => client + 1,
        };
        TIMES + column * self.column()
    }

    fn lifelines(&self, svg: &mut String, height: usize) {
        let clients =
            self.clients.iter().enumerate().map(|(at, (name, address))| (Some(at), &**name, address));
        for (who, name, address) in clients.chain([(None, "server", &self.server)]) {
            let x = self.x(who);
            let _ = writeln!(
                svg,
                r#"<line class="life" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>
<rect class="box" x="{left}" y="36" width="{BOX}" height="38" rx="5"/>
<text class="name" x="{x}" y="52" text-anchor="middle">{name}</text>
<text class="small" x="{x}" y="67" text-anchor="middle">{address}</text>"#,
                top = HEAD - 22,
                bottom = height - 40,
                left = x - BOX / 2,
                name = xml(&cut(name, 22)),
                address = xml(&cut(address, 27)),
            );
        }
    }

    fn arrow(&self, svg: &mut String, arrow: &Arrow, y: usize) {
        let (client, server) = (self.x(Some(arrow.client)), self.x(None));
        let (from, to) = if arrow.from == Side::Client { (client, server) } else { (server, client) };
        // The label stands beside its client, above no other client's line.
        let half = self.column() / 2;
        let beside = if client < server { client + half } else { client - half };
        let line = y + 18;
        // The tip's corners lie against the arrow's direction.
        let back = if from < to { to - 8 } else { to + 8 };
        let _ = writeln!(
            svg,
            r#"<text class="small" x="8" y="{text}">{at:.4} s</text>
<line class="{kind}" x1="{from}" y1="{line}" x2="{to}" y2="{line}"/>
<polygon class="{kind} tip" points="{to},{line} {back},{up} {back},{down}"/>
<text x="{beside}" y="{above}" text-anchor="middle">{label}</text>"#,
            text = line + 4,
            at = arrow.at.as_secs_f64(),
            kind = arrow.kind,
            up = line - 4,
            down = line + 4,
            above = line - 5,
            label = xml(&arrow.label),
        );
        if let Some(below) = &arrow.below {
            let y = line + 14;
            let _ = writeln!(
                svg,
                r#"<text class="secret" x="{beside}" y="{y}" text-anchor="middle">{}</text>"#,
                xml(below)
            );
        }
    }
}

impl Arrow {
    fn height(&self) -> usize {
        if self.below.is_some() { TALL_ROW } else { ROW }
    }
}

/// `text` in at most `letters` letters.
fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        None => text.to_owned(),
        Some(_) => text.chars().take(letters - 3).chain("...".chars()).collect(),
    }
}

/// `text` for between two tags: nothing in it is a tag, and nothing is a
/// character that XML does not have.
pub(crate) fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
