//! What was found: rows, as JSON and as a short table.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value, json};

use framecache::error::{Error, Result};

use crate::Args;

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
    /// Of the table.
    fn line(&self) -> String {
        let mark = match self.outcome {
            Outcome::Pass => "ok  ",
            Outcome::Fail => "FAIL",
            Outcome::Skipped => "--  ",
        };
        format!("{mark} {:<9} {:<44} {}\n", self.part, self.name, self.says)
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.figures.get(name).and_then(Value::as_f64)
    }
}

/// All rows, each said on stderr and in the file as it comes: what a run leaves that is ended before
/// its time is as good as what it has done.
pub struct Report {
    pub rows: Vec<Row>,
    options: Value,
    only: Vec<String>,
    until: Option<Instant>,
    file: Option<PathBuf>,
    is_finished: bool,
}

impl Report {
    /// # Errors
    /// FIELD_INVALID where the file cannot be written.
    pub fn new(args: &Args) -> Result<Report> {
        let report = Report {
            rows: Vec::new(),
            options: args.as_json(),
            only: args.only.clone(),
            until: args.until(),
            file: args.json.clone(),
            is_finished: false,
        };
        report.save()?;
        Ok(report)
    }

    /// Does the check, where its part is wanted; what it fails with is its row.
    pub fn add(
        &mut self,
        part: &'static str,
        name: impl Into<String>,
        check: impl FnOnce() -> Result<Finding>,
    ) {
        if !self.wants(part) {
            return;
        }
        let finding = if self.until.is_some_and(|until| Instant::now() >= until) {
            Finding::skipped("the budget is spent")
        } else {
            check().unwrap_or_else(|error| Finding::fail(sentence(&error)))
        };
        let row = Row {
            part,
            name: name.into(),
            outcome: finding.outcome.unwrap_or(Outcome::Pass),
            says: finding.says,
            figures: finding.figures,
        };
        eprint!("{}", row.line());
        self.rows.push(row);
        if let Err(error) = self.save() {
            eprintln!("gpu-check: {}", sentence(&error));
        }
    }

    /// Whether a part, or one inside another (`rates/copies`), was asked for. The probe always is.
    pub fn wants(&self, part: &str) -> bool {
        let is_within = |inner: &str, outer: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let named = |only: &String| is_within(part, only) || is_within(only, part);
        self.only.is_empty() || part == "probe" || self.only.iter().any(named)
    }

    /// # Errors
    /// FIELD_INVALID where the file cannot be written.
    pub fn finish(&mut self) -> Result<()> {
        self.is_finished = true;
        self.save()
    }

    /// In one step: whoever reads the file sees all of it, or all of the one before.
    fn save(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut beside = file.clone().into_os_string();
        beside.push(".part");
        let written = std::fs::write(&beside, self.text());
        written
            .and_then(|()| std::fs::rename(&beside, file))
            .map_err(|e| {
                let what = format!("could not write the JSON, path={}", file.display());
                Error::field(what).caused_by(e)
            })
    }

    pub fn text(&self) -> String {
        format!("{:#}\n", self.json())
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

    fn json(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "options": self.options,
            "finished": self.is_finished,
            "passed": self.count(Outcome::Pass),
            "failed": self.count(Outcome::Fail),
            "skipped": self.count(Outcome::Skipped),
            "rows": self.rows,
        })
    }

    pub fn summary(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.count(Outcome::Pass),
            self.count(Outcome::Fail),
            self.count(Outcome::Skipped)
        )
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
