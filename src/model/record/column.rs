//! The columns of an event's record, and the choice among them.

/// Defines [`Column`], in the order of the record, with the names that are written.
macro_rules! columns {
    ($($column:ident $name:literal)*) => {
        /// A column of an event's record that is written when the event is encoded.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Column {
            $($column,)*
        }

        impl Column {
            pub const ALL: &[Self] = &[$(Self::$column,)*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$column => $name,)*
                }
            }
        }
    };
}

columns! {
    Version "v"
    EventId "event_id"
    Tenant "tenant"
    Name "name"
    Level "level"
    SchemaVersion "schema_version"
    OccurredAt "occurred_at"
    ReceivedAt "received_at"
    ReplayedAt "replayed_at"
    Date "date"
    Hour "hour"
    Ip "ip"
    UserAgent "user_agent"
    Country "country"
    Region "region"
    City "city"
    Continent "continent"
    Timezone "timezone"
    Colo "colo"
    Asn "asn"
    AsOrganization "as_organization"
    ClientTime "client_time"
    SentAt "sent_at"
    ClockSkewMs "clock_skew_ms"
    UtcOffsetMinutes "utc_offset_minutes"
    LocalHour "local_hour"
    DayPart "day_part"
    EventIndex "event_index"
    Seq "seq"
    DeviceId "device_id"
    PreviousDeviceId "previous_device_id"
    NewVisitor "new_visitor"
    ClientSessionId "client_session_id"
    UserId "user_id"
    UserVerified "user_verified"
    Consent "consent"
    IdentifiersRemoved "identifiers_removed"
    Browser "browser"
    BrowserVersion "browser_version"
    Os "os"
    OsVersion "os_version"
    DeviceClass "device_class"
    DeviceModel "device_model"
    Bot "bot"
    BotReason "bot_reason"
    BotName "bot_name"
    Build "build"
    Url "url"
    UrlHost "url_host"
    UrlPath "url_path"
    Title "title"
    Referrer "referrer"
    ReferrerHost "referrer_host"
    ReferrerMedium "referrer_medium"
    ReferrerSource "referrer_source"
    ReferrerTerm "referrer_term"
    UtmSource "utm_source"
    UtmMedium "utm_medium"
    UtmCampaign "utm_campaign"
    UtmTerm "utm_term"
    UtmContent "utm_content"
    UtmId "utm_id"
    ClickId "click_id"
    ClickIdNetwork "click_id_network"
    ScreenWidth "screen_width"
    ScreenHeight "screen_height"
    ViewportWidth "viewport_width"
    ViewportHeight "viewport_height"
    Language "language"
    Protocol "protocol"
    SourceName "source_name"
    SourceEventId "source_event_id"
    Verified "verified"
    Historical "historical"
    Repairs "repairs"
    SampleRate "sample_rate"
    Props "props"
    Metadata "metadata"
}

impl Column {
    /// Returns why queries would be wrong without the column; none if it may be left out.
    pub const fn need(self) -> Option<&'static str> {
        match self {
            Self::Version => Some("readers choose the format by it"),
            Self::EventId | Self::Tenant => Some("repeats are found by it"),
            Self::Name => Some("every query chooses events by it"),
            Self::OccurredAt | Self::ReceivedAt | Self::ReplayedAt => Some("queries cut by it"),
            Self::IdentifiersRemoved => Some("it says why others are absent"),
            Self::Bot => Some("queries leave out bots by it"),
            Self::SampleRate => Some("events are weighted by it"),
            _ => None,
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|column| column.name() == name)
    }

    const fn bit(self) -> u128 {
        1 << self as u32
    }
}

// A set has a bit for each.
const _: () = assert!(Column::ALL.len() <= 128);

/// Which columns of an event's record are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnChoice {
    dropped: u128,
    /// Whether columns are written that a view can derive.
    pub with_derived: bool,
}

impl ColumnChoice {
    pub const fn drop(&mut self, column: Column) {
        self.dropped |= column.bit();
    }

    /// Whether the operator keeps `column`.
    pub const fn keeps(self, column: Column) -> bool {
        self.dropped & column.bit() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_found_by_its_name_and_dropped_alone() {
        for column in Column::ALL {
            assert_eq!(Column::find(column.name()), Some(*column));
            let mut choice = ColumnChoice::default();
            choice.drop(*column);
            let left = Column::ALL.iter().filter(|other| choice.keeps(**other));
            assert!(left.eq(Column::ALL.iter().filter(|other| *other != column)));
        }
        assert_eq!(Column::find("session_id"), None);
    }
}
