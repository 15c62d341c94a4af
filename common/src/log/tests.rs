use super::*;

fn logged(level: Level, write: impl FnOnce(&Log)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    let (log, guard) = Log::start(level, Some(&path)).unwrap();
    write(&log);
    drop(guard);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn everything_queued_is_written_before_the_guard_is_gone() {
    let text = logged(Level::Info, |log| (0..5000).for_each(|i| log.info(format_args!("line {i}"))));
    assert_eq!(text.lines().count(), 5000);
    assert!(text.lines().last().unwrap().ends_with(" INFO  line 4999"));
}

#[test]
fn levels_below_the_chosen_one_are_left_out() {
    let text = logged(Level::Warn, |log| {
        log.info("no");
        log.warn("yes");
        log.lines(Level::Info, &Bytes::from(b"no\n".to_vec()));
    });
    assert!(text.ends_with("WARN  yes\n") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_message_cannot_forge_a_line_or_drive_a_terminal() {
    let text = logged(Level::Info, |log| {
        log.info("a\n2026-01-01T00:00:00.000Z INFO  forged");
        log.lines(Level::Info, &Bytes::from(b"b\x1b[2J\nc\n".to_vec()));
    });
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("a\\x0a2026") && text.contains("b\\x1b[2J"), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_with_a_remedy() {
    let error = Log::start(Level::Info, Some(Path::new("/no/such/folder/log"))).err().unwrap();
    assert!(error.to_string().contains("--no-log-file"), "{error}");
}

#[test]
fn an_output_that_takes_nothing_does_not_keep_the_server_from_ending() {
    let (reader, full) = rustix::pipe::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&full, 4096).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&full));
    let (log, guard) = Log::start(Level::Info, Some(Path::new(&path))).unwrap();
    // More than the pipe holds, so the log's thread waits in its write.
    log.info("x".repeat(5000));
    let start = std::time::Instant::now();
    drop(guard);
    assert!(
        (FLUSH_STALL_TIMEOUT..FLUSH_STALL_TIMEOUT * 10).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
    drop(reader);
}

/// A client can make the server log as fast as the log's thread reads, and faster.
#[test]
fn a_flood_of_short_lines_is_bounded_and_waits_for_nothing() {
    // No thread writes this log.
    let queue = Arc::new(Queue { level: Level::Debug, waiting: Mutex::default(), more: Condvar::new() });
    let log = Log { queue: queue.clone() };
    let flood = 1_000_000;
    for n in 0..flood {
        log.debug(n % 10);
    }
    let (entries, dropped) = queue.take().unwrap();
    assert!(entries.len() * (size_of::<Entry>() + 1) <= QUEUE_BYTES, "{} entries wait", entries.len());
    assert_eq!(entries.len() as u64 + dropped, flood, "each is written or counted");
    log.debug("again");
    assert_eq!(queue.take().unwrap().0.len(), 1, "what was taken makes room");
}
