//! Where an event happened on the web and where its visitor came from, told of addresses
//! that were first rid of what nobody should keep.

use std::borrow::Cow;

use serde_json::Value;

use super::Facts;
use super::campaign::{self, Campaign};
use super::page::{self, SensitiveNames};
use super::referrer::{self, Referrer};
use crate::clean::Repairs;
use crate::event::Event;
use crate::failed::pointer_step;
use crate::privacy::Reason;
use crate::redact;
use crate::scrub::{self, What};

/// The parts of an event's addresses.
#[derive(Debug, Default)]
pub struct Visit {
    /// The host of the page, in lower case.
    pub host: Option<String>,
    /// The path of the page.
    pub path: Option<String>,
    /// What the page's address tells of a campaign.
    pub campaign: Campaign,
    /// What the referrer tells.
    pub referrer: Option<Referrer>,
}

/// The name of the repair that took out the value of a sensitive parameter.
const SENSITIVE: &str = "sensitive_parameter";

/// The name of the repair that took out an identifier that was to be left out.
const IDENTIFIER: &str = "identifier";

/// Rids `event` of what its tenant does not want to keep, and reads its addresses.
pub fn visit(
    event: &mut Event,
    facts: &Facts<'_>,
    stripped: Option<Reason>,
    repairs: &mut Repairs,
) -> Visit {
    let privacy = &facts.tenant.privacy;
    without(event, &privacy.sensitive, SENSITIVE, repairs);
    scrub(event, privacy.scrub, repairs);
    // What was cut off, or replaced, is in no text any more but may be in what is told of it.
    repairs.forget_where(|original| stripped.is_some() || redact::concerns(original, privacy));
    let mut campaign = event.url.as_deref().and_then(query_of).map(campaign::campaign);
    if stripped.is_some() {
        without(event, &campaign::identifying_names(), IDENTIFIER, repairs);
        campaign.iter_mut().for_each(|campaign| campaign.click_id = None);
    }
    let page = event.url.as_deref().and_then(page::parse);
    let host = page.as_ref().map(|page| page.host.clone().into_owned());
    let internal = &facts.enrichment.internal_domains;
    let mut visit = Visit {
        path: page.map(|page| page.path.to_owned()),
        referrer: referrer::referrer(event.referrer.as_deref(), host.as_deref(), internal),
        host,
        campaign: campaign.unwrap_or_default(),
    };
    scrub_decoded(&mut visit, privacy.scrub);
    visit
}

/// Scrubs again what was hidden by an encoding that reading the addresses has undone.
fn scrub_decoded(visit: &mut Visit, what: What) {
    let Campaign { source, medium, campaign, term, content, id, click_id: _ } = &mut visit.campaign;
    let searched = visit.referrer.as_mut().and_then(|referrer| referrer.term.as_mut());
    let texts = [source, medium, campaign, term, content, id].into_iter().flatten();
    for text in texts.chain(searched).chain(&mut visit.path) {
        if let Cow::Owned(rid) = scrub::text(text, what).text {
            *text = rid;
        }
    }
}

fn query_of(url: &str) -> Option<&str> {
    let (_, query) = url.split('#').next()?.split_once('?')?;
    Some(query)
}

/// Takes the values of the parameters that `names` names out of the event's addresses.
fn without(event: &mut Event, names: &SensitiveNames, rule: &'static str, repairs: &mut Repairs) {
    for (address, pointer) in [(&mut event.url, "/url"), (&mut event.referrer, "/referrer")] {
        let Some(url) = address else { continue };
        if let Cow::Owned(rid) = page::without_sensitive(url, names).url {
            *url = rid;
            repairs.note(rule, pointer);
        }
    }
    for (key, value, root) in members(event) {
        if without_in(value, names) {
            repairs.note(rule, &format!("{root}{}", pointer_step(key)));
        }
    }
}

/// Takes the values of such parameters out of every address in `value`; whether there were any.
pub fn without_in(value: &mut Value, names: &SensitiveNames) -> bool {
    match value {
        Value::String(text) if text.contains("://") => {
            let Cow::Owned(rid) = page::without_sensitive(text, names).url else { return false };
            *text = rid;
            true
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |found, item| without_in(item, names) | found)
        }
        Value::Object(fields) => {
            fields.values_mut().fold(false, |found, field| without_in(field, names) | found)
        }
        _ => false,
    }
}

/// The members of the event's objects, each with its key and what that stands in.
fn members(event: &mut Event) -> impl Iterator<Item = (&String, &mut Value, &'static str)> {
    [(&mut event.props, "/props"), (&mut event.metadata, "/metadata")].into_iter().flat_map(
        |(object, root)| {
            let members = object.iter_mut().flat_map(|object| object.iter_mut());
            members.map(move |(key, value)| (key, value, root))
        },
    )
}

/// Takes out of the event's texts what looks like personal data.
fn scrub(event: &mut Event, what: What, repairs: &mut Repairs) {
    if what == What::default() {
        return;
    }
    let texts = [
        (&mut event.url, "/url"),
        (&mut event.referrer, "/referrer"),
        (&mut event.title, "/title"),
    ];
    for (text, pointer) in texts {
        let Some(text) = text else { continue };
        let scrubbed = scrub::text(text, what);
        let counts = [(scrubbed.emails, scrub::Kind::Email), (scrubbed.cards, scrub::Kind::Card)];
        let Cow::Owned(rid) = scrubbed.text else { continue };
        *text = rid;
        for (_, kind) in counts.iter().filter(|(count, _)| *count > 0) {
            repairs.note(kind.repair(), pointer);
        }
    }
    for (key, value, root) in members(event) {
        scrub::value(value, what, &mut |pointer, kind| {
            repairs.note(kind.repair(), &format!("{root}{}{pointer}", pointer_step(key)));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clean::builtin;

    #[test]
    fn no_rule_can_take_the_name_of_what_is_noted_here() {
        let noted =
            [SENSITIVE, IDENTIFIER, scrub::Kind::Email.repair(), scrub::Kind::Card.repair()];
        assert!(noted.iter().all(|name| builtin::NAMES.contains(name)));
    }
}
