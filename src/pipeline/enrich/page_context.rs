//! Derives where an event happened on the web and where its visitor came from, from redacted URLs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;

use super::RequestFacts;
use super::referrer::{self, Referrer};
use crate::base::text::escape_json_pointer;
use crate::base::url;
use crate::model::campaign::{self, Campaign};
use crate::model::consent::PrivacySignal;
use crate::model::event::Event;
use crate::model::record::line::SharedColumns;
use crate::model::repairs::Repairs;
use crate::pipeline::clean::builtin;
use crate::pipeline::privacy::scrub::ScrubConfig;
use crate::pipeline::privacy::sensitive_params::SensitiveParams;
use crate::pipeline::privacy::values::without_in;
use crate::pipeline::privacy::{redact, scrub};

/// The facts in an event's URLs.
#[derive(Debug, Default)]
pub struct PageContext {
    /// The URL of the page, redacted.
    pub url: Option<String>,
    /// The URL of the referrer, redacted.
    pub referrer_url: Option<String>,
    /// The host of the page, in lower case.
    pub host: Option<String>,
    pub path: Option<String>,
    pub campaign: Campaign,
    pub referrer: Option<Referrer>,
    /// The columns of the page, and those of what led to it, once they are written.
    pub page_columns: SharedColumns,
    pub source_columns: SharedColumns,
    /// The repairs of the two URLs, each with its pointer.
    removed: Vec<(&'static str, &'static str)>,
}

/// The context that was read last. Most events of a request have one page and one referrer, and to
/// parse URLs is the largest cost of an event.
#[derive(Debug, Default)]
pub struct PageCache(RefCell<Option<(PageCacheKey, Rc<PageContext>)>>);

/// The inputs of a context, besides its request.
#[derive(Debug, PartialEq)]
struct PageCacheKey {
    url: Option<String>,
    referrer: Option<String>,
    stripped: Option<PrivacySignal>,
}

/// The repair that removed the value of a sensitive parameter.
const SENSITIVE: &str = "sensitive_parameter";

/// The repair that removed a secret, found by form or place.
const SECRET: &str = "secret";

/// The repair that removed an identifier from a stripped event.
const IDENTIFIER: &str = "identifier";

/// Removes from `event` the data that its tenant does not keep. Moves its URLs into a context.
pub fn visit(
    event: &mut Event,
    facts: &RequestFacts<'_>,
    stripped: Option<PrivacySignal>,
    repairs: &mut Repairs,
) -> Rc<PageContext> {
    let privacy = facts.privacy;
    let sent = PageCacheKey { url: event.url.take(), referrer: event.referrer.take(), stripped };
    let visit = facts.last_visit.or_read(sent, facts);
    for (rule, pointer) in &visit.removed {
        let is_noted = repairs.iter().any(|it| it.rule == *rule && it.pointer == *pointer);
        if !(*rule == builtin::URL && is_noted) {
            repairs.note(rule, &|| (*pointer).to_owned());
        }
    }
    without_in_title(event, &privacy.sensitive, repairs);
    without_in_members(event, &privacy.sensitive, SENSITIVE, repairs);
    scrub_rest(event, privacy.scrub, repairs);
    if stripped.is_some() {
        without_in_members(
            event,
            crate::pipeline::privacy::sensitive_params::identifying_names(),
            IDENTIFIER,
            repairs,
        );
    }
    // A removed value is in no text any more, but may be in a repair's original.
    repairs.forget_where(|original| stripped.is_some() || redact::concerns(original, privacy));
    visit
}

impl PageCache {
    /// Returns the last context if its inputs are the same, else a new one.
    fn or_read(&self, sent: PageCacheKey, facts: &RequestFacts<'_>) -> Rc<PageContext> {
        let mut last = self.0.borrow_mut();
        match last.as_ref() {
            Some((known, visit)) if *known == sent => Rc::clone(visit),
            _ => {
                let visit = Rc::new(PageContext::read(&sent, facts));
                *last = Some((sent, Rc::clone(&visit)));
                visit
            }
        }
    }
}

impl PageContext {
    fn read(sent: &PageCacheKey, facts: &RequestFacts<'_>) -> Self {
        let privacy = facts.privacy;
        let mut visit =
            Self { url: sent.url.clone(), referrer_url: sent.referrer.clone(), ..Self::default() };
        let mut anchors = Vec::new();
        visit.without(&privacy.sensitive, SENSITIVE);
        visit.scrub(privacy.scrub);
        if let Some(url) = visit.url.as_deref() {
            let (address, fragment) = url.split_once('#').unwrap_or((url, ""));
            let query = address.split_once('?').map(|(_, query)| query);
            visit.campaign =
                campaign::campaign(query.into_iter().chain(campaign::parameters(fragment)));
        }
        // Cleaning kept the fragment for the campaign in it.
        for (url, pointer) in visit.addresses() {
            if let Cow::Owned(rid) = crate::pipeline::clean::url::without_anchor(url) {
                *url = rid;
                anchors.push((builtin::URL, pointer));
            }
        }
        visit.removed.append(&mut anchors);
        if sent.stripped.is_some() {
            visit.without(
                crate::pipeline::privacy::sensitive_params::identifying_names(),
                IDENTIFIER,
            );
            visit.campaign.click_id = None;
        }
        let page = visit.url.as_deref().and_then(url::parse);
        let host = page.as_ref().map(|page| page.host.clone().into_owned());
        let internal = &facts.enrichment.internal_domains;
        visit.path = page.map(|page| page.path.to_owned());
        visit.referrer =
            referrer::referrer(visit.referrer_url.as_deref(), host.as_deref(), internal).or_else(
                || {
                    let Campaign { source, medium, .. } = &visit.campaign;
                    referrer::of_campaign(source.as_deref(), medium.as_deref())
                },
            );
        visit.host = host;
        scrub_decoded(&mut visit, privacy.scrub);
        visit
    }

    /// Returns the URLs that are present, each with its pointer in the beacon.
    fn addresses(&mut self) -> impl Iterator<Item = (&mut String, &'static str)> {
        let url = self.url.iter_mut().map(|url| (url, "/url"));
        url.chain(self.referrer_url.iter_mut().map(|url| (url, "/referrer")))
    }

    /// Removes the values of the parameters in `names` from the URLs.
    fn without(&mut self, names: &SensitiveParams, rule: &'static str) {
        let mut removed = Vec::new();
        for (url, pointer) in self.addresses() {
            let found = crate::pipeline::privacy::url_params::without_sensitive(url, names);
            let (secrets, all) = (found.secrets, found.removed.len());
            if let Cow::Owned(rid) = found.url {
                *url = rid;
                removed.extend((all > secrets).then_some((rule, pointer)));
                removed.extend((secrets > 0).then_some((SECRET, pointer)));
            }
        }
        self.removed.append(&mut removed);
    }

    fn scrub(&mut self, what: ScrubConfig) {
        let mut removed = Vec::new();
        for (url, pointer) in self.addresses() {
            scrub_text(url, what, &mut |rule| removed.push((rule, pointer)));
        }
        self.removed.append(&mut removed);
    }
}

/// Scrubs `text`, and passes the name of each repair to `removed`.
fn scrub_text(text: &mut String, what: ScrubConfig, removed: &mut dyn FnMut(&'static str)) {
    let scrubbed = scrub::text(text, what);
    let counts = [(scrubbed.emails, scrub::PiiKind::Email), (scrubbed.cards, scrub::PiiKind::Card)];
    let Cow::Owned(rid) = scrubbed.text else { return };
    *text = rid;
    for (_, kind) in counts.iter().filter(|(count, _)| *count > 0) {
        removed(kind.repair());
    }
}

/// Scrubs again the values whose encoding was undone by parsing the URLs.
fn scrub_decoded(visit: &mut PageContext, what: ScrubConfig) {
    let Campaign { source, medium, campaign, term, content, id, click_id: _ } = &mut visit.campaign;
    let searched = visit.referrer.as_mut().and_then(|referrer| referrer.term.as_mut());
    let texts = [source, medium, campaign, term, content, id].into_iter().flatten();
    for text in texts.chain(searched).chain(&mut visit.path) {
        if let Cow::Owned(rid) = scrub::text(text, what).text {
            *text = rid;
        }
    }
}

/// Does for an event's title what [`without_in_members`] does for its objects.
fn without_in_title(event: &mut Event, names: &SensitiveParams, repairs: &mut Repairs) {
    let Some(title) = event.title.take() else { return };
    let mut value = Value::String(title);
    let found = without_in(&mut value, names);
    for (rule, is_there) in [(SENSITIVE, found.parameters), (SECRET, found.secrets)] {
        if is_there {
            repairs.note(rule, &|| "/title".to_owned());
        }
    }
    if let Value::String(title) = value {
        event.title = Some(title);
    }
}

/// Removes the values of the parameters in `names`, and secrets, from URLs in an event's objects.
/// Removes JSON Web Tokens from all texts in them.
fn without_in_members(
    event: &mut Event,
    names: &SensitiveParams,
    rule: &'static str,
    repairs: &mut Repairs,
) {
    for (key, value, root) in members(event) {
        let found = without_in(value, names);
        for (rule, is_there) in [(rule, found.parameters), (SECRET, found.secrets)] {
            if is_there {
                repairs.note(rule, &|| format!("{root}{}", escape_json_pointer(key)));
            }
        }
    }
}

/// Returns the members of the event's objects, each with its key and its object's pointer.
fn members(event: &mut Event) -> impl Iterator<Item = (&String, &mut Value, &'static str)> {
    [(&mut event.props, "/props"), (&mut event.metadata, "/metadata")].into_iter().flat_map(
        |(object, root)| {
            let members = object.iter_mut().flat_map(|object| object.iter_mut());
            members.map(move |(key, value)| (key, value, root))
        },
    )
}

/// Scrubs an event's title and objects.
fn scrub_rest(event: &mut Event, what: ScrubConfig, repairs: &mut Repairs) {
    if what == ScrubConfig::default() {
        return;
    }
    if let Some(title) = &mut event.title {
        scrub_text(title, what, &mut |rule| repairs.note(rule, &|| "/title".to_owned()));
    }
    if let Some(name) = &mut event.source_name {
        scrub_text(name, what, &mut |rule| repairs.note(rule, &|| "/source_name".to_owned()));
    }
    for (key, value, root) in members(event) {
        scrub::value(value, what, &mut |pointer, kind| {
            let pointer = || format!("{root}{}{}", escape_json_pointer(key), pointer());
            repairs.note(kind.repair(), &pointer);
        });
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::model::beacon::Envelope;
    use crate::model::event::EventIdGenerator;
    use crate::pipeline::validate;

    #[test]
    fn each_noted_repair_has_a_reserved_name() {
        let noted = [
            SENSITIVE,
            SECRET,
            IDENTIFIER,
            scrub::PiiKind::Email.repair(),
            scrub::PiiKind::Card.repair(),
        ];
        assert!(noted.iter().all(|name| builtin::NAMES.contains(name)));
    }

    #[test]
    fn a_title_is_rid_of_tokens_and_of_the_secrets_of_its_address() {
        const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dozjgNryP4J3jVmNHl0w5N";
        for (title, left, rules) in [
            (format!("Signed in: {JWT}"), "Signed in: [removed]", vec![SECRET]),
            (
                "https://a.example/?token=abc".to_owned(),
                "https://a.example/?token=[removed]",
                vec![SENSITIVE],
            ),
            ("Tea & co".to_owned(), "Tea & co", vec![]),
        ] {
            let Value::Object(fields) = json!({"name": "page_view", "title": title}) else {
                panic!()
            };
            let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
            let (envelope, mut repairs) = (Envelope::default(), Repairs::default());
            let unknown = Default::default();
            let mut event =
                validate::event(fields, &envelope, unknown, &mut ids, &mut repairs).unwrap();
            without_in_title(&mut event, &SensitiveParams::default(), &mut repairs);
            let noted: Vec<(&str, &str)> =
                repairs.iter().map(|repair| (&*repair.rule, &*repair.pointer)).collect();
            assert_eq!(event.title.as_deref(), Some(left));
            assert_eq!(noted, rules.iter().map(|rule| (*rule, "/title")).collect::<Vec<_>>());
        }
    }
}
