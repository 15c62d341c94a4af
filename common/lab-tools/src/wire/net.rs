//! `--net`: what the network does to the connections of a run, as users write it.

use crate::wire::tap::Link;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A network that is slower than this machine's own, for one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    delay: Duration,
    /// Bytes a second; 0 for any number.
    rate: u32,
    single_bytes: bool,
}

/// Why a text is no [`Network`], and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not understood; write delay=TIME (100ms, 2s, at most 10s), rate=BYTES (500, 16k) or bytes")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let mut network = Network::default();
        for word in text.split(',') {
            network.set(word.trim()).ok_or_else(|| NetworkError(word.trim().to_owned()))?;
        }
        Ok(network)
    }
}

impl Network {
    /// The slowest that is useful: more than this, and a run seems to hang.
    const LONGEST_DELAY: Duration = Duration::from_secs(10);

    fn set(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            Some(("delay", time)) => self.delay = time_of(time).filter(|t| *t <= Self::LONGEST_DELAY)?,
            Some(("rate", rate)) => self.rate = rate_of(rate).filter(|rate| *rate > 0)?,
            None if word == "bytes" => self.single_bytes = true,
            _ => return None,
        }
        Some(())
    }

    /// The link that is like this.
    pub fn link(&self) -> Link {
        let link = Link::default();
        link.slow_down(self.delay);
        link.limit_rate(self.rate);
        if self.single_bytes {
            link.split();
        }
        link
    }
}

fn time_of(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

fn rate_of(text: &str) -> Option<u32> {
    match text.strip_suffix(['k', 'K']) {
        Some(number) => number.parse::<u32>().ok()?.checked_mul(1024),
        None => text.parse().ok(),
    }
}

/// For the user, before the run.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut does = Vec::new();
        if !self.delay.is_zero() {
            does.push(format!("each piece of data comes {:?} later", self.delay));
        }
        if self.rate > 0 {
            does.push(format!("a connection carries {} bytes a second", self.rate));
        }
        if self.single_bytes {
            does.push("data comes byte by byte".to_owned());
        }
        f.write_str(&does.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_was_written() {
        let network = |text: &str| text.parse::<Network>();
        let told = |text: &str| network(text).unwrap().to_string();
        assert_eq!(told("delay=100ms"), "each piece of data comes 100ms later");
        assert_eq!(
            told("rate=2k, bytes,delay=1s"),
            "each piece of data comes 1s later, a connection carries 2048 bytes a second, data comes byte by byte"
        );
        for wrong in
            ["", "delay", "delay=", "delay=5", "delay=11s", "rate=0", "rate=fast", "rate=9999999k", "loss=5"]
        {
            let last = wrong.to_owned();
            assert_eq!(network(wrong), Err(NetworkError(last)), "{wrong}");
        }
    }
}
