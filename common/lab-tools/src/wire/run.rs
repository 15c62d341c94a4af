//! `lab wire N`: a run like that of `lab run N` with taps in it, or the tap alone
//! in front of a server that runs already.

use crate::sealed::Keys;
use crate::wire::listen_for;
use crate::wire::net::Network;
use crate::wire::pcap::Capture;
use crate::wire::recorder::{Outputs, Recorder};
use crate::wire::show::Show;
use crate::wire::svg::Diagram;
use crate::wire::tap::Link;
use anyhow::Context;
use common::endpoint::Endpoint;
use lab::registry::{Registry, Stage, WireFormat};
use lab::run_context::{END_SIGNALS, RunContext};
use lab::say;
use lab::workspace::Profile;
use lab::{script, terminal};
use signal_hook::iterator::Signals;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The file with what passes, in a run where the screen is the client's.
const WIRE: &str = "wire.txt";

/// How long connections may take to be over when their programs have ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A tap alone has one listener for all clients.
const CONNECTIONS: usize = 10_000;

/// What `lab wire` is to do.
#[derive(clap::Args)]
#[command(after_help = "\
In the margin, | is a row that passed over the wire, = what anyone can work out of it,\n\
and * what only those with the key can.\n\n\
Examples:\n  \
    make wire 4                                                 you in the client, the bytes in a file to follow\n  \
    make wire 6 ARGS=--script                                   a scripted session, its bytes between its lines\n  \
    make wire 8 ARGS=\"--script --pcap tls.pcap\"                 and: wireshark tls.pcap\n  \
    make wire 5 ARGS=\"--script --svg aes.svg --no-key\"          a sequence diagram, as an eavesdropper sees it\n  \
    make wire 4 ARGS=\"--connect 127.0.0.1:9004\"                a tap alone, in front of any server\n  \
    make wire 2 ARGS=\"--net bytes,delay=50ms\"                  over a network that is slow and cuts everything")]
pub struct Options {
    /// The stage's number
    pub stage: Option<String>,
    /// Play the scripted session even on a terminal
    #[arg(long, conflicts_with = "connect")]
    script: bool,
    /// Let clients come over a slower network: delay=100ms, rate=2k (bytes a second) or
    /// bytes (one by one), or several with commas between
    #[arg(long, value_name = "WHAT")]
    net: Option<Network>,
    /// Show no bytes: `run-stage` with --net
    #[arg(long, hide = true)]
    quiet: bool,
    /// Write a capture, for Wireshark and tshark
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Draw a sequence diagram
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Show long parts from their first byte to their last
    #[arg(long)]
    full: bool,
    /// The key file that tells what is encrypted; in a run it is the run's own
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Show only what an eavesdropper without the key sees
    #[arg(long, conflicts_with = "key")]
    no_key: bool,
    /// Run nothing, and tap this server
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<Endpoint>,
    /// Where to listen then [default: 127.0.0.1:0, a free port]
    #[arg(long, value_name = "HOST:PORT", requires = "connect")]
    listen: Option<Endpoint>,
}

impl Options {
    /// What the connections go over, if it is not this machine's own network.
    fn link(&self) -> Option<Arc<Link>> {
        let network = self.net.as_ref()?;
        say!("network     {network}\n");
        Some(Arc::new(network.link()))
    }
}

/// Does it.
///
/// # Errors
/// What `lab run` fails for, and files that cannot be read or written.
pub fn run(stage: &Stage, all: &Registry, options: &Options) -> anyhow::Result<()> {
    if let Some(server) = &options.connect {
        return tap_alone(stage, options, server);
    }
    // Before the build, which takes longer than to mistype a path.
    let files = Files::open(options)?;
    let context = RunContext::build(stage, all, Profile::Dev)?;
    let alone = terminal::has_no_part(stage, options.script);
    let key = options.key.clone().or_else(|| key_of(&context).filter(|_| !options.no_key));
    let out: Box<dyn Write + Send> = match alone {
        _ if options.quiet => Box::new(std::io::sink()),
        true => Box::new(stdout()),
        false => Box::new(private(&context.path(WIRE))?),
    };
    let recorder = files.recorder(stage, key.as_deref(), out)?;
    let link = options.link();
    let route = |who: &str, server: &str| {
        let server = server.parse().context("the server listens on a strange address")?;
        let tap = listen_for(who, &any_port()?, &server, &recorder, link.as_ref())?;
        Ok(tap.to_string())
    };
    let done = match alone {
        true => script::play_in(&context, &route),
        false => {
            if !options.quiet {
                say!("the wire    tail -n +1 -f {}\n", context.file_name(WIRE));
            }
            terminal::run_in(&context, &route)
        }
    };
    recorder.wait_idle(CLOSE_TIMEOUT);
    // First what went wrong in the run; but a diagram of what led there is worth
    // having all the more.
    let written = files.finish(&recorder);
    done.and(written)?;
    if alone {
        context.clean_up();
    }
    Ok(())
}

/// The run's own key file, at the stages whose lines such a key encrypts.
fn key_of(context: &RunContext<'_>) -> Option<PathBuf> {
    let made = context.stage.prepare.first()?;
    matches!(context.stage.wire, WireFormat::Encrypted | WireFormat::Sealed)
        .then(|| context.path(&made.creates))
}

fn any_port() -> anyhow::Result<Endpoint> {
    Ok("127.0.0.1:0".parse()?)
}

/// The tap between all clients and `server`, until a signal ends it.
fn tap_alone(stage: &Stage, options: &Options, server: &Endpoint) -> anyhow::Result<()> {
    let files = Files::open(options)?;
    let recorder = files.recorder(stage, options.key.as_deref(), Box::new(stdout()))?;
    common::fd_limit::raise(2 * CONNECTIONS);
    let at = options.listen.clone().map_or_else(any_port, Ok)?;
    let mut signals = Signals::new(END_SIGNALS).context("cannot wait for signals")?;
    let tap = listen_for("client", &at, server, &recorder, options.link().as_ref())?;
    say!("Listening on {tap}, for {server}; Ctrl-C ends it");
    signals.forever().next();
    files.finish(&recorder)
}

/// The files that were asked for.
struct Files<'a> {
    options: &'a Options,
    pcap: Option<File>,
}

impl<'a> Files<'a> {
    fn open(options: &'a Options) -> anyhow::Result<Files<'a>> {
        let pcap = options.pcap.as_deref().map(private).transpose()?;
        // Written at the end; whether it can be, one wants to know now.
        options.svg.as_deref().map(private).transpose()?;
        Ok(Files { options, pcap })
    }

    fn recorder(
        &self,
        stage: &Stage,
        key: Option<&Path>,
        out: Box<dyn Write + Send>,
    ) -> anyhow::Result<Arc<Recorder>> {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let keys = key.map(Keys::read).transpose()?;
        let title = format!("Stage {}, {}: what passes over the wire", stage.number, stage.title);
        let capture = match &self.pcap {
            Some(file) => {
                let capture = Capture::new(Box::new(file.try_clone()?), SystemTime::now());
                Some(capture.context("cannot write the capture")?)
            }
            None => None,
        };
        let show = Show::new(out, colour, self.options.full);
        let diagram = self.options.svg.is_some().then(|| Diagram::new(&title));
        Ok(Arc::new(Recorder::new(stage.wire, keys, Outputs { show, capture, diagram })))
    }

    /// Writes what is written at the end, and says where everything is.
    fn finish(&self, recorder: &Recorder) -> anyhow::Result<()> {
        let (diagram, failed) = recorder.results();
        if let Some(error) = failed {
            return Err(error).context("the capture is not complete");
        }
        if let Some(path) = &self.options.pcap {
            say!("the capture is in {0}; look at it with: wireshark {0}", path.display());
        }
        if let (Some(path), Some(svg)) = (&self.options.svg, diagram) {
            private(path)?
                .write_all(svg.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            say!("the diagram is in {}", path.display());
        }
        Ok(())
    }
}

/// A new file that only its owner can read: passwords pass over the wire.
fn private(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}
