//! What came of an attack.

use std::fmt;

/// How an attack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The attacker got what he wanted.
    Works,
    /// There is nothing here that it could be tried on.
    DoesNotApply,
    /// He tried, and did not get it.
    Defeated,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad`, so that a width in the format string counts.
        f.pad(match self {
            Outcome::Works => "works",
            Outcome::DoesNotApply => "does not apply",
            Outcome::Defeated => "defeated",
        })
    }
}

/// The outcome, and one sentence why.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub why: String,
}

impl Finding {
    /// He got it.
    pub fn works(why: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::Works, why: why.into() }
    }

    /// Nothing to try it on.
    pub fn does_not_apply(why: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::DoesNotApply, why: why.into() }
    }

    /// He did not get it.
    pub fn defeated(why: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::Defeated, why: why.into() }
    }
}
