//! The variables `STAGEn_…`, which say what is graded.

use std::ffi::OsString;

/// What may be said about the programs under test in `STAGEn_…`.
const SETTINGS: [&str; 5] = ["SERVER", "CLIENT", "PROGRAMS", "CA", "LOGIN_TIMEOUT"];

/// A variable that is blank, is no text, or has a name that means nothing is an
/// error: our own programs would be graded in place of those that were meant.
pub(crate) fn understood(
    stage: u8,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), String> {
    let start = format!("STAGE{stage}_");
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(setting) = name.strip_prefix(&start) else { continue };
        if !SETTINGS.contains(&setting) {
            return Err(format!(
                "{name} means nothing; there are: {start}{}",
                SETTINGS.join(&format!(", {start}"))
            ));
        }
        match value.to_str() {
            None => return Err(format!("{name} is not UTF-8")),
            Some(text) if text.trim().is_empty() => {
                return Err(format!("{name} is empty: name a command, or unset it"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::understood;

    fn said(name: &str, value: &str) -> Result<(), String> {
        understood(4, [(name.into(), value.into())].into_iter())
    }

    #[test]
    fn a_setting_that_is_blank_or_misspelt_is_an_error() {
        for blank in ["", " ", "\t\n"] {
            for name in ["STAGE4_SERVER", "STAGE4_CLIENT", "STAGE4_PROGRAMS"] {
                assert!(said(name, blank).unwrap_err().contains(&format!("{name} is empty")));
            }
        }
        assert!(said("STAGE4_SEVER", "python3 x.py").unwrap_err().contains("there are: STAGE4_SERVER, "));
        assert_eq!(said("STAGE4_SERVER", "python3 x.py"), Ok(()));
        assert_eq!(said("STAGE5_SERVER", ""), Ok(()), "another stage's");
    }
}
