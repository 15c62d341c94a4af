//! Short texts from options and from the net: addresses, database URLs, tokens, keys.
#![no_main]

use common::endpoint::Endpoint;
use libfuzzer_sys::fuzz_target;
use stage6_auth::sessions::Token;
use stage6_auth::store::DbUrl;
use stage8_tls::identity::PublicKey;

fuzz_target!(|text: &str| {
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.to_string().parse().as_ref(), Ok(&endpoint));
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text);
    }
    let _ = text.parse::<DbUrl>().map(|url| url.to_string());
    let _ = Token::parse(text);
    let _ = stage8_tls::certs::certificate_name(text);
});
