//! The campaign that brought a visitor: the `utm_` parameters and the click ids of the big
//! advertising networks, read from the query in one pass.
//!
//! Values are decoded and trimmed, and otherwise as sent. Some parameters are ignored on purpose.
//! They name a person rather than a click (`mc_eid`, `_kx`), only qualify another one (`gclsrc`,
//! `gad_source`), or mark unpaid results (`srsltid`, `ysclid`).

use std::borrow::Cow;

/// The most characters of a `utm_` value; longer ones are cut.
const MAX_CHARS: usize = 255;

/// The most characters of a click id; longer ones are cut.
const MAX_CLICK_ID_CHARS: usize = 512;

/// The campaign that a query names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Campaign {
    /// `utm_source`: the sender of the visitor.
    pub source: Option<String>,
    /// `utm_medium`: the means, such as `cpc` or `email`.
    pub medium: Option<String>,
    /// `utm_campaign`: the campaign's name.
    pub campaign: Option<String>,
    /// `utm_term`: the keyword.
    pub term: Option<String>,
    /// `utm_content`: one of several links.
    pub content: Option<String>,
    /// `utm_id`: the campaign's id.
    pub id: Option<String>,
    /// The first click id in the query.
    pub click_id: Option<ClickId>,
}

/// An advertising network's id of a click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickId {
    /// The id, up to 512 characters.
    pub value: String,
    /// The network: `google`, `meta`, `microsoft` and so on.
    pub network: &'static str,
}

/// The parameters that networks use for click ids, in lower case.
///
/// Google: <https://support.google.com/google-ads/answer/9744275>; Meta:
/// <https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc>.
/// Meta adds its own to unpaid links, too.
pub const CLICK_IDS: &[(&str, &str)] = &[
    ("gclid", "google"),
    ("gbraid", "google"),
    ("wbraid", "google"),
    ("dclid", "google"),
    ("fbclid", "meta"),
    ("msclkid", "microsoft"),
    ("ttclid", "tiktok"),
    ("twclid", "x"),
    ("li_fat_id", "linkedin"),
    ("sccid", "snapchat"),
    ("epik", "pinterest"),
    ("rdt_cid", "reddit"),
    ("yclid", "yandex"),
    ("qclid", "quora"),
    ("irclickid", "impact"),
    ("irclid", "impact"),
    ("ndclid", "nextdoor"),
    ("awc", "awin"),
    ("cjevent", "cj"),
    ("tblci", "taboola"),
    ("dicbo", "outbrain"),
];

/// One parameter of a query that names a campaign or a click.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// In lower case.
    pub name: String,
    /// Decoded; not blank.
    pub value: Cow<'a, str>,
    /// The most characters that are kept of the value.
    pub max_chars: usize,
}

impl<'a> Parameter<'a> {
    /// Reads the text between two `&`; none if it names neither a campaign nor a click.
    pub fn read(written: &'a str) -> Option<Self> {
        const UTM: [&str; 6] = ["source", "medium", "campaign", "term", "content", "id"];
        let (name, value) = decoded(written);
        let name = lower(name);
        let name = without_entity(&name);
        let max_chars = match name.strip_prefix("utm_") {
            Some(utm) if UTM.contains(&utm) => MAX_CHARS,
            None if CLICK_IDS.iter().any(|(known, _)| *known == name) => MAX_CLICK_ID_CHARS,
            _ => return None,
        };
        let is_blank = value.trim().is_empty();
        (!is_blank).then(|| Self { name: name.to_owned(), value, max_chars })
    }
}

/// Whether `fragment` names a campaign or a click.
pub fn stands_in(fragment: &str) -> bool {
    parameters(fragment).is_some_and(|query| campaign([query]) != Campaign::default())
}

/// Returns the parameters of a fragment: those of a route (`/sale?utm_source=x`), or all of it.
pub fn parameters(fragment: &str) -> Option<&str> {
    let query = fragment.split_once('?').map_or(fragment, |(_, query)| query);
    query.contains('=').then_some(query)
}

/// Reads queries, without their question marks. Names ignore case. Of several values, the first
/// that is not blank counts.
pub fn campaign<'a>(queries: impl IntoIterator<Item = &'a str>) -> Campaign {
    let mut campaign = Campaign::default();
    for query in queries {
        campaign.add(query);
    }
    campaign
}

impl Campaign {
    /// Adds what a query names. This is compiled once, not for each kind of list.
    #[inline(never)]
    fn add(&mut self, query: &str) {
        for (name, value) in query.split('&').map(decoded) {
            let name = lower(name);
            let name = without_entity(&name);
            if let Some(utm) = name.strip_prefix("utm_") {
                let slot = match utm {
                    "source" => &mut self.source,
                    "medium" => &mut self.medium,
                    "campaign" => &mut self.campaign,
                    "term" => &mut self.term,
                    "content" => &mut self.content,
                    "id" => &mut self.id,
                    _ => continue,
                };
                if slot.is_none() {
                    *slot = kept(&value, MAX_CHARS);
                }
            } else if self.click_id.is_none()
                && let Some((_, network)) = CLICK_IDS.iter().find(|(known, _)| *known == name)
            {
                self.click_id =
                    kept(&value, MAX_CLICK_ID_CHARS).map(|value| ClickId { value, network });
            }
        }
    }
}

/// Returns the name and the value of the text between two `&`.
fn decoded(written: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    if written.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return form_urlencoded::parse(written.as_bytes()).next().unwrap_or_default();
    }
    let name_end = written.bytes().position(|byte| byte == b'=').unwrap_or(written.len());
    let (name, value) = written.split_at_checked(name_end).unwrap_or_default();
    (Cow::Borrowed(name), Cow::Borrowed(value.get(1..).unwrap_or_default()))
}

/// Removes the remains of escaped ampersands from `name`. Mails and editors write `&amp;`, `&#038;` or
/// `&#x26;` in links; the `#` of the latter two begins a fragment.
fn without_entity(name: &str) -> &str {
    // Each of them ends in a semicolon.
    if !name.bytes().any(|byte| byte == b';') {
        return name;
    }
    let mut name = name;
    while let Some(rest) = behind_ampersand(name) {
        name = rest;
    }
    name
}

/// Returns what is behind the rest of an escaped ampersand, if `name` begins with one.
fn behind_ampersand(name: &str) -> Option<&str> {
    if let Some(rest) = name.strip_prefix("amp;") {
        return Some(rest);
    }
    let (number, rest) = name.strip_prefix('#').unwrap_or(name).split_once(';')?;
    let (digits, ampersand) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, "26"),
        None => (number, "38"),
    };
    (digits.trim_start_matches('0') == ampersand).then_some(rest)
}

fn lower(name: Cow<'_, str>) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => name,
    }
}

/// Trims `value` and cuts it after `max_chars`; none if nothing is left.
fn kept(value: &str, max_chars: usize) -> Option<String> {
    let value = value.trim();
    let end = match value.len() > max_chars {
        true => value.char_indices().nth(max_chars).map_or(value.len(), |(end, _)| end),
        false => value.len(),
    };
    value.get(..end).filter(|value| !value.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_full_query_is_read() {
        let query = "utm_source=news&utm_medium=email&utm_campaign=Black+Friday&utm_term=a%26b\
                     &utm_content=%C3%A4&utm_id=7&utm_other=x&gclid=Cj0&fbclid=Iw";
        let expected = Campaign {
            source: text("news"),
            medium: text("email"),
            campaign: text("Black Friday"),
            term: text("a&b"),
            content: text("ä"),
            id: text("7"),
            click_id: Some(ClickId { value: "Cj0".to_owned(), network: "google" }),
        };
        assert_eq!(campaign([query]), expected);
    }

    #[test]
    fn odd_queries_are_read_as_far_as_possible() {
        let cases = [
            ("", None),
            ("utm_source", None),
            ("utm_source=", None),
            ("utm_source=+%20", None),
            ("utm_source=&utm_source=b", text("b")),
            ("utm_source=a&utm_source=b", text("a")),
            ("UTM_Source=News", text("News")),
            ("utm%5Fsource=%20a%20", text("a")),
            ("utm_source=%ff%zz", text("\u{fffd}%zz")),
            ("xutm_source=a&utm_sourcex=b&utm=c", None),
            ("&&=&a&utm_source=a", text("a")),
            ("x=1&amp;utm_source=a", text("a")),
            ("x=1&amp;amp;UTM_Source=a", text("a")),
        ];
        for (query, source) in cases {
            assert_eq!(campaign([query]).source, source, "{query}");
        }
    }

    #[test]
    fn the_first_click_id_counts_and_its_network_is_named() {
        let cases = [
            ("gclid=a", Some(("a", "google"))),
            ("wbraid=a", Some(("a", "google"))),
            ("x=1&fbclid=a&gclid=b", Some(("a", "meta"))),
            ("gclid=&msclkid=b", Some(("b", "microsoft"))),
            ("ScCid=a", Some(("a", "snapchat"))),
            ("li_fat_id=a", Some(("a", "linkedin"))),
            ("irclid=a", Some(("a", "impact"))),
            ("utm_source=x&amp;gclid=a", Some(("a", "google"))),
            ("srsltid=a&ysclid=b&igsh=c", None),
            ("mc_eid=a&_kx=b&gclsrc=aw.ds", None),
            ("mygclid=a", None),
        ];
        for (query, expected) in cases {
            let click_id = campaign([query]).click_id;
            let found = click_id.as_ref().map(|click| (&*click.value, click.network));
            assert_eq!(found, expected, "{query}");
        }
    }

    #[test]
    fn a_fragment_may_contain_a_campaign() {
        for (fragment, source) in [
            ("utm_source=x", text("x")),
            ("?utm_source=x", text("x")),
            ("/sale?utm_source=x&utm_medium=y", text("x")),
            ("!/sale?a=b&utm_source=x", text("x")),
            ("038;utm_source=x", text("x")),
            ("38;amp;utm_source=x&#038;utm_medium=y", text("x")),
            ("x26;utm_source=x", text("x")),
            ("a=b&#X0026;utm_source=x", text("x")),
            ("x27;utm_source=x", None),
            ("top", None),
            ("/sale", None),
            ("utm_source", None),
        ] {
            assert_eq!(stands_in(fragment), source.is_some(), "{fragment}");
            assert_eq!(campaign(parameters(fragment)).source, source, "{fragment}");
        }
        assert!(stands_in("gclid=x"));
        assert_eq!(campaign(["utm_source=a", "utm_source=b&utm_id=c"]).id, text("c"));
    }

    proptest! {
        #[test]
        fn any_query_is_read_within_the_limits(
            query in "((utm_source|utm_term|gclid|x)=.{0,600}&?){0,3}|.{0,80}"
        ) {
            let Campaign { source, medium, campaign, term, content, id, click_id } = campaign([&*query]);
            for value in [source, medium, campaign, term, content, id].into_iter().flatten() {
                prop_assert!((1..=MAX_CHARS).contains(&value.chars().count()));
            }
            if let Some(click_id) = click_id {
                prop_assert!((1..=MAX_CLICK_ID_CHARS).contains(&click_id.value.chars().count()));
            }
        }
    }
}
