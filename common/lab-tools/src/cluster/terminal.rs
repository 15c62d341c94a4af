//! The cluster with a user in the client.

use super::control::Control;
use super::servers::{Server, end_all};
use super::services::Services;
use crate::proxy::Proxy;
use anyhow::Context;
use common::poison::IgnorePoison;
use lab::process::Program;
use lab::registry::Classmate;
use lab::run_context::RunContext;
use lab::{classmate, say, terminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Starts everything, and the client on the terminal; returns when the client has ended,
/// and with it everything else.
///
/// # Errors
/// When something does not start, the client fails, or the run was interrupted.
pub fn run(context: &RunContext<'_>) -> anyhow::Result<()> {
    let stage = context.stage;
    let mut signals = terminal::watch_signals()?;
    say!("Stage {}: three servers are one chat.\n", stage.number);
    let services = Services::start(context)?;
    let servers = Server::start_three(context, &services)?;
    let balancer = Arc::new(start_balancer(stage.default_port(), &servers)?);
    let classmates = join_classmates(context, &servers)?;
    show(context, &services, &servers, &balancer);
    let servers = Arc::new(Mutex::new(servers));
    let control = Control::listen(stage, &servers, &balancer)?;
    let ended = terminal::run_client(context, &balancer.address.to_string(), &mut signals);
    drop((control, classmates, balancer));
    let good = end_all(&mut servers.lock().ignore_poison());
    ended.and(good)?;
    say!("\nThe cluster of stage {} has ended; its database and its logs are gone with it.", stage.number);
    Ok(())
}

/// On the stage's own port, so that `make client N` finds it, or a free one.
fn start_balancer(port: u16, servers: &[Server]) -> anyhow::Result<Proxy> {
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let at = |port| Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), addresses.clone());
    at(port).or_else(|_| at(0)).context("the balancer cannot listen")
}

/// bob on the second server and carol on the third, not through the balancer: so it is
/// known where they are, and they stay away when that server is killed.
fn join_classmates(context: &RunContext<'_>, servers: &[Server]) -> anyhow::Result<Vec<Program>> {
    let bob = context.stage.classmate.as_ref().context("the stage has no classmate")?;
    let role = |name: &str, other: &str| Classmate {
        name: name.to_owned(),
        first_lines: vec![format!("REGISTER {name} {name}s-own-password")],
        ready: Some("[USERS_LIST] *".to_owned()),
        ignores: vec![other.to_owned()],
        ..bob.clone()
    };
    let roles = [role("bob", "carol"), role("carol", "bob")];
    let join =
        |(role, server): (&Classmate, &Server)| classmate::join(role, context, &server.address.to_string());
    roles.iter().zip(&servers[1..]).map(join).collect()
}

fn show(context: &RunContext<'_>, services: &Services, servers: &[Server], balancer: &Proxy) {
    let n = context.stage.number;
    say!("database    MariaDB, private, on 127.0.0.1:{}", services.mariadb.port());
    say!("backplane   Redis, private, on 127.0.0.1:{}", services.redis.port());
    for (server, who) in servers.iter().zip(["you come here first", "bob is here", "carol is here"]) {
        say!("{:<11} {}   {who}", server.name, server.address);
    }
    say!("balancer    {}   each connection to the next server that accepts", balancer.address);
    say!("logs        tail -F {}", context.file_name("server-*.log"));
    say!("more users  {}", terminal::command_for_more(context, &balancer.address.to_string()));
    say!("\nIn another terminal: make cluster {n} ARGS=--kill kills your server, and");
    say!("make cluster {n} ARGS=\"--kill 2\" that of bob.");
    say!("Watch which user leaves, and to which server your client connects.\n");
    say!("{}\n", context.stage.first_words.trim());
}
