//! The cluster without a user: a scripted session in which two servers are killed.

use super::logs::{Logs, print_line};
use super::servers::{Server, end_all};
use super::services::Services;
use crate::attack::cancellation::Cancellation;
use crate::attack::client_process::ClientProcess;
use crate::proxy::Proxy;
use anyhow::Context;
use lab::run_context::RunContext;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

/// What a step may take.
const STEP: Duration = Duration::from_secs(10);

/// Plays it.
///
/// # Errors
/// The first thing that did not happen, or the run was interrupted.
pub fn play(context: &RunContext<'_>) -> anyhow::Result<()> {
    let cancellation = Cancellation::watch()?;
    let stage = context.stage.number;
    print_line("", '#', &format!("stage {stage}: three servers are one chat"));
    let services = Services::start(context)?;
    let mut servers = Server::start_three(context, &services)?;
    let addresses = servers.iter().map(|server| server.address).collect();
    let balancer = Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), addresses);
    let balancer = balancer.context("the balancer cannot listen")?;
    let logs = Logs::of(&servers);
    let mut run = ScriptRun { context, cancellation: &cancellation, logs };
    run.play(&mut servers, &balancer)?;
    end_all(&mut servers)?;
    run.logs.show();
    print_line("", '#', &format!("the servers of stage {stage} did all that they should"));
    Ok(())
}

struct ScriptRun<'a> {
    context: &'a RunContext<'a>,
    cancellation: &'a Cancellation,
    logs: Logs,
}

impl ScriptRun<'_> {
    fn play(&mut self, servers: &mut [Server], balancer: &Proxy) -> anyhow::Result<()> {
        self.note("alice comes through the balancer, bob and carol straight to their servers.");
        let mut alice = self.register("alice", balancer.address)?;
        let mut bob = self.register("bob", servers[1].address)?;
        let carol = self.register("carol", servers[2].address)?;
        self.sees(&alice, "[SERVER] carol joined (3 online)")?;
        self.type_line(&mut alice, "hello from server-1")?;
        self.sees(&bob, "alice: hello from server-1")?;
        self.sees(&carol, "alice: hello from server-1")?;
        self.note("server-3 is killed: the others take out its user.");
        servers[2].kill();
        // Her client would try again and again: it knows no other server.
        drop(carol);
        self.sees(&alice, "[SERVER] carol left (2 online)")?;
        self.sees(&bob, "[SERVER] carol left (2 online)")?;
        self.note("server-1 is killed: alice's client comes back through the balancer.");
        let mark = alice.mark();
        servers[0].kill();
        self.sees_since(mark, &alice, "[USERS_LIST] alice,bob")?;
        self.type_line(&mut alice, "hello from server-2")?;
        self.sees(&bob, "alice: hello from server-2")?;
        self.type_line(&mut bob, "you are back")?;
        self.sees(&alice, "bob: you are back")?;
        for client in [&mut alice, &mut bob] {
            client.leave(STEP)?;
        }
        Ok(())
    }

    fn register(&mut self, name: &str, address: SocketAddr) -> anyhow::Result<ClientProcess> {
        let program = self.context.client_on_pipes(&address.to_string(), &[], Stdio::piped())?;
        let mut client = ClientProcess::new(name, program, self.cancellation)?;
        self.type_line(&mut client, &format!("REGISTER {name} wonderland"))?;
        self.sees(&client, "[USERS_LIST] *")?;
        Ok(client)
    }

    fn type_line(&mut self, client: &mut ClientProcess, line: &str) -> anyhow::Result<()> {
        print_line(&client.name, '>', line);
        client.type_line(line)
    }

    fn sees(&mut self, client: &ClientProcess, pattern: &str) -> anyhow::Result<()> {
        self.sees_since(0, client, pattern)
    }

    fn sees_since(&mut self, mark: usize, client: &ClientProcess, pattern: &str) -> anyhow::Result<()> {
        let line = client.expect_line_since(mark, pattern, STEP);
        self.logs.show();
        print_line(&client.name, '|', &line?.text);
        Ok(())
    }

    fn note(&mut self, text: &str) {
        self.logs.show();
        print_line("", '#', text);
    }
}
