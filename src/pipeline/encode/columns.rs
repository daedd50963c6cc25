//! Writes the columns of an event's record, in their order.
//!
//! Flat snake_case; an absent value is left out. `www/docs/record-columns.md` lists them for
//! analysts: a column changes together with its line there.
//!
//! A column that a view can derive from others is left out if the view would find the same value.
//! The views are those of scripts/query and of the AWS template; both have the same expressions.

use chrono::{DateTime, Timelike, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::url::split_scheme;
use crate::model::consent::PrivacySignal;
use crate::model::event::{DeviceId, Event, EventId};
use crate::model::geo::Geo;
use crate::model::protocol::Protocol;
use crate::model::record::VERSION;
use crate::model::record::column::{Column, ColumnChoice};
use crate::model::record::line::{JsonLineWriter, SharedColumns};
use crate::model::repairs::Repairs;
use crate::model::sampling::SampleRate;
use crate::pipeline::enrich::client::Client;
use crate::pipeline::enrich::page_context::PageContext;
use crate::pipeline::enrich::{EnrichedEvent, RequestFacts};

/// Writes columns of a record, except for those that the operator drops.
pub(super) struct ColumnWriter {
    line: JsonLineWriter,
    choice: ColumnChoice,
}

impl ColumnWriter {
    pub(super) fn new(choice: ColumnChoice) -> Self {
        Self { line: JsonLineWriter::new(), choice }
    }

    /// Returns the line, for columns without a choice.
    pub(super) fn into_line(self) -> JsonLineWriter {
        self.line
    }

    pub(super) fn text(&mut self, column: Column, text: Option<&str>) {
        if self.choice.keeps(column) {
            self.line.text(column.name(), text);
        }
    }

    fn repairs(&mut self, column: Column, repairs: &Repairs) {
        if self.choice.keeps(column) {
            self.line.repairs(column.name(), repairs);
        }
    }

    pub(super) fn time(&mut self, column: Column, at: Option<DateTime<Utc>>) {
        if self.choice.keeps(column) {
            self.line.time(column.name(), at);
        }
    }

    fn date(&mut self, column: Column, at: DateTime<Utc>) {
        if self.choice.keeps(column) {
            self.line.date(column.name(), at);
        }
    }

    pub(super) fn json(&mut self, column: Column, value: Option<impl Serialize>) {
        if self.choice.keeps(column) {
            self.line.json(column.name(), value);
        }
    }

    fn object(&mut self, column: Column, object: Option<&Map<String, Value>>) {
        if self.choice.keeps(column) {
            self.line.object(column.name(), object);
        }
    }

    /// Writes the columns that the events of a request share. Those of the second event are kept for
    /// the others, so that a lone event costs no copy.
    #[inline(never)]
    fn shared(
        &mut self,
        columns: &SharedColumns,
        enriched: &EnrichedEvent<'_>,
        write: &dyn Fn(&mut Self),
    ) {
        match enriched.event_index {
            0 => write(self),
            _ => self.of_request(columns, enriched.stripped, write),
        }
    }

    /// Writes the columns that lines of a request share, and keeps them.
    pub(super) fn of_request(
        &mut self,
        columns: &SharedColumns,
        stripped: Option<PrivacySignal>,
        write: &dyn Fn(&mut Self),
    ) {
        if columns.add_to(&mut self.line, &stripped) {
            return;
        }
        let start = self.line.written();
        write(self);
        columns.keep(&self.line, start, stripped);
    }

    /// Whether columns are written that a view derives from the column `source`.
    fn writes_derived(&self, source: Column) -> bool {
        self.choice.with_derived || !self.choice.keeps(source)
    }

    /// Writes a part of the URL in the column `source`, unless a view finds it there as `derived`.
    /// An empty text says that there is none, although a view would find one.
    fn part(&mut self, column: Column, source: Column, part: Option<&str>, derived: Option<&str>) {
        match (part, derived) {
            (Some(_), _) if self.writes_derived(source) || part != derived => {
                self.text(column, part)
            }
            (None, Some(_)) => self.text(column, Some("")),
            _ => {}
        }
    }
}

/// Returns the host and the path of `url` as a view finds them: as they are written there.
fn plain_parts(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = split_scheme(url)?;
    let end = rest.bytes().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(rest.len());
    let rest = rest.get(..end)?;
    let slash = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(slash)?;
    (!host.is_empty()).then_some((host, path))
}

/// Writes the columns of `enriched` in `choice`. `sample` is the share of devices that its route
/// keeps.
pub(super) fn of_event(
    enriched: &EnrichedEvent<'_>,
    sample: Option<SampleRate>,
    choice: ColumnChoice,
) -> JsonLineWriter {
    let EnrichedEvent { event, facts, occurred, local, visit, stripped, .. } = enriched;
    let identifying = stripped.is_none();
    let mut line = ColumnWriter::new(choice);
    line.json(Column::Version, Some(VERSION));
    line.text(Column::EventId, Some(event.id.text(&mut EventId::buffer())));
    line.text(Column::Tenant, Some(facts.tenant));
    line.text(Column::Name, Some(event.name.as_str()));
    line.json(Column::Level, event.level);
    line.text(Column::SchemaVersion, event.schema.map(|schema| schema.version));
    line.time(Column::OccurredAt, Some(occurred.at));
    line.shared(&facts.received_columns, enriched, &|line| received(line, facts, *stripped));
    // Without a time of the client, the event occurred when it was received.
    let is_known = |time: &DateTime<Utc>| *time == occurred.at && *time != facts.received_at;
    if line.writes_derived(Column::OccurredAt) || !event.client_time.as_ref().is_some_and(is_known)
    {
        line.time(Column::ClientTime, event.client_time);
    }
    line.time(Column::SentAt, event.sent_at);
    line.json(Column::ClockSkewMs, occurred.clock_skew_ms);
    line.json(Column::UtcOffsetMinutes, local.map(|local| local.utc_offset_minutes));
    if line.writes_derived(Column::UtcOffsetMinutes) {
        line.json(Column::LocalHour, local.map(|local| local.hour));
        line.json(Column::DayPart, local.map(|local| local.day_part));
    }
    line.json(Column::EventIndex, Some(enriched.event_index));
    line.json(Column::Seq, event.seq.filter(|_| identifying));
    line.text(Column::DeviceId, event.device_id.as_ref().map(DeviceId::as_str));
    line.text(Column::PreviousDeviceId, enriched.previous_device_id.as_ref().map(DeviceId::as_str));
    line.json(Column::NewVisitor, enriched.new_visitor);
    line.text(Column::ClientSessionId, unless_stripped(&event.client_session_id, *stripped));
    line.text(Column::UserId, unless_stripped(&event.user_id, *stripped));
    line.json(Column::UserVerified, enriched.user_verified.filter(|_| identifying));
    line.json(Column::Consent, event.consent);
    line.json(Column::IdentifiersRemoved, *stripped);
    line.shared(&facts.client_columns, enriched, &|line| client(line, &facts.client, *stripped));
    line.text(Column::Build, event.build.as_deref());
    line.shared(&visit.page_columns, enriched, &|line| page(line, visit));
    line.text(Column::Title, event.title.as_deref());
    line.shared(&visit.source_columns, enriched, &|line| source(line, visit));
    let (screen, viewport) =
        (event.screen.filter(|_| identifying), event.viewport.filter(|_| identifying));
    line.json(Column::ScreenWidth, screen.map(|size| size.width));
    line.json(Column::ScreenHeight, screen.map(|size| size.height));
    line.json(Column::ViewportWidth, viewport.map(|size| size.width));
    line.json(Column::ViewportHeight, viewport.map(|size| size.height));
    line.text(Column::Language, event.language.as_deref());
    line.text(Column::Protocol, facts.protocol.map(Protocol::name));
    line.text(Column::SourceName, event.source_name.as_deref());
    line.text(Column::SourceEventId, event.source_event_id.as_deref());
    line.json(Column::Verified, facts.verified.then_some(true));
    line.json(Column::Historical, facts.historical.then_some(true));
    line.repairs(Column::Repairs, &enriched.repairs);
    line.json(Column::SampleRate, sample.map(SampleRate::share));
    line.object(Column::Props, event.props.as_ref());
    line.object(Column::Metadata, event.metadata.as_ref());
    let mut line = line.into_line();
    for (key, value) in partitions(event) {
        line.text(&format!("metadata_{key}"), Some(value));
    }
    line
}

/// Writes the columns of a request's facts, which events and failed events share. If identifiers
/// are stripped, leaves out those that identify a person.
pub(super) fn received(
    line: &mut ColumnWriter,
    facts: &RequestFacts<'_>,
    stripped: Option<PrivacySignal>,
) {
    line.time(Column::ReceivedAt, Some(facts.received_at));
    line.time(Column::ReplayedAt, facts.replayed_at);
    if line.writes_derived(Column::ReceivedAt) {
        line.date(Column::Date, facts.received_at);
        line.json(Column::Hour, Some(facts.received_at.hour()));
    }
    line.text(Column::Ip, unless_stripped(&facts.ip, stripped));
    line.text(Column::UserAgent, unless_stripped(&facts.client.user_agent, stripped));
    let Geo { country, region, city, continent, timezone, colo, asn, as_organization } = &facts.geo;
    line.text(Column::Country, country.as_deref());
    line.text(Column::Region, unless_stripped(region, stripped));
    line.text(Column::City, unless_stripped(city, stripped));
    line.text(Column::Continent, continent.as_deref());
    line.text(Column::Timezone, unless_stripped(timezone, stripped));
    line.text(Column::Colo, unless_stripped(colo, stripped));
    line.json(Column::Asn, asn.filter(|_| stripped.is_none()));
    line.text(Column::AsOrganization, unless_stripped(as_organization, stripped));
}

/// Writes the columns of a client.
fn client(line: &mut ColumnWriter, client: &Client, stripped: Option<PrivacySignal>) {
    let (agent, bot) = (&client.agent, client.bot.as_ref());
    line.text(Column::Browser, agent.browser.as_deref());
    line.text(Column::BrowserVersion, version(&agent.browser_version, stripped));
    line.text(Column::Os, agent.os);
    line.text(Column::OsVersion, version(&agent.os_version, stripped));
    line.json(Column::DeviceClass, agent.device_class);
    line.text(Column::DeviceModel, unless_stripped(&agent.device_model, stripped));
    line.json(Column::Bot, bot.map(|_| true));
    line.json(Column::BotReason, bot.map(|bot| bot.reason));
    line.text(Column::BotName, bot.and_then(|bot| bot.name.as_deref()));
}

/// Writes the columns of a page's URL.
fn page(line: &mut ColumnWriter, visit: &PageContext) {
    line.text(Column::Url, visit.url.as_deref());
    let plain = visit.url.as_deref().and_then(plain_parts);
    line.part(Column::UrlHost, Column::Url, visit.host.as_deref(), plain.map(|(host, _)| host));
    // Without a host there is no path either.
    let plain_path = plain.filter(|_| visit.host.is_some()).map(|(_, path)| path);
    line.part(Column::UrlPath, Column::Url, visit.path.as_deref(), plain_path);
}

/// Writes the columns that show where the visitor of a page came from.
fn source(line: &mut ColumnWriter, visit: &PageContext) {
    let (referrer, campaign) = (visit.referrer.as_ref(), &visit.campaign);
    let click_id = campaign.click_id.as_ref();
    line.text(Column::Referrer, visit.referrer_url.as_deref());
    let plain = visit.referrer_url.as_deref().and_then(plain_parts).map(|(host, _)| host);
    let host = referrer.and_then(|referrer| referrer.host.as_deref());
    line.part(Column::ReferrerHost, Column::Referrer, host, plain);
    line.json(Column::ReferrerMedium, referrer.map(|referrer| referrer.medium));
    line.text(Column::ReferrerSource, referrer.and_then(|referrer| referrer.source));
    line.text(Column::ReferrerTerm, referrer.and_then(|referrer| referrer.term.as_deref()));
    line.text(Column::UtmSource, campaign.source.as_deref());
    line.text(Column::UtmMedium, campaign.medium.as_deref());
    line.text(Column::UtmCampaign, campaign.campaign.as_deref());
    line.text(Column::UtmTerm, campaign.term.as_deref());
    line.text(Column::UtmContent, campaign.content.as_deref());
    line.text(Column::UtmId, campaign.id.as_deref());
    line.text(Column::ClickId, click_id.map(|click| click.value.as_str()));
    line.text(Column::ClickIdNetwork, click_id.map(|click| click.network));
}

/// Returns `text`, which identifies a person, unless identifiers are stripped.
fn unless_stripped(text: &Option<String>, stripped: Option<PrivacySignal>) -> Option<&str> {
    text.as_deref().filter(|_| stripped.is_none())
}

/// Returns a version, or only its first number if identifiers are stripped.
fn version(version: &Option<String>, stripped: Option<PrivacySignal>) -> Option<&str> {
    match stripped {
        None => version.as_deref(),
        Some(_) => version.as_deref()?.split('.').next(),
    }
}

/// Returns the partition keys of an event's schema that its metadata has, with the values of their columns.
fn partitions(event: &Event) -> impl Iterator<Item = (&'static str, &'static str)> {
    let keys = event.schema.map(|schema| schema.partition).unwrap_or_default();
    keys.iter().filter_map(|key| {
        let sent = event.metadata.as_ref()?.get(key.name).filter(|sent| !sent.is_null())?;
        Some((key.name, key.column_value(sent)))
    })
}
