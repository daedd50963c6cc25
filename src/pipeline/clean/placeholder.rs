//! Recognizes ids that stand for none: texts that languages and tools make of an absent value,
//! words that name no one, templates that were never filled in, and ids of one digit only.
//!
//! As ids they would merge all these visitors into one person. An id that may be someone's stays.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use uuid::Uuid;

/// Ids that clients send if they have none, in lower case. A missing number becomes `0` or `-1`,
/// and the latter without its sign the largest number; a spreadsheet's error begins with `#`.
#[rustfmt::skip]
const PLACEHOLDERS: &[&str] = &[
    "undefined", "null", "nil", "none", "nan", "nat", "undef", "nul", "infinity", "-infinity", "inf", "-inf", "true",
    "false", "-1", "4294967295", "18446744073709551615", "n/a", "na", "n.a", "n.a.", "n-a", "n_a", "#n/a", "#null!",
    "#ref!", "#value!", "#name?", "#num!", "#div/0!", "#error!", "unknown", "anonymous", "anon", "guest", "notset",
    "unset", "unidentified", "unauthenticated", "unavailable", "noid", "nouser", "nodevice", "nosession", "redacted",
    "[email protected]", "[removed]", "[filtered]", "[deleted]", "[hidden]", "(removed)", "(empty)", "(blank)", "<empty>", "<blank>",
    "<missing>", "optional.empty", "optional(nil)", "%s", "%d", "%i", "%u", "%v", "%@", "%1$s", "%1$d", "id", "uid",
    "uuid", "guid", "email", "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx",
    "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
    // The same on all devices that withhold their own: Android's MAC address, and the id of
    // Android 2.2's known fault.
    "02:00:00:00:00:00", "9774d56d682e549c",
];

/// Words that stand for an absent value beside the words of an id: `user_undefined`, `no device`.
#[rustfmt::skip]
const ABSENT: &[&str] = &[
    "undefined", "null", "nil", "none", "nan", "undef", "unknown", "anonymous", "anon", "guest", "no", "not", "missing",
    "invalid", "empty", "blank", "unset", "unavailable", "unidentified", "unauthenticated", "unassigned",
];

/// Words between those: `not logged in`, `user-not-found`.
#[rustfmt::skip]
const FILLING: &[&str] = &[
    "set", "available", "found", "defined", "provided", "specified", "applicable", "authenticated", "logged", "signed",
    "in", "out", "assigned", "value", "given", "present", "known", "yet",
];

/// Words of which the names of ids consist. Each may also end in `id`.
#[rustfmt::skip]
const OF_IDS: &[&str] = &[
    "id", "ids", "uid", "uuid", "guid", "user", "usr", "device", "session", "visitor", "client", "customer", "member",
    "account", "person", "profile", "subscriber", "contact", "lead", "recipient", "player", "employee", "buyer",
    "shopper", "idfa", "idfv", "gaid", "adid", "aaid", "oaid", "imei", "android", "ios", "ad", "advertising", "google",
    "distinct", "anonymous", "cookie", "login", "email", "username", "name", "click", "browser", "install",
    "installation", "instance", "app", "tracking", "external", "crm", "ga", "fb", "gps", "push", "token", "key", "hash",
    "identifier", "first", "last", "full",
];

/// Words that a template says to its reader: `<INSERT_USER_ID_HERE>`.
#[rustfmt::skip]
const OF_TEMPLATES: &[&str] = &[
    "your", "my", "the", "insert", "replace", "enter", "put", "with", "here", "me", "value", "placeholder", "variable",
    "var", "param", "current", "this", "some",
];

/// The marks around a variable of a template language, which mean nothing else.
#[rustfmt::skip]
const TEMPLATES: &[(&str, &str)] = &[
    ("{{", "}}"), ("${", "}"), ("#{", "}"), ("@{", "}"), ("{$", "}"), ("$(", ")"), ("*|", "|*"), ("%%", "%%"),
    ("<%", "%>"), ("<?", "?>"), ("{%", "%}"), ("[%", "%]"),
];

/// Starts of texts that a language prints for a function, an object or a promise, in lower case.
const PRINTED: &[&str] = &[
    "[object ",
    "[function",
    "[circular",
    "function ",
    "function(",
    "async function",
    "() =>",
    "()=>",
    "promise {",
    "<function ",
    "<bound method ",
    "<built-in ",
];

/// The most bytes of a placeholder, percent-encoded twice.
const MAX_BYTES: usize = 512;

/// Fewer digits may be part of a variable's name.
const DIGITS_OF_ID: usize = 6;

/// Whether an id is a placeholder, in any case, in quotes, and percent-encoded or escaped as HTML.
pub fn is_placeholder(id: &Value) -> bool {
    const UUID_LEN: usize = 36;
    let Some(text) = id.as_str().filter(|text| !text.is_empty()) else { return false };
    // Most ids are UUIDs, of which only two stand for none.
    if text.len() == UUID_LEN
        && let Ok(uuid) = Uuid::try_parse(text)
    {
        return uuid.is_nil() || uuid.is_max();
    }
    // Of most other ids, only listed ones are placeholders.
    match is_plain(text) {
        true => is_one_of(text, PLACEHOLDERS),
        false => is_odd_placeholder(text),
    }
}

/// Whether `text` is of letters, digits and joints, with a digit that no placeholder has but the
/// listed ones.
fn is_plain(text: &str) -> bool {
    let of_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) && text.bytes().all(of_id)
}

/// Decides about ids of any form.
fn is_odd_placeholder(text: &str) -> bool {
    const MAX_ENCODINGS: usize = 3;
    if is_printed(text) {
        return true;
    }
    if text.len() > MAX_BYTES {
        return false;
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_ENCODINGS {
        if stands_for_none(&text) {
            return true;
        }
        match decoded(&text) {
            Some(plain) if plain != text => text = Cow::Owned(plain),
            _ => return false,
        }
    }
    false
}

/// Whether `text` is a function or an object as a language prints it; such a text may be long.
fn is_printed(text: &str) -> bool {
    let text = text.trim_start();
    let starts = |start: &&str| {
        text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
    };
    PRINTED.iter().any(starts)
}

/// Returns `text` without percent-encoding and the entities of HTML, if it may have some.
fn decoded(text: &str) -> Option<String> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'&')) {
        return None;
    }
    let mut plain = percent_decode_str(text).decode_utf8_lossy().into_owned();
    if plain.contains('&') {
        for (entity, mark) in
            [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        {
            plain = plain.replace(entity, mark);
        }
    }
    Some(plain)
}

fn stands_for_none(text: &str) -> bool {
    // A database's export writes `\N`.
    if text.trim() == "\\N" {
        return true;
    }
    let quoted = |it: char| {
        matches!(it, '"' | '\'' | '`' | '\\' | '“' | '”' | '‘' | '’') || it.is_whitespace()
    };
    let bare = text.trim_matches(quoted);
    let inner = bare.trim_matches(['(', ')', '<', '>', '[', ']', '{', '}']);
    let lower = match bare.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(bare.to_ascii_lowercase()),
        false => Cow::Borrowed(bare),
    };
    bare.chars().all(|it| is_mark(it) || it.is_whitespace())
        || is_one_of(bare, PLACEHOLDERS)
        || (inner.len() < bare.len() && is_one_of(inner, PLACEHOLDERS))
        || is_of_one_digit(&lower)
        || is_repeated(&lower)
        || is_printed(bare)
        || is_of_absent_words(bare)
        || (lower != bare && is_of_absent_words(&lower))
        || is_template(bare)
        || is_variable(bare)
}

/// Punctuation, and the dashes and ellipses of typesetting.
fn is_mark(it: char) -> bool {
    it.is_ascii_punctuation() || matches!(it, '–' | '—' | '−' | '…' | '·' | '•' | '«' | '»')
}

/// Whether `text` has no digit but zero, in any grouping; or none but `f`, and as many as an id
/// has. Phones that withhold their advertising id send zeros; the UUID of ones only is the
/// largest (<https://www.rfc-editor.org/rfc/rfc9562#section-5.10>).
fn is_of_one_digit(text: &str) -> bool {
    /// A MAC address has so many; a shorter one may be a word or a name.
    const LEAST: usize = 12;
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text).trim_matches(['{', '}', '(', ')']);
    let text = text.strip_prefix("0x").unwrap_or(text);
    let mut digits = text.bytes().filter(u8::is_ascii_alphanumeric);
    let Some(first) = digits.next() else { return false };
    let least = match first {
        b'0' => 1,
        b'f' => LEAST,
        _ => return false,
    };
    text.chars().all(|it| it == char::from(first) || is_mark(it) || it.is_whitespace())
        && text.bytes().filter(|it| *it == first).count() >= least
}

/// Whether `text` repeats `undefined` or `null` without a mark between them.
fn is_repeated(text: &str) -> bool {
    let mut rest = text;
    while let Some(behind) = ["undefined", "null"].iter().find_map(|word| rest.strip_prefix(word)) {
        rest = behind;
    }
    rest.is_empty()
}

/// Whether all words of `text` are of ids and absent values, and at least one says that the value
/// is absent: `null,null`, `user_undefined`, `notLoggedIn`.
fn is_of_absent_words(text: &str) -> bool {
    let Some(words) = words(text) else { return false };
    const ALONE: &[&str] = &["undefined", "null", "nil", "none", "nan", "undef"];
    let is_absent = |word: &&str| is_one_of(word, ABSENT);
    match words.as_slice() {
        [word] => is_one_of(word, ALONE),
        words => {
            words.iter().any(is_absent)
                && words
                    .iter()
                    .all(|word| is_absent(word) || is_one_of(word, FILLING) || is_of_id(word))
        }
    }
}

/// Whether `text` is, or contains, a variable of a template language that was never filled in.
fn is_template(text: &str) -> bool {
    let is_around = |(open, close): &(&str, &str)| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|inner| {
            inner.chars().any(char::is_alphanumeric) && digits(inner) < DIGITS_OF_ID
        })
    };
    let is_within = |(open, close): (&str, &str)| {
        let inner = text.split_once(open).and_then(|(_, rest)| rest.split_once(close));
        inner.is_some_and(|(inner, _)| is_name(inner) && digits(inner) < DIGITS_OF_ID)
    };
    TEMPLATES.iter().any(is_around) || is_within(("{{", "}}")) || is_within(("${", "}"))
}

/// Whether `text` is the name of a variable for an id: in marks, behind a sign, or alone.
fn is_variable(text: &str) -> bool {
    let rest = text.trim_start_matches(is_mark);
    let core = rest.trim_end_matches(is_mark);
    let lead = text.strip_suffix(rest).unwrap_or_default();
    let tail = rest.strip_prefix(core).unwrap_or_default();
    // The place of an argument, as in `{0}`.
    if lead == "{" && tail == "}" && core.len() <= 2 && digits(core) == core.len() {
        return true;
    }
    if !is_name(core) || digits(core) > 0 {
        return false;
    }
    let Some(words) = words(core) else { return false };
    let of_template = |word: &&str| is_one_of(word, OF_TEMPLATES);
    let ends = |word: &&str| without_id(word).is_some();
    let is_last = words.last().is_some_and(|last| is_of_id(last));
    let are_all = words.iter().all(|word| is_of_id(word) || of_template(word));
    let ends_in_id = words.last().is_some_and(|last| ends(last) && is_of_id(last))
        || words.last().is_some_and(of_template) && words.iter().any(ends);
    let is_joint = |marks: &str| marks.chars().all(|it| matches!(it, '_' | '-' | '.' | '~' | '/'));
    let is_around = |marks: &str| !marks.is_empty() && (marks.len() > 1 || !is_joint(marks));
    match is_around(lead) && is_around(tail) {
        true => is_last || are_all,
        false => {
            let is_sign =
                tail.is_empty() && matches!(lead, "" | "$" | ":" | "@" | "%" | "#" | "&" | "?");
            is_sign && are_all && ends_in_id
        }
    }
}

/// Whether `text` may be the name of a variable.
fn is_name(text: &str) -> bool {
    let of_name =
        |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.' | ' ' | '$');
    text.trim()
        .starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '$' | '.'))
        && text.chars().all(of_name)
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// Whether `word` is one of the name of an id, such as `user`, `id` and `userid`.
fn is_of_id(word: &str) -> bool {
    is_one_of(word, OF_IDS)
        || without_id(word).is_some_and(|start| start.len() > 1 && is_one_of(start, OF_IDS))
}

/// Returns what is before the `id` at the end of `word`.
fn without_id(word: &str) -> Option<&str> {
    let (start, end) = word.split_at_checked(word.len().checked_sub(2)?)?;
    end.eq_ignore_ascii_case("id").then_some(start)
}

/// Whether `word` is in `list`, in any case.
fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|listed| listed.eq_ignore_ascii_case(word))
}

/// Returns the words of `text`, cut at marks, blanks and capitals; none if there are too many for the
/// name of an id.
fn words(text: &str) -> Option<Vec<&str>> {
    const MAX_WORDS: usize = 8;
    let is_joint = |it: char| is_mark(it) || it.is_whitespace();
    let mut words = Vec::new();
    for part in text.split(is_joint).filter(|part| !part.is_empty()) {
        let mut rest = part;
        while !rest.is_empty() {
            if words.len() == MAX_WORDS {
                return None;
            }
            let (word, behind) = rest.split_at_checked(hump(rest))?;
            words.push(word);
            rest = behind;
        }
    }
    (!words.is_empty()).then_some(words)
}

/// Returns where the first word of `text` ends: before a capital behind a small letter.
fn hump(text: &str) -> usize {
    let mut last = ' ';
    let is_hump = |(_, it): &(usize, char)| {
        let is_hump = last.is_lowercase() && it.is_uppercase();
        last = *it;
        is_hump
    };
    text.char_indices().find(is_hump).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_that_stand_for_none_are_recognized() {
        for id in [
            "00000000-0000-0000-0000-000000000000",
            "00000000000000000000000000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "URN:UUID:00000000-0000-0000-0000-000000000000",
            "0000000000000000",
            "0000-0000",
            "00:00:00:00:00:00",
            "0000 0000 0000",
            "0x0000000000000000",
            "00",
            "0",
            "-0",
            "0.0",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "ffffffffffffffffffffffffffffffff",
            "{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}",
            "ff:ff:ff:ff:ff:ff",
            "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx",
            "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            "********",
            "02:00:00:00:00:00",
            "9774d56d682e549c",
            "4294967295",
            "undefined",
            "Undefined",
            "null",
            "NULL",
            "\"null\"",
            "'undefined'",
            "\\\"null\\\"",
            "“null”",
            "NaN",
            "NaT",
            "None",
            "nil",
            "(null)",
            "<nil>",
            "<NA>",
            "<None>",
            "[null]",
            "null;",
            "\\N",
            "Infinity",
            "-Infinity",
            "[object Object]",
            "[object Undefined]",
            "[object Promise]",
            "[Function: getId]",
            "function () { return id }",
            "function getUserId() { [native code] }",
            "() => user.id",
            "Promise { <pending> }",
            "<function get_id at 0x7f3a>",
            "undefined-undefined",
            "undefined:undefined",
            "undefined.undefined",
            "undefinedundefined",
            "null,null",
            "null|null",
            "null null",
            "nullnull",
            "NaN-NaN-NaN",
            "None/None",
            "undefined_null",
            "unknown-unknown",
            "[null, null]",
            "user_undefined",
            "user-null",
            "user:undefined",
            "userId=undefined",
            "device_null",
            "{\"id\":null}",
            "-1",
            "false",
            "N/A",
            "n.a.",
            "#N/A",
            "#REF!",
            "#VALUE!",
            "#NULL!",
            "-",
            "--",
            "—",
            "_",
            "?",
            "...",
            "{}",
            "[]",
            "\"\"",
            "''",
            "<>",
            "(not set)",
            "not_set",
            "notSet",
            "not set",
            "Not Available",
            "not logged in",
            "unknown user",
            "UnknownDevice",
            "no_user_id",
            "no-device",
            "user not found",
            "Anonymous",
            "anonymous_user",
            "guest",
            "guest user",
            "[Filtered]",
            "[removed]",
            "{{user_id}}",
            "{{ user.id }}",
            "{{contact.EMAIL | default: ''}}",
            "{{{user_id}}}",
            "${deviceId}",
            "#{user.id}",
            "@{userId}",
            "$(user_id)",
            "{$userId}",
            "{%user_id%}",
            "<%= user.id %>",
            "<?= $id ?>",
            "*|UNIQID|*",
            "%%subscriber_id%%",
            "user-{{id}}",
            "{{site}}-{{user}}",
            "u_${userId}",
            "{user_id}",
            "{userId}",
            "{ uid }",
            "{lead.id}",
            "{0}",
            "{click_id}",
            "[USER_ID]",
            "[user id]",
            "[[user_id]]",
            "[YOUR_DEVICE_ID]",
            "[email protected]",
            "<user_id>",
            "<User ID>",
            "<INSERT_USER_ID_HERE>",
            "<your-user-id>",
            "(user_id)",
            "%USER_ID%",
            "%DEVICE_ID%",
            "%userid%",
            "__USER_ID__",
            "__IDFA__",
            "##user_id##",
            "@@USER_ID@@",
            "$user_id$",
            "$user_id",
            "$USER_ID",
            ":user_id",
            ":id",
            "@user_id",
            "%s",
            "user_id",
            "userId",
            "USER_ID",
            "YOUR_USER_ID",
            "your-device-id",
            "deviceid",
            "distinct_id",
            "%7Buser_id%7D",
            "%7b%7buser_id%7d%7d",
            "%257Buser_id%257D",
            "%5Bobject%20Object%5D",
            "%22undefined%22",
            "%24%7Bid%7D",
            "%3Cuser_id%3E",
            "null%2Cnull",
            "&lt;user_id&gt;",
            "&quot;null&quot;",
        ] {
            assert!(is_placeholder(&json!(id)), "{id}");
            assert!(is_placeholder(&json!(format!(" {id} "))), "{id} in blanks");
        }
        let long = format!("function getId() {{ {} }}", "return id; ".repeat(100));
        assert!(is_placeholder(&json!(long)));
    }

    #[test]
    fn ids_that_may_be_someones_stay() {
        for id in [
            "",
            "00000000-0000-0000-0000-000000000001",
            "10000000000000000000000000000000",
            "0000001",
            "0x1",
            "1",
            "10",
            "-2",
            "11111111-1111-1111-1111-111111111111",
            "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "ffffffff-ffff-ffff-ffff-fffffffffffe",
            "ffff0000ffff0000ffff0000ffff0000",
            "ff:ff:ff:00:00:01",
            "ffff",
            "fffff",
            "deadbeef",
            "abcabcabcabcabcabcabcabc",
            "xxx",
            "{550e8400-e29b-41d4-a716-446655440000}",
            "{{550e8400-e29b-41d4-a716-446655440000}}",
            "550e8400-e29b-41d4-a716-446655440000",
            "-abc",
            "a-b",
            "_a",
            "a_",
            "__proto__",
            "V1StGXR8_Z5jdHi6B-myT",
            "-_Zx81kLm-_",
            "aGVsbG8_d29ybGQ-",
            "aGVsbG8gd29ybGQ=",
            "AMrRjf8=",
            "undefined-7",
            "null-island",
            "nullable",
            "Nullmeier",
            "nancy",
            "nan-desu",
            "none@shop.example",
            "unknown_pleasures",
            "guest_17",
            "anonymous-4711",
            "not-anna",
            "no-one-7",
            "object",
            "{a}",
            "[KING]",
            "<anna@mail.example>",
            "[user-42]",
            "[user-anna]",
            "{user42}",
            "user",
            "anna",
            "user_42",
            "user-anna",
            "user@shop.example",
            "id-7",
            "id7",
            "david",
            "madrid",
            "customer_id_7",
            "device-a",
            "$anna",
            "@anna",
            ":anna",
            "#17",
            "100%",
            "%41nna",
            "user%40shop.example",
            "anna&bob",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "google-oauth2|103547991597142817347",
            "GA1.2.1234567890.1234567890",
            "amp-Zx81kLmAbcdEfgh",
            "functional",
            "promise",
            "xX_anna_Xx",
            "😀",
            "用户",
        ] {
            assert!(!is_placeholder(&json!(id)), "{id}");
        }
        for id in [json!({}), json!([]), json!(false), json!(null), json!(0)] {
            assert!(!is_placeholder(&id), "{id}");
        }
        let long = "x-1".repeat(1_000_000);
        assert!(!is_placeholder(&json!(long)));
    }

    proptest! {
        #[test]
        fn no_random_id_is_a_placeholder(
            uuid in "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            short in "[A-Za-z0-9_-]{0,8}[0-9][A-Za-z][0-9][A-Za-z][0-9][A-Za-z0-9_-]{0,8}",
        ) {
            prop_assert!(!is_placeholder(&json!(uuid)));
            prop_assert!(!is_placeholder(&json!(short)));
        }

        #[test]
        fn a_uuid_is_judged_as_any_other_text(
            uuid in "[0f]{8}-[0f]{4}-[0f]{4}-[0f]{4}-[0f]{12}|[0-9a-fA-F]{8}(-[a-fA-F]{4}){3}-([a-fA-F0]{12}|(ad|Fb){6})",
            digit in "[0-9a-fA-F]",
        ) {
            let of_one_digit = uuid.replace(|it: char| it != '-', &digit);
            for uuid in [uuid, of_one_digit] {
                prop_assert_eq!(is_placeholder(&json!(uuid)), is_odd_placeholder(&uuid));
            }
        }

        #[test]
        fn an_id_of_letters_and_digits_is_judged_as_any_other_text(
            id in "[A-Za-z0-9_.-]{1,16}|((user|Id|null|undefined|none|not|Set)[A-Z0-9_.-]?){1,4}",
        ) {
            prop_assert_eq!(is_placeholder(&json!(id)), is_odd_placeholder(&id));
        }

        #[test]
        fn any_text_is_judged(text in ".{0,40}|[-{}<>%$_a-zA-Z0-9&; ]{0,40}") {
            let quoted = format!("\"{text}\"");
            prop_assert!(!is_placeholder(&json!(text)) || is_placeholder(&json!(quoted)));
        }
    }
}
