//! Places in a JSON text.

use crate::base::text::escape_json_pointer;

/// The place of a value; its pointer is built only if it is needed.
#[derive(Clone, Copy)]
pub struct JsonPlace<'a> {
    pub depth: usize,
    pub step: Option<(&'a JsonPlace<'a>, PointerStep<'a>)>,
}

#[derive(Clone, Copy)]
pub enum PointerStep<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> JsonPlace<'a> {
    pub fn inner(&'a self, step: PointerStep<'a>) -> JsonPlace<'a> {
        JsonPlace { depth: self.depth.saturating_add(1), step: Some((self, step)) }
    }

    pub fn pointer(self) -> String {
        let Some((outer, step)) = self.step else {
            return String::new();
        };
        let outer = outer.pointer();
        match step {
            PointerStep::Key(key) => outer + &escape_json_pointer(key),
            PointerStep::Index(index) => format!("{outer}/{index}"),
        }
    }
}
