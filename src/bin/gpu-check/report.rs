//! What was found: rows, as JSON and as a short table.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value, json};

use framecache::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Pass,
    Fail,
    Skipped,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub part: &'static str,
    pub name: String,
    pub outcome: Outcome,
    /// In one sentence.
    pub says: String,
    /// Rates in their unit's name; ratios to what the row names beside them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub figures: Map<String, Value>,
}

/// What a check that went through has to say.
#[derive(Debug, Default)]
pub struct Finding {
    outcome: Option<Outcome>,
    says: String,
    figures: Map<String, Value>,
}

impl Finding {
    pub fn pass(says: impl Into<String>) -> Finding {
        Finding {
            says: says.into(),
            ..Finding::default()
        }
    }

    pub fn fail(says: impl Into<String>) -> Finding {
        Finding {
            outcome: Some(Outcome::Fail),
            ..Finding::pass(says)
        }
    }

    pub fn skipped(says: impl Into<String>) -> Finding {
        Finding {
            outcome: Some(Outcome::Skipped),
            ..Finding::pass(says)
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Finding {
        self.figures.insert(name.to_owned(), value.into());
        self
    }
}

impl Row {
    pub fn number(&self, name: &str) -> Option<f64> {
        self.figures.get(name).and_then(Value::as_f64)
    }
}

/// All rows, said on stderr as they come.
#[derive(Default)]
pub struct Report {
    pub rows: Vec<Row>,
}

impl Report {
    /// Does the check; what it fails with is its row.
    pub fn add(
        &mut self,
        part: &'static str,
        name: impl Into<String>,
        check: impl FnOnce() -> Result<Finding>,
    ) {
        let name = name.into();
        eprintln!("gpu-check: {part}: {name}");
        let finding = check().unwrap_or_else(|error| Finding::fail(sentence(&error)));
        self.rows.push(Row {
            part,
            name,
            outcome: finding.outcome.unwrap_or(Outcome::Pass),
            says: finding.says,
            figures: finding.figures,
        });
    }

    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows
            .iter()
            .filter(|row| row.outcome == outcome)
            .count()
    }

    /// A figure of an earlier row.
    pub fn figure(&self, part: &str, name: &str, figure: &str) -> Option<f64> {
        let found = |row: &&Row| row.part == part && row.name == name;
        self.rows.iter().find(found)?.number(figure)
    }

    pub fn json(&self, options: &Value) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "options": options,
            "passed": self.count(Outcome::Pass),
            "failed": self.count(Outcome::Fail),
            "skipped": self.count(Outcome::Skipped),
            "rows": self.rows,
        })
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let mark = match row.outcome {
                Outcome::Pass => "ok  ",
                Outcome::Fail => "FAIL",
                Outcome::Skipped => "--  ",
            };
            let _ = writeln!(text, "{mark} {:<9} {:<44} {}", row.part, row.name, row.says);
        }
        let _ = writeln!(
            text,
            "{} passed, {} failed, {} skipped",
            self.count(Outcome::Pass),
            self.count(Outcome::Fail),
            self.count(Outcome::Skipped)
        );
        text
    }
}

/// An error's message, hint and causes in one line.
pub fn sentence(error: &Error) -> String {
    let mut text = error.message().to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            let _ = write!(text, ": {words}");
        }
        cause = error.source();
    }
    if let Some(hint) = error.hint_text() {
        let _ = write!(text, " ({hint})");
    }
    text
}
