//! Names the client whose requests the platform's rate limiter counts.

use std::net::IpAddr;

/// Returns the name under which the requests of a client to `tenant` are counted: its IPv4 address,
/// or the /64 of its IPv6 address, of which one subscriber has all. Returns `None` for a client
/// whose requests are not counted: on this machine, or without an address.
pub fn client_key(tenant: &str, address: Option<IpAddr>) -> Option<String> {
    let address = match address?.to_canonical() {
        address if address.is_loopback() => return None,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        address @ IpAddr::V4(_) => address.to_string(),
    };
    Some(format!("{tenant} {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Option<String> {
        client_key("a", Some(address.parse().unwrap()))
    }

    #[test]
    fn a_client_is_an_address_or_its_network_in_ipv6() {
        for (address, expected) in [
            ("203.0.113.77", Some("a 203.0.113.77")),
            ("::ffff:203.0.113.77", Some("a 203.0.113.77")),
            ("2001:db8:77:1234::9", Some("a 2001:db8:77:1234::/64")),
            ("2001:db8:77:1234:ffff::1", Some("a 2001:db8:77:1234::/64")),
            ("2001:db8:77:1235::9", Some("a 2001:db8:77:1235::/64")),
            ("127.0.0.1", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
        ] {
            assert_eq!(key(address).as_deref(), expected, "{address}");
        }
        assert_eq!(client_key("a", None), None);
    }
}
