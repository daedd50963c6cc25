//! The lines of the simulation: of the length of real ones, with the number of their event.

use headwater::model::record::Record;

const HEAD: &[u8] = br#"{"number":""#;
/// The head, the number, and how long the line was when it was made.
const FIXED_BYTES: usize = 49;

/// What a stream finds in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLine {
    pub number: u64,
    /// Sixteen digits of the id of its session, if it has one.
    pub session: Option<u64>,
}

/// Makes the record of the event `number`, as long as a line of `bytes`.
pub fn record(number: u64, bytes: usize) -> Record {
    let bytes = bytes.max(FIXED_BYTES + 4);
    let mut line =
        format!(r#"{{"number":"{number:016x}","bytes":"{bytes:04x}","x":""#).into_bytes();
    line.resize(bytes - 3, b'x');
    line.extend_from_slice(b"\"}\n");
    Record::restore_with_room("key", &line, headwater::model::record::LATER_BYTES).unwrap()
}

pub fn read(line: &[u8]) -> ReadLine {
    assert!(line.starts_with(HEAD), "no line of the simulation");
    let number = hexadecimal(&line[HEAD.len()..HEAD.len() + 16]);
    let bytes = hexadecimal(&line[38..42]) as usize;
    // The columns of the session come first of those that are added.
    const SESSION: &[u8] = br#","session_id":""#;
    let session = line[bytes - 2..].strip_prefix(SESSION).map(|id| {
        // Milliseconds are alike; the last digits are random.
        hexadecimal(&[&id[19..23], &id[24..36]].concat())
    });
    ReadLine { number, session }
}

fn hexadecimal(digits: &[u8]) -> u64 {
    u64::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

/// Returns the numbers of all events whose lines are somewhere in `bytes`.
pub fn numbers_in(bytes: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == b'{') {
        at += next;
        if bytes[at..].starts_with(HEAD) {
            let number = &bytes[at + HEAD.len()..at + HEAD.len() + 16];
            numbers.push(hexadecimal(number));
            at += hexadecimal(&bytes[at + 38..at + 42]) as usize;
        } else {
            at += 1;
        }
        at = at.min(bytes.len());
    }
    numbers
}
