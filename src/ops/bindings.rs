//! The bindings that the worker reads, compared with those of a wrangler.toml.

use toml::{Table, Value};

use crate::base::text::is_one_letter_off;
use crate::config::{Binding, STORE};

/// The bindings that the worker reads, each with what is missing without it.
const KNOWN: [KnownBinding; 7] = [
    KnownBinding {
        name: "SHARD",
        kind: BindingKind::DurableObject,
        without: "only `delivery = \"direct\"` works",
    },
    KnownBinding {
        name: "INSPECTOR",
        kind: BindingKind::DurableObject,
        without: "there is no inspector",
    },
    KnownBinding {
        name: "METRICS",
        kind: BindingKind::AnalyticsEngine,
        without: "there are no metrics",
    },
    KnownBinding {
        name: "RATE_LIMIT",
        kind: BindingKind::RateLimit,
        without: "no client is limited in its rate",
    },
    KnownBinding {
        name: STORE,
        kind: BindingKind::KeyValueStore,
        without: "the only tenants are those of `keys`",
    },
    KnownBinding {
        name: "ASSETS",
        kind: BindingKind::Assets,
        without: "there is no snippet, demo or documentation",
    },
    KnownBinding {
        name: "CF_VERSION_METADATA",
        kind: BindingKind::VersionMetadata,
        without: "`/readyz` does not name the version",
    },
];

/// The classes of Durable Objects, each with the name of its binding.
pub const CLASSES: [(&str, &str); 2] = [("SHARD", "Shard"), ("INSPECTOR", "Inspector")];

struct KnownBinding {
    name: &'static str,
    kind: BindingKind,
    without: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BindingKind {
    DurableObject,
    AnalyticsEngine,
    RateLimit,
    KeyValueStore,
    Assets,
    VersionMetadata,
}

/// A binding of wrangler.toml.
struct WranglerBinding {
    name: String,
    kind: BindingKind,
    /// The class of a Durable Object.
    class: Option<String>,
}

/// The bindings of one configuration of wrangler.toml.
pub struct WranglerBindings(Vec<WranglerBinding>);

impl WranglerBindings {
    /// Reads the bindings of `own`. An environment inherits only the assets from `top`.
    pub fn of(own: &Table, top: &Table) -> Self {
        let objects = own.get("durable_objects").and_then(|objects| objects.get("bindings"));
        let objects = list(objects).filter_map(|it| {
            let class = text(it, "class_name");
            Some(WranglerBinding {
                name: text(it, "name")?,
                kind: BindingKind::DurableObject,
                class,
            })
        });
        let datasets = list(own.get("analytics_engine_datasets"))
            .filter_map(|it| WranglerBinding::of(it, BindingKind::AnalyticsEngine));
        let limits = list(own.get("ratelimits")).filter_map(|it| {
            let name = text(it, "name")?;
            Some(WranglerBinding { name, kind: BindingKind::RateLimit, class: None })
        });
        let stores = list(own.get("kv_namespaces"))
            .filter_map(|it| WranglerBinding::of(it, BindingKind::KeyValueStore));
        let assets = own.get("assets").or_else(|| top.get("assets"));
        let assets = assets.and_then(|it| WranglerBinding::of(it, BindingKind::Assets));
        let version = own.get("version_metadata");
        let version = version.and_then(|it| WranglerBinding::of(it, BindingKind::VersionMetadata));
        let others = limits.chain(stores).chain(assets).chain(version);
        Self(objects.chain(datasets).chain(others).collect())
    }

    /// The class of the Durable Object that is bound to `name`.
    pub fn class(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|bound| bound.name == name)?.class.as_deref()
    }

    /// Whether the key-value store is bound that has further tenants.
    pub fn store(&self) -> Binding {
        match self.0.iter().any(|it| it.name == STORE && it.kind == BindingKind::KeyValueStore) {
            true => Binding::Present,
            false => Binding::Absent,
        }
    }

    /// Returns a sentence for each binding that is probably a misspelt one, and the name that was
    /// meant.
    pub fn misspelt(&self) -> Vec<(&'static str, String)> {
        let misspelt = |bound: &WranglerBinding| {
            let meant = self.meant(bound)?;
            let sentence = format!(
                "{} is an unknown binding; did you mean {}? Without {}, {}",
                bound.name, meant.name, meant.name, meant.without
            );
            Some((meant.name, sentence))
        };
        self.0.iter().filter_map(misspelt).collect()
    }

    /// Returns a sentence for each known binding that is missing, and its name. The store is not one
    /// of them: few operators need it.
    pub fn missing(&self) -> impl Iterator<Item = (&'static str, String)> {
        KNOWN.iter().filter(|known| known.name != STORE && !self.has(known)).map(
            |KnownBinding { name, without, .. }| {
                (*name, format!("{name} is not bound; without it, {without}"))
            },
        )
    }

    fn has(&self, known: &KnownBinding) -> bool {
        self.0.iter().any(|bound| bound.name == known.name && bound.kind == known.kind)
    }

    /// The known binding that `bound` is probably meant to be: one that is missing, and has almost
    /// this name, this class, or alone this kind.
    fn meant(&self, bound: &WranglerBinding) -> Option<&'static KnownBinding> {
        if KNOWN.iter().any(|known| known.name == bound.name) {
            return None;
        }
        let missing = || KNOWN.iter().filter(|known| !self.has(known));
        let of_its_kind = || missing().filter(|known| known.kind == bound.kind);
        let is_alone =
            !matches!(bound.kind, BindingKind::DurableObject | BindingKind::KeyValueStore);
        let has_class = |known: &&KnownBinding| {
            CLASSES
                .iter()
                .any(|(name, class)| *name == known.name && bound.class.as_deref() == Some(class))
        };
        of_its_kind()
            .find(|known| is_alone || has_class(known))
            .or_else(|| missing().find(|known| is_near(known.name, &bound.name)))
    }
}

impl WranglerBinding {
    fn of(value: &Value, kind: BindingKind) -> Option<Self> {
        Some(Self { name: text(value, "binding")?, kind, class: None })
    }
}

/// Whether `found` is `known` in other letters, or with one letter wrong.
pub fn is_near(known: &str, found: &str) -> bool {
    let bare = |name: &str| name.to_ascii_uppercase().replace('-', "_");
    let (known, found) = (bare(known), bare(found));
    known == found || is_one_letter_off(&known, &found)
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text(of: &Value, key: &str) -> Option<String> {
    Some(of.get(key)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"
        [[durable_objects.bindings]]
        name = "SHARD"
        class_name = "Shard"
        [[durable_objects.bindings]]
        name = "INSPECTOR"
        class_name = "Inspector"
        [[analytics_engine_datasets]]
        binding = "METRICS"
        [[ratelimits]]
        name = "RATE_LIMIT"
        [[kv_namespaces]]
        binding = "TENANTS"
        [assets]
        binding = "ASSETS"
        [version_metadata]
        binding = "CF_VERSION_METADATA"
    "#;

    fn of(text: &str) -> WranglerBindings {
        let table: Table = text.parse().unwrap();
        WranglerBindings::of(&table, &table)
    }

    fn misspelt(text: &str) -> Vec<String> {
        of(text).misspelt().into_iter().map(|(_, sentence)| sentence).collect()
    }

    #[test]
    fn no_binding_is_missing_where_all_are_bound() {
        assert_eq!((misspelt(ALL), of(ALL).missing().count()), (Vec::new(), 0));
    }

    #[test]
    fn a_misspelt_binding_is_named_with_the_one_that_was_meant() {
        for (known, written) in [
            ("SHARD", "SHRAD"),
            ("SHARD", "SHARDS"),
            ("SHARD", "OBJECTS"),
            ("INSPECTOR", "INSPECTER"),
            ("METRICS", "METRIC"),
            ("METRICS", "metrics"),
            ("METRICS", "POINTS"),
            ("RATE_LIMIT", "RATELIMIT"),
            ("RATE_LIMIT", "LIMITER"),
            ("TENANTS", "TENANT"),
            ("ASSETS", "ASETS"),
            ("CF_VERSION_METADATA", "CF_VERSION"),
        ] {
            let text = ALL.replace(&format!("\"{known}\""), &format!("\"{written}\""));
            let found = misspelt(&text);
            let start = format!("{written} is an unknown binding; did you mean {known}? Without");
            assert!(matches!(found.as_slice(), [one] if one.starts_with(&start)), "{found:?}");
            let missing: Vec<_> = of(&text).missing().map(|(name, _)| name).collect();
            let is_noted = known != STORE;
            assert_eq!(missing, [known][..usize::from(is_noted)], "{written}");
        }
    }

    #[test]
    fn a_binding_of_the_operators_own_is_no_misspelling() {
        let own = r#"
            [[analytics_engine_datasets]]
            binding = "METRIC"
            [[durable_objects.bindings]]
            name = "COUNTER"
            class_name = "Counter"
        "#;
        assert_eq!(misspelt(&format!("{ALL}{own}")), [""; 0]);
    }

    #[test]
    fn an_environment_inherits_only_the_assets() {
        let top: Table = ALL.parse().unwrap();
        let bindings = WranglerBindings::of(&Table::new(), &top);
        let missing: Vec<_> = bindings.missing().map(|(name, _)| name).collect();
        assert_eq!(missing, ["SHARD", "INSPECTOR", "METRICS", "RATE_LIMIT", "CF_VERSION_METADATA"]);
    }

    #[test]
    fn the_page_says_what_is_missing_without_each() {
        let page = include_str!("../../www/docs/configuration.md");
        for KnownBinding { name, without, .. } in KNOWN {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let shown =
                row.and_then(|row| row.rsplit(" | ").next()).map(|it| it.trim_end_matches(" |"));
            assert_eq!(shown, Some(without), "{name}");
        }
    }
}
