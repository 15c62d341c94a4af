use super::*;

struct NoConnection;

impl Encode for NoConnection {
    fn encode(&self, _: &str, _: &SendQueue) -> Encoded {
        Encoded::ConnectionLost
    }
}

#[test]
fn lines_that_were_not_sent_are_counted() {
    let said = |lines: &[&str]| {
        let queue = SendQueue::new(Arc::new(NoConnection));
        let lines = lines.iter().map(|line| Zeroizing::new((*line).to_owned()));
        queue.change(|state| state.lines.extend(lines));
        queue.require_all_sent().map_err(|error| error.to_string())
    };
    assert_eq!(said(&[]), Ok(()));
    assert_eq!(said(&[DISCONNECT]), Ok(()), "not for others to read");
    assert_eq!(said(&["a", DISCONNECT]).unwrap_err(), "the connection is closed, and 1 line was not sent");
    assert_eq!(said(&["a", "b"]).unwrap_err(), "the connection is closed, and 2 lines were not sent");
}
