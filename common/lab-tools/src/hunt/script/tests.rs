use super::*;

fn only(line: &str) -> Act {
    let Action::Client(_, act) = action(line, Language::Addresses).unwrap() else {
        panic!("{line} concerns a client")
    };
    act
}

#[test]
fn a_text_is_bytes_and_addresses() {
    let bytes = |bytes: &[u8]| Part::Bytes(bytes.to_vec());
    let parts = vec![bytes(b"["), Part::Own("alice".into()), bytes(b"] hi ")];
    assert_eq!(only("bob< [alice's address] hi "), Act::Receive(Text(parts)));
    assert_eq!(only(r"bob>> \{ab\0*3}\xff\u{2028}\\"), {
        Act::Send(Text(vec![bytes(b"ab\0ab\0ab\0\xff\xe2\x80\xa8\\")]))
    });
    assert_eq!(only(r"bob>> \{*\u{e9}*2}}"), Act::Send(Text(vec![bytes("*é*é}".as_bytes())])));
    assert_eq!(only("bob>"), Act::Send(Text(vec![bytes(b""), bytes(b"\n")])));
    assert_eq!(only("bob>  x"), Act::Send(Text(vec![bytes(b" x"), bytes(b"\n")])));
}

#[test]
fn what_is_no_step_is_said_with_its_line() {
    for (file, why) in [
        ("alice connects\nalice waves", "line 2: alice waves: `waves` is no step"),
        ("alice> hello", "alice has not connected"),
        ("alice connects\nalice resets\nalice closes", "alice has gone"),
        ("alice connects\nalice connects", "alice has connected before"),
        ("alice connects\nalice< [bob's address] x", "bob has not connected, and has no address"),
        ("alice connects\nalice> \\q", "no escape \\q"),
        ("alice connects\nalice> \\{x*9999999}", "makes 1048576 bytes at most"),
        ("alice connects\nalice< 's address", "whose address?"),
        ("alice connects\nalice< é's address", "whose address?"),
        ("wait 11 s", "with N from 1 to 10"),
        (" x", "a line begins with the name of a client"),
    ] {
        let error = format!("{:#}", parse(file, "t", Language::Addresses).unwrap_err());
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_is_sealed_and_what_is_not_known_has_its_place() {
    let only = |line| match action(line, Language::Logins).unwrap() {
        Action::Client(_, Act::Send(Text(parts)) | Act::Receive(Text(parts))) => parts,
        other => panic!("{other:?}"),
    };
    let bytes = |text: &str| Part::Bytes(text.into());
    let sealed = |text: Vec<Part>| [vec![Part::Seal], text, vec![Part::Sealed]].concat();
    assert_eq!(only("a> hi"), [sealed(vec![bytes("hi")]), vec![bytes("\n")]].concat());
    let token = vec![bytes("RESUME "), Part::Own("b".into()), bytes("")];
    assert_eq!(only("a> RESUME b's token"), [sealed(token), vec![bytes("\n")]].concat());
    assert_eq!(
        only(r"a>> \s{one}\r\s{two}"),
        [
            vec![bytes("")],
            sealed(vec![bytes("one")]),
            vec![bytes("\r")],
            sealed(vec![bytes("two")]),
            vec![bytes("")]
        ]
        .concat()
    );
    let time = vec![bytes("[HISTORY] "), Part::Time, bytes(" "), bytes("a: TIME …!")];
    assert_eq!(only("a< [HISTORY] TIME a: TIME …!"), time);
    assert_eq!(only("a< AUTH_SUCCESS a TOKEN"), vec![bytes("AUTH_SUCCESS a "), Part::NewToken]);
    assert_eq!(only("a< AUTH_FAILED …"), vec![bytes("AUTH_FAILED "), Part::Rest]);
    assert_eq!(only("a< a: TOKEN"), vec![bytes("a: TOKEN")]);
    // None of this is in the scripts of the stages before.
    let earlier = action(r"a< [HISTORY] TIME b's token …", Language::Addresses).unwrap();
    let text = Text(vec![bytes("[HISTORY] TIME b's token …")]);
    assert_eq!(earlier, Action::Client("a".into(), Act::Receive(text)));
}

#[test]
fn one_line_lets_a_user_in_and_lets_it_come_back() {
    let scripts = parse("alice registers\nalice closes\nalice logs in", "t", Language::Logins).unwrap();
    let of_line = |number| scripts[0].steps.iter().filter(move |step| step.number == number);
    assert_eq!((of_line(1).count(), of_line(2).count(), of_line(3).count()), (5, 1, 5));
    assert_eq!(of_line(3).nth(2).unwrap().text, "alice logs in (alice> LOGIN alice correct horse)");
    for (file, language, why) in [
        ("alice registers", Language::Addresses, "`registers` is no step"),
        ("server is killed and starts again", Language::Addresses, "is no step"),
        (
            "alice connects\nalice> RESUME bob's token",
            Language::Logins,
            "bob has not connected, and has no token",
        ),
        ("alice registers\nalice closes\nalice> hi", Language::Logins, "alice has gone"),
        ("alice registers now", Language::Logins, "NAME registers, NAME logs in"),
        ("alice registers\nalice>> \\s{hi", Language::Logins, "\\s{TEXT} is the sealed line of TEXT"),
    ] {
        let error = format!("{:#}", parse(file, "t", language).unwrap_err());
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_examples_are_scripts() {
    for (text, count) in [(include_str!("../room.txt"), 3), (include_str!("../echo.txt"), 2)] {
        assert_eq!(parse(text, "example", Language::Addresses).unwrap().len(), count);
    }
}
