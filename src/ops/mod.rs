//! What operators and developers look at: health, the inspector, the check of a configuration.

#[cfg(not(target_arch = "wasm32"))]
pub mod check;
pub mod health;
pub mod inspector;
