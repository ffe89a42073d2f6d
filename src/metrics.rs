//! What the process counts, in the words of its `/metrics`. No label holds an id.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::error::{Error, Result};

/// All counters of a process. Made once; shared by `Arc`.
pub struct Metrics {
    registry: Registry,
    handled: Family<Handled, Counter<u64, AtomicU64>>,
    handling: Family<Method, Histogram, Buckets>,
    span_decodes: Family<SpanDecode, Counter<u64, AtomicU64>>,
    fallbacks: Family<Fallback, Counter<u64, AtomicU64>>,
    frames_served: Family<Served, Counter<u64, AtomicU64>>,
    store_requests: Family<StoreRequest, Counter<u64, AtomicU64>>,
    store_durations: Family<Operation, Histogram, Buckets>,
    queue_depth: Family<Queue, Gauge<i64, AtomicI64>>,
    memory_bytes: Family<Memory, Gauge<i64, AtomicI64>>,
    media_processes: Gauge<i64, AtomicI64>,
    media_deaths: Family<Death, Counter<u64, AtomicU64>>,
    queue_reached: Gauge<i64, AtomicI64>,
    orders: Family<Order, Counter<u64, AtomicU64>>,
    connections_slowed: Counter<u64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpanDecode {
    backend: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fallback {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    tier: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreRequest {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Memory {
    of: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Death {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Order {
    outcome: &'static str,
}

/// From a tenth of a millisecond to two minutes.
#[derive(Debug, Clone, Copy)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        const SECONDS: [f64; 13] = [
            0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0,
        ];
        Histogram::new(SECONDS)
    }
}

/// Where a served frame's bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Memory,
    Store,
    /// Decoded for this very answer.
    Source,
}

/// How a span's decoding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanOutcome {
    Ok,
    Failed,
    Cancelled,
}

impl Tier {
    const ALL: [Tier; 3] = [Tier::Memory, Tier::Store, Tier::Source];

    fn name(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Store => "store",
            Tier::Source => "source",
        }
    }
}

impl SpanOutcome {
    const ALL: [SpanOutcome; 3] = [SpanOutcome::Ok, SpanOutcome::Failed, SpanOutcome::Cancelled];

    fn name(self) -> &'static str {
        match self {
            SpanOutcome::Ok => "ok",
            SpanOutcome::Failed => "failed",
            SpanOutcome::Cancelled => "cancelled",
        }
    }
}

/// Those that spans are decoded by.
const BACKENDS: [&str; 2] = ["cpu", "nvdec"];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            handled: Family::default(),
            handling: Family::new_with_constructor(Buckets),
            span_decodes: Family::default(),
            fallbacks: Family::default(),
            frames_served: Family::default(),
            store_requests: Family::default(),
            store_durations: Family::new_with_constructor(Buckets),
            queue_depth: Family::default(),
            memory_bytes: Family::default(),
            media_processes: Gauge::default(),
            media_deaths: Family::default(),
            queue_reached: Gauge::default(),
            orders: Family::default(),
            connections_slowed: Counter::default(),
        };
        metrics.register();
        for tier in Tier::ALL {
            metrics.served(tier);
        }
        for (backend, outcome) in BACKENDS
            .iter()
            .flat_map(|b| SpanOutcome::ALL.map(|o| (b, o)))
        {
            metrics.decoded(backend, outcome);
        }
        metrics
    }

    // A rate needs the zero before the first event: series whose labels are known beforehand are there from the start.

    /// `codes`: by their names in capitals.
    pub fn expect_calls(&self, (service, method): (&str, &str), codes: &[&'static str]) {
        self.duration_of((service, method));
        for code in codes {
            self.ended((service, method), code);
        }
    }

    pub fn expect_fallbacks(&self, reasons: &[&str]) {
        for reason in reasons {
            self.fallback(reason);
        }
    }

    pub fn expect_store_requests(&self, operation: &'static str, outcomes: &[&'static str]) {
        let _ = self
            .store_durations
            .get_or_create_owned(&Operation { operation });
        for outcome in outcomes {
            self.requested(operation, outcome);
        }
    }

    // Counters get their `_total` from the text format.
    fn register(&mut self) {
        let r = &mut self.registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        r.register("framecache_build", "This program", build);
        r.register(
            "grpc_server_handled",
            "Calls that ended",
            self.handled.clone(),
        );
        r.register(
            "grpc_server_handling_seconds",
            "Time until a call ended",
            self.handling.clone(),
        );
        r.register(
            "framecache_span_decodes",
            "Spans decoded",
            self.span_decodes.clone(),
        );
        r.register(
            "framecache_fallbacks",
            "Spans that another way was taken for than chosen",
            self.fallbacks.clone(),
        );
        r.register(
            "framecache_frames_served",
            "Frames answered with their bytes",
            self.frames_served.clone(),
        );
        r.register(
            "framecache_store_requests",
            "Requests to the store",
            self.store_requests.clone(),
        );
        r.register(
            "framecache_store_request_duration_seconds",
            "Time of a request to the store",
            self.store_durations.clone(),
        );
        r.register(
            "framecache_queue_depth",
            "What waits or runs now",
            self.queue_depth.clone(),
        );
        r.register(
            "framecache_memory_bytes",
            "Bytes held now",
            self.memory_bytes.clone(),
        );
        r.register(
            "framecache_media_processes",
            "Processes that decode, now",
            self.media_processes.clone(),
        );
        r.register(
            "framecache_media_process_deaths",
            "Processes that ended while they were needed; what they did was done again",
            self.media_deaths.clone(),
        );
        r.register(
            "framecache_queue_reached",
            "Whether the queue of workers can be reached; 0 without one",
            self.queue_reached.clone(),
        );
        r.register(
            "framecache_orders",
            "Orders that this worker had, by what became of them",
            self.orders.clone(),
        );
        r.register(
            "framecache_connections_slowed",
            "Connections read no faster, as they sent too much that carries nothing",
            self.connections_slowed.clone(),
        );
    }

    /// The whole of it in OpenMetrics' text format.
    ///
    /// # Errors
    /// INTERNAL where it cannot be written.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|e| Error::internal("could not write the metrics").caused_by(e))?;
        Ok(text)
    }

    /// A call that ended; `code` by its name in capitals (`OK`, `NOT_FOUND`).
    pub fn call_ended(&self, (service, method): (&str, &str), code: &'static str, took: Duration) {
        self.duration_of((service, method))
            .observe(took.as_secs_f64());
        self.ended((service, method), code).inc();
    }

    fn duration_of(&self, (service, method): (&str, &str)) -> Histogram {
        self.handling.get_or_create_owned(&Method {
            grpc_service: service.to_owned(),
            grpc_method: method.to_owned(),
        })
    }

    fn ended(
        &self,
        (service, method): (&str, &str),
        code: &'static str,
    ) -> Counter<u64, AtomicU64> {
        self.handled.get_or_create_owned(&Handled {
            grpc_service: service.to_owned(),
            grpc_method: method.to_owned(),
            grpc_code: code,
        })
    }

    pub fn span_decoded(&self, backend: &str, outcome: SpanOutcome) {
        self.decoded(backend, outcome).inc();
    }

    fn decoded(&self, backend: &str, outcome: SpanOutcome) -> Counter<u64, AtomicU64> {
        self.span_decodes.get_or_create_owned(&SpanDecode {
            backend: backend.to_owned(),
            outcome: outcome.name(),
        })
    }

    pub fn fell_back(&self, reason: &str) {
        self.fallback(reason).inc();
    }

    fn fallback(&self, reason: &str) -> Counter<u64, AtomicU64> {
        self.fallbacks.get_or_create_owned(&Fallback {
            reason: reason.to_owned(),
        })
    }

    pub fn frame_served(&self, tier: Tier) {
        self.served(tier).inc();
    }

    fn served(&self, tier: Tier) -> Counter<u64, AtomicU64> {
        let tier = tier.name();
        self.frames_served.get_or_create_owned(&Served { tier })
    }

    /// `outcome`: `ok`, or why not in one word.
    pub fn store_request(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.requested(operation, outcome).inc();
        self.store_durations
            .get_or_create(&Operation { operation })
            .observe(took.as_secs_f64());
    }

    fn requested(&self, operation: &'static str, outcome: &'static str) -> Counter<u64, AtomicU64> {
        self.store_requests
            .get_or_create_owned(&StoreRequest { operation, outcome })
    }

    /// Processes that decode now, to be moved up and down.
    pub fn media_processes(&self) -> &Gauge<i64, AtomicI64> {
        &self.media_processes
    }

    /// 1 where the queue of workers can be reached.
    pub fn queue_reached(&self) -> &Gauge<i64, AtomicI64> {
        &self.queue_reached
    }

    /// What became of an order that a worker had, in a word.
    pub fn order_ended(&self, outcome: &'static str) {
        self.order(outcome).inc();
    }

    fn order(&self, outcome: &'static str) -> Counter<u64, AtomicU64> {
        self.orders.get_or_create_owned(&Order { outcome })
    }

    pub fn expect_orders(&self, outcomes: &[&'static str]) {
        for outcome in outcomes {
            self.order(outcome);
        }
    }

    pub fn connection_slowed(&self) {
        self.connections_slowed.inc();
    }

    pub fn media_process_died(&self, cause: &'static str) {
        self.media_death(cause).inc();
    }

    fn media_death(&self, cause: &'static str) -> Counter<u64, AtomicU64> {
        self.media_deaths.get_or_create_owned(&Death { cause })
    }

    pub fn expect_media_deaths(&self, causes: &[&'static str]) {
        for cause in causes {
            self.media_death(cause);
        }
    }

    /// What waits or runs in a queue now, to be moved up and down.
    pub fn queue(&self, queue: &'static str) -> Gauge<i64, AtomicI64> {
        self.queue_depth.get_or_create_owned(&Queue { queue })
    }

    /// Bytes held now, by whom.
    pub fn memory(&self, of: &'static str) -> Gauge<i64, AtomicI64> {
        self.memory_bytes.get_or_create_owned(&Memory { of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_happened_yet_is_there_at_zero() {
        let metrics = Metrics::new();
        metrics.expect_calls(("s", "M"), &["OK", "INTERNAL"]);
        metrics.expect_fallbacks(&["damage"]);
        metrics.expect_store_requests("get", &["ok", "absent"]);
        let text = metrics.text().unwrap();
        for line in [
            "framecache_frames_served_total{tier=\"source\"} 0",
            "framecache_span_decodes_total{backend=\"nvdec\",outcome=\"failed\"} 0",
            "grpc_server_handled_total{grpc_service=\"s\",grpc_method=\"M\",grpc_code=\"INTERNAL\"} 0",
            "grpc_server_handling_seconds_count{grpc_service=\"s\",grpc_method=\"M\"} 0",
            "framecache_fallbacks_total{reason=\"damage\"} 0",
            "framecache_store_requests_total{operation=\"get\",outcome=\"absent\"} 0",
            "framecache_store_request_duration_seconds_count{operation=\"get\"} 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        metrics.call_ended(("s", "M"), "OK", Duration::ZERO);
        let text = metrics.text().unwrap();
        assert!(text.contains("grpc_code=\"OK\"} 1") && text.contains("grpc_code=\"INTERNAL\"} 0"));
    }

    #[test]
    fn the_text_has_the_names_that_dashboards_were_built_on() {
        let metrics = Metrics::new();
        metrics.call_ended(
            ("framecache.v1.FrameService", "GetFrames"),
            "OK",
            Duration::from_millis(2),
        );
        metrics.span_decoded("cpu", SpanOutcome::Ok);
        metrics.fell_back("damage");
        metrics.frame_served(Tier::Memory);
        metrics.store_request("get", "ok", Duration::from_millis(1));
        metrics.queue("spans").set(3);
        metrics.memory("frames").set(5);
        let text = metrics.text().unwrap();
        for line in [
            "grpc_server_handled_total{grpc_service=\"framecache.v1.FrameService\",grpc_method=\"GetFrames\",grpc_code=\"OK\"} 1",
            "grpc_server_handling_seconds_count{",
            "framecache_span_decodes_total{backend=\"cpu\",outcome=\"ok\"} 1",
            "framecache_fallbacks_total{reason=\"damage\"} 1",
            "framecache_frames_served_total{tier=\"memory\"} 1",
            "framecache_store_requests_total{operation=\"get\",outcome=\"ok\"} 1",
            "framecache_store_request_duration_seconds_bucket{",
            "framecache_queue_depth{queue=\"spans\"} 3",
            "framecache_memory_bytes{of=\"frames\"} 5",
            "framecache_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
