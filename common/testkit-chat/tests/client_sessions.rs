//! Sessions of a client, as they are drawn.

use testkit::sessions::Sessions;
use testkit_chat::model::client::ClientSessions;

fn drawn(stage: u8, seed: u64, number: usize) -> <ClientSessions as Sessions>::Session {
    ClientSessions { stage }.draw(seed, number)
}

#[test]
fn the_same_seed_draws_the_same_sessions() {
    let series = |seed| format!("{:?}", (0..20).map(|n| drawn(8, seed, n)).collect::<Vec<_>>());
    assert_eq!(series(1), series(1));
    assert_ne!(series(1), series(2));
}

#[test]
fn the_edges_are_met_within_forty_sessions() {
    for (stage, edges) in [
        (
            6,
            &["Forged(TagChanged)", "Forged(AnotherKey)", "InputNotUtf8", "Failed(", "Closes", "TooLong("][..],
        ),
        (
            7,
            &["AreRefused", "AreReset(2)", "TokenRefused(", "Logout", "kicked", "elsewhere", "Err(", "Move("],
        ),
        (8, &["PrivateTooLong(", "NotUtf8", "Another", "NoKey", "Nonsense(", "KeyOf(", "Rekey(", "Again"]),
        (8, &["SpareBits", "NoPadding", "ByAnotherKey", "Mistyped(", "InTheClear(", "CrLf", "EachByte"]),
    ] {
        let all = format!("{:?}", (0..40).map(|n| drawn(stage, 1, n)).collect::<Vec<_>>());
        let missing: Vec<_> = edges.iter().filter(|edge| !all.contains(**edge)).collect();
        assert!(missing.is_empty(), "stage {stage}: {missing:?}");
    }
}

#[test]
fn what_is_made_simpler_comes_to_an_end() {
    for number in 0..40 {
        let mut simplest = drawn(8, 1, number);
        let mut steps = 0;
        while let Some(simpler) = (ClientSessions { stage: 8 }).simpler(&simplest).into_iter().next() {
            (simplest, steps) = (simpler, steps + 1);
            assert!(steps < 200, "{simplest:?}");
        }
    }
}
