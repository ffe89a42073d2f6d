//! Every stream, subject and consumer of a queue, named here and nowhere else.
//!
//! ```text
//! stream NAME          subjects NAME.spans.waiting, NAME.spans.normal    a consumer each, `waiting` and `normal`
//! stream NAME-fates    subjects NAME.fate.{key}                          what became of an order
//! no stream            subjects NAME.told.{profile}                      what is told of its spans
//! ```

/// Names on one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(String);

/// Which orders are taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A reader waits for them.
    Waiting,
    Normal,
}

impl Priority {
    pub const ALL: [Priority; 2] = [Priority::Waiting, Priority::Normal];

    pub fn name(self) -> &'static str {
        match self {
            Priority::Waiting => "waiting",
            Priority::Normal => "normal",
        }
    }
}

impl Names {
    pub fn new(queue: &str) -> Names {
        Names(queue.to_owned())
    }

    pub fn orders(&self) -> String {
        self.0.clone()
    }

    pub fn order(&self, priority: Priority) -> String {
        format!("{}.spans.{}", self.0, priority.name())
    }

    pub fn fates(&self) -> String {
        format!("{}-fates", self.0)
    }

    pub fn fate(&self, key: &str) -> String {
        format!("{}.fate.{key}", self.0)
    }

    /// The key whose fate a subject is.
    pub fn key_of<'a>(&self, subject: &'a str) -> Option<&'a str> {
        subject
            .strip_prefix(self.0.as_str())?
            .strip_prefix(".fate.")
    }

    pub fn all_fates(&self) -> String {
        self.fate("*")
    }

    /// `profile`: the key of a profile.
    pub fn told(&self, profile: &str) -> String {
        format!("{}.told.{profile}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_operators_watch_and_grant() {
        let names = Names::new("framecache");
        assert_eq!(names.orders(), "framecache");
        assert_eq!(names.order(Priority::Waiting), "framecache.spans.waiting");
        assert_eq!(names.order(Priority::Normal), "framecache.spans.normal");
        assert_eq!(
            (names.fates(), names.fate("k")),
            ("framecache-fates".into(), "framecache.fate.k".into())
        );
        assert_eq!(names.key_of("framecache.fate.k"), Some("k"));
        assert_eq!(names.key_of("another.fate.k"), None);
        assert_eq!(names.told("p"), "framecache.told.p");
    }
}
