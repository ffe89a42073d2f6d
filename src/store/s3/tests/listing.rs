//! Listings: pages, and services that page otherwise.

use super::{S3Store, scripted};
use crate::aws::fake::{Reply, Request};
use crate::error::{Reason, Result};
use crate::store::{ListRequest, Store};

/// A page of a listing; cut short where `more` says what the service adds to that.
pub(super) fn rows(keys: &[&str], more: Option<&str>) -> String {
    let row = |key: &&str| match key.ends_with('/') {
        true => format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"),
        false => format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"),
    };
    let rows: String = keys.iter().map(row).collect();
    let (truncated, more) = (more.is_some(), more.unwrap_or_default());
    format!(
        "<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{rows}</ListBucketResult>"
    )
}

fn token(token: &str) -> String {
    format!("<NextContinuationToken>{token}</NextContinuationToken>")
}

/// Keys and common prefixes of all pages.
async fn listed(store: &S3Store) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut place = None;
    loop {
        let request = ListRequest {
            delimited: true,
            token: place,
            ..Default::default()
        };
        let page = store.list(request).await?;
        all.extend(page.entries.into_iter().map(|entry| entry.key));
        all.extend(page.prefixes);
        assert!(all.len() < 100, "the listing does not end");
        place = page.next;
        if place.is_none() {
            return Ok(all);
        }
    }
}

#[tokio::test]
async fn a_listing_cut_short_without_a_token_goes_on_behind_its_last_row() {
    let (fake, store) = scripted(|request| match request.number {
        0 => Reply::new(200, rows(&["pre/fix/a", "pre/fix/b"], Some(""))),
        1 => Reply::new(200, rows(&["pre/fix/c/"], Some(""))),
        _ => Reply::new(200, rows(&["pre/fix/d"], None)),
    })
    .await;
    assert_eq!(listed(&store).await.unwrap(), ["a", "b", "c/", "d"]);
    let targets: Vec<String> = fake.requests().into_iter().map(|r| r.target).collect();
    assert!(
        targets[1].ends_with("start-after=pre%2Ffix%2Fb"),
        "{}",
        targets[1]
    );
    // Behind all that the common prefix stands for.
    let behind = "start-after=pre%2Ffix%2Fc%2F%F4%8F%BF%BF";
    assert!(targets[2].contains(behind), "{}", targets[2]);
}

#[tokio::test]
async fn a_listing_that_does_not_advance_is_an_error_and_no_end_and_no_loop() {
    let services: [fn(&Request) -> String; 4] = [
        |_| rows(&["pre/fix/a", "pre/fix/b"], Some("")),
        |_| rows(&["pre/fix/a"], Some(&token("same"))),
        |request| {
            let key = ["pre/fix/a", "pre/fix/b"][request.number % 2];
            rows(&[key], Some(&token(key)))
        },
        |_| rows(&[], Some(&token("same"))),
    ];
    for (number, service) in services.into_iter().enumerate() {
        let (fake, store) = scripted(move |request| Reply::new(200, service(request))).await;
        let error = listed(&store).await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreUnavailable, "{number}");
        let hint = error.hint_text().unwrap();
        assert!(
            hint.contains("listing") && hint.contains("use one"),
            "{hint}"
        );
        assert!(fake.requests().len() <= 3, "{number}");
    }
}

#[tokio::test]
async fn empty_pages_whose_tokens_advance_are_followed() {
    let (_fake, store) = scripted(|request| match request.number {
        n @ 0..3 => Reply::new(200, rows(&[], Some(&token(&n.to_string())))),
        _ => Reply::new(200, rows(&["pre/fix/a"], None)),
    })
    .await;
    assert_eq!(listed(&store).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn the_order_of_services_that_keep_folders_counts_as_advancing() {
    let (_fake, store) = scripted(|request| match request.number {
        0 => Reply::new(200, rows(&["pre/fix/a/9"], Some(&token("1")))),
        _ => Reply::new(200, rows(&["pre/fix/a-b/1"], None)),
    })
    .await;
    assert_eq!(listed(&store).await.unwrap(), ["a/9", "a-b/1"]);
}
