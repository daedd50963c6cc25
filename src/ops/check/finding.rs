//! A problem that a check finds.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultWeight {
    /// Prevents a build or a deployment.
    Mistake,
    /// It works, but probably not as intended.
    Warning,
    /// It works without something that it could have.
    Note,
}

/// A problem, as a sentence that names its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub weight: FaultWeight,
    /// The place and the problem.
    pub sentence: String,
}

impl Finding {
    /// A finding that stops a build.
    pub fn mistake(sentence: impl Into<String>) -> Self {
        Self { weight: FaultWeight::Mistake, sentence: sentence.into() }
    }

    pub fn warning(sentence: impl Into<String>) -> Self {
        Self { weight: FaultWeight::Warning, sentence: sentence.into() }
    }

    pub fn note(sentence: impl Into<String>) -> Self {
        Self { weight: FaultWeight::Note, sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            FaultWeight::Mistake => formatter.write_str(&self.sentence),
            FaultWeight::Warning => write!(formatter, "warning: {}", self.sentence),
            FaultWeight::Note => write!(formatter, "note: {}", self.sentence),
        }
    }
}
