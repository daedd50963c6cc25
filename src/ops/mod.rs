//! Views for operators and developers: health, the inspector, the check of a configuration.

#[cfg(not(target_arch = "wasm32"))]
pub mod bindings;
#[cfg(not(target_arch = "wasm32"))]
pub mod check;
pub mod health;
pub mod inspector;
