//! Which sources may be opened.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::aws::Endpoint;
use crate::error::{Error, Reason, Result};
use crate::source::s3::Remote;

/// What may be opened, and where S3 is for it. Cheap to clone; clones share one S3 client and what it read last.
#[derive(Clone)]
pub struct SourcePolicy {
    /// None: any file that the user can read.
    roots: Option<Arc<[Root]>>,
    /// None: any bucket that the credentials open.
    buckets: Option<Arc<[String]>>,
    remote: Arc<Remote>,
}

/// A folder as named, and as the file system knows it.
struct Root {
    named: PathBuf,
    real: PathBuf,
}

impl SourcePolicy {
    /// Whatever its user can read: the command line's.
    pub fn anything(endpoint: Endpoint) -> SourcePolicy {
        SourcePolicy {
            roots: None,
            buckets: None,
            remote: Arc::new(Remote::new(endpoint)),
        }
    }

    /// Files below these folders and objects of these buckets: a server's.
    ///
    /// # Errors
    /// FIELD_INVALID for a root that is no folder.
    pub fn only(roots: &[PathBuf], buckets: &[String], endpoint: Endpoint) -> Result<SourcePolicy> {
        let roots: Result<Vec<Root>> = roots.iter().map(|root| Root::new(root)).collect();
        Ok(SourcePolicy {
            roots: Some(roots?.into()),
            buckets: Some(buckets.into()),
            remote: Arc::new(Remote::new(endpoint)),
        })
    }

    #[cfg(all(test, feature = "s3"))]
    pub(super) fn with_aws(mut self, aws: crate::aws::Lazy) -> SourcePolicy {
        self.remote = Arc::new(Remote::over(aws));
        self
    }

    pub(super) fn remote(&self) -> Arc<Remote> {
        Arc::clone(&self.remote)
    }

    pub(super) fn check_bucket(&self, bucket: &str) -> Result<()> {
        match &self.buckets {
            Some(allowed) if !allowed.iter().any(|name| name == bucket) => Err(Error::new(
                Reason::SourceDenied,
                format!("sources of this bucket are not allowed here: bucket={bucket}"),
            )
            .hint("start the server with --source-bucket and its name")),
            _ => Ok(()),
        }
    }

    /// Before anything is touched, so that a refusal does not tell what exists outside.
    pub(super) fn check_named(&self, path: &Path) -> Result<()> {
        let Some(roots) = &self.roots else {
            return Ok(());
        };
        let path = normal(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        let within = |root: &Root| path.starts_with(&root.named) || path.starts_with(&root.real);
        match roots.iter().any(within) {
            true => Ok(()),
            false => Err(denied()),
        }
    }

    /// Of the file that was opened, links and all resolved by the kernel.
    pub(super) fn check_real(&self, real: &Path) -> Result<()> {
        match &self.roots {
            Some(roots) if !roots.iter().any(|root| real.starts_with(&root.real)) => Err(denied()),
            _ => Ok(()),
        }
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.roots.is_some()
    }
}

impl Root {
    fn new(root: &Path) -> Result<Root> {
        let refused = |e: std::io::Error| {
            Error::field(format!(
                "a source root cannot be opened: root={}",
                root.display()
            ))
            .caused_by(e)
        };
        let real = root.canonicalize().map_err(refused)?;
        let named = normal(&std::path::absolute(root).map_err(refused)?);
        Ok(Root { named, real })
    }
}

fn denied() -> Error {
    Error::new(
        Reason::SourceDenied,
        "this file is outside the folders that sources may come from",
    )
    .hint("move it below one of the folders that the server was started with as --source-root, or name its folder so, too")
}

/// Without `.` and `..`, by spelling alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
