//! The snippet: which of its scripts an address names, and for how long a cache keeps it.
//!
//! At `/t.js` lies the core, at `/t.HASH.js` the core whose bytes have that hash, at
//! `/t.NAME.HASH.js` a chunk, which the core imports from beside itself; a pinned core has its
//! own hash before the name. All chunks have one hash, so that the core need know no more.
//! Whatever the hash, the answer is the script as it is now, since there is no other: where it
//! has another hash, a page that pins the bytes sees them refused, and no cache keeps them under
//! a wrong name.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// A script of the snippet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// What the page's tag names.
    Core,
    /// The chunk `auto`.
    Auto,
    /// The chunk `vitals`.
    Vitals,
    /// The chunk `pointer`.
    Pointer,
    /// The chunk `video`.
    Video,
}

impl Script {
    /// All but the core, in the order in which their bytes are hashed.
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

    /// Where it lies in `www`.
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
    /// `/t.js`, where it always is.
    pub const DEFAULT: Self = Self(Cow::Borrowed("/t"));

    /// The place whose core is at `path`, which must end with `.js`.
    pub fn of_core(path: &str) -> Option<Self> {
        path.strip_suffix(".js").map(|stem| Self(Cow::Owned(stem.to_owned())))
    }

    /// What a request for `path` asks for, if it is here.
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
            // A pinned core asks beside itself, too.
            ["", core, chunk, hash] if is_hash(core) && is_hash(hash) => Some(TrackerRequest {
                script: Script::chunk(chunk)?,
                version: ScriptVersion::Pinned(hash),
            }),
            _ => None,
        }
    }
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerRequest<'a> {
    /// The script.
    pub script: Script,
    /// Which one of its versions.
    pub version: ScriptVersion<'a>,
}

/// Which version of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptVersion<'a> {
    /// The one of today.
    Latest,
    /// The one of this hash.
    Pinned(&'a str),
}

/// A script as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptAsset {
    /// Its text in UTF-8.
    pub bytes: Vec<u8>,
    /// The hash of these bytes.
    own: String,
    /// The hash in its pinned address.
    pinned: String,
}

impl ScriptAsset {
    /// Takes the core's bytes.
    pub fn core(bytes: Vec<u8>) -> Self {
        let own = hash([bytes.as_slice()]);
        Self { bytes, pinned: own.clone(), own }
    }

    /// Takes the bytes of all chunks, in the order of [`Script::CHUNKS`].
    pub fn chunks(all: Vec<Vec<u8>>) -> impl Iterator<Item = Self> {
        let pinned = hash(all.iter().map(Vec::as_slice));
        all.into_iter().map(move |bytes| Self {
            own: hash([bytes.as_slice()]),
            bytes,
            pinned: pinned.clone(),
        })
    }

    /// The `Cache-Control` of an answer to a request for `version`.
    pub fn cache_control(&self, version: ScriptVersion<'_>) -> &'static str {
        match version {
            ScriptVersion::Latest => "public, max-age=3600, stale-while-revalidate=86400",
            ScriptVersion::Pinned(hash) if hash == self.pinned => {
                "public, max-age=31536000, immutable"
            }
            ScriptVersion::Pinned(_) => "no-cache",
        }
    }

    /// The `ETag`.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.own)
    }

    /// Whether a cache that sends this `If-None-Match` has it already. A weak tag counts as well:
    /// what compresses an answer on the way weakens its tag.
    /// <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>
    pub fn is_one_of(&self, if_none_match: &str) -> bool {
        let etag = self.etag();
        let mut tags = if_none_match.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    }
}

/// The first eight hexadecimal digits of a SHA-256, as `scripts/snippet.mjs` counts it.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let digest = parts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
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
    fn only_the_bytes_of_the_hash_are_kept_for_ever() {
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
    fn who_has_it_already_says_so_by_its_tag() {
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
