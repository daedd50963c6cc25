//! The addresses of Segment, RudderStack and Jitsu.

/// A call of an SDK, and the `type` of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentCall {
    Track,
    Page,
    Screen,
    Identify,
    Group,
    Alias,
    /// RudderStack's: two ids are of the same person.
    Merge,
}

impl SegmentCall {
    const ALL: [Self; 7] = [
        Self::Track,
        Self::Page,
        Self::Screen,
        Self::Identify,
        Self::Group,
        Self::Alias,
        Self::Merge,
    ];

    /// The `type` of its messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Identify => "identify",
            Self::Group => "group",
            Self::Alias => "alias",
            Self::Merge => "merge",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }

    /// Returns the call of an address: its name, or the first letter of it.
    fn of_address(name: &str) -> Option<Self> {
        let is_letter = name.len() == 1;
        let is_meant =
            |call: &Self| call.name() == name || is_letter && call.name().starts_with(name);
        Self::ALL.into_iter().find(is_meant)
    }
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentEndpoint<'a> {
    /// Accepts one message. Its call applies if the message does not name a `type`.
    Message(SegmentCall),
    Batch,
    /// Accepts a batch of events of the past.
    Import,
    /// RudderStack's: accepts one message in the parameters of a `GET`.
    Pixel(SegmentCall),
    /// Segment's: accepts one message in the parameter `data` of a `GET`.
    DataPixel(SegmentCall),
    /// Accepts what an SDK reports of itself.
    SdkMetrics,
    /// Serves the settings of Segment's browser SDK.
    Settings {
        write_key: &'a str,
    },
    /// Serves the settings of RudderStack's SDKs.
    SourceConfig,
    Health,
    Version,
}

impl<'a> SegmentEndpoint<'a> {
    /// Returns the endpoint at `path`, which has no final slash.
    pub fn of(is_post: bool, path: &'a str) -> Option<Self> {
        match is_post {
            true => Self::of_post(path),
            false => Self::of_get(path),
        }
    }

    fn of_post(path: &str) -> Option<Self> {
        if path == "/beacon/v1/batch" {
            return Some(Self::Batch);
        }
        let name = path.strip_prefix("/v1/").or_else(|| jitsu(path))?;
        match name {
            "batch" | "b" => Some(Self::Batch),
            "import" => Some(Self::Import),
            "m" => Some(Self::SdkMetrics),
            name => SegmentCall::of_address(name).map(Self::Message),
        }
    }

    fn of_get(path: &'a str) -> Option<Self> {
        match path {
            "/sourceConfig" => return Some(Self::SourceConfig),
            "/health" => return Some(Self::Health),
            "/version" => return Some(Self::Version),
            "/pixel/v1/track" => return Some(Self::Pixel(SegmentCall::Track)),
            "/pixel/v1/page" => return Some(Self::Pixel(SegmentCall::Page)),
            _ => {}
        }
        if let Some(call) = path.strip_prefix("/v1/pixel/") {
            return SegmentCall::of_name(call).map(Self::DataPixel);
        }
        let write_key = path.strip_prefix("/v1/projects/")?.strip_suffix("/settings")?;
        let is_one_part = !write_key.is_empty() && !write_key.contains('/');
        is_one_part.then_some(Self::Settings { write_key })
    }
}

/// Returns the name behind the prefix of Jitsu's addresses.
pub fn jitsu(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/api/s/")?;
    Some(name.strip_prefix("s2s/").unwrap_or(name))
}
