//! `lab wire`: what passes between client and server, byte by byte.
//!
//! Each client gets a listener of its own (so that the tap knows its name), the
//! [tap] carries what comes, and the [`Recorder`] tells it to all who want to
//! know: the screen, the capture, the diagram. It does so before the bytes go on,
//! under one lock. So what is shown is in the order of cause and effect, and
//! whoever looks slows the chat down rather than missing something.

mod annotate;
mod annotation;
mod hello;
mod net;
mod pcap;
mod recorder;
mod run;
mod show;
pub(crate) mod svg;
pub mod tap;
mod tls;

pub use recorder::{Connection, Event, Recorder};
pub use run::{Options, run};

use crate::wire::recorder::Id;
use crate::wire::tap::{Link, SideEvent};
use common::endpoint::Endpoint;
use common::net::{NetError, connect, listen};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long accepting pauses when it fails.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Listens at `at` for the client `name`, and carries all its connections on to
/// `server`, over `link` if there is one; the address to connect to. It listens to the end
/// of the process.
///
/// # Errors
/// When it cannot listen.
pub fn listen_for(
    name: &str,
    at: &Endpoint,
    server: &Endpoint,
    recorder: &Arc<Recorder>,
    link: Option<&Arc<Link>>,
) -> Result<SocketAddr, NetError> {
    let listener = listen(at)?;
    let cannot = |cause| NetError::Listen {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        cause,
        remedy: "choose another address with --listen HOST:PORT",
    };
    let address = listener.local_addr().map_err(cannot)?;
    let (name, server, recorder) = (name.to_owned(), server.clone(), recorder.clone());
    let link = link.cloned();
    thread::spawn(move || accept(&listener, &name, &server, &recorder, link.as_ref()));
    Ok(address)
}

fn accept(
    listener: &TcpListener,
    name: &str,
    server: &Endpoint,
    recorder: &Arc<Recorder>,
    link: Option<&Arc<Link>>,
) {
    for client in listener.incoming() {
        // A client that has gone already, or a shortage of files, which passes;
        // without the pause this would be a loop at full speed until it does.
        let Ok(client) = client else {
            thread::sleep(SHORTAGE);
            continue;
        };
        // Counted here and not in its thread: whoever waits until all connections
        // are over must not do so before the last one has begun.
        let (id, name) = recorder.begins(name);
        let carry = {
            let (server, recorder, link) = (server.clone(), recorder.clone(), link.cloned());
            move || {
                if let Some(stream) = open(&client, name, &server, &recorder, id) {
                    let see = |side, did: SideEvent<'_>| recorder.sees(id, Event::from((side, did)));
                    // Where it could not be set up, both ends are closed.
                    let _ = tap::carry(client, stream, link.as_deref(), see);
                }
                recorder.is_over(id);
            }
        };
        if thread::Builder::new().name("tap".to_owned()).spawn(carry).is_err() {
            // Its client went with the closure.
            recorder.is_over(id);
        }
    }
}

/// The connection to the server for a client that is there already. It cannot be
/// told "refused" any more; that its connection is reset comes closest.
fn open(
    client: &TcpStream,
    name: String,
    server: &Endpoint,
    recorder: &Recorder,
    id: Id,
) -> Option<TcpStream> {
    let peer = client.peer_addr().ok()?;
    let connected = connect(server);
    let ends = connected
        .as_ref()
        .ok()
        .and_then(|stream| Some((stream.local_addr().ok()?, stream.peer_addr().ok()?)));
    let (here, there) = ends.unwrap_or((peer, SocketAddr::from(([0; 4], 0))));
    let connection = Connection { name, port: peer.port(), client: here, server: there };
    match connected {
        Ok(stream) => {
            recorder.opened(id, connection);
            Some(stream)
        }
        Err(why) => {
            recorder.refused(id, connection, &why.to_string());
            tap::reset_at_close(client);
            None
        }
    }
}
