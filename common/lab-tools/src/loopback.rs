//! Whose server may be loaded or attacked: one on this machine, and no other.

use common::endpoint::Endpoint;
use std::net::SocketAddr;

/// The address to use, when everything that the host's name stands for is
/// loopback. An address and no name: looked up a second time, the name could
/// stand for something else.
///
/// # Errors
/// One sentence that says why not; `who` begins its end.
pub fn only(endpoint: &Endpoint, who: &str) -> Result<SocketAddr, String> {
    let addresses = endpoint.addresses().map_err(|e| format!("cannot look up {endpoint}: {e}"))?;
    if let Some(other) = addresses.iter().find(|a| !a.ip().is_loopback()) {
        return Err(format!("{other} is not on this machine's loopback; {who} nobody else's server"));
    }
    addresses.first().copied().ok_or_else(|| format!("{endpoint} has no address"))
}

#[cfg(test)]
mod tests {
    use super::only;

    fn of(text: &str) -> Result<String, String> {
        only(&text.parse().unwrap(), "`make attack` attacks").map(|a| a.to_string())
    }

    #[test]
    fn loopback_is_allowed_in_all_its_forms() {
        assert_eq!(of("127.0.0.1:9004").unwrap(), "127.0.0.1:9004");
        assert_eq!(of("127.9.9.9:9004").unwrap(), "127.9.9.9:9004");
        assert_eq!(of("[::1]:9004").unwrap(), "[::1]:9004");
        assert!(of("localhost:9004").unwrap().ends_with(":9004"));
    }

    #[test]
    fn everything_else_is_refused() {
        // Documentation ranges (RFC 5737, RFC 3849): nobody is there.
        for other in ["192.0.2.1:9004", "[2001:db8::1]:9004", "0.0.0.0:9004", "[::]:9004", "10.0.0.1:1"] {
            let why = of(other).unwrap_err();
            assert!(why.ends_with("`make attack` attacks nobody else's server"), "{why}");
        }
        // The domain that never has an address (RFC 2606).
        assert!(of("nobody.invalid:9004").unwrap_err().starts_with("cannot look up nobody.invalid:9004"));
    }
}
