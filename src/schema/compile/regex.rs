//! Translates ECMA-262 patterns (with the `u` flag) for the regex crates.
//!
//! There `\d`, `\w` and `\b` are ASCII's, `\s` is ECMA's list, `^` and `$` are the ends of the
//! text, and `.` excludes line ends. Lookaround and back-references, which a table can't hold, are
//! rejected. So is all that `u` forbids.
//! Source: <https://tc39.es/ecma262/#sec-patterns>.

use std::iter::Peekable;
use std::str::Chars;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str =
    r"\x09-\x0D\x20\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

/// The token before the next one, which decides whether a quantifier may follow.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Atom,
    Quantifier,
    Other,
}

/// One character of a class, or a set of them.
enum Member {
    Char(char),
    Set(String),
}

/// Translates `pattern`, or returns which part is not supported.
pub fn translate(pattern: &str) -> Result<String, String> {
    let mut chars = pattern.chars().peekable();
    let mut out = String::new();
    let mut before = Before::Other;
    while let Some(char) = chars.next() {
        before = match char {
            '^' => push(&mut out, r"\A", Before::Other),
            '$' => push(&mut out, r"\z", Before::Other),
            '.' => push(&mut out, r"[^\n\r\x{2028}\x{2029}]", Before::Atom),
            '|' => push(&mut out, "|", Before::Other),
            ')' => push(&mut out, ")", Before::Atom),
            '(' => {
                group(&mut chars)?;
                push(&mut out, "(?:", Before::Other)
            }
            '[' => {
                let class = class(&mut chars)?;
                push(&mut out, &class, Before::Atom)
            }
            '*' | '+' if before == Before::Atom => {
                push(&mut out, &char.to_string(), Before::Quantifier)
            }
            '?' if before == Before::Atom => push(&mut out, "?", Before::Quantifier),
            '?' if before == Before::Quantifier => push(&mut out, "?", Before::Other),
            '{' if before == Before::Atom => {
                let bounds = bounds(&mut chars)?;
                push(&mut out, &bounds, Before::Quantifier)
            }
            '*' | '+' | '?' | '{' => return Err(format!("has {char:?} with nothing to repeat")),
            '}' | ']' => return Err(format!("has {char:?} without its other half; escape it")),
            '\\' if chars.next_if_eq(&'b').is_some() => push(&mut out, r"(?-u:\b)", Before::Other),
            '\\' => {
                match escape(&mut chars)? {
                    Member::Char(char) => out.push_str(&literal(char)),
                    Member::Set(set) => out.push_str(&set),
                }
                Before::Atom
            }
            char => push(&mut out, &literal(char), Before::Atom),
        };
    }
    Ok(out)
}

fn push(out: &mut String, text: &str, before: Before) -> Before {
    out.push_str(text);
    before
}

fn literal(char: char) -> String {
    format!(r"\x{{{:X}}}", u32::from(char))
}

/// Reads the part of a group between `(` and its content.
fn group(chars: &mut Peekable<Chars<'_>>) -> Result<(), String> {
    if chars.next_if_eq(&'?').is_none() {
        return Ok(());
    }
    match chars.next() {
        Some(':') => Ok(()),
        Some('<') if chars.peek().is_some_and(|next| !matches!(next, '=' | '!')) => {
            match chars.by_ref().find(|char| !char.is_ascii_alphanumeric() && *char != '_') {
                Some('>') => Ok(()),
                _ => Err("has a group with a name that is not supported".to_owned()),
            }
        }
        Some('=' | '!' | '<') => Err("looks ahead or behind, which is not supported".to_owned()),
        _ => Err("has a group with flags, which is not supported".to_owned()),
    }
}

/// Reads the rest of `{n}`, `{n,}` or `{n,m}`.
fn bounds(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut inner = String::new();
    loop {
        match chars.next() {
            Some('}') => break,
            Some(char @ ('0'..='9' | ',')) => inner.push(char),
            _ => return Err("has a \"{\" that counts nothing; escape it".to_owned()),
        }
    }
    let (least, max) = inner.split_once(',').unwrap_or((&inner, &inner));
    match (least.parse::<u32>(), max.parse::<u32>()) {
        (Ok(least), Ok(max)) if least <= max => Ok(format!("{{{inner}}}")),
        (Ok(_), Err(_)) if max.is_empty() => Ok(format!("{{{inner}}}")),
        _ => Err(format!("has {{{inner}}}, which counts nothing")),
    }
}

/// Reads the rest of a class after `[`.
fn class(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut inner = String::new();
    while let Some(first) = member(chars)? {
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']');
        if !is_range {
            match first {
                Member::Char(char) => inner.push_str(&literal(char)),
                Member::Set(set) => inner.push_str(&set),
            }
            continue;
        }
        chars.next();
        match (first, member(chars)?) {
            (Member::Char(first), Some(Member::Char(last))) if first <= last => {
                inner.push_str(&format!("{}-{}", literal(first), literal(last)));
            }
            _ => return Err("has a range that is none".to_owned()),
        }
    }
    Ok(match (negated, inner.is_empty()) {
        (false, false) => format!("[{inner}]"),
        (true, false) => format!("[^{inner}]"),
        (false, true) => r"[^\x{0}-\x{10FFFF}]".to_owned(),
        (true, true) => r"[\x{0}-\x{10FFFF}]".to_owned(),
    })
}

/// Reads the next member of a class; none at its end.
fn member(chars: &mut Peekable<Chars<'_>>) -> Result<Option<Member>, String> {
    match chars.next() {
        None => Err("has a \"[\" without its other half".to_owned()),
        Some(']') => Ok(None),
        Some('\\') if chars.next_if_eq(&'b').is_some() => Ok(Some(Member::Char('\u{8}'))),
        Some('\\') => escape(chars).map(Some),
        Some(char) => Ok(Some(Member::Char(char))),
    }
}

/// Reads the rest of an escape after the backslash.
fn escape(chars: &mut Peekable<Chars<'_>>) -> Result<Member, String> {
    let char = match chars.next() {
        Some('d') => return Ok(Member::Set(format!("[{DIGIT}]"))),
        Some('D') => return Ok(Member::Set(format!("[^{DIGIT}]"))),
        Some('w') => return Ok(Member::Set(format!("[{WORD}]"))),
        Some('W') => return Ok(Member::Set(format!("[^{WORD}]"))),
        Some('s') => return Ok(Member::Set(format!("[{SPACE}]"))),
        Some('S') => return Ok(Member::Set(format!("[^{SPACE}]"))),
        Some(kind @ ('p' | 'P')) => return property(kind, chars).map(Member::Set),
        Some('t') => '\t',
        Some('n') => '\n',
        Some('v') => '\u{B}',
        Some('f') => '\u{C}',
        Some('r') => '\r',
        Some('0') if !chars.peek().is_some_and(char::is_ascii_digit) => '\0',
        Some('c') => match chars.next() {
            Some(letter) if letter.is_ascii_alphabetic() => char::from(letter as u8 % 32),
            _ => return Err(r"has \c without a letter".to_owned()),
        },
        Some('x') => from_code(hex(chars, 2)?)?,
        Some('u') => unicode(chars)?,
        Some(char @ ('0'..='9' | 'k')) => {
            return Err(format!(r"refers back with \{char}, which is not supported"));
        }
        Some(char) if "^$\\.*+?()[]{}|/-".contains(char) => char,
        Some(char) => return Err(format!(r"has \{char}, which is not supported")),
        None => return Err(r"ends in a \".to_owned()),
    };
    Ok(Member::Char(char))
}

fn hex(chars: &mut Peekable<Chars<'_>>, digits: usize) -> Result<u32, String> {
    let digits: Option<Vec<u32>> =
        (0..digits).map(|_| chars.next().and_then(|char| char.to_digit(16))).collect();
    digits
        .map(|digits| digits.iter().fold(0, |code, digit| code * 16 + digit))
        .ok_or_else(|| "has an escape with too few hexadecimal digits".to_owned())
}

fn from_code(code: u32) -> Result<char, String> {
    char::from_u32(code).ok_or_else(|| format!("has {code:#X}, which is no character"))
}

/// Reads the rest of `\u`: `{…}`, four digits, or a surrogate pair.
fn unicode(chars: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    if chars.next_if_eq(&'{').is_some() {
        let digits: String = chars.by_ref().take_while(|char| *char != '}').collect();
        return u32::from_str_radix(&digits, 16)
            .map_err(|_| r"has \u{…} without a number".to_owned())
            .and_then(from_code);
    }
    let code = hex(chars, 4)?;
    if !(0xD800..0xDC00).contains(&code) {
        return from_code(code);
    }
    let low = match (chars.next(), chars.next()) {
        (Some('\\'), Some('u')) => hex(chars, 4)?,
        _ => 0,
    };
    match low {
        0xDC00..0xE000 => from_code(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)),
        _ => Err("has half of a surrogate pair".to_owned()),
    }
}

/// Reads the rest of `\p`: `{NAME}` or `{NAME=VALUE}`.
fn property(kind: char, chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let name: String = match chars.next() {
        Some('{') => chars.by_ref().take_while(|char| *char != '}').collect(),
        _ => return Err(format!(r"has \{kind} without a property")),
    };
    let fits = |char: char| char.is_ascii_alphanumeric() || "_=".contains(char);
    match !name.is_empty() && name.chars().all(fits) {
        true => Ok(format!(r"\{kind}{{{name}}}")),
        false => Err(format!(r"has \{kind} with a property that is none")),
    }
}
