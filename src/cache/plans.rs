//! Plans in the store: read, claimed create-only, appended to, replaced.
//!
//! A claim is always read back and compared: create-only is not atomic on
//! every S3 server, so whoever wrote last is who won, and the others work by
//! what they read.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::objects;
use crate::cache::planned::Planned;
use crate::cache::sealed::{self, Unreadable, Versioned};
use crate::error::{Error, Reason, Result};
use crate::hex::new_id;
use crate::store::{Condition, Object};
use crate::timeline::compare::{Relation, appended, extends};
use crate::timeline::plan::{FrameLayout, Kind, PACKED_SCHEMA, Plan};

/// Races that one claim survives; each round trip lost means that somebody
/// else's plan was written meanwhile.
const MAX_CLAIM_ROUNDS: usize = 8;

impl Versioned for Plan {
    const KNOWN: u32 = PACKED_SCHEMA;
}

/// What becomes of overlays when a profile is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayPolicy {
    Keep,
    Delete,
}

/// Leave to put another plan in the place of what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replace {
    /// Must be said where the profile has overlays.
    pub overlays: Option<OverlayPolicy>,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing was there.
    Created,
    /// The stored plan is the one asked for.
    Unchanged,
    /// The stored plan has these chunks and more; it stays as it is.
    Covered,
    /// Chunks were added behind the stored ones.
    Appended,
    /// Another plan, a legacy cache or a damaged plan made way. Call
    /// `sweep_stale` when the new plan's spans are committed.
    Replaced,
}

/// The plan to work by.
#[derive(Debug, Clone)]
pub struct Claim {
    pub plan: Arc<Planned>,
    pub claimed: Claimed,
}

/// What a claim may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    /// Frames without a plan, which were given records before, or are the plan's own.
    Legacy,
    Anything,
}

/// The plan that was read last, so that reading it again before each commit
/// costs a comparison of bytes and not the digests of 20,000 rows.
#[derive(Default)]
pub(super) struct PlanMemo(Mutex<Option<(Bytes, Arc<Planned>)>>);

impl PlanMemo {
    fn of(&self, data: &Bytes) -> Option<Arc<Planned>> {
        let memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, planned) = memo.as_ref()?;
        (known == data).then(|| planned.clone())
    }

    fn last(&self) -> Option<Arc<Planned>> {
        let memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memo.as_ref().map(|(_, planned)| planned.clone())
    }

    fn keep(&self, data: &Bytes, planned: &Arc<Planned>) {
        let mut memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *memo = Some((data.clone(), planned.clone()));
    }
}

/// What lies at a plan's key.
pub(super) enum Stored {
    Absent,
    Plan(Arc<Planned>, Object),
    Damaged(Object),
}

/// A plan to be written, and when it may be.
struct Step {
    plan: Plan,
    when: Condition,
    claimed: Claimed,
}

impl Step {
    /// `plan` is written with a new nonce.
    fn anew(plan: &Plan, over: &Object, claimed: Claimed) -> Self {
        Step {
            plan: with_nonce(plan, Some(new_id())),
            when: over.unchanged(),
            claimed,
        }
    }

    /// The same rows, found by newer rules: what is committed stays committed, and chunks tell what those found.
    fn read_anew(stored: &Planned, asked: &Plan, over: &Object) -> Self {
        let mut plan = with_nonce(stored.plan(), stored.nonce().map(str::to_owned));
        plan.reading = asked.reading;
        for (known, read) in plan.chunks.iter_mut().zip(&asked.chunks) {
            (known.unshown, known.clock) = (read.unshown, read.clock.clone());
        }
        Step {
            plan,
            when: over.unchanged(),
            claimed: Claimed::Unchanged,
        }
    }

    /// What is committed stays committed.
    fn append(stored: &Planned, asked: &Plan, over: &Object) -> Self {
        let plan = appended(stored.plan(), asked);
        Step {
            plan: with_nonce(&plan, stored.nonce().map(str::to_owned)),
            when: over.unchanged(),
            claimed: Claimed::Appended,
        }
    }
}

/// Whether the stored plan's sources were indexed by rules that are no older.
fn is_read_alike(stored: &Planned, asked: &Plan) -> bool {
    stored.plan().reading >= asked.reading
}

fn with_nonce(plan: &Plan, nonce: Option<String>) -> Plan {
    Plan {
        nonce,
        ..plan.clone()
    }
}

impl Profile {
    /// The profile's plan; none where there is none (absent or legacy).
    ///
    /// # Errors
    /// OBJECT_CORRUPT for a damaged plan, PLAN_DIFFERS for one of a newer
    /// schema, and the store's own.
    pub async fn load_plan(&self) -> Result<Option<Arc<Planned>>> {
        match self.stored_plan().await? {
            Stored::Absent => Ok(None),
            Stored::Plan(planned, _) => Ok(Some(planned)),
            Stored::Damaged(_) => Err(self.damaged_plan()),
        }
    }

    /// The plan as this handle read it last: a span that begins now began under it.
    pub fn plan_read_last(&self) -> Option<Arc<Planned>> {
        self.memo.last()
    }

    /// Makes `asked` the profile's plan, or finds that it is, or says why it cannot be.
    ///
    /// # Errors
    /// PLAN_DIFFERS and SOURCE_CHANGED, saying what differs, unless `replace`;
    /// FIELD_INVALID where `replace` must say what becomes of overlays.
    pub async fn claim_plan(&self, asked: &Plan, replace: Option<Replace>) -> Result<Claim> {
        let Some(replace) = replace else {
            let claim = self.claim_over(asked, Over::Nothing).await?;
            if claim.claimed != Claimed::Unchanged {
                self.memory.forget(self);
            }
            return Ok(claim);
        };
        let overlays_go = self.overlays_go(replace).await?;
        let claim = self.claim_over(asked, Over::Anything).await?;
        // Only now: whoever dies before leaves the old plan with its overlays.
        if overlays_go {
            objects::delete_below(&*self.store, &self.keys.overlays_prefix(), false).await?;
        }
        self.memory.forget(self);
        Ok(claim)
    }

    /// The same over frames without a plan that are the very bytes that `asked` gives.
    ///
    /// # Errors
    /// Those of `claim_plan`.
    pub async fn claim_plan_over_own(&self, asked: &Plan) -> Result<Claim> {
        let claim = self.claim_over(asked, Over::Legacy).await?;
        self.memory.forget(self);
        Ok(claim)
    }

    /// Writes the plan with a new nonce, where there is one: spans that began before are started
    /// again. To be called once the frames are gone that they may have put.
    pub(super) async fn renew(&self) -> Result<()> {
        let mut first = None;
        for _ in 0..MAX_CLAIM_ROUNDS {
            let Stored::Plan(stored, old) = self.stored_plan().await? else {
                return Ok(());
            };
            let nonce = stored.nonce().map(str::to_owned);
            if *first.get_or_insert_with(|| nonce.clone()) != nonce {
                return Ok(());
            }
            let step = Step::anew(stored.plan(), &old, Claimed::Unchanged);
            self.write(&step).await?;
        }
        Err(self.always_changed())
    }

    /// The plan, by which frames lie so from now on: what began before is started again.
    ///
    /// # Errors
    /// PLAN_DIFFERS for a profile that was not extracted; those of `load_plan`.
    pub(super) async fn lay_out(&self, layout: FrameLayout) -> Result<Arc<Planned>> {
        for _ in 0..MAX_CLAIM_ROUNDS {
            let (stored, old) = match self.stored_plan().await? {
                Stored::Plan(stored, old) if !stored.is_put() => (stored, old),
                Stored::Damaged(_) => return Err(self.damaged_plan()),
                Stored::Plan(..) | Stored::Absent => return Err(self.not_extracted()),
            };
            if stored.plan().layout == layout {
                return Ok(stored);
            }
            let plan = stored.plan().clone().laid_out(layout);
            self.write(&Step::anew(&plan, &old, Claimed::Unchanged))
                .await?;
        }
        Err(self.always_changed())
    }

    async fn write(&self, step: &Step) -> Result<()> {
        let data = sealed::seal(&step.plan, None)?;
        objects::put_json(&*self.store, &self.keys.plan(), data, step.when.clone()).await?;
        Ok(())
    }

    /// Claims in rounds, until what is read back is a plan to work by.
    pub(super) async fn claim_over(&self, asked: &Plan, over: Over) -> Result<Claim> {
        for _ in 0..MAX_CLAIM_ROUNDS {
            if let Some(claim) = self.try_claim(asked, over).await? {
                return Ok(claim);
            }
        }
        Err(self.always_changed())
    }

    pub(super) async fn stored_plan(&self) -> Result<Stored> {
        let Some(object) = self.store.get(&self.keys.plan()).await? else {
            return Ok(Stored::Absent);
        };
        if let Some(planned) = self.memo.of(&object.data) {
            return Ok(Stored::Plan(planned, object));
        }
        match sealed::open::<Plan>(&object.data) {
            Ok(opened) if is_malformed(&opened.value) => Ok(Stored::Damaged(object)),
            Ok(opened) => {
                let planned = Arc::new(Planned::new(opened.value)?);
                self.memo.keep(&object.data, &planned);
                Ok(Stored::Plan(planned, object))
            }
            Err(Unreadable::Damaged) if is_page(&object.data) => Err(self.foreign_plan()),
            Err(Unreadable::Damaged) => Ok(Stored::Damaged(object)),
            Err(Unreadable::Newer(newer)) => {
                let what = format!("plan.json of {}", self.keys.facts());
                Err(newer.refusal(&what))
            }
        }
    }

    /// Whether frames lie here that no plan tells of. Only `default` can be legacy.
    pub(crate) async fn is_legacy(&self) -> Result<bool> {
        if !self.keys.is_default() {
            return Ok(false);
        }
        let frames = objects::any(&*self.store, &self.keys.frames_prefix()).await?;
        // A claim between the two reads puts its plan before any frame.
        Ok(frames && matches!(self.stored_plan().await?, Stored::Absent))
    }

    /// One round: none where somebody else's plan came between.
    async fn try_claim(&self, asked: &Plan, over: Over) -> Result<Option<Claim>> {
        let step = match self.stored_plan().await? {
            Stored::Absent => self.create(asked, over).await?,
            Stored::Damaged(old) if over == Over::Anything => {
                Step::anew(asked, &old, Claimed::Replaced)
            }
            Stored::Damaged(_) => return Err(self.damaged_plan()),
            Stored::Plan(stored, old) => {
                let relation = extends(stored.plan(), asked);
                match (relation, over == Over::Anything) {
                    (Relation::Appends { .. }, false) => Step::append(&stored, asked, &old),
                    (relation, true) => replacing(relation, &stored, (asked, &old)),
                    (Relation::Same, false) if is_read_alike(&stored, asked) => {
                        return Ok(Some(claim(stored, Claimed::Unchanged)));
                    }
                    (Relation::Same, false) => Step::read_anew(&stored, asked, &old),
                    (Relation::IsPrefix, false) => {
                        return Ok(Some(claim(stored, Claimed::Covered)));
                    }
                    (Relation::Differs(what), false) => return Err(self.plan_differs(&what)),
                    (Relation::SourceChanged { chunk_id }, false) => {
                        return Err(self.source_changed(&chunk_id));
                    }
                }
            }
        };
        // What became of the condition is read back: a put that was answered
        // by a reset may have happened all the same.
        self.write(&step).await?;
        self.confirm(asked, step.claimed).await
    }

    async fn create(&self, asked: &Plan, over: Over) -> Result<Step> {
        let legacy = self.is_legacy().await?;
        if legacy && over == Over::Nothing {
            return Err(self.refuse_legacy());
        }
        Ok(Step {
            plan: with_nonce(asked, Some(new_id())),
            when: Condition::IfAbsent,
            claimed: if legacy && over == Over::Anything {
                Claimed::Replaced
            } else {
                Claimed::Created
            },
        })
    }

    /// Reads the plan back: the claim, if it is one to work by.
    async fn confirm(&self, asked: &Plan, claimed: Claimed) -> Result<Option<Claim>> {
        let Stored::Plan(stored, _) = self.stored_plan().await? else {
            return Ok(None);
        };
        Ok(match extends(stored.plan(), asked) {
            Relation::Same | Relation::IsPrefix => Some(self::claim(stored, claimed)),
            _ => None,
        })
    }

    /// Whether a replacement takes overlays with it, as was said.
    async fn overlays_go(&self, replace: Replace) -> Result<bool> {
        let prefix = self.keys.overlays_prefix();
        if replace.overlays == Some(OverlayPolicy::Keep)
            || !objects::any(&*self.store, &prefix).await?
        {
            return Ok(false);
        }
        if replace.overlays.is_none() {
            let what = "the profile has overlays, and the request to replace it does not say what becomes of them";
            return Err(self
                .keys
                .error(Reason::FieldInvalid, what)
                .hint("say whether overlays are to be kept or deleted")
                .in_field("replace.overlays"));
        }
        Ok(true)
    }

    fn always_changed(&self) -> Error {
        let what = "the plan was changed by others at each attempt to write it";
        self.keys
            .error(Reason::StoreUnavailable, what)
            .hint("try again")
    }

    fn not_extracted(&self) -> Error {
        let what = "only frames that were extracted can lie packed, and these were not";
        self.keys
            .error(Reason::PlanDiffers, what)
            .hint("leave them as they are, an object each")
    }

    fn refuse_legacy(&self) -> Error {
        let what = "frames are there that were written without a plan";
        self.keys
            .error(Reason::PlanDiffers, what)
            .hint("replace them, use another profile, or clear them first")
    }

    fn plan_differs(&self, what: &[String]) -> Error {
        let message = format!("another plan is there already ({})", what.join("; "));
        self.keys
            .error(Reason::PlanDiffers, &message)
            .hint("replace it, or use another profile")
    }

    fn source_changed(&self, chunk_id: &str) -> Error {
        let what = "a source is not the one that was planned";
        let message = format!("{what}: {} chunk_id={chunk_id}", self.keys.facts());
        Error::new(Reason::SourceChanged, message)
            .hint("replace the plan, or bring the old source back")
    }

    /// To replace it would not bring back what lies behind it.
    fn foreign_plan(&self) -> Error {
        let what = "the store gave a web page or XML in place of plan.json";
        self.keys
            .error(Reason::StoreUnavailable, what)
            .hint("see what answers for the store (a login page, a proxy?); if the object itself holds this, delete it")
    }

    pub(super) fn damaged_plan(&self) -> Error {
        let what = "plan.json is damaged";
        self.keys
            .error(Reason::ObjectCorrupt, what)
            .hint("extract again with replace")
    }
}

fn claim(plan: Arc<Planned>, claimed: Claimed) -> Claim {
    Claim { plan, claimed }
}

/// What is no damaged plan: no damage makes all of `{"seal"` into this.
fn is_page(data: &[u8]) -> bool {
    data.trim_ascii_start().starts_with(b"<")
}

/// The plan that a replacement writes: spans that are under way under the old one are started again
/// even where nothing else differs.
fn replacing(relation: Relation, stored: &Planned, (asked, old): (&Plan, &Object)) -> Step {
    match relation {
        Relation::Same => Step::anew(stored.plan(), old, Claimed::Unchanged),
        Relation::IsPrefix => Step::anew(stored.plan(), old, Claimed::Covered),
        Relation::Appends { .. } => {
            Step::anew(&appended(stored.plan(), asked), old, Claimed::Appended)
        }
        Relation::Differs(_) | Relation::SourceChanged { .. } => {
            Step::anew(asked, old, Claimed::Replaced)
        }
    }
}

/// What no release writes: a plan to extract by that says not how.
fn is_malformed(plan: &Plan) -> bool {
    plan.kind == Kind::Extract && plan.parameters.is_none()
}
