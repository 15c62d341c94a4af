//! What a link does to the bytes and to the ends of a connection.

use super::*;

#[test]
fn a_split_link_carries_byte_by_byte_and_loses_nothing() {
    let link = Arc::<Link>::default();
    let mut tapped = tapped_over(Some(link.clone()));
    link.split();
    tapped.client.write_all(b"a line\n").unwrap();
    for byte in b"a line\n" {
        assert_eq!(tapped.told.recv_timeout(LIMIT).unwrap(), Told::Sent(Side::Client, vec![*byte]));
    }
    let mut received = [0; 7];
    tapped.server.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"a line\n");
    link.restore();
    tapped.server.write_all(b"an answer\n").unwrap();
    assert_eq!(tapped.told.recv_timeout(LIMIT).unwrap(), Told::Sent(Side::Server, b"an answer\n".to_vec()));
}

#[test]
fn a_link_with_a_limited_rate_takes_its_time_and_loses_nothing() {
    let link = Arc::<Link>::default();
    let mut tapped = tapped_over(Some(link.clone()));
    link.limit_rate(10_000);
    let sent = noise(7, 2_000);
    let begun = Instant::now();
    tapped.client.write_all(&sent).unwrap();
    let mut received = vec![0; sent.len()];
    tapped.server.read_exact(&mut received).unwrap();
    assert_eq!(received, sent);
    let least = Duration::from_millis(200);
    assert!(begun.elapsed() >= least, "2000 bytes at 10,000 a second take 0.2 s");
}

#[test]
fn a_half_closed_link_ends_what_the_client_sends_and_goes_on_with_what_the_server_sends() {
    let link = Arc::<Link>::default();
    let mut tapped = tapped_over(Some(link.clone()));
    tapped.client.write_all(b"before").unwrap();
    let mut received = [0; 6];
    tapped.server.read_exact(&mut received).unwrap();
    link.half_close();
    assert_eq!(read_all(&tapped.server), b"");
    tapped.server.write_all(b"all the same").unwrap();
    tapped.server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&tapped.client), b"all the same");
    assert_eq!(last_of(&tapped.told), Told::Ended(Side::Server));
}

#[test]
fn a_lost_connection_carries_nothing_and_neither_side_is_told() {
    let link = Arc::<Link>::default();
    let mut tapped = tapped_over(Some(link.clone()));
    tapped.client.write_all(b"before").unwrap();
    let mut received = [0; 6];
    tapped.server.read_exact(&mut received).unwrap();
    link.lose();
    // Not even when all else is carried again.
    link.restore();
    tapped.client.write_all(b"after").unwrap();
    tapped.client.shutdown(Shutdown::Write).unwrap();
    tapped.server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = tapped.server.read(&mut received).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    // A new connection over the same link.
    let mut tapped = tapped_over(Some(link));
    tapped.client.write_all(b"before").unwrap();
    tapped.server.read_exact(&mut received).unwrap();
}

#[test]
fn a_link_that_blocks_answers_carries_requests_and_brings_the_answers_when_it_is_restored() {
    let link = Arc::<Link>::default();
    let mut tapped = tapped_over(Some(link.clone()));
    link.block_answers();
    tapped.client.write_all(b"ask").unwrap();
    let mut request = [0; 3];
    tapped.server.read_exact(&mut request).unwrap();
    tapped.server.write_all(b"answer").unwrap();
    tapped.client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 6];
    let error = tapped.client.read(&mut answer).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    tapped.client.set_read_timeout(Some(LIMIT)).unwrap();
    link.restore();
    tapped.client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}
