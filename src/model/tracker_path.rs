//! The snippet: maps a path to a script, and sets how long caches keep it.
//!
//! `/t.js` is the core, `/t.HASH.js` the core with that hash, and `/t.NAME.HASH.js` a chunk. The
//! core imports chunks relative to its own path, so a pinned core's hash comes before the name. All
//! chunks share one hash, so that the core needs only that one.
//!
//! A request for any hash gets the current script, as there is no other. If the hash differs, no
//! cache keeps the answer, and a page that pins the bytes rejects it.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::base::text::hexadecimal;

/// A script of the snippet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// The script that a page's tag loads.
    Core,
    Auto,
    Vitals,
    Pointer,
    Video,
}

impl Script {
    /// All scripts except the core, in the order in which their bytes are hashed.
    pub const CHUNKS: [Self; 4] = [Self::Auto, Self::Vitals, Self::Pointer, Self::Video];

    fn chunk(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "vitals" => Some(Self::Vitals),
            "pointer" => Some(Self::Pointer),
            "video" => Some(Self::Video),
            _ => None,
        }
    }

    /// Returns its path in `www`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Core => "/t.js",
            Self::Auto => "/t.auto.js",
            Self::Vitals => "/t.vitals.js",
            Self::Pointer => "/t.pointer.js",
            Self::Video => "/t.video.js",
        }
    }
}

/// A path at which the snippet is served, without its `.js`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerPath(Cow<'static, str>);

impl TrackerPath {
    /// `/t.js`, which is always served.
    pub const DEFAULT: Self = Self(Cow::Borrowed("/t"));

    /// Returns the tracker path whose core is at `path`, which must end with `.js`.
    pub fn of_core(path: &str) -> Option<Self> {
        path.strip_suffix(".js").map(|stem| Self(Cow::Owned(stem.to_owned())))
    }

    /// Returns the script that `path` names; none if it is not below this path.
    pub fn asked<'a>(&self, path: &'a str) -> Option<TrackerRequest<'a>> {
        let parts = path.strip_prefix(self.0.as_ref())?.strip_suffix(".js")?;
        let parts: Vec<&str> = parts.split('.').collect();
        match *parts.as_slice() {
            [""] => Some(TrackerRequest { script: Script::Core, version: ScriptVersion::Latest }),
            ["", hash] if is_hash(hash) => {
                Some(TrackerRequest { script: Script::Core, version: ScriptVersion::Pinned(hash) })
            }
            ["", chunk, hash] if is_hash(hash) => Some(TrackerRequest {
                script: Script::chunk(chunk)?,
                version: ScriptVersion::Pinned(hash),
            }),
            // A pinned core imports relative to its own path.
            ["", core, chunk, hash] if is_hash(core) && is_hash(hash) => Some(TrackerRequest {
                script: Script::chunk(chunk)?,
                version: ScriptVersion::Pinned(hash),
            }),
            _ => None,
        }
    }
}

/// The script that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerRequest<'a> {
    pub script: Script,
    pub version: ScriptVersion<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptVersion<'a> {
    /// The current version.
    Latest,
    /// The version with this hash.
    Pinned(&'a str),
}

/// A script in its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptAsset {
    /// UTF-8.
    pub bytes: Vec<u8>,
    /// The hash of these bytes.
    own: String,
    /// The hash in its pinned path.
    pinned: String,
}

impl ScriptAsset {
    pub fn core(bytes: Vec<u8>) -> Self {
        let own = hash([bytes.as_slice()]);
        Self { bytes, pinned: own.clone(), own }
    }

    /// Makes the chunks from their bytes, in the order of [`Script::CHUNKS`].
    pub fn chunks(all: Vec<Vec<u8>>) -> impl Iterator<Item = Self> {
        let pinned = hash(all.iter().map(Vec::as_slice));
        all.into_iter().map(move |bytes| Self {
            own: hash([bytes.as_slice()]),
            bytes,
            pinned: pinned.clone(),
        })
    }

    /// Returns the `Cache-Control` of an answer to a request for `version`.
    pub fn cache_control(&self, version: ScriptVersion<'_>) -> &'static str {
        match version {
            ScriptVersion::Latest => "public, max-age=3600, stale-while-revalidate=86400",
            ScriptVersion::Pinned(hash) if hash == self.pinned => {
                "public, max-age=31536000, immutable"
            }
            ScriptVersion::Pinned(_) => "no-cache",
        }
    }

    pub fn etag(&self) -> String {
        format!("\"{}\"", self.own)
    }

    /// Whether the sender of this `If-None-Match` has the script already. A weak tag counts as
    /// well: compression on the way weakens the tag.
    /// <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>
    pub fn is_one_of(&self, if_none_match: &str) -> bool {
        let etag = self.etag();
        let mut tags = if_none_match.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    }
}

/// Returns the first eight hexadecimal digits of a SHA-256, as `scripts/snippet.mjs` computes it.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let digest = parts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    hexadecimal(digest.get(..4).unwrap_or_default())
}

fn is_hash(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_script_and_its_version() {
        use Script::{Auto, Core, Pointer, Video, Vitals};
        let pinned = |hash| ScriptVersion::Pinned(hash);
        for (suffix, expected) in [
            (".js", Some((Core, ScriptVersion::Latest))),
            (".0123cdef.js", Some((Core, pinned("0123cdef")))),
            (".auto.0123cdef.js", Some((Auto, pinned("0123cdef")))),
            (".vitals.0123cdef.js", Some((Vitals, pinned("0123cdef")))),
            (".pointer.0123cdef.js", Some((Pointer, pinned("0123cdef")))),
            (".video.0123cdef.js", Some((Video, pinned("0123cdef")))),
            (".4567cdef.video.0123cdef.js", Some((Video, pinned("0123cdef")))),
            (".4567cde.video.0123cdef.js", None),
            ("", None),
            ("js", None),
            ("..js", None),
            (".mjs", None),
            (".js.map", None),
            (".vitals.js", None),
            (".0123cde.js", None),
            (".0123CDEF.js", None),
            (".0123cdef.mjs", None),
            (".audio.0123cdef.js", None),
            (".vitals.0123cdef.0123cdef.js", None),
            ("x.js", None),
            ("/.js", None),
        ] {
            for (stem, place) in [
                ("/t", TrackerPath::DEFAULT),
                ("/js/shop.min", TrackerPath::of_core("/js/shop.min.js").unwrap()),
            ] {
                let path = format!("{stem}{suffix}");
                let expected = expected.map(|(script, version)| TrackerRequest { script, version });
                assert_eq!(place.asked(&path), expected, "{path}");
            }
        }
        assert_eq!(TrackerPath::DEFAULT.asked("/js/t.js"), None);
        assert_eq!(TrackerPath::of_core("/js/shop"), None);
    }

    #[test]
    fn only_a_matching_hash_is_cached_for_ever() {
        // printf abc | sha256sum; printf a | sha256sum
        let core = ScriptAsset::core(b"abc".to_vec());
        let first = ScriptAsset::chunks(vec![b"a".to_vec(), b"bc".to_vec()]).next().unwrap();
        assert_eq!(core.etag(), "\"ba7816bf\"");
        assert_eq!(first.etag(), "\"ca978112\"");
        for (version, expected) in [
            (ScriptVersion::Latest, "public, max-age=3600, stale-while-revalidate=86400"),
            (ScriptVersion::Pinned("ba7816bf"), "public, max-age=31536000, immutable"),
            (ScriptVersion::Pinned("ba7816b0"), "no-cache"),
            (ScriptVersion::Pinned("ca978112"), "no-cache"),
        ] {
            assert_eq!(core.cache_control(version), expected);
            assert_eq!(first.cache_control(version), expected);
        }
    }

    #[test]
    fn a_cached_script_is_recognized_by_its_tag() {
        let built = ScriptAsset::core(b"abc".to_vec());
        for known in [
            "\"ba7816bf\"",
            "W/\"ba7816bf\"",
            "*",
            " \"ba7816bf\" ",
            "\"a\", \"ba7816bf\"",
            "\"a,b\",W/\"ba7816bf\",\"c\"",
        ] {
            assert!(built.is_one_of(known), "{known}");
        }
        for unknown in ["", "ba7816bf", "\"\"", "\"ba7816b0\"", "w/\"ba7816bf\"", "\"*\"", "W/*"] {
            assert!(!built.is_one_of(unknown), "{unknown}");
        }
    }
}
