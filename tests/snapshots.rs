//! Requests as clients send them, and all that becomes of them: outcomes, streams, records.
//!
//! `tests/fixtures/beacons/THEME.json` lists the requests of a theme, each with what sets it
//! apart from [`Request::default`]; `tests/snapshots/snapshots__THEME.snap` shows what they come
//! to. `INSTA_UPDATE=always cargo test --test snapshots` writes the snapshots; read what changed.

mod harness;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::{fs, iter};

use harness::{Delivered, gzip, rejected};
use headwater::config::{Config, RawConfig};
use headwater::delivery::stream_delivery::RecordStatus;
use headwater::ingest::IngestBatch;
use headwater::ingest::error::IngestError;
use headwater::ingest::response::{IngestResponse, VerdictMode};
use headwater::model::consent::BrowserSignals;
use headwater::model::geo::{Geo, OffsetChange};
use headwater::model::record::Record;
use headwater::model::request::{ClientHints, RequestContext};
use headwater::pipeline::decode;
use headwater::pipeline::decode::body::RequestBody;
use headwater::schema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

const THEMES: [&str; 11] = [
    "pages",
    "commerce",
    "apps",
    "cleaning",
    "enrichment",
    "privacy",
    "tenants",
    "routing",
    "failures",
    "protocol",
    "columns",
];

/// One request of a fixture.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    /// What it shows.
    name: String,
    /// Keys of `HEADWATER` that are other than in [`table`].
    config: Map<String, Value>,
    /// RFC 3339.
    at: String,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    hints: ClientHints,
    accept_language: Option<String>,
    geo: Map<String, Value>,
    utc_offset_minutes: Option<i32>,
    utc_offset_changes: Vec<OffsetChange>,
    origin: Option<String>,
    /// The `X-Write-Key` header.
    key: Option<String>,
    gpc: bool,
    dnt: bool,
    content_type: Option<String>,
    content_encoding: Option<String>,
    /// What a `POST` sends, as it is written here.
    body: Option<Box<RawValue>>,
    /// The same, where it is not JSON.
    text: Option<String>,
    /// Whether the body is compressed.
    gzip: bool,
    /// Of a `GET` of the pixel, when there is nothing to post.
    query: Option<String>,
    /// Whether the streams of the routes reject each record's content.
    poisoned: bool,
    /// Texts that must not be in any record, nor in the answer.
    never: Vec<String>,
}

impl Default for Request {
    fn default() -> Self {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        Self {
            name: String::new(),
            config: Map::new(),
            at: "2026-11-18T11:06:40.123Z".to_owned(),
            ip: Some(IpAddr::from([203, 0, 113, 77])),
            user_agent: Some(firefox.to_owned()),
            hints: ClientHints::default(),
            accept_language: None,
            geo: Map::new(),
            utc_offset_minutes: None,
            utc_offset_changes: Vec::new(),
            origin: Some("https://shop.example".to_owned()),
            key: None,
            gpc: false,
            dnt: false,
            content_type: None,
            content_encoding: None,
            body: None,
            text: None,
            gzip: false,
            query: None,
            poisoned: false,
            never: Vec::new(),
        }
    }
}

/// What `HEADWATER` says unless a fixture says otherwise.
fn table() -> Value {
    json!({
        "delivery": "direct", "origins": ["https://shop.example"], "failed_stream": "firehose:failed",
        "routes": [
            {"level": "low", "to": "firehose:low"},
            {"level": "high", "to": "firehose:high"},
            {"to": "firehose:mid"},
        ],
        // The theme `columns` shows what is left out.
        "columns": {"derived": true},
    })
}

impl Request {
    fn config(&self) -> Config {
        let mut table = table();
        for (key, value) in &self.config {
            table[key] = value.clone();
        }
        let settings = RawConfig {
            secret: Some("a secret of the operator's, long enough".to_owned()),
            ..harness::settings(table)
        };
        Config::parse(settings).unwrap_or_else(|errors| panic!("{}: {errors:?}", self.name))
    }

    fn context(&self) -> RequestContext {
        let in_query = self.query.as_deref().and_then(decode::write_key);
        RequestContext {
            received_at: self.at.parse().unwrap(),
            write_key: self.key.clone().or(in_query),
            other_keys: Vec::new(),
            signature: None,
            origin: self.origin.clone(),
            ip: self.ip,
            user_agent: self.user_agent.clone(),
            client_hints: self.hints.clone(),
            accept_language: self.accept_language.clone(),
            signals: BrowserSignals { gpc: self.gpc, dnt: self.dnt },
            geo: serde_json::from_value::<Geo>(Value::Object(self.geo.clone())).unwrap(),
            utc_offset_minutes: self.utc_offset_minutes,
            utc_offset_changes: self.utc_offset_changes.clone(),
            zone_offsets: None,
            replayed: None,
        }
    }

    /// What is posted, before it is compressed.
    fn posted(&self) -> Option<&str> {
        self.text.as_deref().or(self.body.as_deref().map(RawValue::get))
    }

    fn batch<'a>(&self, config: &'a Config) -> Result<IngestBatch<'a>, IngestError> {
        let context = self.context();
        let Some(text) = self.posted() else {
            let query = self.query.as_deref().unwrap_or_default();
            return harness::pixel(config, &context, query);
        };
        let bytes = match self.gzip {
            true => gzip(text.as_bytes()),
            false => text.as_bytes().to_vec(),
        };
        let body = RequestBody {
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            bytes: &bytes,
        };
        harness::post_body(config, &context, &body)
    }

    /// What it comes to: the answer, and each record with its beacon and its stream.
    fn run(&self) -> (IngestResponse, Vec<Delivered>) {
        let config = self.config();
        let mut batch = match self.batch(&config) {
            Ok(batch) => batch,
            Err(error) => return (IngestResponse::of_error(&error, None), Vec::new()),
        };
        let failed = config.destinations.failed.to_string();
        let status = |stream: &str, _: &Record| match self.poisoned && stream != failed {
            false => RecordStatus::Delivered,
            true => rejected(),
        };
        let mut delivered = harness::deliver(&mut batch, status).unwrap();
        delivered.sort_by_key(|each| each.beacon);
        (batch.settled().unwrap().response(VerdictMode::Always), delivered)
    }

    /// The request and all that it came to, as text.
    fn shown(&self) -> String {
        let (answer, records) = self.run();
        let mut shown = format!("## {}\n\n", self.name);
        if !self.config.is_empty() {
            writeln!(shown, "config: {}", Value::Object(self.config.clone())).unwrap();
        }
        self.circumstances(&mut shown);
        let query = self.query.as_ref().map(|query| format!("?{query} ")).unwrap_or_default();
        match self.posted() {
            Some(text) => writeln!(shown, "POST {query}{}", text.trim_end()).unwrap(),
            None => writeln!(shown, "GET {}", query.trim_end()).unwrap(),
        }
        let reported: Value =
            answer.body.as_deref().map(|body| serde_json::from_str(body).unwrap()).unwrap();
        let verdicts = reported["verdicts"].as_array();
        if verdicts.is_none() {
            writeln!(shown, "\nanswer {}: {reported}", answer.status).unwrap();
        }
        let count = verdicts.map_or(1, Vec::len);
        for index in 0..count {
            let verdict = verdicts.map_or(&Value::Null, |verdicts| &verdicts[index]);
            if let Some(outcome) = verdict["outcome"].as_str() {
                let why = verdict["message"].as_str().map(|it| format!(": {it}"));
                let code = verdict["code"].as_str().map(|it| format!(" {it}"));
                let (code, why) = (code.unwrap_or_default(), why.unwrap_or_default());
                writeln!(shown, "\n{index} {outcome}{code}{why}").unwrap();
            }
            let mine = records.iter().filter(|each| each.beacon == index);
            for Delivered { stream, record, .. } in mine {
                writeln!(shown, "to {stream}, key {}", record.key().as_str()).unwrap();
                columns(record.bytes(), &mut shown);
            }
        }
        shown
    }

    /// What sets the request apart.
    fn circumstances(&self, shown: &mut String) {
        let usual = Self::default();
        let mut line = |name: &str, value: String| writeln!(shown, "{name}: {value}").unwrap();
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        if self.at != usual.at {
            line("at", self.at.clone());
        }
        if self.ip != usual.ip {
            line("ip", self.ip.map_or("none".to_owned(), |ip| ip.to_string()));
        }
        let pairs = [
            ("user-agent", &self.user_agent, &usual.user_agent),
            ("accept-language", &self.accept_language, &None),
            ("origin", &self.origin, &usual.origin),
            ("x-write-key", &self.key, &None),
            ("content-type", &self.content_type, &None),
            ("content-encoding", &self.content_encoding, &None),
            ("sec-ch-ua", &self.hints.ua, &None),
            ("sec-ch-ua-mobile", &self.hints.mobile, &None),
            ("sec-ch-ua-platform", &self.hints.platform, &None),
            ("sec-ch-ua-full-version-list", &self.hints.full_version_list, &None),
            ("sec-ch-ua-platform-version", &self.hints.platform_version, &None),
            ("sec-ch-ua-model", &self.hints.model, &None),
        ];
        for (name, value, usual) in pairs {
            if value != usual {
                line(name, text(value));
            }
        }
        if self.geo != usual.geo {
            line("geo", serde_json::to_string(&self.geo).unwrap());
        }
        if let Some(minutes) = self.utc_offset_minutes {
            line("offset of the time zone", format!("{minutes} minutes"));
        }
        for (name, is_there) in [
            ("sec-gpc", self.gpc),
            ("dnt", self.dnt),
            ("gzipped", self.gzip),
            ("every record is refused by its stream", self.poisoned),
        ] {
            if is_there {
                line(name, "1".to_owned());
            }
        }
    }

    /// The texts that must never appear, and do.
    fn leaks(&self) -> Vec<String> {
        let (answer, records) = self.run();
        let ip = self.ip.map(|ip| ip.to_string());
        let texts =
            [self.posted(), self.query.as_deref(), self.user_agent.as_deref(), ip.as_deref()];
        let was_sent = |never: &&String| texts.iter().flatten().any(|sent| sent.contains(*never));
        let unsent = self.never.iter().find(|never| !was_sent(never));
        assert_eq!(unsent, None, "{}: a test that can't fail", self.name);
        let reported = records.iter().map(|Delivered { stream, record, .. }| {
            let line = std::str::from_utf8(record.bytes()).unwrap();
            format!("{stream} {} {line}", record.key().as_str())
        });
        let reported: Vec<String> = reported.chain(answer.body).collect();
        let leaks =
            |never: &String| reported.iter().any(|reported| reported.contains(never.as_str()));
        let leaks = self.never.iter().filter(|never| leaks(never));
        leaks.map(|never| format!("{}: {never}", self.name)).collect()
    }
}

/// An object's members in the order in which they are written.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let members = iter::from_fn(|| map.next_entry().transpose());
                members.collect::<Result<_, _>>().map(Members)
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Writes a record, a column a line; of a list of objects each has a line.
fn columns(line: &[u8], shown: &mut String) {
    let Members(members) = serde_json::from_slice(line).unwrap();
    let names: BTreeSet<&String> = members.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), members.len(), "a column comes twice");
    for (name, value) in &members {
        let items: Vec<Box<RawValue>> = match value.get().starts_with("[{") {
            true => serde_json::from_str(value.get()).unwrap(),
            false => Vec::new(),
        };
        match items.as_slice() {
            [] => writeln!(shown, "  {name}: {value}").unwrap(),
            items => {
                writeln!(shown, "  {name}:").unwrap();
                items.iter().for_each(|item| writeln!(shown, "    {item}").unwrap());
            }
        }
    }
}

fn requests(theme: &str) -> Vec<Request> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/beacons")
        .join(theme)
        .with_extension("json");
    let content = fs::read_to_string(&path).unwrap();
    serde_json::from_str(&content).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(theme: &str) {
    let requests = requests(theme);
    let shown: Vec<String> = requests.iter().map(Request::shown).collect();
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(theme, shown.join("\n\n"));
    });
    let leaks: Vec<String> = requests.iter().flat_map(Request::leaks).collect();
    assert_eq!(leaks, [""; 0]);
}

macro_rules! themes {
    ($($theme:ident: $claim:ident,)*) => {
        $(#[test] fn $claim() { check(stringify!($theme)); })*
    };
}

themes! {
    pages: what_pages_send_becomes_what_analysts_read,
    commerce: what_shops_send_becomes_what_analysts_read,
    apps: what_apps_send_becomes_what_analysts_read,
    cleaning: each_repair_is_made_and_told,
    enrichment: what_the_edge_knows_is_added,
    privacy: what_people_wish_is_followed,
    tenants: each_tenant_has_its_own,
    routing: each_event_goes_to_the_first_route_that_matches,
    failures: what_is_refused_says_why,
    protocol: every_way_to_send_is_read,
    columns: each_record_has_the_columns_that_are_chosen,
}

#[test]
fn every_event_of_the_catalogue_is_among_the_requests() {
    let all: String = THEMES
        .iter()
        .flat_map(|theme| requests(theme))
        .filter_map(|request| request.posted().map(str::to_owned))
        .collect();
    for schema in schema::all() {
        assert!(
            all.contains(&format!("\"name\": \"{}\"", schema.info.name)),
            "{}",
            schema.info.name
        );
    }
}
