//! How many messages a second go through a room, and how long one takes.
//!
//!     cargo run --release -p stage6-auth --example load -- --help
//!
//! It starts the server of the same build in a temporary folder, on SQLite unless
//! `CHAT_DB` says otherwise, and shares the machine with it. Without `--rate` the
//! senders send as fast as the server takes it.

use clap::Parser;
use hdrhistogram::Histogram;
use stage5_aes::keyfile::KeyFile;
use stage6_auth::envelope::Envelope;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Options {
    /// Users in the room
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(2..=1000))]
    clients: u16,
    /// How many of them send
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    senders: u16,
    /// Messages a second of all senders together; 0: as fast as it goes
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    rate: u32,
    /// How long
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=30))]
    seconds: u16,
    /// Bytes of text in a message
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(24..=3000))]
    size: u16,
}

struct Load {
    options: Options,
    envelope: Envelope,
    epoch: Instant,
    delivered: AtomicU64,
    stop: AtomicBool,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let key = KeyFile::random();
    key.save(&folder.path().join("chat.key"), false)?;
    let (server, address) = start(folder.path())?;
    let load = Arc::new(Load {
        envelope: Envelope::new(&key.key),
        epoch: Instant::now(),
        delivered: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        options,
    });
    let streams =
        (0..load.options.clients).map(|n| load.enter(&address, n)).collect::<anyhow::Result<Vec<_>>>()?;
    // Lists of users and notices of arrival are through.
    thread::sleep(Duration::from_secs(1));

    let receivers: Vec<_> = streams
        .iter()
        .map(|stream| {
            let (load, stream) = (load.clone(), stream.try_clone().expect("a file is free"));
            thread::spawn(move || load.receive(stream))
        })
        .collect();
    let start = Instant::now();
    let senders: Vec<_> = streams
        .iter()
        .take(load.options.senders.into())
        .map(|stream| {
            let (load, stream) = (load.clone(), stream.try_clone().expect("a file is free"));
            thread::spawn(move || load.send(stream, start))
        })
        .collect();
    thread::sleep(Duration::from_secs(load.options.seconds.into()));
    let (delivered, elapsed) = (load.delivered.load(Ordering::Relaxed), start.elapsed());
    load.stop.store(true, Ordering::Relaxed);
    drop(server);
    let mut times = Histogram::<u64>::new(3)?;
    for receiver in receivers {
        times.add(receiver.join().expect("a receiver does not panic"))?;
    }
    senders.into_iter().for_each(|sender| drop(sender.join()));
    let messages = delivered as f64 / f64::from(load.options.clients - 1) / elapsed.as_secs_f64();
    println!("{messages:.0} messages/s, {:.0} deliveries/s", delivered as f64 / elapsed.as_secs_f64());
    if load.options.rate > 0 {
        let ms = |q| times.value_at_quantile(q) as f64 / 1000.0;
        println!("p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms", ms(0.5), ms(0.99), ms(1.0));
    }
    Ok(())
}

fn start(folder: &Path) -> anyhow::Result<(Server, String)> {
    let program = std::env::current_exe()?.with_file_name("../stage6-server");
    let mut child = Command::new(program)
        .args(["--listen", "127.0.0.1:0", "--bcrypt-cost", "4", "--no-log-file", "--log-level", "error"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let address = lines.nth(1).transpose()?.unwrap_or_default().replace("Listening on ", "");
    Ok((Server(child), address))
}

impl Load {
    fn enter(&self, address: &str, number: u16) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(
            (self.envelope.seal(&format!("REGISTER user{number} some password")) + "\n").as_bytes(),
        )?;
        let mut byte = [0];
        let mut line = Vec::new();
        loop {
            stream.read_exact(&mut byte)?;
            if byte[0] != b'\n' {
                line.push(byte[0]);
                continue;
            }
            if self.envelope.open(&line)?.starts_with("[USERS_LIST]") {
                return Ok(stream);
            }
            line.clear();
        }
    }

    fn text(&self, due: Duration) -> String {
        format!("{:.<width$}", due.as_micros(), width = self.options.size.into())
    }

    fn send(&self, mut stream: TcpStream, start: Instant) {
        let sealed = |due| self.envelope.seal(&self.text(due)) + "\n";
        if self.options.rate == 0 {
            // Sealed beforehand: it is the server that is to be measured.
            let chunk: String = (0..50).map(|_| sealed(Duration::ZERO)).collect();
            while !self.stop.load(Ordering::Relaxed) {
                if stream.write_all(chunk.as_bytes()).is_err() {
                    return;
                }
            }
            return;
        }
        let interval = Duration::from_secs(1) * u32::from(self.options.senders) / self.options.rate;
        let mut due = start + interval.mul_f64(rand::random());
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if stream.write_all(sealed(due - self.epoch).as_bytes()).is_err() {
                return;
            }
            due += interval;
        }
    }

    fn receive(&self, stream: TcpStream) -> Histogram<u64> {
        let mut times = Histogram::new(3).expect("3 digits are possible");
        if self.options.rate == 0 {
            let (mut stream, mut buffer) = (stream, vec![0; 256 << 10]);
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                let lines = buffer[..n].iter().filter(|&&byte| byte == b'\n').count();
                self.delivered.fetch_add(lines as u64, Ordering::Relaxed);
            }
            return times;
        }
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let Ok(text) = self.envelope.open(&line) else { break };
            let Some((_, due)) = text.split_once(": ") else { continue };
            let Ok(due) = due.trim_end_matches('.').parse() else { continue };
            times += u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_sub(due);
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
        times
    }
}
