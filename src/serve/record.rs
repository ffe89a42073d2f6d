//! What is kept of a call once it ended: a line in the log, and its metrics.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::Code;

use crate::metrics::Metrics;
use crate::serve::methods::{Kind, Method};
use crate::serve::refusal;

/// Of one call. Written when it is dropped, so that no call ends unseen.
pub struct Record {
    pub metrics: Arc<Metrics>,
    pub method: Arc<Method>,
    pub request_id: String,
    pub trace_id: Option<String>,
    pub started: Instant,
    pub deadline: Option<Instant>,
    /// None: nobody waited for the end.
    pub code: Option<Code>,
}

impl Record {
    /// How a call ended that was dropped: by the client, by its clock, or by a method that panicked.
    fn unsaid(&self) -> Code {
        match self.deadline {
            _ if std::thread::panicking() => Code::Internal,
            Some(deadline) if Instant::now() >= deadline => Code::DeadlineExceeded,
            _ => Code::Cancelled,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let code = refusal::name(self.code.unwrap_or_else(|| self.unsaid()));
        let took = self.started.elapsed();
        let Method {
            service,
            name,
            kind,
            ..
        } = &*self.method;
        self.metrics.call_ended((service, name), code, took);
        let (method, seconds) = (format!("{service}/{name}"), took.as_secs_f64());
        let (request_id, trace_id) = (self.request_id.as_str(), self.trace_id.as_deref());
        // Without the span, whose fields it has itself.
        match kind {
            Kind::Health => tracing::debug!(
                parent: None, method, code, seconds, request_id, trace_id, "call ended"
            ),
            _ => tracing::info!(
                parent: None, method, code, seconds, request_id, trace_id, "call ended"
            ),
        }
    }
}
