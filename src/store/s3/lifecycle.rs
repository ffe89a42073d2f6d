//! Rules by which a bucket deletes objects of itself.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};

use super::{S3Store, error};
use crate::aws::{Failure, Kind, answered, retry};
use crate::error::Result;
use crate::store::Expiry;

impl S3Store {
    /// Those that objects without tags may fall under, with keys as the bucket has them.
    pub(super) async fn expiries(&self) -> Result<Vec<Expiry>> {
        let rules = retry(&self.aws, || self.rules_once())
            .await
            .map_err(|failure| {
                let attempt = format!("could not read the lifecycle rules: bucket={}", self.bucket);
                error(failure, attempt)
            })?;
        Ok(rules.into_iter().filter_map(expiry_of).collect())
    }

    async fn rules_once(&self) -> Result<Vec<LifecycleRule>, Failure> {
        let client = self.aws.client().await?;
        let call = client.get_bucket_lifecycle_configuration();
        let call = call.bucket(&self.bucket);
        match answered(self.aws.endpoint().stall, call.send()).await {
            Ok(answer) => Ok(answer.rules.unwrap_or_default()),
            // There are none (NoSuchLifecycleConfiguration), or the service knows none.
            Err(failure) if matches!(failure.kind, Kind::NoKey | Kind::NotImplemented) => {
                Ok(Vec::new())
            }
            Err(failure) => Err(failure),
        }
    }
}

/// None for a rule that is off, deletes no object as it is, or is for objects with a tag.
fn expiry_of(rule: LifecycleRule) -> Option<Expiry> {
    let expiration = rule
        .expiration
        .filter(|_| rule.status == ExpirationStatus::Enabled)?;
    let after = match (expiration.days, expiration.date) {
        (Some(days), _) => format!("after {days} days"),
        (None, Some(date)) => format!("from {} s after 1970 on", date.secs()),
        (None, None) => return None,
    };
    let filter = rule.filter;
    let both = filter.as_ref().and_then(|filter| filter.and.as_ref());
    let of_tag = filter.as_ref().is_some_and(|filter| filter.tag.is_some());
    if of_tag || both.is_some_and(|both| both.tags.as_ref().is_some_and(|tags| !tags.is_empty())) {
        return None;
    }
    let within = both.and_then(|both| both.prefix.clone());
    let filtered = filter.and_then(|filter| filter.prefix);
    // The first kind of rules had their prefix beside the filter.
    #[allow(deprecated)]
    let prefix = within.or(filtered).or(rule.prefix);
    Some(Expiry {
        rule: rule.id.unwrap_or_default(),
        prefix: prefix.unwrap_or_default(),
        after,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter, Tag,
    };

    use super::*;

    fn rule(status: ExpirationStatus, filter: LifecycleRuleFilter) -> LifecycleRule {
        let expiration = LifecycleExpiration::builder().days(7).build();
        let rule = LifecycleRule::builder().id("old").expiration(expiration);
        rule.status(status).filter(filter).build().unwrap()
    }

    #[test]
    fn rules_that_are_on_and_ask_for_no_tag_are_told_with_their_prefix() {
        let filter = LifecycleRuleFilter::builder;
        let tag = || Tag::builder().key("a").value("b").build().unwrap();
        let both = LifecycleRuleAndOperator::builder;
        let on = ExpirationStatus::Enabled;
        let of = |filter| expiry_of(rule(on.clone(), filter)).map(|e| e.prefix);
        assert_eq!(of(filter().build()), Some(String::new()));
        assert_eq!(of(filter().prefix("a/").build()), Some("a/".to_owned()));
        let sized = both().prefix("b/").object_size_greater_than(1).build();
        assert_eq!(of(filter().and(sized).build()), Some("b/".to_owned()));
        assert_eq!(of(filter().tag(tag()).build()), None);
        assert_eq!(of(filter().and(both().tags(tag()).build()).build()), None);
        let off = rule(ExpirationStatus::Disabled, filter().build());
        assert_eq!(expiry_of(off), None);
    }
}
