//! SHA-256 of bytes, compiled once for all that hash a whole text.

use sha2::{Digest, Sha256};

#[inline(never)]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
