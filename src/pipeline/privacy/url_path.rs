//! The operator's paths with segments to remove: `/reset/:token`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The most paths in a list.
const MAX_PATHS: usize = 100;

/// The longest path, in bytes.
const MAX_PATH_BYTES: usize = 256;

/// The operator's paths, which match paths that begin like one. A segment `:NAME` is removed, `*`
/// matches any segment, and all others match their own text in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths(Vec<Vec<Segment>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `*`.
    Any,
    /// `:token`.
    Removed,
    Text(String),
}

/// The operator's error: an unusable list of paths, as a sentence without its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    #[error("has {0} paths, limit {MAX_PATHS}")]
    TooMany(usize),
    #[error(
        "must list paths of up to {MAX_PATH_BYTES} bytes that begin with / and have a segment like :token, such as \"/reset/:token\", not {0:?}"
    )]
    BadPath(String),
}

impl Paths {
    pub fn parse<S: AsRef<str>>(paths: &[S]) -> Result<Self, PathsError> {
        if paths.len() > MAX_PATHS {
            return Err(PathsError::TooMany(paths.len()));
        }
        let path = |path: &S| {
            let path = path.as_ref();
            parse(path)
                .ok_or_else(|| PathsError::BadPath(crate::base::text::truncate_for_display(path)))
        };
        paths.iter().map(path).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the indexes of the segments to remove from `path`, which starts with a slash. The
    /// first segment, index 0, is the empty one before that slash.
    pub fn marked(&self, path: &str) -> Vec<usize> {
        let mut marked = Vec::new();
        if self.is_empty() {
            return marked;
        }
        let segments: Vec<Cow<'_, str>> = path
            .split(['/', '\\'])
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
            .collect();
        for pattern in &self.0 {
            let is_like = |(wanted, segment): (&Segment, &Cow<'_, str>)| match wanted {
                Segment::Any | Segment::Removed => !segment.is_empty(),
                Segment::Text(text) => text.eq_ignore_ascii_case(segment),
            };
            if pattern.len() <= segments.len() && pattern.iter().zip(&segments).all(is_like) {
                let removed = pattern.iter().zip(1..).filter(|(it, _)| **it == Segment::Removed);
                marked.extend(removed.map(|(_, index)| index));
            }
        }
        marked
    }
}

fn parse(path: &str) -> Option<Vec<Segment>> {
    let rest = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH_BYTES)?;
    let segment = |segment: &str| match segment {
        "*" => Some(Segment::Any),
        _ => match segment.strip_prefix(':') {
            Some(name) => {
                let of_name =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                (!name.is_empty() && name.bytes().all(of_name)).then_some(Segment::Removed)
            }
            None => {
                let is_text = !segment.is_empty()
                    && !segment.contains(|c: char| c.is_whitespace() || c.is_control())
                    && !segment.contains(['*', '?', '#', ':', '\\']);
                is_text.then(|| Segment::Text(segment.to_owned()))
            }
        },
    };
    let segments: Vec<Segment> = rest.split('/').map(segment).collect::<Option<_>>()?;
    segments.contains(&Segment::Removed).then_some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_which_segments_go() {
        let paths =
            Paths::parse(&["/reset/:token", "/*/invite/:code/accept", "/u/:name/x/:id"]).unwrap();
        for (path, marked) in [
            ("/reset/abc", vec![2]),
            ("/Reset/abc/", vec![2]),
            ("/reset/abc/done", vec![2]),
            ("/r%65set/abc", vec![2]),
            ("/reset", vec![]),
            ("/reset/", vec![]),
            ("/a/reset/abc", vec![]),
            ("/de/invite/7/accept", vec![3]),
            ("/de/invite/7", vec![]),
            ("/u/me/x/7", vec![2, 4]),
        ] {
            assert_eq!(paths.marked(path), marked, "{path}");
        }
    }

    #[test]
    fn a_path_pattern_that_removes_nothing_is_refused() {
        let long = format!("/{}/:x", "a".repeat(256));
        for path in [
            "",
            "reset/:token",
            "/reset",
            "/reset/*",
            "/reset/:",
            "/a//:x",
            "/a b/:x",
            "/a?/:x",
            "/re:set/:x",
            &long,
        ] {
            assert!(Paths::parse(&[path]).is_err(), "{path}");
        }
        assert_eq!(
            Paths::parse(&["/reset"]).unwrap_err().to_string(),
            "must list paths of up to 256 bytes that begin with / and have a segment like :token, such as \"/reset/:token\", not \"/reset\""
        );
        let many = vec!["/a/:b"; 101];
        assert_eq!(Paths::parse(&many).unwrap_err().to_string(), "has 101 paths, limit 100");
    }
}
