//! What a check is, and the macro that writes one down.
//!
//! Which checks are new in a stage, so that its starting point (`make start N`)
//! fails them, is not marked here: it is in `tests/new-checks.txt` of the stage.
//! After adding, renaming or removing a check of stage N, have it written again,
//! and look at what has changed in it:
//!
//! ```text
//! NEW_CHECKS=write START_STAGES="N" cargo test -p lab-tools --test it -- --ignored starting_point
//! ```

use crate::case::{Case, Side};
use std::time::Duration;

/// Who owes what the check asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What is seen on the wire (or, for a client, on its standard input and
    /// output): owed by a program in any language.
    Wire,
    /// Our flags, log lines and exit codes: owed by our programs only, and
    /// reported as ignored when another program is graded, as are the checks
    /// that say nothing about that program.
    Ours,
}

impl Kind {
    /// The word that stands before a check's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Wire => "wire",
            Kind::Ours => "ours",
        }
    }
}

/// One graded check.
#[derive(Clone)]
pub struct Check {
    pub(crate) name: &'static str,
    pub(crate) hint: String,
    pub(crate) kind: Kind,
    pub(crate) side: Side,
    pub(crate) limit: Duration,
    pub(crate) prepare: Option<fn(&Case)>,
    pub(crate) ignored: bool,
    /// It waits for a time limit most of the time.
    pub(crate) waits: bool,
    /// What stands after it in the suite rests on it.
    pub(crate) basic: bool,
    /// Names of the basic checks without which it cannot be judged.
    pub(crate) rests_on: Vec<&'static str>,
    pub(crate) body: fn(&Case),
}

impl Check {
    /// A check with the usual time limit of 20 s; [`checks!`](crate::checks) calls this.
    pub fn new(name: &'static str, hint: &[&str], kind: Kind, side: Side, body: fn(&Case)) -> Self {
        let hint = hint.iter().map(|line| line.trim()).collect::<Vec<_>>();
        let hint = hint.join(" ");
        let limit = Duration::from_secs(20);
        Self {
            name,
            hint,
            kind,
            side,
            limit,
            prepare: None,
            ignored: false,
            waits: false,
            basic: false,
            rests_on: Vec::new(),
            body,
        }
    }

    /// The requirement in one word.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The same check, begun by `prepare`: a shared rule knows nothing of the
    /// files that the programs of a stage need in their folder.
    pub fn prepared(mut self, prepare: fn(&Case)) -> Self {
        self.prepare = Some(prepare);
        self
    }

    /// The same check, reported as ignored where `missing`: it needs what is not
    /// installed here, a database server for example.
    pub fn ignored_if(mut self, missing: bool) -> Self {
        self.ignored = missing;
        self
    }

    /// The same check, owed by others: what one stage leaves to an option may be
    /// the next one's rule.
    pub fn owed_as(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same check, as one on which others rest: those that stand after it in
    /// the suite and are about the same program are not judged when it fails.
    pub fn basic(mut self) -> Self {
        self.basic = true;
        self
    }

    /// The same check, as one that waits for a time limit of the contract most of the
    /// time. Such checks are started first and run beside the others, so that nobody
    /// waits for them alone at the end.
    pub fn waits(mut self) -> Self {
        self.waits = true;
        self
    }

    /// The same check with another time limit.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// Writes a group of checks: a function that returns them as a `Vec<Check>`.
///
/// ```text
/// checks! { relaying:
///     /// Usual cause of a failure, for the student who reads it.
///     wire(server) fn a_line_reaches_every_other_client(case) { … }
/// }
/// ```
///
/// The name states the requirement, the doc comment is the hint; both are
/// printed on failure, which is why a plain function would not do. `basic` in place
/// of `wire` is [`Check::basic`], and `wire(server, waits)` is [`Check::waits`].
#[macro_export]
macro_rules! checks {
    ($(#[doc = $about:literal])* $visibility:vis $group:ident:
     $( $(#[doc = $hint:literal])+ $kind:ident($side:ident $(, $waits:ident)?) fn $name:ident($case:ident) $body:block )*) => {
        $(#[doc = $about])*
        $visibility fn $group() -> Vec<$crate::Check> {
            vec![$({
                fn $name($case: &$crate::Case) $body
                let check = $crate::Check::new(
                    stringify!($name),
                    &[$($hint),+],
                    $crate::checks!(@kind $kind),
                    $crate::checks!(@side $side),
                    $name,
                );
                $(let check = check.$waits();)?
                $crate::checks!(@mark $kind check)
            }),*]
        }
    };
    (@mark basic $check:ident) => { $check.basic() };
    (@mark $kind:ident $check:ident) => { $check };
    (@kind basic) => { $crate::Kind::Wire };
    (@kind wire) => { $crate::Kind::Wire };
    (@kind ours) => { $crate::Kind::Ours };
    (@side server) => { $crate::Side::Server };
    (@side client) => { $crate::Side::Client };
    (@side both) => { $crate::Side::Both };
    (@side tool) => { $crate::Side::Tool };
}
