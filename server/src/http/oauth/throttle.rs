//! How often one may ask: by address, and by what is asked for, so that passwords, secrets and codes cannot be guessed at the speed of
//! the machine. What is refused is told when to come again (429 with Retry-After).

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// More addresses or clients than this are not remembered: those that rest are forgotten first.
const REMEMBERED: usize = 100_000;

/// What is limited, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Login,
    Token,
    Registration,
    Introspection,
}

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// The limits of one site.
pub(super) struct Throttle {
    /// A hospital's people share an address: this only stops a flood.
    addresses: [Keyed<IpAddr>; 4],
    /// By the hash of who is said to ask: a client id with its network, or a user's name.
    names: [Keyed<u64>; 4],
    clock: DefaultClock,
}

/// Per minute: from one address, for one name.
const fn quotas(asked: Asked) -> (u32, u32) {
    match asked {
        Asked::Login => (120, 20),
        Asked::Token => (1_200, 600),
        Asked::Registration => (20, 20),
        Asked::Introspection => (6_000, 6_000),
    }
}

const ALL: [Asked; 4] = [Asked::Login, Asked::Token, Asked::Registration, Asked::Introspection];

impl Throttle {
    pub(super) fn new() -> Throttle {
        let quota = |number: u32| Quota::per_minute(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN));
        Throttle {
            addresses: ALL.map(|asked| RateLimiter::dashmap(quota(quotas(asked).0))),
            names: ALL.map(|asked| RateLimiter::dashmap(quota(quotas(asked).1))),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request; how long to wait where there were too many.
    pub(super) fn check(&self, asked: Asked, address: Option<IpAddr>, name: Option<&str>) -> Result<(), Duration> {
        let place = asked as usize;
        if let Some(address) = address {
            self.count(&self.addresses[place], network(address))?;
        }
        if let Some(name) = name {
            // Whoever names another's client must not keep it waiting: only who guesses a person's password is slowed down
            // wherever they ask from.
            let from = if asked == Asked::Login { None } else { address.map(network) };
            self.count(&self.names[place], hash(&(name, from)))?;
        }
        Ok(())
    }

    fn count<K: Hash + Eq + Clone>(&self, limiter: &Keyed<K>, key: K) -> Result<(), Duration> {
        if limiter.len() >= REMEMBERED {
            limiter.retain_recent();
        }
        limiter.check_key(&key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// Who has one address of IPv6 has the whole network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

fn hash(name: &impl Hash) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::LazyLock;
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    STATE.hash_one(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_guessed_at_a_walk_and_another_is_not_kept_waiting() {
        let throttle = Throttle::new();
        let ask = |address: &str, name: &str| throttle.check(Asked::Login, address.parse().ok(), Some(name));
        for number in 0..20 {
            ask(&format!("192.0.2.{number}"), "ann").unwrap();
        }
        let wait = ask("192.0.2.99", "ann").unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60), "{wait:?}");
        ask("192.0.2.99", "bob").unwrap();
        throttle.check(Asked::Token, None, Some("ann")).unwrap();
    }

    #[test]
    fn who_names_another_client_does_not_keep_it_waiting() {
        let throttle = Throttle::new();
        let ask = |address: &str| throttle.check(Asked::Token, address.parse().ok(), Some("an-app"));
        assert!((0..700).any(|_| ask("192.0.2.1").is_err()));
        ask("198.51.100.1").unwrap();
    }

    #[test]
    fn a_flood_from_one_network_is_stopped_whatever_its_names() {
        let throttle = Throttle::new();
        let refused = (0..200_u32).filter(|number| {
            let address = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, *number as u16));
            throttle.check(Asked::Login, Some(address), Some(&number.to_string())).is_err()
        });
        assert!(refused.count() >= 75);
        let other = "2001:db8:1:2::1".parse().ok();
        throttle.check(Asked::Login, other, None).unwrap();
    }
}
