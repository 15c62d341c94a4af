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

/// The columns of a terminal of the usual size.
pub const WIDTH: usize = 80;

/// `text` in lines of at most `width` characters, as far as its words allow.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
