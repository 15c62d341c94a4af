//! What a load test found, as text.

use super::Plan;
use hdrhistogram::Histogram;
use lab::registry::{Shape, Stage};
use lab::say;
use std::time::Duration;

/// Microseconds: a minute is more than any run lasts.
const LONGEST: u64 = 60_000_000;

/// Counts and latencies, of one client or of all.
pub struct Report {
    /// Lines that were sent.
    pub sent: u64,
    /// Deliveries that follow from them.
    pub expected: u64,
    /// Deliveries that came.
    pub delivered: u64,
    /// Deliveries that came behind a later line of the same sender.
    pub out_of_order: u64,
    /// From the first line to the last delivery.
    pub elapsed: Duration,
    latency: Histogram<u64>,
}

impl Default for Report {
    fn default() -> Report {
        let latency = Histogram::new_with_bounds(1, LONGEST, 2).expect("bounds that the crate allows");
        let elapsed = Duration::ZERO;
        Report { sent: 0, expected: 0, delivered: 0, out_of_order: 0, elapsed, latency }
    }
}

impl Report {
    /// Counts one delivery, `micros` after it was due.
    pub fn deliver(&mut self, micros: u64) {
        self.delivered += 1;
        self.latency.saturating_record(micros);
    }

    /// Adds another client's counts.
    pub fn add(&mut self, other: &Report) {
        self.sent += other.sent;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.out_of_order += other.out_of_order;
        // Same bounds, so it fits.
        let _ = self.latency.add(&other.latency);
    }

    /// Deliveries that never came.
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.delivered)
    }

    /// To standard output.
    pub(super) fn print(&self, stage: &Stage, plan: &Plan) {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        let planned =
            (plan.duration.as_secs_f64() / plan.interval.as_secs_f64() * plan.senders as f64).round();
        let who = match stage.load {
            Some(Shape::Echo) => "each sends and waits for its echo".to_owned(),
            _ => format!("{} of them sending", plan.senders),
        };
        say!("stage {}, {} bytes a line", stage.number, plan.size);
        say!("clients     {}, {who}", plan.clients);
        say!("sent        {} lines of {planned} planned", self.sent);
        say!("delivered   {} in {seconds:.2} s: {:.0}/s", self.delivered, self.delivered as f64 / seconds);
        say!("lost        {}, out of order {}", self.lost(), self.out_of_order);
        let at = |q| self.latency.value_at_quantile(q) as f64 / 1000.0;
        let max = self.latency.max() as f64 / 1000.0;
        say!("latency     p50 {:.2}  p90 {:.2}  p99 {:.2}  max {max:.2} ms", at(0.5), at(0.9), at(0.99));
        say!("            from the moment a line was due to be sent\n");
        self.print_histogram();
        // Lines that were not sent, or sent and still under way long after.
        let late = self.elapsed > plan.duration.mul_f64(1.1) + Duration::from_millis(200);
        if late || (self.sent as f64) < 0.95 * planned {
            say!("\nThe rate could not be kept: the server, or this machine, is at its limit.");
        }
    }

    /// A bar for each doubling, from the first that has anything to the last.
    fn print_histogram(&self) {
        let mut rows: Vec<(u64, u64)> = Vec::new();
        let mut low = 0;
        let mut high = 64;
        while low <= self.latency.max() && self.delivered > 0 {
            rows.push((high, self.latency.count_between(low, high - 1)));
            (low, high) = (high, high * 2);
        }
        let first = rows.iter().position(|(_, n)| *n > 0).unwrap_or(0);
        let most = rows.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
        for (high, count) in rows.iter().skip(first) {
            let bar = "#".repeat((40 * count).div_ceil(most) as usize);
            let share = 100.0 * *count as f64 / self.delivered as f64;
            say!("  below {:>9.2} ms  {share:>5.1} %  {bar}", *high as f64 / 1000.0);
        }
    }
}
