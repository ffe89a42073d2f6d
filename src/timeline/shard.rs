//! Which spans of a plan one of many machines takes.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Part `index` of `total`: the plan's spans i with i mod total = index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub index: u32,
    pub total: u32,
}

const HINT: &str = "write --shard I/N with I from 0 to N-1, or --shard /N in an array job";

impl Shard {
    /// # Errors
    /// FIELD_INVALID unless `index` is below `total`.
    pub fn new(index: u64, total: u64) -> Result<Shard> {
        let fits = u32::try_from(index).ok().zip(u32::try_from(total).ok());
        match fits {
            Some((index, total)) if index < total => Ok(Shard { index, total }),
            _ => Err(Error::field(format!(
                "there is no such shard: index={index} count={total}"
            ))
            .hint("an index runs from 0 to count - 1")),
        }
    }

    /// Whether the row at this place of the plan is this shard's.
    pub fn takes(&self, row: usize) -> bool {
        row as u64 % u64::from(self.total.max(1)) == u64::from(self.index)
    }

    /// From `--shard` (`I/N`, or `/N` with the index from the environment), or
    /// where it is not given from Slurm's or AWS Batch's array variables.
    /// `None`: no sharding was asked for. `lookup` reads a variable.
    pub fn resolve(
        flag: Option<&str>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Shard>> {
        let array = Array::find(&lookup)?;
        let Some(flag) = flag else {
            return array.map(Array::shard).transpose();
        };
        let (index, total) = flag.split_once('/').ok_or_else(|| malformed(flag))?;
        let total = number(total).ok_or_else(|| malformed(flag))?;
        if !index.is_empty() {
            let index = number(index).ok_or_else(|| malformed(flag))?;
            return checked(index, total, "--shard").map(Some);
        }
        match array {
            Some(array) => checked(array.index, total, array.index_variable).map(Some),
            None => Err(Error::field(format!(
                "no array job's variables are set, so --shard {flag} has no index"
            ))
            .hint("write --shard I/N, or start it in an array of Slurm, AWS Batch or Kubernetes")),
        }
    }
}

/// What a scheduler tells of an array job.
struct Array {
    index: u32,
    index_variable: &'static str,
    total: Option<u32>,
    total_variable: Option<&'static str>,
}

impl Array {
    fn find(lookup: &impl Fn(&str) -> Option<String>) -> Result<Option<Array>> {
        if let Some(id) = variable(lookup, "SLURM_ARRAY_TASK_ID")? {
            return slurm(lookup, id).map(Some);
        }
        if let Some(index) = variable(lookup, "AWS_BATCH_JOB_ARRAY_INDEX")? {
            return Ok(Some(Array {
                index,
                index_variable: "AWS_BATCH_JOB_ARRAY_INDEX",
                total: variable(lookup, "AWS_BATCH_JOB_ARRAY_SIZE")?,
                total_variable: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
            }));
        }
        let index = variable(lookup, "JOB_COMPLETION_INDEX")?;
        Ok(index.map(|index| Array {
            index,
            index_variable: "JOB_COMPLETION_INDEX",
            total: None,
            total_variable: None,
        }))
    }

    fn shard(self) -> Result<Shard> {
        if let Some(total) = self.total {
            return checked(self.index, total, self.index_variable);
        }
        let missing = match self.total_variable {
            Some(name) => format!("{name} is not set"),
            None => "nothing tells how many parts there are".to_owned(),
        };
        Err(
            Error::field(format!("{} is set, but {missing}", self.index_variable))
                .hint("write --shard /N with the number of jobs, or --shard 0/1 for all of it"),
        )
    }
}

fn slurm(lookup: &impl Fn(&str) -> Option<String>, id: u32) -> Result<Array> {
    let step = variable(lookup, "SLURM_ARRAY_TASK_STEP")?.unwrap_or(1);
    if step != 1 {
        return Err(Error::field(format!(
            "a Slurm array with a step leaves spans out: SLURM_ARRAY_TASK_STEP={step}"
        ))
        .hint("submit the array with step 1, such as --array=0-7, or write --shard I/N"));
    }
    let min = variable(lookup, "SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    let index = id.checked_sub(min).ok_or_else(|| {
        Error::field(format!(
            "Slurm's array variables disagree: SLURM_ARRAY_TASK_ID={id} SLURM_ARRAY_TASK_MIN={min}"
        ))
        .hint(HINT)
    })?;
    Ok(Array {
        index,
        index_variable: "SLURM_ARRAY_TASK_ID",
        total: variable(lookup, "SLURM_ARRAY_TASK_COUNT")?,
        total_variable: Some("SLURM_ARRAY_TASK_COUNT"),
    })
}

/// Unset and empty are the same; anything but a number is refused.
fn variable(lookup: &impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<u32>> {
    match lookup(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => number(&value).map(Some).ok_or_else(|| {
            Error::field(format!("{name} is no number: {name}={value:?}")).hint(HINT)
        }),
    }
}

fn checked(index: u32, total: u32, whence: &str) -> Result<Shard> {
    if index < total {
        return Ok(Shard { index, total });
    }
    Err(Error::field(format!(
        "there is no such shard: index={index} total={total} index_from={whence}"
    ))
    .hint("the index counts from 0 to N-1 without gaps; an array must not have any either"))
}

fn malformed(flag: &str) -> Error {
    let shown: String = flag.chars().take(60).collect();
    Error::field(format!("not a shard: --shard {shown:?}")).hint(HINT)
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| u32::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Shard>> {
        Shard::resolve(flag, |name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn shard(index: u32, total: u32) -> Option<Shard> {
        Some(Shard { index, total })
    }

    const SLURM: [(&str, &str); 4] = [
        ("SLURM_ARRAY_TASK_ID", "12"),
        ("SLURM_ARRAY_TASK_MIN", "10"),
        ("SLURM_ARRAY_TASK_COUNT", "4"),
        ("SLURM_ARRAY_TASK_STEP", "1"),
    ];

    #[test]
    fn every_span_belongs_to_exactly_one_shard() {
        for row in 0..20 {
            let takers = (0..3).filter(|&index| Shard { index, total: 3 }.takes(row));
            assert_eq!(takers.collect::<Vec<_>>(), [row as u32 % 3]);
        }
    }

    #[test]
    fn a_flag_says_it_all() {
        assert_eq!(resolve(Some("0/3"), &[]).unwrap(), shard(0, 3));
        assert_eq!(resolve(Some("2/3"), &SLURM).unwrap(), shard(2, 3));
        for flag in [
            "3/3", "0/0", "/0", "3", "", "/", "a/3", "1/", "-1/3", "+1/3", "1/3/4", "1 /3",
        ] {
            assert!(
                resolve(Some(flag), &SLURM)
                    .unwrap_err()
                    .hint_text()
                    .is_some(),
                "{flag}"
            );
        }
    }

    #[test]
    fn slurm_counts_from_its_arrays_first_id() {
        assert_eq!(resolve(None, &SLURM).unwrap(), shard(2, 4));
        assert_eq!(resolve(Some("/8"), &SLURM).unwrap(), shard(2, 8));
    }

    #[test]
    fn a_slurm_array_with_a_step_or_a_gap_is_refused() {
        let mut stepped = SLURM;
        stepped[3].1 = "2";
        assert!(resolve(None, &stepped).is_err());
        let mut gap = SLURM;
        gap[0].1 = "14";
        assert!(resolve(None, &gap).is_err());
        assert!(resolve(None, &SLURM[..2]).is_err());
    }

    #[test]
    fn aws_batch_and_kubernetes_are_known() {
        let batch = [
            ("AWS_BATCH_JOB_ARRAY_INDEX", "1"),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "5"),
        ];
        assert_eq!(resolve(None, &batch).unwrap(), shard(1, 5));
        let kubernetes = [("JOB_COMPLETION_INDEX", "3")];
        assert_eq!(resolve(Some("/4"), &kubernetes).unwrap(), shard(3, 4));
        assert!(resolve(Some("/3"), &kubernetes).is_err());
    }

    #[test]
    fn without_the_number_of_parts_it_is_refused_with_a_hint() {
        for variables in [
            [("JOB_COMPLETION_INDEX", "3")],
            [("AWS_BATCH_JOB_ARRAY_INDEX", "1")],
            [("SLURM_ARRAY_TASK_ID", "1")],
        ] {
            let error = resolve(None, &variables).unwrap_err();
            assert!(error.hint_text().unwrap().contains("--shard /N"));
        }
    }

    #[test]
    fn without_flag_and_variables_there_is_no_shard() {
        assert_eq!(resolve(None, &[]).unwrap(), None);
        assert_eq!(resolve(None, &[("SLURM_ARRAY_TASK_ID", "")]).unwrap(), None);
        assert!(resolve(Some("/3"), &[]).is_err());
        assert!(resolve(None, &[("SLURM_ARRAY_TASK_ID", "x")]).is_err());
    }
}
