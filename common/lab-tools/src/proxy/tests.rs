use super::*;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// Sends one byte, its name, and then everything back. It accepts no further connection
/// once `stop` is called.
struct EchoServer {
    address: SocketAddr,
    ended: Receiver<()>,
}

impl EchoServer {
    fn start(name: u8, connections: usize) -> EchoServer {
        let listener = TcpListener::bind(free()).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().take(connections).map(Result::unwrap) {
                thread::spawn(move || {
                    (&stream).write_all(&[name]).unwrap();
                    io::copy(&mut &stream, &mut &stream)
                });
            }
            drop(listener);
            end.send(())
        });
        EchoServer { address, ended }
    }

    /// Waits until it accepts nothing more.
    fn stops(&self) {
        self.ended.recv_timeout(PATIENCE).unwrap();
    }
}

fn connect(proxy: &Proxy) -> (TcpStream, io::Result<u8>) {
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut name = [0];
    let read = stream.read_exact(&mut name);
    (stream, read.map(|()| name[0]))
}

fn echo(stream: &mut TcpStream) -> io::Result<Duration> {
    let started = Instant::now();
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(started.elapsed())
}

#[test]
fn connections_go_to_the_servers_in_turn_and_leave_out_one_that_does_not_accept() {
    let servers = [EchoServer::start(b'a', 2), EchoServer::start(b'b', 9), EchoServer::start(b'c', 9)];
    let proxy = Proxy::start(free(), servers.iter().map(|s| s.address).collect()).unwrap();
    let connections: Vec<_> = (0..4).map(|_| connect(&proxy)).collect();
    let names: Vec<u8> = connections.iter().map(|(_, name)| *name.as_ref().unwrap()).collect();
    assert_eq!(names, b"abca");
    assert_eq!(proxy.last(), Some(servers[0].address));
    servers[0].stops();
    let names: Vec<u8> = (0..4).map(|_| connect(&proxy).1.unwrap()).collect();
    assert_eq!(names, b"bcbb");
    // Without any server a connection ends at once.
    proxy.set_servers(vec![servers[0].address]);
    assert!(connect(&proxy).1.is_err());
}

#[test]
fn a_frozen_link_carries_nothing_and_loses_nothing() {
    let server = EchoServer::start(b'a', 1);
    let proxy = Proxy::start(free(), vec![server.address]).unwrap();
    let (mut stream, _) = connect(&proxy);
    proxy.link().freeze();
    stream.write_all(b"held up").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    stream.read(&mut [0; 7]).unwrap_err();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    proxy.link().restore();
    let mut text = [0; 7];
    stream.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"held up");
}

#[test]
fn a_link_can_be_slow_and_it_can_be_cut() {
    let server = EchoServer::start(b'a', 9);
    let proxy = Proxy::start(free(), vec![server.address]).unwrap();
    let (mut stream, _) = connect(&proxy);
    proxy.link().slow_down(Duration::from_millis(50));
    // Once on the way there, and once on the way back.
    assert!(echo(&mut stream).unwrap() >= Duration::from_millis(100));
    proxy.link().cut();
    echo(&mut stream).unwrap_err();
    assert!(connect(&proxy).1.is_err(), "a cut link takes no new connection");
    proxy.link().restore();
    echo(&mut connect(&proxy).0).unwrap();
}
