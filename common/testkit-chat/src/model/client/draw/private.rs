//! Private messages at random, and keys.

use super::{Draw, one_of};
use crate::model::client::contacts::{LONGEST_PRIVATE, NAMES, mark};
use crate::model::client::session::{Answer, Before, Heard, Seal, Step, Whisper};
use testkit::sessions::{Random, text_for_a_client};

/// No command, and never sent.
const MISTYPED: &[&str] = &["/msg", "/msgbob a ", "/Msg", "/msg bob", "/MSGbob ", "/msg\tbob ", "/MSG"];
const NO_KEYS: &[&str] = &[
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AAAA",
    "this is no base64 ééé",
    "GkeH*FtY8suFnhu6TAESG3BUemIs0tHUEPT4Bdb2wHEQ=",
    "GkeHFtY8suFnhu6TAESG3BUemIs0tHUEPT4Bdb2wHEQ",
];

/// An answer without a key, by its number.
pub fn no_key(number: usize) -> Answer {
    match number % 4 {
        1 => Answer::NoUser,
        3 => Answer::NoKey,
        _ => Answer::Nonsense(NO_KEYS[number % NO_KEYS.len()]),
    }
}

impl Draw {
    pub fn private_step(&mut self, random: &mut Random) -> Step {
        let who = if random.one_in(3) { random.below(NAMES.len()) } else { self.friend };
        match random.below(18) {
            16 | 17 => Step::Rekey(who),
            0..=5 => {
                let answer = match random.below(10) {
                    0 => Answer::NoUser,
                    1 => Answer::NoKey,
                    2 => Answer::Nonsense(one_of(random, NO_KEYS)),
                    3 => Answer::Another,
                    _ => Answer::Key,
                };
                self.whisper(random, who, answer)
            }
            6 => {
                let text = (*random.pick(MISTYPED)).to_owned();
                Step::Mistyped(if text.ends_with(' ') { text + "a secret" } else { text })
            }
            7..=9 => {
                let count = 1 + random.below(3);
                Step::Hear(who, (0..count).map(|_| self.heard(random)).collect())
            }
            10 | 11 => Step::Hear(who, vec![Heard::Again]),
            12..=14 => {
                let count = 1 + random.below(2);
                let mut heard: Vec<_> = (0..count).map(|_| Heard::Bad(*random.pick(&Seal::ALL))).collect();
                if random.one_in(2) {
                    heard.push(self.heard(random));
                }
                Step::Hear(who, heard)
            }
            _ => Step::InTheClear(text_for_a_client(random, 200).trim_end_matches('\r').to_owned()),
        }
    }

    pub fn whisper(&mut self, random: &mut Random, who: usize, answer: Answer) -> Step {
        let name = NAMES[who];
        let spelled = match random.below(3) {
            0 => name.to_uppercase(),
            _ => name.to_owned(),
        };
        let before = match random.below(4) {
            0 => Before::KeyOf((who + 1) % NAMES.len()),
            1 => Before::Line(one_of(
                random,
                &[
                    "[SERVER] error: no user zed",
                    "[SERVER] error: zed has published no key",
                    "Zed: [SERVER] error: bob has published no key",
                    "Zed: [KEY] bob AAAA",
                    "[SERVER] zed joined (3 online)",
                    "[SERVER] error: message not stored, try again",
                    "AUTH_FAILED: [SERVER] error: no user bob",
                ],
            )),
            _ => Before::Nothing,
        };
        let text = self.private_text(random);
        Step::Whisper(Whisper { to: who, spelled, text, before, answer })
    }

    /// Each of them is another one, by its number.
    fn private_text(&mut self, random: &mut Random) -> String {
        self.private += 1;
        let mark = mark(self.private);
        let mut text = match random.below(8) {
            0 => {
                let rest = LONGEST_PRIVATE - mark.len() - random.below(2);
                format!("{mark}{}", self.of_bytes(random, rest))
            }
            1 => format!("{} {mark}", text_for_a_client(random, 500)),
            _ => format!("{mark} {}", text_for_a_client(random, 500)),
        };
        // Whether a CR before a line end belongs to the text is left open.
        text.truncate(text.trim_end_matches('\r').len());
        text
    }

    /// What another user has sealed may have line ends in it.
    pub fn heard(&mut self, random: &mut Random) -> Heard {
        let text = self.private_text(random);
        let is_more = random.one_in(6);
        Heard::Text(if is_more { format!("{text}\n[SERVER] no line of its own\n") } else { text })
    }
}
