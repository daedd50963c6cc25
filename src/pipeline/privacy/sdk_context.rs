//! Removes what other collectors' SDKs state of a device and a person in `props` and `metadata`.
//!
//! Those SDKs have their own places for ids, addresses and the device itself, which are no fields of a
//! beacon. So they are known by their names, at any depth. The props are the event's own: of these
//! only ids and addresses are removed. Native beacons are not changed: there the operator names all
//! members.

use serde_json::{Map, Value};

use super::ip::IpPolicy;
use super::{DeviceIdSource, PrivacyPolicy};
use crate::model::consent::PrivacySignal;

/// The ids of a device, an installation or a browser. Here and below: names of letters and digits in
/// lower case.
#[rustfmt::skip]
const DEVICE_IDS: &[&str] = &[
    "aaid", "adid", "advertisingid", "androidid", "androididfa", "anondistinctid", "anonymousid", "appinstallationid",
    "appinstanceid", "appleidfa", "appleidfv", "appsetid", "clientid", "clientsessionuserid", "deviceadvertisingid",
    "deviceid", "devicetoken", "domainuserid", "duid", "fingerprint", "fp", "gaid", "idfa", "idfv", "imei", "mac",
    "macaddress", "networkuserid", "nuid", "openidfa", "pushtoken", "tnuid",
];

/// The ids of a person or a session.
#[rustfmt::skip]
const PERSON_IDS: &[&str] = &[
    "alias", "distinctid", "enduserid", "firsteventid", "mergeproperties", "personid", "previousid",
    "previoussessionid", "sessionid", "sid", "uid", "userhash", "userid", "vid", "windowid",
];

/// The addresses of a client.
#[rustfmt::skip]
const ADDRESSES: &[&str] = &[
    "clientaddress", "clientip", "initialip", "ip", "ipaddress", "netpeerip", "remoteaddr", "remoteip", "xforwardedfor",
];

/// How the members of `metadata` begin that describe a device and its place.
#[rustfmt::skip]
const CONTEXTS: &[&str] = &[
    "city", "clientsession", "cookies", "device", "dma", "geo", "httpcookie", "latitude", "location", "longitude",
    "mobilecontext", "network", "region", "useragent",
];

/// The letters of the longest of these names. A longer one is none of them, whatever its other letters.
const LONGEST: usize = 19;

/// What has to be removed.
#[derive(Clone, Copy)]
struct Hidden {
    device_ids: bool,
    addresses: bool,
    /// Also the ids of persons, and what describes a device.
    all: bool,
}

/// Removes from the fields of an SDK's beacon what `policy` does not keep, and identifiers if they are
/// `stripped`. Returns whether there was anything to remove.
pub fn remove(
    fields: &mut Map<String, Value>,
    policy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
) -> bool {
    let all = stripped.is_some();
    let hidden = Hidden {
        device_ids: all || policy.device_ids == DeviceIdSource::Cookieless,
        addresses: all || policy.ip != IpPolicy::Full,
        all,
    };
    if !hidden.device_ids && !hidden.addresses {
        return false;
    }
    let mut is_changed = false;
    for (field, contexts) in [("props", [].as_slice()), ("metadata", CONTEXTS)] {
        if let Some(value) = fields.get_mut(field) {
            is_changed |= hidden.remove_in(value, "", contexts);
        }
    }
    is_changed
}

impl Hidden {
    /// Removes members of `value`, which is the member `outer` of an object.
    fn remove_in(self, value: &mut Value, outer: &str, contexts: &[&str]) -> bool {
        let mut is_changed = false;
        match value {
            Value::Object(members) => members.retain(|name, member| {
                let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
                let letters = letters.map(|letter| char::from(letter.to_ascii_lowercase()));
                let mut name = String::with_capacity(LONGEST.saturating_add(1));
                name.extend(letters.take(LONGEST.saturating_add(1)));
                let is_kept = !self.names(outer, &name, contexts);
                is_changed |= !is_kept || self.remove_in(member, &name, contexts);
                is_kept
            }),
            Value::Array(items) => {
                for item in items {
                    is_changed |= self.remove_in(item, outer, contexts);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        is_changed
    }

    /// Whether the member `name` of `outer` has to be removed.
    #[inline(never)]
    fn names(self, outer: &str, name: &str, contexts: &[&str]) -> bool {
        (self.device_ids && is_in(DEVICE_IDS, outer, name))
            || (self.addresses && is_in(ADDRESSES, outer, name))
            || (self.all && is_in(PERSON_IDS, outer, name))
            || (self.all && contexts.iter().any(|it| name.starts_with(it)))
    }
}

/// Whether `names` have that of a member. The `id` of a `device` is a `deviceid`.
#[inline(never)]
fn is_in(names: &[&str], outer: &str, name: &str) -> bool {
    let of_both = outer.len().saturating_add(name.len());
    names.iter().any(|it| {
        // Most differ in length.
        *it == name || (it.len() == of_both && it.starts_with(outer) && it.ends_with(name))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_name_is_longer_than_the_longest() {
        let lists = [DEVICE_IDS, PERSON_IDS, ADDRESSES, CONTEXTS];
        let longest = lists.iter().flat_map(|names| names.iter()).map(|name| name.len()).max();
        assert_eq!(longest, Some(LONGEST));
    }

    #[test]
    fn a_name_is_known_by_all_its_letters() {
        let removed = |metadata: Value| {
            let Value::Object(mut fields) = json!({"metadata": metadata}) else { panic!() };
            remove(&mut fields, &PrivacyPolicy::default(), Some(PrivacySignal::Gpc))
        };
        for (name, is_removed) in [
            ("Device-Advertising_ID", true),
            ("é__x-Forwarded-For__é", true),
            ("clientSessionUserIdOfNoContext", true),
            ("networkOfAFirmWithALongName", true),
            ("xForwardedForTheirOtherReasons", false),
            ("pushTokenOfADeviceThatIsOther", false),
        ] {
            assert_eq!(removed(json!({name: 1})), is_removed, "{name}");
        }
        assert!(removed(json!({"a": [{"client": {"address": 1}}]})));
        let outer = "clientOfAVeryLongNameThatIsCut";
        assert!(!removed(json!({outer: {"address": 1}})));
    }
}
