//! Text from strangers: what is shown has no control character, and none that turns the
//! direction of writing or ends a line.
#![no_main]

use common::escape::escape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let shown = escape(text);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(
        !shown.contains(['\u{2028}', '\u{2029}', '\u{202d}', '\u{202e}', '\u{200b}', '\u{feff}']),
        "{shown:?}"
    );
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        assert_eq!(shown, text);
    }
});
