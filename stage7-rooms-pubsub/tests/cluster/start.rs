//! What a server says that cannot be one of several.

use crate::Test;
use crate::servers::Cluster;
use std::net::TcpListener;
use testkit::redis::Redis;

pub const TESTS: &[Test] = &[("what_is_wrong_with_the_backplane_is_said_at_the_start", bad_input)];

fn bad_input() {
    let cluster = Cluster::start(0);
    let secret = "hunter2secret";
    let fails = |backplane: &str, db: &str, why: &str| {
        let output = cluster.command(backplane, db).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{why:?} is not in {said:?}");
        assert!(!said.contains(secret), "{said}");
        assert!(said.lines().count() <= 2, "{said}");
    };
    let redis = cluster.redis.url();
    fails(&redis, "sqlite:chat.db", "several servers need a database server");
    for url in ["", "redis", "http://127.0.0.1:1", "rediss://127.0.0.1:1", &format!("redis://a:{secret}@:x")]
    {
        fails(url, &cluster.url, "--backplane needs the form");
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("redis://:{secret}@127.0.0.1:{}", free.local_addr().unwrap().port());
    // It takes the connection and says nothing, as a frozen Redis would.
    fails(&nobody, &cluster.url, "is it running there");
    drop(free);
    fails(&nobody, &cluster.url, "is it running there");
    fails(&format!("redis://127.0.0.1:{}", cluster.mariadb.port()), &cluster.url, "is it a Redis?");

    let closed = Redis::start_with_password(secret);
    fails(&closed.url(), &cluster.url, "does not let this account in");
    let wrong = format!("redis://:{secret}x@127.0.0.1:{}", closed.port());
    fails(&wrong, &cluster.url, "does not let this account in");
}
