//! Standard output.

/// One line on standard output, as `println!` takes it. Unlike that it does not
/// panic when nobody reads it any more: after `| head` there is nobody left to
/// tell, and when a terminal is closed there are still programs to be ended.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub(crate) use say;
