//! What one connection must receive, and what it may.

use super::history::History;
use super::rules;
use std::collections::VecDeque;
use testkit::sessions::{Broken, Rule};
use testkit::{End, Next, shown};

/// In which order lines must come: those of one stream in order, and of different streams
/// in any.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Stream {
    /// The login and what stands before the room. Nothing else comes before it is done.
    Login,
    /// What another user does.
    Of(String),
    /// The answer to one command.
    Answer(usize),
    /// The end: nothing comes after it.
    End,
}

/// A line, or what else must come.
#[derive(Clone, Debug)]
pub(super) enum What {
    Line(String),
    /// A line that begins so, with words for people behind it.
    Starts(String),
    /// A line that need not come.
    Perhaps(String),
    /// `AUTH_SUCCESS name token`, the token by its number.
    Success(String, usize),
    History(History),
    /// The end of the stream: in good order, or by a reset too.
    End {
        good_order: bool,
    },
}

#[derive(Clone, Debug)]
struct Item {
    rule: Rule,
    stream: Stream,
    what: What,
}

impl Item {
    fn must_come(&self) -> bool {
        !matches!(self.what, What::Perhaps(_))
    }
}

/// What one connection must and may receive.
#[derive(Clone, Default, Debug)]
pub(super) struct Expected {
    items: VecDeque<Item>,
    /// The lists of users that were right since this connection is in a room: those that
    /// are gathered may come late.
    lists: Vec<String>,
    /// The list that came last.
    pub last_list: String,
    /// What this user has said.
    pub said: Vec<String>,
}

impl Expected {
    pub fn must(&mut self, rule: Rule, stream: Stream, what: What) {
        self.items.push_back(Item { rule, stream, what });
    }

    /// All of this has come.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// The names of the rules by which it must receive something, and whether that is a
    /// line with words for people: most often an error.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.items.iter().map(|item| (item.rule.name, matches!(item.what, What::Starts(_))))
    }

    /// This list is right now.
    pub fn list(&mut self, list: String) {
        self.lists.push(list);
    }

    pub fn is_complete(&self) -> bool {
        self.first().is_none()
    }

    /// The first that must come.
    fn first(&self) -> Option<&Item> {
        self.items.iter().find(|item| item.must_come())
    }

    /// What is still missing, as the first rule that it breaks.
    pub fn missing(&self, instead: &str) -> Option<Broken> {
        let item = self.first()?;
        Some(Broken { rule: item.rule, expected: described(&item.what), got: instead.to_owned() })
    }

    /// Takes what has come; `about` is the rule of the step before it. Gives `true` at
    /// the end of the connection.
    pub fn take(&mut self, next: &Next, tokens: &mut Vec<String>, about: Rule) -> Result<bool, Broken> {
        match next {
            Next::Line(line) => self.line(line, tokens, about).map(|()| false),
            Next::End(end, rest) => {
                self.history_is_done()?;
                match self.first() {
                    Some(Item { what: What::End { good_order }, .. })
                        if rest.is_empty() && (*end == End::Closed || !good_order) =>
                    {
                        Ok(true)
                    }
                    Some(_) => Err(self.missing(&next.to_string()).expect("an item is missing")),
                    None => Err(Broken { rule: about, expected: "no end".into(), got: next.to_string() }),
                }
            }
            Next::Nothing => Ok(false),
        }
    }

    fn line(&mut self, line: &str, tokens: &mut Vec<String>, about: Rule) -> Result<(), Broken> {
        if !line.starts_with("[HISTORY] ") {
            self.history_is_done()?;
        }
        if line.starts_with("[USERS_LIST] ") {
            line.clone_into(&mut self.last_list);
        }
        let next = |at: &usize| fits(&self.items[*at].what, line) && !self.waits(*at);
        let Some(at) = (0..self.items.len()).find(next) else {
            return self.optional(line, about);
        };
        let Item { rule, what, .. } = &mut self.items[at];
        let (rule, done) = match what {
            What::Success(_, number) => (rules::SAME_TOKEN, same_token(line, *number, tokens).map(|()| true)),
            What::History(history) => (*rule, history.take(line)),
            _ => (*rule, Ok(true)),
        };
        if done.map_err(|expected| Broken { rule, expected, got: shown(line) })? {
            self.items.remove(at);
            // What might have come before this does not come any more.
            let mut place = 0..;
            self.items.retain(|item| place.next() >= Some(at) || item.must_come());
        }
        Ok(())
    }

    /// Returns `true` if something else must come before this item.
    fn waits(&self, at: usize) -> bool {
        let stream = &self.items[at].stream;
        let comes_first =
            |item: &Item| item.must_come() && (item.stream == *stream || item.stream == Stream::Login);
        self.items.iter().take(at).any(comes_first)
    }

    /// Behind the history comes something else: that is all of it.
    fn history_is_done(&mut self) -> Result<(), Broken> {
        let Some(Item { rule, stream: Stream::Login, what: What::History(history) }) = self.items.front()
        else {
            return Ok(());
        };
        let judged = history.judge().map_err(|expected| Broken {
            rule: *rule,
            expected,
            got: format!("{} messages", history.got.len()),
        });
        self.items.pop_front();
        judged
    }

    /// A line that need not come: a list that was gathered.
    fn optional(&self, line: &str, about: Rule) -> Result<(), Broken> {
        let login = self.first().filter(|item| item.stream == Stream::Login);
        if login.is_none() && self.lists.iter().any(|list| list == line) {
            return Ok(());
        }
        let own = self.said.iter().any(|text| !text.is_empty() && line.ends_with(text.as_str()));
        let missing = login.or(self.first());
        let is_arrival = line.starts_with("[SERVER] ") && line.contains(" joined (");
        let rule = match missing {
            // In no room yet.
            _ if about == rules::NAMELESS && self.lists.is_empty() => about,
            _ if is_arrival || about == rules::NOT_BACK => about,
            _ if line.split_once(": ").is_some_and(|(_, text)| text.is_empty()) => rules::NO_TEXT,
            Some(Item { what: What::Success(..), .. }) if line.starts_with("AUTH_SUCCESS ") => {
                rules::AS_REGISTERED
            }
            Some(item) => item.rule,
            None if line.starts_with("[USERS_LIST]") => rules::LIST,
            None if own => rules::NOT_BACK,
            None => about,
        };
        let expected = missing.map_or("no such line".to_owned(), |item| described(&item.what));
        Err(Broken { rule, expected, got: shown(line) })
    }
}

fn fits(what: &What, line: &str) -> bool {
    match what {
        What::Line(wanted) | What::Perhaps(wanted) => line == wanted,
        What::Starts(start) => line.strip_prefix(start.as_str()).is_some_and(|rest| !rest.trim().is_empty()),
        What::Success(name, _) => {
            line.strip_prefix("AUTH_SUCCESS ").and_then(|l| l.split_once(' ')).is_some_and(|(n, _)| n == name)
        }
        What::History(_) => line.starts_with("[HISTORY] "),
        What::End { .. } => false,
    }
}

/// The token of this number is new, or the one that it was before.
fn same_token(line: &str, number: usize, tokens: &mut Vec<String>) -> Result<(), String> {
    let token = line.rsplit(' ').next().unwrap_or_default();
    match tokens.get(number) {
        Some(known) if known == token => Ok(()),
        Some(_) => Err("AUTH_SUCCESS with the same token as before".to_owned()),
        None if token.len() != 43 || tokens.iter().any(|known| known == token) => {
            Err("AUTH_SUCCESS with a new token of 43 characters".to_owned())
        }
        None => {
            tokens.push(token.to_owned());
            Ok(())
        }
    }
}

fn described(what: &What) -> String {
    match what {
        What::Line(line) | What::Perhaps(line) => shown(line),
        What::Starts(start) => format!("{start:?} and a reason"),
        What::Success(name, _) => format!("\"AUTH_SUCCESS {name} …\""),
        What::History(history) => format!("{} lines of history", history.limit.min(history.known.len())),
        What::End { good_order: true } => "the end of the connection, in good order".to_owned(),
        What::End { good_order: false } => "the end of the connection".to_owned(),
    }
}
