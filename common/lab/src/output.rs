//! Standard output.

/// One line on standard output, as `println!` takes it. Unlike that it does not
/// panic when the reader is gone: after `| head` no line is wanted, and when a
/// terminal is closed there are still programs to be ended.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
