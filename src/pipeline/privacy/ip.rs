//! Applies the operator's policy to the client's IP address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::secret::Salt;

/// How an IP address is reduced before any other step sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpPolicy {
    /// Keeps the network only: /24 of IPv4, /48 of IPv6.
    #[default]
    Truncate,
    Drop,
    /// Replaces it with a hash that lasts a day.
    Hash,
    Full,
}

impl IpPolicy {
    /// Returns the reduced address, if any. IPv4-mapped IPv6 addresses count as IPv4. `salt`
    /// returns the day's salt, only for a hash; without it there is none. Hashes differ by tenant.
    pub fn apply(
        self,
        address: IpAddr,
        tenant: &str,
        salt: impl FnOnce() -> Option<Salt>,
    ) -> Option<String> {
        let address = address.to_canonical();
        match self {
            Self::Drop => None,
            Self::Hash => Some(salt()?.id(&["ip", tenant, &address.to_string()])),
            Self::Full => Some(address.to_string()),
            Self::Truncate => Some(network(address).to_string()),
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_as_the_policy_says() {
        let cases = [
            (IpPolicy::Truncate, "203.0.113.77", Some("203.0.113.0")),
            (IpPolicy::Truncate, "2001:db8:abcd:12:1:2:3:4", Some("2001:db8:abcd::")),
            (IpPolicy::Truncate, "::ffff:203.0.113.77", Some("203.0.113.0")),
            (IpPolicy::Full, "203.0.113.77", Some("203.0.113.77")),
            (IpPolicy::Full, "2001:db8::1", Some("2001:db8::1")),
            (IpPolicy::Drop, "203.0.113.77", None),
            (IpPolicy::Hash, "203.0.113.77", None),
        ];
        for (policy, address, expected) in cases {
            assert_eq!(
                policy.apply(address.parse().unwrap(), "shop", || None).as_deref(),
                expected,
                "{policy:?} {address}"
            );
        }
    }
}
