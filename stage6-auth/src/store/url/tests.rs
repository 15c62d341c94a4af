use super::*;
use clap::Parser;

fn why(text: &str) -> DbUrlError {
    text.parse::<DbUrl>().unwrap_err()
}

#[test]
fn reads_both_kinds() {
    for (text, shown) in [
        ("sqlite:chat.db", "sqlite:chat.db"),
        ("sqlite:/a b/c?d", "sqlite:/a b/c?d"),
        ("sqlite://chat.db", "sqlite:chat.db"),
        ("sqlite:////tmp/chat.db", "sqlite:/tmp/chat.db"),
        ("mariadb://chat:pw@host/chat", "mysql://chat@host:3306/chat"),
        ("mysql://chat:secret@db.example:3307/chat_1", "mysql://chat@db.example:3307/chat_1"),
        ("mysql://chat:s%40%2F@[::1]/chat", "mysql://chat@[::1]:3306/chat"),
        ("mysql://root@127.0.0.1:3306/chat", "mysql://root@127.0.0.1:3306/chat"),
    ] {
        assert_eq!(text.parse::<DbUrl>().unwrap().to_string(), shown);
    }
}

#[test]
fn says_what_is_wrong() {
    assert_eq!(why(""), NEITHER_KIND);
    assert_eq!(why("chat.db"), NEITHER_KIND);
    assert_eq!(why("postgres://a:b@c/d"), NEITHER_KIND);
    for nothing in ["sqlite:", "sqlite:/", "sqlite://", "sqlite:///"] {
        assert_eq!(why(nothing), NO_PATH);
    }
    assert_eq!(why("sqlite:///chat.db"), THREE_SLASHES);
    assert_eq!(why("sqlite::memory:"), IN_MEMORY);
    assert_eq!(why("sqlite://:memory:"), IN_MEMORY);
    assert_eq!(why("mysql://chat:pw@host:70000/chat"), MALFORMED);
    assert_eq!(why("mysql://chat:p?w@host/chat"), MALFORMED);
    assert_eq!(why("mysql://chat:p/w@host/chat"), MALFORMED);
    for host in ["M\u{dc}LLER", "%4D%C3%9C", "\u{ff}M"] {
        assert_eq!(why(&format!("mysql://chat:pw@{host}/chat")), MALFORMED);
    }
    assert_eq!(why("mysql://chat:pw@host"), BAD_DATABASE);
    assert_eq!(why("mysql://chat:pw@host/"), BAD_DATABASE);
    assert_eq!(why("mysql://chat:pw@host/a%60b"), BAD_DATABASE);
    assert_eq!(why("mysql://:pw@host/chat"), NO_USER);
}

#[derive(clap::Parser, Debug)]
struct Program {
    #[command(flatten)]
    args: DbArgs,
}

#[test]
fn the_password_is_never_shown() {
    let url: DbUrl = "mysql://chat:s3cret@host/chat".parse().unwrap();
    assert!(!format!("{url} {url:?} {url:#?}").contains("s3cret"));
    for wrong in ["mysql://chat:s3cret@host/", "mysql://chat:s3cret@host:99999/chat", "mysq://c:s3cret@h/d"] {
        let error = Program::try_parse_from(["program", "--db", wrong]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
