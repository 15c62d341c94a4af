//! The naive chat room: a lock around the list of clients. A thread that has read a
//! line writes it to all of them while it holds the lock.
//!
//! It works until one client stops reading. Its socket fills up, the thread that
//! writes to it waits, and it waits while it holds the lock: then nobody can
//! speak, come or go. Chapter 4 does that to it before it builds the better room.
//!
//!     cargo run -p stage4-multichat --example naive

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// All clients, behind one lock.
type Clients = Arc<Mutex<HashMap<SocketAddr, TcpStream>>>;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9004".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("Listening on {}", listener.local_addr()?);
    let clients = Clients::default();
    loop {
        let (stream, peer) = listener.accept()?;
        let clients = clients.clone();
        thread::spawn(move || {
            if let Err(e) = serve(&stream, peer, &clients) {
                eprintln!("{peer} lost: {e}");
            }
            let online = change(&clients, |list| list.remove(&peer).is_some());
            say(&clients, peer, &format!("[SERVER] {peer} left ({online} online)\n"));
        });
    }
}

fn serve(stream: &TcpStream, peer: SocketAddr, clients: &Clients) -> std::io::Result<()> {
    let writer = stream.try_clone()?;
    let online = change(clients, |list| list.insert(peer, writer).is_none());
    say(clients, peer, &format!("[SERVER] {peer} joined ({online} online)\n"));
    // Also naive: a line of any length is kept in memory.
    for line in BufReader::new(stream).lines() {
        match line?.as_str() {
            "/quit" | "!DISCONNECT" => break,
            text => say(clients, peer, &format!("[{peer}] {text}\n")),
        }
    }
    Ok(())
}

/// Changes the list, and returns how many are in it then.
fn change(clients: &Clients, how: impl FnOnce(&mut HashMap<SocketAddr, TcpStream>) -> bool) -> usize {
    let mut list = clients.lock().expect("no thread panics while it holds this lock");
    how(&mut list);
    list.len()
}

/// Writes `line` to all clients but its author.
fn say(clients: &Clients, from: SocketAddr, line: &str) {
    let list = clients.lock().expect("no thread panics while it holds this lock");
    for (_, mut stream) in list.iter().filter(|(peer, _)| **peer != from) {
        // Here the room stands still when that client does not read: the write
        // waits, the lock is held, and every other thread waits for the lock.
        let _ = stream.write_all(line.as_bytes());
    }
}
